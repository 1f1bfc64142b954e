"""What is proposed for columns, by what they look like and by what a store has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.inspect import ColumnFinding, ColumnProfile, Guess, Meaning, SourceProfile
from importer.core.issues import Severity
from importer.core.mapping import MappingFile
from importer.core.mapping_propose import ColumnProposal, Fate, Proposal, propose_mapping
from importer.core.mapping_text import mapping_text
from importer.core.mapping_tree import MAX_BYTES
from importer.core.mapping_yaml import parse_mapping
from importer.core.schema import StoreSchema

TEXT = Guess(Meaning.TEXT, 0.3, "nothing else fits")
STORE = "mem_store_01234567890123456789012345"


def column(name: str, *guesses: Guess, position: int = 1, **more: Any) -> ColumnProfile:
    """Return a column of a hundred rows, all filled."""
    shape: dict[str, Any] = {"rows": 100, "filled": 100, "distinct": 60, "distinct_is_exact": True}
    shape |= {"min_chars": 1, "max_chars": 20} | more
    return ColumnProfile(name=name, position=position, guesses=(*guesses, TEXT), **shape)


def guess(meaning: Meaning, score: float = 1.0, **more: Any) -> Guess:
    """Return a guess with some evidence."""
    return Guess(meaning, score, "all are such", **more)


def propose(*columns: ColumnProfile, schema: StoreSchema | None = None) -> Proposal:
    """Propose a mapping for a source of these columns."""
    return propose_mapping(SourceProfile("csv", ("s.csv",), 100, 0, 0, columns), schema)


def of(proposal: Proposal, name: str) -> ColumnProposal:
    """Return what is proposed for one column."""
    return next(proposed for proposed in proposal.columns if proposed.column == name)


def parsed(proposal: Proposal) -> MappingFile:
    """Return the proposal as the mapping that its file is."""
    return parse_mapping(mapping_text(proposal).encode(), "m.yaml")


def store(**traits: tuple[str, str | None]) -> StoreSchema:
    """Return a store with these traits of the group Person: name -> type and identifier type."""
    definitions = {name: {"dataType": kind, "idTypePromotion": id_type} for name, (kind, id_type) in traits.items()}
    id_types = [id_type for _, id_type in traits.values() if id_type is not None]
    normal = {"email": "email", "phone": "phone"}
    return StoreSchema.from_api(
        {"id": STORE, "displayName": "S"},
        [{"displayName": "Person", "version": 1, "traits": definitions}],
        {
            "identifierConfigs": [{"idType": name, "normalization": normal.get(name, "trim")} for name in id_types],
            "matchingRules": id_types,
        },
    )


def test_the_better_of_two_email_columns_is_mapped() -> None:
    """One trait is given to one column, the one with the higher score; the other is left as a TODO that says why."""
    proposal = propose(column("mail2", guess(Meaning.EMAIL, 0.7)), column("mail", guess(Meaning.EMAIL, 0.9)))
    assert of(proposal, "mail").fate is Fate.MAPPED
    second = of(proposal, "mail2")
    assert second.fate is Fate.DOUBTFUL
    assert "Contact.email is taken by the column `mail`" in second.reason
    assert list(parsed(proposal).columns) == ["mail"]


def test_a_second_column_of_an_identifier_is_proposed_as_its_further_value() -> None:
    """Its line is right beside that of the first as soon as its mark is taken away, which `to` would not be."""
    text = mapping_text(propose(column("mail2", guess(Meaning.EMAIL, 0.7)), column("mail", guess(Meaning.EMAIL, 0.9))))
    assert "  # mail2: {also: Contact.email}\n" in text
    mapping = parse_mapping(text.replace("# mail2: {", "mail2: {").encode(), "m.yaml")
    assert (mapping.columns["mail2"][0].also, mapping.columns["mail"][0].to) == ("Contact.email", "Contact.email")


def test_of_two_alike_columns_the_fuller_one_is_mapped() -> None:
    """Where values and headers say the same of both, the column with more values is worth more."""
    proposal = propose(column("mail", guess(Meaning.EMAIL), filled=50), column("e-mail", guess(Meaning.EMAIL)))
    assert list(parsed(proposal).columns) == ["e-mail"]


def test_a_todo_is_accepted_as_soon_as_its_mark_is_taken_away() -> None:
    """The line of a column in doubt is right as it stands behind its mark."""
    proposal = propose(column("mail", guess(Meaning.EMAIL)), column("zz", guess(Meaning.CATEGORY, 0.4)))
    text = mapping_text(proposal)
    assert "  # TODO 0.40: all are such; too little to go by.\n  # zz: Account.zz\n" in text
    mapping = parse_mapping(text.replace("# zz:", "zz:").encode(), "m.yaml")
    assert mapping.columns["zz"][0].to == "Account.zz"


def test_readings_of_different_types_that_score_alike_are_left_in_doubt() -> None:
    """Whether a column is numbers or text is not decided by a hair."""
    proposal = propose(
        column("mail", guess(Meaning.EMAIL)),
        column("n", guess(Meaning.IDENTIFIER, 0.88), guess(Meaning.INTEGER, 0.85)),
    )
    assert of(proposal, "n").fate is Fate.DOUBTFUL


def test_a_source_without_identifier_says_so_and_how_to_make_one() -> None:
    """Nothing is passed over in silence: the file names the key as what could be an identifier."""
    key = column("cust no", guess(Meaning.IDENTIFIER), distinct=100)
    proposal = propose(key, column("town", guess(Meaning.CITY)))
    text = mapping_text(proposal)
    assert not proposal.has_identifier
    assert "TODO: NO IDENTIFIER" in text
    assert '# "cust no": {to: Account.custNo, identifier: user_id}' in text
    assert parsed(proposal).source.key == ("cust no",)


def test_without_an_identifier_the_store_is_asked_for_its_own() -> None:
    """What the store has no identifier type for is not suggested; the key says that it has no trait either."""
    key = column("nr", guess(Meaning.IDENTIFIER), distinct=100)
    proposal = propose(
        key, column("city", guess(Meaning.CITY)), schema=store(mail=("STRING", "email"), city=("STRING", None))
    )
    assert "# Identifiers of the store: Person.mail." in mapping_text(proposal)
    assert of(proposal, "nr").reason == "the key above, which is not sent; the store has no trait like it"


def test_the_key_is_mapped_too_where_a_row_would_have_one_value_without_it() -> None:
    """Beside two other columns it names rows and is not sent."""
    key = column("id", guess(Meaning.IDENTIFIER), distinct=100)
    mail, name = column("mail", guess(Meaning.EMAIL)), column("name", guess(Meaning.FULL_NAME))
    assert {c.column for c in propose(key, mail).mapped} == {"id", "mail"}
    assert parsed(propose(key, mail)).source.key == ("id",)
    assert {c.column for c in propose(key, mail, name).mapped} == {"mail", "name"}


def test_sensitive_and_empty_columns_are_left_out() -> None:
    """A unique column of tax numbers is neither the key nor mapped."""
    proposal = propose(
        column("tax", guess(Meaning.NATIONAL_ID), guess(Meaning.IDENTIFIER), distinct=100),
        column("none", Guess(Meaning.EMPTY, 1.0, "no values"), filled=0, distinct=0),
        column("mail", guess(Meaning.EMAIL)),
    )
    assert proposal.key is None
    assert {proposed.column for proposed in proposal.columns if proposed.fate is Fate.LEFT_OUT} == {"tax", "none"}
    assert "WARNING: sensitive" in of(proposal, "tax").reason


@pytest.mark.parametrize(
    ("shape", "certain"), [({"distinct": 100}, True), ({"distinct": 97}, False), ({"distinct": 50}, None)]
)
def test_the_key_is_unique_or_asked_about(shape: dict[str, Any], certain: bool | None) -> None:
    """A column of identifiers with a few repeated rows is a key with a question; one with many is none."""
    key = propose(column("nr", guess(Meaning.IDENTIFIER, 0.9), **shape)).key
    assert (key.is_certain if key is not None else None) is certain


def finding(code: str) -> ColumnFinding:
    """Return a finding of this code."""
    return ColumnFinding(code, Severity.WARNING, 3)


def placeholders(count: int) -> ColumnFinding:
    """Return the finding that so many cells hold a placeholder."""
    return ColumnFinding("placeholder", Severity.WARNING, count)


READINGS: dict[str, tuple[tuple[Guess, dict[str, Any]], dict[str, Any]]] = {
    "date": (
        (guess(Meaning.DATE, date_format="%d.%m.%Y"), {"examples": ("31.12.1999",)}),
        {"parse": "date", "format": "%d.%m.%Y"},
    ),
    "iso": ((guess(Meaning.DATE), {"examples": ("1999-12-31",)}), {"parse": "date"}),
    "moment": ((guess(Meaning.DATETIME), {"examples": ("1999-12-31T10:00:00Z",)}), {"parse": "datetime"}),
    "truth": (
        (guess(Meaning.BOOLEAN, true_values=("ja",), false_values=("nein",)), {}),
        {"type": "boolean", "true_values": ["ja"], "false_values": ["nein"]},
    ),
    "list": ((guess(Meaning.ARRAY, separator="|"), {}), {"type": "array", "split": "|"}),
    "lists of Parquet": ((guess(Meaning.ARRAY, separator="|"), {"is_list": True}), {"type": "array"}),
    "whole": ((guess(Meaning.INTEGER), {}), {"type": "number"}),
    "money": ((guess(Meaning.MONEY), {}), {}),
    "case": ((guess(Meaning.CATEGORY, 0.55), {"examples": ("Gold", "gold")}), {"lower": True}),
}


@pytest.mark.parametrize("case", READINGS)
def test_how_a_column_is_read_is_written_down(case: str) -> None:
    """Formats, words and separators that were found stand in the mapping, and it accepts them."""
    (reading, shape), options = READINGS[case]
    proposal = propose(column("col", reading, **shape))
    assert of(proposal, "col").fate is Fate.MAPPED
    assert of(proposal, "col").options == options
    assert list(parsed(proposal).columns) == ["col"]


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"examples": ("01/02/1999",)}, "how the dates are written is not certain"),
        ({"examples": ("01.02.99",), "findings": (finding("two-digit-year"),)}, "years have two digits"),
        ({"examples": ("44000",), "findings": (finding("date-serial"),)}, "the days are counted"),
    ],
)
def test_dates_nobody_can_read_for_certain_are_left_as_todo(shape: dict[str, Any], said: str) -> None:
    """No order of day and month, no century and no day number is guessed."""
    proposal = propose(column("mail", guess(Meaning.EMAIL)), column("when", guess(Meaning.DATE), **shape))
    assert of(proposal, "when").fate is Fate.DOUBTFUL
    assert said in of(proposal, "when").reason


@pytest.mark.parametrize(
    ("regions", "country", "options"),
    [
        ({"DE": 30}, column("land", guess(Meaning.COUNTRY), max_chars=2), {"region_from": "land"}),
        ({"DE": 30}, column("land", guess(Meaning.COUNTRY, codes_share=0.97), max_chars=7), {"region_from": "land"}),
        ({"DE": 30, "GB": 1}, None, {"region": "DE"}),
        ({"DE": 30}, column("land", guess(Meaning.COUNTRY, regions={"DE": 9, "AT": 1})), {"region": "DE"}),
        ({"DE": 30}, column("land", guess(Meaning.COUNTRY, regions={"DE": 5, "US": 5})), {}),
        ({"DE": 30}, column("land", guess(Meaning.COUNTRY, regions={"US": 99, "DE": 1})), {}),
        ({"DE": 2}, column("land", guess(Meaning.COUNTRY, regions={"AT": 99, "CH": 1})), {"region": "AT"}),
        ({"DE": 10, "GB": 9}, None, {}),
    ],
)
def test_the_country_of_national_numbers(
    regions: dict[str, int], country: ColumnProfile | None, options: dict[str, str]
) -> None:
    """It is the row's own, else that of nearly all others, else a question; never a guess."""
    phone = column("tel", guess(Meaning.PHONE, regions=regions, international_share=0.3))
    proposed = of(propose(column("mail", guess(Meaning.EMAIL)), phone, *([country] if country else [])), "tel")
    assert proposed.options == {"identifier": "phone", **options}
    assert options or any("TODO: add `region: XX`" in remark for remark in proposed.remarks)
    assert proposed.fate is (Fate.MAPPED if options else Fate.DOUBTFUL)


def test_words_for_no_value_are_proposed_unless_they_are_values_somewhere() -> None:
    """NA is a country, and there are people called Null; in a column of names alone such a word is left as it is."""
    proposal = propose(
        column("mail", guess(Meaning.EMAIL), null_words={"N/A": 9, "-": 2}, findings=(placeholders(11),)),
        column("first", guess(Meaning.FIRST_NAME), null_words={"Nan": 1, "NULL": 1, "--": 1}),
        column("country", guess(Meaning.COUNTRY), null_words={"NA": 40}),
        column("points", guess(Meaning.INTEGER), null_words={"NULL": 3, "NA": 1}, findings=(placeholders(4),)),
        column("cc", guess(Meaning.CARD_NUMBER), null_words={"nil": 5}),
    )
    assert proposal.null_tokens == ("N/A", "NULL", "-", "--")
    assert parsed(proposal).source.null_tokens == ("", "\\N", "N/A", "NULL", "-", "--")
    assert of(proposal, "mail").remarks == ("11 with a word of `null_tokens`, so without a value",)
    assert of(proposal, "points").remarks == ("4 with placeholder",)


def test_a_source_without_such_words_keeps_the_usual_null_tokens() -> None:
    """Nothing is written that the program does by itself."""
    assert "null_tokens" not in mapping_text(propose(column("mail", guess(Meaning.EMAIL))))


def test_what_only_looks_like_a_postal_code_is_no_persons_data() -> None:
    """Digits alone prove little: the column keeps its own name, and is left in doubt."""
    proposal = propose(column("mail", guess(Meaning.EMAIL)), column("branch", guess(Meaning.POSTAL_CODE, 0.35)))
    assert of(proposal, "branch").fate is Fate.DOUBTFUL
    assert [candidate.ref for candidate in of(proposal, "branch").candidates] == ["Account.branch"]


def test_a_type_is_written_for_a_store_that_has_it_too() -> None:
    """So that the file means the same for a store that lacks the trait."""
    proposal = propose(
        column("mail", guess(Meaning.EMAIL)),
        column("points", guess(Meaning.INTEGER)),
        schema=store(email=("STRING", "email"), points=("NUMBER", None)),
    )
    assert of(proposal, "points").options == {"type": "number"}
    assert of(proposal, "mail").options == {"identifier": "email"}


def test_columns_find_the_traits_of_a_store_in_four_languages() -> None:
    """Headers in other words or languages than the store's names are matched, and identifiers are marked."""
    schema = store(
        mail=("STRING", "email"),
        givenName=("STRING", None),
        points=("NUMBER", None),
        birthDate=("STRING", None),
        isSubscribed=("BOOLEAN", None),
        customerId=("STRING", "user_id"),
    )
    proposal = propose(
        column("Kundennr", guess(Meaning.IDENTIFIER), distinct=100),
        column("Correo", guess(Meaning.EMAIL)),
        column("Pr\u00e9nom", guess(Meaning.FIRST_NAME)),
        column("Punkte", guess(Meaning.INTEGER)),
        column("Fecha de nacimiento", guess(Meaning.DATE, date_format="%d/%m/%Y")),
        column("Newsletter", guess(Meaning.BOOLEAN, true_values=("ja",))),
        column("Lieblingsessen", guess(Meaning.CATEGORY, 0.55)),
        schema=schema,
    )
    assert {name: target[0].to for name, target in parsed(proposal).columns.items()} == {
        "Kundennr": "Person.customerId",
        "Correo": "Person.mail",
        "Pr\u00e9nom": "Person.givenName",
        "Punkte": "Person.points",
        "Fecha de nacimiento": "Person.birthDate",
        "Newsletter": "Person.isSubscribed",
    }
    assert of(proposal, "Correo").options == {"identifier": "email"}
    assert "no trait like it" in of(proposal, "Lieblingsessen").reason


def test_a_trait_of_another_type_than_the_values_is_left_in_doubt() -> None:
    """A name alone does not make text a number."""
    schema = store(mail=("STRING", "email"), points=("NUMBER", None))
    proposal = propose(column("mail", guess(Meaning.EMAIL)), column("points", guess(Meaning.CATEGORY)), schema=schema)
    assert of(proposal, "points").fate is Fate.DOUBTFUL
    assert "but Person.points is NUMBER" in of(proposal, "points").reason


def test_ten_thousand_columns_fit_into_a_mapping_file() -> None:
    """Reasons are left out before the file becomes too large, and no group of traits has more than fits."""
    columns = [column(f"attribute {at:05}", guess(Meaning.CATEGORY, 0.55), position=at) for at in range(1, 10_001)]
    proposal = propose(*columns)
    text = mapping_text(proposal)
    assert len(text) <= MAX_BYTES
    groups = [proposed.target.ref.partition(".")[0] for proposed in proposal.columns]
    assert max(map(groups.count, set(groups))) <= 95


names = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), min_size=1, unique=True)


@given(names, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_a_file_says_what_was_proposed_whatever_columns_are_called(headers: list[str], random: Any) -> None:
    """Every name comes back from the file as it went in, with its trait; no header can add or hide a line."""
    meanings = [Meaning.CATEGORY, Meaning.EMAIL, Meaning.DATE, Meaning.PHONE, Meaning.INTEGER, Meaning.IDENTIFIER]
    columns = [
        column(name, guess(random.choice(meanings), 0.9), position=at, distinct=random.choice([60, 100]))
        for at, name in enumerate(headers, 1)
    ]
    proposal = propose(*columns)
    if not proposal.mapped:
        assert all("\0" in header for header in headers)
        return
    mapping = parse_mapping(mapping_text(proposal).encode(), "m.yaml")
    assert {name: targets[0].to for name, targets in mapping.columns.items()} == {
        proposed.column: proposed.target.ref for proposed in proposal.mapped
    }
    assert mapping.source.key == ((proposal.key.column,) if proposal.key is not None else None)
    assert propose(*columns) == proposal


def test_dates_are_no_names_whatever_the_header_shares_with_the_trait() -> None:
    """A last visit is not mapped to a last name, nor the first of two words taken for a first name."""
    schema = store(mail=("STRING", "email"), lastName=("STRING", None))
    for header, meaning in (("last_visit", Meaning.DATETIME), ("Family", Meaning.BOOLEAN), ("name", Meaning.DATE)):
        proposal = propose(column("mail", guess(Meaning.EMAIL)), column(header, guess(meaning, 0.97)), schema=schema)
        assert of(proposal, header).fate is not Fate.MAPPED
