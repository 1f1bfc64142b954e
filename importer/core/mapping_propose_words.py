"""Names compared by what they mean: words in English, German, French and Spanish that stand for one another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from importer.core.inspect import Meaning
from importer.core.inspect_words import header_says, plain

SPECIFIC: Final = frozenset(
    {
        *(Meaning.EMAIL, Meaning.PHONE, Meaning.FIRST_NAME, Meaning.LAST_NAME, Meaning.FULL_NAME, Meaning.COUNTRY),
        *(Meaning.REGION, Meaning.CITY, Meaning.POSTAL_CODE, Meaning.STREET, Meaning.LANGUAGE, Meaning.URL),
    }
)
"""Meanings of which a person has about one: a column and a trait that both mean it belong together."""

_SAME: Final[Mapping[str, str]] = {
    "points": "point punkte punkt bonuspunkte puntos punto loyaltypoints treuepunkte",
    "tier": "stufe level nivel niveau rank",
    "note": "notes comment comments remark remarks bemerkung bemerkungen notiz notizen kommentar commentaire nota",
    "colour": "colours color colors farbe farben couleur couleurs color colores lieblingsfarben",
    "interest": "interests interessen interesse interets intereses hobbies hobby",
    "tag": "tags label labels etiquette etiquettes etiqueta etiquetas schlagworte",
    "salutation": "anrede title titel civilite tratamiento",
    "company": "firma firmenname unternehmen organisation organization entreprise societe empresa companyname employer",
    "job": "position beruf funktion role rolle poste puesto cargo occupation profession",
    "birth": "dob born birthday birthdate geburtsdatum geburtstag geburt naissance nacimiento cumpleanos",
    "signup": "signedup registered registration registriert angemeldet inscription joined member mitglied seit",
    "subscribed": "newsletter optin subscription abonne abonniert suscrito consent einwilligung accepts marketing",
    "revenue": "umsatz ltv spent spend sales turnover chiffre ventas ingresos",
    "order": "orders bestellungen bestellung commande commandes pedido pedidos",
    "gender": "sex geschlecht genre sexo",
    "origin": "source quelle herkunft origen canal channel kanal",
    "mobile": "handy cell portable movil celular mobil",
    "customer": "kunde kunden client clients cliente clientes contact kontakt contacto user benutzer account konto",
    "id": "nr no number nummer numero key identifier kennung kennzeichen ref code",
    "website": "url web homepage webseite site link",
    "first": "given vor fore",
    "last": "family nach sur",
}
_WORDS: Final = {word: same for same, words in _SAME.items() for word in (same, *words.split())}
_SPLIT: Final = {
    "kundennr": ("customer", "id"),
    "kundennummer": ("customer", "id"),
    "customerid": ("customer", "id"),
    "kundenid": ("customer", "id"),
    "userid": ("customer", "id"),
    "contactid": ("customer", "id"),
    "signedup": ("signup",),
}
_EMPTY_WORDS: Final = frozenset(
    {"is", "has", "the", "of", "at", "on", "my", "der", "die", "das", "de", "la", "le", "du", "date", "datum", "fecha"}
    | {"favorite", "favourite", "preferred", "main", "primary", "default"}
)

EXACT: Final = 1.0
SAME_WORDS: Final = 0.95
SAME_MEANING: Final = 0.85
_PARTLY: Final = 0.75


@dataclass(frozen=True, slots=True)
class Name:
    """A name to compare.

    Attributes:
        folded: Letters and digits alone, plain and in lower case.
        words: What it is made of, each as the word that stands for its like.
        means: The specific meanings it speaks for.
    """

    folded: str
    words: frozenset[str]
    means: frozenset[Meaning]


def name_of(text: str) -> Name:
    """Take a header or a trait's name apart."""
    broken = plain(re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text))
    parts = re.findall(r"[a-z]+|[0-9]+", broken)
    folded = "".join(parts)
    pairs = {first + second for first, second in pairwise(parts)}
    whole = {word for part in (folded, *pairs) for word in _SPLIT.get(part, ())}
    words = {word for part in parts for word in _SPLIT.get(part, (_WORDS.get(part, part),))} | whole
    said = {_WORDS[part] for part in (folded, *pairs) if part in _WORDS}
    kept = frozenset(said or words) - _EMPTY_WORDS
    return Name(folded, kept or frozenset(words), header_says(text) & SPECIFIC)


def likeness(header: Name, trait: Name) -> float:
    """Return how much two names say the same, from 0 to 1."""
    if header.folded and header.folded == trait.folded:
        return EXACT
    if header.words and header.words == trait.words:
        return SAME_WORDS
    if header.means & trait.means:
        return SAME_MEANING
    shared = len(header.words & trait.words)
    if not shared:
        return 0.0
    # Half for what both have of all words, half for what the shorter name has of them.
    shorter = min(len(header.words), len(trait.words))
    return _PARTLY * (shared / len(header.words | trait.words) + shared / shorter) / 2
