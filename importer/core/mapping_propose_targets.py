"""Columns -> usual names of traits, for a proposal that knows no store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from importer.core.inspect import ColumnProfile, Guess, Meaning
from importer.core.inspect_words import header_words, plain
from importer.core.limits import NAME_MAX_CHARS, TRAITS_PER_GROUP_MAX
from importer.core.mapping_propose_candidates import Candidate, is_said, readings_of, type_of
from importer.core.mapping_traits import default_normalization

_CONTACT: Final = {
    Meaning.EMAIL: "email",
    Meaning.PHONE: "phone",
    Meaning.FIRST_NAME: "firstName",
    Meaning.LAST_NAME: "lastName",
    Meaning.FULL_NAME: "fullName",
    Meaning.COUNTRY: "country",
    Meaning.REGION: "state",
    Meaning.CITY: "city",
    Meaning.POSTAL_CODE: "postalCode",
    Meaning.STREET: "street",
    Meaning.LANGUAGE: "language",
}
_ID_TYPES: Final = {"Contact.email": "email", "Contact.phone": "phone"}
PERSONAL: Final = 0.5
"""Score from which a column is offered as a person's own data: five digits alone are no postal code."""

_BIRTH: Final = frozenset(
    {"birth", "birthday", "birthdate", "dob", "geburtsdatum", "geburtstag", "naissance", "nacimiento", "born"}
)
_NAME_CHARS: Final = NAME_MAX_CHARS - 8
"""Longest name made from a header; a number may follow it."""


class UsualTargets:
    """Names traits: people's own data in Contact, everything else in Account, by its header."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def candidates(self, column: ColumnProfile) -> Iterator[Candidate]:
        """Yield what a column may become, best first; each reading that leads to another trait or type once."""
        generic = ""
        seen: set[tuple[str, str]] = set()
        for guess in readings_of(column):
            ref = _contact_ref(column, guess)
            if ref is None or guess.score < PERSONAL:
                generic = ref = generic or self._own_ref(column)
            kind = type_of(guess.meaning)
            if (ref, kind) in seen:
                continue
            seen.add((ref, kind))
            id_type = _ID_TYPES.get(ref)
            yield Candidate(
                ref=ref,
                score=guess.score,
                reason=guess.evidence,
                guess=guess,
                data_type=kind,
                id_type=id_type,
                normalization=default_normalization(id_type) if id_type is not None else None,
                is_said=is_said(column, guess),
            )

    def _own_ref(self, column: ColumnProfile) -> str:
        """Return a trait that no other column has: a number is added to a name, and to a group that is full."""
        room = len(self._used) // TRAITS_PER_GROUP_MAX
        group = f"Account{room + 1}" if room else "Account"
        name = usual_name(column)
        ref, number = f"{group}.{name}", 1
        while ref in self._used:
            number += 1
            ref = f"{group}.{name}{number}"
        self._used.add(ref)
        return ref


def _contact_ref(column: ColumnProfile, guess: Guess) -> str | None:
    if guess.meaning is Meaning.DATE and header_words(column.name) & _BIRTH:
        return "Contact.birthDate"
    name = _CONTACT.get(guess.meaning)
    return f"Contact.{name}" if name is not None else None


def usual_name(column: ColumnProfile) -> str:
    """Return a trait's name made from a header, in camel case and plain letters.

    Example:
        ``Kunde seit`` -> ``kundeSeit``, ``2nd order`` -> ``column2ndOrder``; the seventh column, which is named in
        letters of another script, -> ``column7``.
    """
    broken = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", column.name)
    words = re.findall(r"[a-z0-9]+", plain(broken))
    if not words:
        return f"column{column.position}"
    name = "".join([words[0], *(word.capitalize() for word in words[1:])])[:_NAME_CHARS]
    return f"column{name[0].upper()}{name[1:]}" if name[0].isdigit() else name
