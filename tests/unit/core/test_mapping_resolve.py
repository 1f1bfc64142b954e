"""A mapping meets a header and a store: the plan, and every reason why there is none."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_yaml import parse_mapping
from importer.core.schema import DataType, Normalization, StoreSchema
from importer.core.transform import LetterCase, NullIntent, OnInvalid, OnShared, TransformPlan
from importer.errors import MappingError

STORE = "mem_store_01234567890123456789012345"
COLUMNS = ["id", "email", "phone", "first", "last", "country", "points", "active", "colours", "note"]


def trait(kind: str, id_type: str | None = None, **rule: Any) -> dict[str, Any]:
    """Return a trait as the service answers it."""
    return {
        "dataType": kind,
        "idTypePromotion": id_type,
        "validationRule": {"ruleType": kind, **rule} if rule else None,
    }


GROUPS: list[dict[str, Any]] = [
    {
        "displayName": "Loyalty",
        "version": 1,
        "traits": {
            "points": trait("NUMBER", min=0, max=100),
            "active": trait("BOOLEAN"),
            "colours": trait("ARRAY", minItems=2, maxItems=3),
            "tier": trait("STRING", pattern="^[a-z]+$", minLength=2, maxLength=5),
            "odd": trait("STRING", pattern="(?=x)"),
        },
    },
    {
        "displayName": "Contact",
        "version": 1,
        "traits": {
            "email": trait("STRING", "email"),
            "phone": trait("STRING", "phone"),
            "whatsapp": trait("STRING", "whatsapp"),
            "fullName": trait("STRING"),
        },
    },
]
IDENTITY = {
    "identifierConfigs": [
        {"idType": "email", "normalization": "email"},
        {"idType": "phone", "normalization": "phone"},
    ],
    "matchingRules": ["email", "phone"],
}
SCHEMA = StoreSchema.from_api({"id": STORE, "displayName": "test"}, GROUPS, IDENTITY)


def resolve(text: str, columns: list[str] | None = None, **options: Any) -> TransformPlan:
    """Resolve a mapping of this version against the header and store above."""
    mapping = parse_mapping(f"version: 1\n{text}".encode(), "m.yaml")
    return resolve_mapping(mapping, COLUMNS if columns is None else columns, SCHEMA, **options)


def problems(text: str, columns: list[str] | None = None, **options: Any) -> list[str]:
    """Return the problems of a mapping that does not fit, as people see them."""
    with pytest.raises(MappingError) as caught:
        resolve(text, columns, **options)
    return [str(problem) for problem in caught.value.problems]


def test_plan_follows_the_store_order() -> None:
    """Groups come in the order of the store, traits of a group in that of the mapping."""
    plan = resolve(
        """columns: {first: Contact.fullName, email: Contact.email, active: Loyalty.active, points: Loyalty.points}
constants: {Loyalty.tier: gold}
computed: {Contact.phone: "'+' || phone"}
"""
    )
    refs = [trait.ref for trait in plan.traits]
    assert refs == [
        "Loyalty.active",
        "Loyalty.points",
        "Loyalty.tier",
        "Contact.fullName",
        "Contact.email",
        "Contact.phone",
    ]
    assert [trait.ref for trait in plan.identifiers] == ["Contact.email", "Contact.phone"]


def test_plan_of_a_full_mapping() -> None:
    """Every key of the long form arrives in the plan."""
    plan = resolve(
        """source: {key: [id], null_tokens: ["-"], where: "country = 'DE'"}
defaults: {region: DE, on_missing: clear, on_invalid: drop}
columns:
  email: {to: Contact.email, lower: true, required: true}
  phone: {to: Contact.phone, region: FR, region_from: country, on_invalid: reject}
  note: {to: Contact.fullName, upper: true, replace: {X: Y}}
  points: {to: Loyalty.points, type: number}
  active: {to: Loyalty.active, true_values: [Ja, ja], false_values: Nein, on_missing: remove}
  colours: {to: Loyalty.colours, split: "|", lower: true}
identity: {on_duplicate_key: all, on_shared: {phone: allow}, deny: x@y.z}
rules: [{name: r, check: "points >= 0 AND active AND colours <> 'x'"}]
routing: {import_min_rows: 5, part_rows: 6}
"""
    )
    by_ref = {trait.ref: trait for trait in plan.traits}
    email, phone, note = by_ref["Contact.email"], by_ref["Contact.phone"], by_ref["Contact.fullName"]
    assert (email.id_type, email.normalization, email.case) == ("email", Normalization.EMAIL, LetterCase.LOWER)
    assert (email.required, email.null_intent, email.region) == (True, NullIntent.KEEP, None)
    assert (phone.region, phone.region_from, phone.on_invalid) == ("FR", "country", OnInvalid.REJECT)
    assert (note.null_intent, note.case, note.replace) == (NullIntent.CLEAR, LetterCase.UPPER, {"X": "Y"})
    points, active, colours = by_ref["Loyalty.points"], by_ref["Loyalty.active"], by_ref["Loyalty.colours"]
    assert (points.data_type, points.null_intent, points.on_invalid) == (
        DataType.NUMBER,
        NullIntent.KEEP,
        OnInvalid.DROP,
    )
    assert points.rule is not None
    assert points.rule.max == 100
    assert (active.true_values, active.false_values, active.null_intent) == (("ja",), ("nein",), NullIntent.REMOVE)
    assert (colours.split, colours.case) == ("|", LetterCase.LOWER)
    assert plan.key == ("id",)
    assert plan.null_tokens == {"", "-"}
    assert plan.where is not None
    assert plan.where.columns == ("country",)
    assert plan.rules[0].is_error
    assert plan.rules[0].expression.columns == ("points", "active", "colours")
    assert plan.identity.on_shared == {"phone": OnShared.ALLOW}
    assert plan.identity.deny == ("x@y.z",)
    assert (plan.routing.import_min_rows, plan.routing.part_rows) == (5, 6)


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ("keep", ["keep", "keep", "keep", "keep"]),
        ("clear", ["keep", "keep", "clear", "keep"]),
        ("remove", ["remove", "remove", "remove", "keep"]),
    ],
)
def test_default_intent_holds_where_it_can(default: str, expected: list[str]) -> None:
    """A default of clear is for texts, of remove for all but identifiers; identifiers are always kept."""
    plan = resolve(
        f"""defaults: {{on_missing: {default}}}
columns: {{points: Loyalty.points, active: Loyalty.active, first: Contact.fullName, email: Contact.email}}
"""
    )
    assert [trait.null_intent for trait in plan.traits] == expected


def test_region_is_for_phones_by_normalisation() -> None:
    """The default region goes to identifiers normalised as phones, also where the store has no settings for them."""
    plan = resolve(
        "defaults: {region: GB}\ncolumns: {phone: [Contact.phone, Contact.whatsapp], email: Contact.email}\n"
    )
    assert [trait.region for trait in plan.traits] == ["GB", "GB", None]


def test_computed_values_are_text() -> None:
    """A computed value is text whatever its trait, to be cast like the text of a column."""
    plan = resolve(
        """columns: {email: [Contact.email, Contact.whatsapp]}
computed: {Loyalty.points: "LENGTH(first) * 2", Loyalty.active: {expr: "country = 'DE'", type: boolean}}
"""
    )
    frame = pl.DataFrame({"first": ["Ann", None], "country": ["DE", "FR"]})
    values = {t.ref: frame.select(x=t.computed.expr)["x"].to_list() for t in plan.traits if t.computed is not None}
    assert values == {"Loyalty.points": ["6", None], "Loyalty.active": ["true", "false"]}


def test_checks_see_cast_columns() -> None:
    """A check compares a NUMBER column as a number and an unmapped column as text."""
    plan = resolve(
        """columns: {email: Contact.email, points: Loyalty.points}
rules: [{name: a, check: "points * 2000000000 > 0 AND country = 'DE'", severity: warning}]
"""
    )
    frame = pl.DataFrame({"points": pl.Series([2, -2], dtype=pl.Int32), "country": ["DE", "DE"]})
    (rule,) = plan.rules
    assert not rule.is_error
    assert frame.select(x=rule.expression.expr)["x"].to_list() == [True, False]


def test_check_of_a_column_with_two_traits_sees_the_first_of_the_plan() -> None:
    """Where a column makes two traits, the type is that of the one that comes first in the plan."""
    text = "columns: {email: Contact.email, points: [Contact.fullName, Loyalty.points]}\n"
    assert resolve(text + 'rules: [{name: a, check: "points > 0"}]').rules
    assert "different types" in problems(text + "rules: [{name: a, check: \"points > '0'\"}]")[0]


def test_notes_say_what_is_left_out() -> None:
    """Unmapped columns are named in one note, and `where` says what it does with what it cannot tell."""
    plan = resolve("source: {where: \"country <> 'XX'\"}\n" + EMAIL + "identity: {on_duplicate_key: all}")
    assert plan.notes[0].startswith("8 columns are not mapped, so not sent: `id`, `phone`")
    assert "keeps a row" in plan.notes[1]
    assert "no effect" in plan.notes[2]
    wide = resolve(EMAIL, ["email", *(f"c{number}" for number in range(30))])
    assert wide.notes[0].endswith("`c19` and 10 more")
    assert resolve(EMAIL, ["email"]).notes == ()


def test_what_is_used_without_being_a_trait_is_not_called_left_out() -> None:
    """The key, a region, columns of expressions, and what a run itself added to its rejected rows."""
    text = (
        "source: {key: [id], where: \"status <> 'gone'\"}\n"
        "columns: {email: Contact.email, phone: {to: Contact.phone, region_from: country}}\n"
        "computed: {Contact.fullName: first}\n"
        "rules: [{name: a, check: \"points <> '0'\"}]"
    )
    columns = ["id", "status", "email", "phone", "country", "first", "points"]
    assert all("not mapped" not in note for note in resolve(text, columns).notes)
    assert resolve(text, [*columns, "_row_number", "_line", "_codes", "_file"]).notes == resolve(text, columns).notes
    assert resolve(text, [*columns, "_line"]).notes[0] == "1 column is not mapped, so not sent: `_line`"


EMAIL = "columns:\n  email: [Contact.email, Contact.whatsapp]\n"
FAULTS = [
    (EMAIL + "  emial: Contact.fullName", "line 4: the source has no column `emial` (did you mean `email`?)"),
    (EMAIL + "  zzz: Contact.fullName", "line 4: the source has no column `zzz` (check the spelling"),
    (
        EMAIL + "  first: Contact.fulName",
        "line 4: the store has no trait `Contact.fulName` (did you mean `Contact.fullName`?)",
    ),
    (
        EMAIL + "  first: Contacts.fullName",
        "line 4: the store has no trait group `Contacts` (did you mean `Contact.fullName`?)",
    ),
    (EMAIL + "  first: Contact.zzz", "line 4: the store has no trait `Contact.zzz` (create it in the store"),
    (EMAIL + "  first: Loyalty.fullName", "`Loyalty.fullName` (did you mean `Contact.fullName`?)"),
    (EMAIL + "  first: Zzz.qqq", "line 4: the store has no trait group `Zzz` (create it in the store"),
    (
        EMAIL + "  points: {to: Loyalty.points, type: string}",
        "line 4: `Loyalty.points` is NUMBER in the store (write `type: number`",
    ),
    (
        EMAIL + "  first: {to: Contact.fullName, identifier: user_id}",
        "`Contact.fullName` is not an identifier in the store",
    ),
    (EMAIL + "  phone: {to: Contact.phone, identifier: email}", "`Contact.phone` is promoted to `phone` in the store"),
    (EMAIL + "  first: {to: Contact.fullName, split: ','}", "`split` is for an ARRAY; `Contact.fullName` is STRING"),
    (EMAIL + "  points: {to: Loyalty.points, parse: date}", "`parse` is for a STRING that is not an identifier"),
    (EMAIL + "  phone: {to: Contact.phone, parse: date}", "`Contact.phone` is STRING, an identifier"),
    (EMAIL + "  points: {to: Loyalty.points, true_values: [y]}", "`true_values` is for a BOOLEAN"),
    (EMAIL + "  points: {to: Loyalty.points, false_values: [n]}", "`false_values` is for a BOOLEAN"),
    (EMAIL + "  points: {to: Loyalty.points, lower: true}", "`lower` is for a text"),
    (EMAIL + "  colours: {to: Loyalty.colours, upper: true}", "`upper` is for a text; `Loyalty.colours` is ARRAY"),
    (EMAIL + "  colours: {to: Loyalty.colours, replace: {a: b}}", "`replace` is for a single value"),
    (
        EMAIL + "  points: {to: Loyalty.points, on_missing: clear}",
        "`clear` writes an empty text; `Loyalty.points` is NUMBER",
    ),
    (
        EMAIL + "  phone: {to: Contact.phone, on_missing: remove}",
        "`Contact.phone` is an identifier; a missing one is always kept",
    ),
    (
        EMAIL + "  phone: {to: Contact.phone, on_missing: clear}",
        "`Contact.phone` is an identifier; a missing one is always kept",
    ),
    (
        EMAIL + "  first: {to: Contact.fullName, region: US}",
        "`Contact.fullName` is not a phone identifier (take `region` out)",
    ),
    (
        EMAIL + "  first: {to: Contact.fullName, region_from: country}",
        "is not a phone identifier (take `region_from` out)",
    ),
    (
        EMAIL + "  phone: {to: Contact.phone, region_from: contry}",
        "the source has no column `contry` (did you mean `country`?)",
    ),
    ("columns: {first: [Contact.fullName, Loyalty.tier]}", "line 2: no column is mapped to an identifier"),
    ("columns: {email: Contact.email}", "line 2: only one trait is filled by a column (map another column"),
    (EMAIL + "source: {key: [idd]}", "line 4: the source has no column `idd` (did you mean `id`?)"),
    (EMAIL + "source: {where: contry = 'DE'}", "line 4: the source has no column `contry` (did you mean `country`?)"),
    (
        EMAIL + "source: {where: points > 0}",
        "line 4: values of different types meet in the expression (source columns are text",
    ),
    (EMAIL + "source: {where: first}", "line 4: the expression gives text, not true or false"),
    (EMAIL + "source: {where: active = TRUE}", "true or false is compared with something else"),
    (EMAIL + "computed: {Contact.fulName: first}", "line 4: the store has no trait `Contact.fulName`"),
    (EMAIL + "computed: {Contact.fullName: firts}", "line 4: the source has no column `firts` (did you mean `first`?)"),
    (
        EMAIL + "computed: {Contact.fullName: {expr: first, type: number}}",
        "line 4: `Contact.fullName` is STRING in the store",
    ),
    (
        EMAIL + "rules: [{name: a, check: pints > 0}]",
        "line 4: the source has no column `pints` (did you mean `points`?)",
    ),
    (
        EMAIL + "  points: Loyalty.points\nrules: [{name: a, check: points > 'a'}]",
        "line 5: values of different types meet",
    ),
    (
        EMAIL + "identity: {on_shared: {emale: hold}}",
        "line 4: the store has no identifier type `emale` (did you mean `email`?)",
    ),
    (
        EMAIL + "identity: {on_shared: {zzz: hold}}",
        "line 4: the store has no identifier type `zzz` (the store has: email, phone)",
    ),
    (EMAIL + "store: mem_store_00000000000000000000000000", "line 4: the mapping is for mem_store_0000"),
    (
        EMAIL + "constants: {Contact.phone: x}",
        "line 4: a constant on the identifier `Contact.phone` would merge all rows",
    ),
    (EMAIL + "constants: {Contact.fax: x}", "line 4: the store has no trait `Contact.fax`"),
    (
        EMAIL + "constants: {Contact.fullName: 5}",
        "line 4: the constant is NUMBER, the trait `Contact.fullName` is STRING (a text; quote it)",
    ),
    (EMAIL + "constants: {Loyalty.points: '5'}", "the constant is STRING, the trait `Loyalty.points` is NUMBER"),
    (EMAIL + "constants: {Loyalty.points: 101}", "the constant is not between 0 and 100"),
    (EMAIL + "constants: {Loyalty.points: -1}", "the constant is not between 0 and 100"),
    (EMAIL + "constants: {Loyalty.active: 'yes'}", "the trait `Loyalty.active` is BOOLEAN"),
    (EMAIL + "constants: {Loyalty.colours: [a]}", "the constant has fewer than 2 items"),
    (EMAIL + "constants: {Loyalty.colours: [a, b, c, d]}", "the constant has more than 3 items"),
    (EMAIL + "constants: {Loyalty.colours: [1, 2147483648]}", "in the list, the constant is not between"),
    (EMAIL + "constants: {Loyalty.colours: [a, '']}", "in the list, the constant is empty"),
    (EMAIL + "constants: {Loyalty.tier: toolong}", "the constant has more than 5 characters"),
    (EMAIL + "constants: {Loyalty.tier: a}", "the constant has fewer than 2 characters"),
    (EMAIL + "constants: {Loyalty.tier: ABC}", "the constant does not match the trait's pattern"),
    (EMAIL + "constants: {Contact.fullName: ' '}", "the constant is empty"),
    (EMAIL + 'constants: {Contact.fullName: "a\\e"}', "the constant has a control character"),
]


@pytest.mark.parametrize(("text", "expected"), FAULTS, ids=[text.replace(EMAIL, "")[:60] for text, _ in FAULTS])
def test_what_does_not_fit_is_one_problem(text: str, expected: str) -> None:
    """Each misfit is told once, with its line and what to do."""
    (problem,) = problems(text)
    assert expected in problem


@pytest.mark.parametrize("text", ["Loyalty.active: true", "Loyalty.colours: [true, false]", "Loyalty.odd: y"])
def test_constants_that_fit(text: str) -> None:
    """Constants of the trait's type are taken; a pattern this engine lacks is left to the service."""
    plan = resolve(EMAIL + f"constants: {{{text}}}")
    assert any(trait.constant is not None for trait in plan.traits)


def test_all_misfits_come_at_once() -> None:
    """One run tells everything that has to be corrected, in the order of the lines."""
    found = problems(
        "columns:\n  emial: Contact.email\n  first: Contact.fulName\n  points: {to: Loyalty.points, type: string}"
    )
    assert [problem.split(":")[0] for problem in found] == ["line 3", "line 4", "line 5"]


def test_header_that_is_a_row_of_data_is_not_shown() -> None:
    """When no mapped column is there, the first row may be data: it is told once, and nothing of it is echoed."""
    (problem,) = problems(
        "source: {key: [id], where: first = 'x'}\ncolumns: {email: Contact.email, first: Contact.fullName}",
        ["ann@example.com", "Ann", "4711"],
    )
    assert "the source has none of the 2 mapped columns" in problem
    assert "right file" in problem
    assert not any(value in problem for value in ("ann@example.com", "Ann", "4711"))


def test_unsupported_columns_are_refused_when_mapped() -> None:
    """A column the source cannot give is refused with the reason, and is no problem when nothing needs it."""
    unsupported = {"phone": "it is a struct"}
    columns = [column for column in COLUMNS if column != "phone"]
    (problem,) = problems(EMAIL + "  phone: Contact.phone", columns, unsupported=unsupported)
    assert problem.startswith("line 4: the column `phone` cannot be read: it is a struct")
    assert resolve(EMAIL, columns, unsupported=unsupported)


def test_invisible_characters_in_names_are_shown() -> None:
    """A name that looks right but is not is shown with what cannot be seen."""
    (problem,) = problems(EMAIL + '  "first\\u200b": Contact.fullName')
    assert "`first\\u200b`" in problem


def test_mapping_made_in_python_is_resolved_without_lines() -> None:
    """A mapping that no file stands behind has problems without lines."""
    from importer.core.mapping import MappingFile

    mapping = MappingFile.model_validate(
        {"version": 1, "columns": {"email": "Contact.email", "first": "Contact.email"}}
    )
    with pytest.raises(MappingError) as caught:
        resolve_mapping(mapping, COLUMNS, SCHEMA)
    (problem,) = caught.value.problems
    assert problem.line is None
    assert "gets a value from the column `first` and from the column `email`" in problem.message
