"""Type-prefixed IDs: a prefix and 26 characters of base 32, ordered as the numbers behind them."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
DIGITS = 26
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_SEQUENCE_BITS = 40
# The first character must be 0..7: 26 characters hold 130 bits, an ID has 128.
_PROFILE_BASE = 1 << 120

PROFILE_PREFIX = "mem_profile_"
IMPORT_PREFIX = "mem_import_"
OPERATION_PREFIX = "mem_operation_"


def encode(prefix: str, number: int) -> str:
    """Return the ID of a number below 2**128."""
    characters = []
    for _ in range(DIGITS):
        number, digit = divmod(number, 32)
        characters.append(ALPHABET[digit])
    return prefix + "".join(reversed(characters))


def profile_id(number: int) -> str:
    """Return the ID of the n-th profile of the store; later profiles have greater IDs."""
    return encode(PROFILE_PREFIX, _PROFILE_BASE + number)


def profile_number(text: str) -> int | None:
    """Return the number behind a profile ID, or None where this store never gave that ID."""
    value = 0
    for character in text.removeprefix(PROFILE_PREFIX):
        digit = _VALUES.get(character)
        if digit is None:
            return None
        value = value * 32 + digit
    number = value - _PROFILE_BASE
    return number if 0 < number < 1 << _SEQUENCE_BITS else None


def new_id(prefix: str) -> str:
    """Return a fresh ID that no other database will give."""
    return encode(prefix, secrets.randbits(127))
