"""Words that headers and values are recognised by, in English, German, French and Spanish."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from importer.core.inspect import Meaning

HEADER_WORDS: Final[dict[Meaning, frozenset[str]]] = {
    Meaning.EMAIL: frozenset({"email", "mail", "emailaddress", "correo", "courriel", "emailadresse"}),
    Meaning.PHONE: frozenset(
        {
            *("phone", "mobile", "tel", "telephone", "cell", "cellphone", "msisdn", "fax", "whatsapp", "sms"),
            *("telefon", "telefonnummer", "handy", "handynummer", "mobil", "mobilnummer", "rufnummer", "festnetz"),
            *("portable", "telefono", "movil", "celular", "phonenumber", "mobilephone", "homephone", "workphone"),
        }
    ),
    Meaning.FIRST_NAME: frozenset(
        {"firstname", "fname", "givenname", "forename", "vorname", "prenom", "nombre", "rufname", "first", "given"}
    ),
    Meaning.LAST_NAME: frozenset(
        {"lastname", "lname", "surname", "familyname", "nachname", "familienname", "apellido", "apellidos", "zuname"}
        | {"nomdefamille", "last", "family"}
    ),
    Meaning.FULL_NAME: frozenset(
        {"name", "fullname", "nom", "contactname", "customername", "displayname", "ansprechpartner", "kontakt"}
    ),
    Meaning.DATE: frozenset(
        {
            *("date", "datum", "birthday", "birthdate", "dob", "geburtsdatum", "geburtstag", "naissance", "fecha"),
            *("nacimiento", "anniversary", "since", "seit", "created", "updated", "modified", "on", "day"),
        }
    ),
    Meaning.DATETIME: frozenset({"at", "timestamp", "datetime", "time", "zeitstempel", "zeitpunkt", "horodatage"}),
    Meaning.BOOLEAN: frozenset(
        {
            *("is", "has", "optin", "optout", "consent", "subscribed", "newsletter", "active", "aktiv", "enabled"),
            *(
                "accepts",
                "marketing",
                "verified",
                "einwilligung",
                "abonne",
                "activo",
                "exempt",
                "allowed",
                "unsubscribed",
            ),
        }
    ),
    Meaning.MONEY: frozenset(
        {
            *("amount", "price", "revenue", "spent", "spend", "balance", "umsatz", "betrag", "preis", "montant"),
            *("prix", "importe", "precio", "ltv", "sales", "value", "kosten", "cost", "salary", "gehalt"),
        }
    ),
    Meaning.COUNTRY: frozenset({"country", "land", "pays", "pais", "nation", "countrycode"}),
    Meaning.REGION: frozenset({"state", "province", "region", "bundesland", "provincia", "county", "provincecode"}),
    Meaning.CITY: frozenset({"city", "town", "ort", "stadt", "ville", "ciudad", "wohnort", "locality"}),
    Meaning.POSTAL_CODE: frozenset({"zip", "zipcode", "postcode", "postalcode", "plz", "postleitzahl", "postal", "cp"}),
    Meaning.STREET: frozenset(
        {"street", "address", "strasse", "adresse", "anschrift", "rue", "calle", "direccion", "address1", "address2"}
    ),
    Meaning.IDENTIFIER: frozenset(
        {
            *("id", "nr", "no", "number", "key", "uuid", "guid", "nummer", "code", "sku", "kundennr", "kundennummer"),
            *("customerid", "contactid", "accountid", "userid", "recordid", "externalid", "identifier", "ref"),
        }
    ),
    Meaning.LANGUAGE: frozenset({"language", "lang", "locale", "sprache", "langue", "idioma"}),
    Meaning.ARRAY: frozenset({"tags", "interests", "labels", "categories", "groups", "segments", "interessen"}),
    Meaning.URL: frozenset({"url", "website", "link", "webseite", "homepage", "site", "web"}),
    Meaning.TEXT: frozenset({"note", "notes", "comment", "comments", "description", "bemerkung", "notiz", "kommentar"}),
    Meaning.CARD_NUMBER: frozenset(
        {
            *("creditcard", "creditcardnumber", "pan", "kreditkarte", "kreditkartennummer", "ccnumber", "cvv", "cvc"),
            *("cardnumber", "cardno", "debitcard", "kartennummer", "tarjetadecredito", "cartedecredit", "ccnum"),
        }
    ),
    Meaning.NATIONAL_ID: frozenset(
        {
            *("ssn", "socialsecurity", "nationalid", "passport", "taxid", "steuerid", "steuernummer", "reisepass"),
            *(
                "sozialversicherungsnummer",
                "ausweis",
                "personalausweis",
                "dni",
                "nie",
                "curp",
                "cpf",
                "nino",
                "aadhaar",
            ),
            *("driverslicense", "fuehrerschein", "codicefiscale", "svnr", "passportnumber", "nir"),
        }
    ),
    Meaning.HEALTH: frozenset(
        {
            *("diagnosis", "diagnose", "icd", "icd10", "allergy", "allergies", "allergien", "medication", "disease"),
            *("bloodtype", "blutgruppe", "disability", "behinderung", "krankheit", "gesundheit", "patient", "medical"),
            *(
                "pregnant",
                "schwanger",
                "insulin",
                "diagnostic",
                "maladie",
                "enfermedad",
                "healthdata",
                "healthstatus",
                "healthcondition",
                "healthinsurance",
                "medicalhistory",
                "symptoms",
            ),
        }
    ),
}
"""Words and joined words of a header that speak for a meaning."""

TRUE_WORDS: Final = frozenset(
    {
        "true",
        "yes",
        "y",
        "t",
        "1",
        "on",
        "ja",
        "j",
        "wahr",
        "oui",
        "o",
        "vrai",
        "si",
        "s\u00ed",
        "verdadero",
        "x",
        "sim",
    }
)
FALSE_WORDS: Final = frozenset(
    {"false", "no", "n", "f", "0", "off", "nein", "falsch", "non", "faux", "falso", "n\u00e3o"}
)

COUNTRY_NAMES: Final[dict[str, str]] = {
    **dict.fromkeys(("united states", "united states of america", "usa", "vereinigte staaten", "etats-unis"), "US"),
    **dict.fromkeys(("estados unidos",), "US"),
    **dict.fromkeys(("united kingdom", "great britain", "england", "uk", "royaume-uni", "reino unido"), "GB"),
    **dict.fromkeys(("vereinigtes konigreich", "grossbritannien", "scotland", "wales"), "GB"),
    **dict.fromkeys(("germany", "deutschland", "allemagne", "alemania"), "DE"),
    **dict.fromkeys(("austria", "osterreich", "autriche"), "AT"),
    **dict.fromkeys(("switzerland", "schweiz", "suisse", "svizzera", "suiza"), "CH"),
    **dict.fromkeys(("france", "frankreich", "francia"), "FR"),
    **dict.fromkeys(("spain", "spanien", "espagne", "espana"), "ES"),
    **dict.fromkeys(("italy", "italien", "italie", "italia"), "IT"),
    **dict.fromkeys(("netherlands", "the netherlands", "niederlande", "pays-bas", "paises bajos"), "NL"),
    **dict.fromkeys(("belgium", "belgien", "belgique", "belgica"), "BE"),
    **dict.fromkeys(("portugal",), "PT"),
    **dict.fromkeys(("poland", "polen", "pologne", "polonia"), "PL"),
    **dict.fromkeys(("denmark", "danemark", "dinamarca"), "DK"),
    **dict.fromkeys(("sweden", "schweden", "suede", "suecia"), "SE"),
    **dict.fromkeys(("norway", "norwegen", "norvege", "noruega"), "NO"),
    **dict.fromkeys(("finland", "finnland", "finlande"), "FI"),
    **dict.fromkeys(("ireland", "irland", "irlande"), "IE"),
    **dict.fromkeys(("canada", "kanada"), "CA"),
    **dict.fromkeys(("mexico", "mexiko", "mexique"), "MX"),
    **dict.fromkeys(("brazil", "brasilien", "bresil", "brasil"), "BR"),
    **dict.fromkeys(("argentina", "argentinien"), "AR"),
    **dict.fromkeys(("australia", "australien", "australie"), "AU"),
    **dict.fromkeys(("new zealand", "neuseeland"), "NZ"),
    **dict.fromkeys(("india", "indien", "inde"), "IN"),
    **dict.fromkeys(("china", "chine"), "CN"),
    **dict.fromkeys(("japan", "japon"), "JP"),
    **dict.fromkeys(("czech republic", "czechia", "tschechien"), "CZ"),
    **dict.fromkeys(("luxembourg", "luxemburg"), "LU"),
}
"""Names of countries without accents, lower case -> ISO 3166 alpha-2."""

_STATES: Final = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA "
    "RI SC SD TN TX UT VT VA WA WV WI WY DC PR"
)
US_STATES: Final = frozenset(_STATES.split())
"""Two-letter codes of the states of the US."""

_CODES: Final = "en de fr es it nl pt pl da sv nb no fi cs sk hu ro bg el tr ru uk ar he zh ja ko"
LANGUAGES: Final = frozenset(_CODES.split())
"""Two-letter codes of languages."""

_OTHER_CARDS: Final = frozenset(
    {
        *("loyalty", "gift", "member", "membership", "customer", "bonus", "library", "access", "sim", "fidelity"),
        *("treue", "geschenk", "kunden", "mitglied", "mitglieds", "fidelite", "cadeau", "regalo", "fidelidad"),
    }
)
"""Words beside which a card is none to pay with."""


_ALONE: Final = frozenset({"first", "given", "last", "family"})
"""Words that speak for a name where they are the whole header or stand beside "name": a last visit is none."""


def plain(text: str) -> str:
    """Return a text in lower case without accents; \u00df is ss."""
    decomposed = unicodedata.normalize("NFKD", text.replace("\u00df", "ss"))
    return "".join(char for char in decomposed if not unicodedata.combining(char)).lower()


def header_words(name: str) -> frozenset[str]:
    """Return the words of a header: each alone, neighbours joined in twos and threes, and all joined.

    Example:
        >>> sorted(header_words("Last_Name"))
        ['last', 'lastname', 'name']
    """
    broken = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    words = re.findall(r"[a-z]+[0-9]*|[0-9]+", plain(broken))
    joined = {"".join(words[at : at + size]) for size in (2, 3) for at in range(len(words) - size + 1)}
    return frozenset([*words, *joined, "".join(words)])


def header_says(name: str) -> frozenset[Meaning]:
    """Return the meanings a header speaks for."""
    words = header_words(name)
    if len(words) > 1 and "name" not in words:
        words -= _ALONE
    said = {meaning for meaning, known in HEADER_WORDS.items() if words & known}
    if said & {Meaning.FIRST_NAME, Meaning.LAST_NAME}:
        said.discard(Meaning.FULL_NAME)
    if Meaning.EMAIL in said:
        said.discard(Meaning.STREET)
    if words & _OTHER_CARDS:
        said.discard(Meaning.CARD_NUMBER)
    return frozenset(said)
