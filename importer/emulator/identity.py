"""Who a write is about: identifier normalisation, and which stored profile it resolves to.

Pure. The rules are the service's, as far as it documents them: matching goes by normalised value, in the
order of the store's matching rules; a profile that shares a value of a unique identifier type is a match,
one that shares values of other types only is a match from two values on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import phonenumbers

from importer.emulator.settings import Clash

MAX_IDENTIFIER_CHARS = 255
_CALLING_CODES = frozenset(str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_PHONE_PUNCTUATION = re.compile(r"[ \t().\-/]")
_US_DIGITS = 10


class Identifier(NamedTuple):
    """One normalised identifier value; `unique` is its type's `enforceUnique`."""

    id_type: str
    value: str
    unique: bool = True


@dataclass(frozen=True, slots=True)
class Resolution:
    """What becomes of one write.

    Attributes:
        target: Profile number that takes the write; None for a new profile.
        absorbed: Profiles that are merged into the target.
        withheld: Identifiers that belong to another profile and stay there.
    """

    target: int | None
    absorbed: tuple[int, ...] = ()
    withheld: tuple[Identifier, ...] = ()


NEW_PROFILE = Resolution(None)
Held = Sequence[tuple[Identifier, Sequence[int]]]


def normalise_phone(text: str) -> str | None:
    """Return E.164 as the service reads it, or None where there is no phone number.

    Ten digits are a US number, with or without +1; a country code is recognised with or without +. A national
    number of any other country is therefore misread as a US number: callers must send E.164.
    """
    if _E164.fullmatch(text):
        return text
    bare = _PHONE_PUNCTUATION.sub("", text)
    international = bare.startswith("+")
    digits = bare.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return None
    if not international and not _has_calling_code(digits):
        digits = "1" + digits
    number = "+" + digits
    return number if _E164.fullmatch(number) else None


def _has_calling_code(digits: str) -> bool:
    return len(digits) > _US_DIGITS and any(digits[:length] in _CALLING_CODES for length in (1, 2, 3))


def normalise_email(text: str) -> str | None:
    """Return the address in lower case without spaces, or None where nothing is left."""
    return "".join(text.split()).lower() or None


def _trim(text: str) -> str | None:
    return text.strip() or None


def _keep(text: str) -> str | None:
    return text or None


NORMALISERS: dict[str, Callable[[str], str | None]] = {
    "phone": normalise_phone,
    "email": normalise_email,
    "trim": _trim,
    "none": _keep,
}


def normalise(normalization: str, text: str) -> str | None:
    """Return the value an identifier is stored and matched by, or None where it has none."""
    value = NORMALISERS[normalization](text)
    return None if value is None or len(value) > MAX_IDENTIFIER_CHARS else value


def find_matches(held: Held) -> list[int]:
    """Return the profiles a write matches, the match of highest priority first.

    Args:
        held: Identifiers in order of the matching rules, each with the profiles that hold it.
    """
    hits: dict[int, int] = {}
    strong: set[int] = set()
    for identifier, profiles in held:
        for profile in profiles:
            hits[profile] = hits.get(profile, 0) + 1
            if identifier.unique:
                strong.add(profile)
    return [profile for profile, count in hits.items() if profile in strong or count >= 2]


def resolve(held: Held, clash: Clash, addressed: int | None = None) -> Resolution:
    """Decide which profile takes a write, which ones merge into it, and which identifiers stay where they are.

    Args:
        held: Identifiers in order of the matching rules, each with the profiles that hold it.
        clash: The reading of several matches.
        addressed: The profile a write names by ID; it takes part as the first match.
    """
    matches = find_matches(held)
    if addressed is not None:
        matches = [addressed, *(profile for profile in matches if profile != addressed)]
    if not matches:
        return NEW_PROFILE
    if len(matches) == 1:
        return Resolution(matches[0])
    if clash is Clash.MERGE:
        target, *absorbed = sorted(matches)
        return Resolution(target, tuple(absorbed))
    target = matches[0]
    foreign = (i for i, profiles in held if i.unique and any(profile != target for profile in profiles))
    return Resolution(target, withheld=tuple(foreign))
