"""Typed rows against a schema that moved: what reading the source again would give, or no answer."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.check import check_rows
from importer.core.check_values import compile_checks
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_yaml import parse_mapping
from importer.core.recheck import Rechecked, recheck_of, recheck_rows, unfit
from importer.core.schema import StoreSchema
from importer.core.transform import TransformPlan

COLUMNS = ("id", "email", "nick", "code", "points", "tags", "tier", "born")
MAPPING: dict[str, Any] = {
    "version": 1,
    "columns": {
        "email": "Contact.email",
        "nick": {"to": "Contact.nick", "replace": {"a": "b", "b": "c"}},
        "code": {"to": "Contact.code", "on_invalid": "drop"},
        "points": {"to": "Contact.points", "type": "number", "on_missing": "remove"},
        "tags": {"to": "Contact.tags", "type": "array", "split": "|"},
        "tier": {"to": "Contact.tier", "on_missing": "clear", "on_invalid": "drop"},
        "born": {"to": "Contact.born", "parse": "date", "format": "%d/%m/%Y"},
    },
    "computed": {"Contact.both": "nick || ' ' || code"},
    "constants": {"Contact.origin": "crm"},
}
TYPES = {"points": "NUMBER", "tags": "ARRAY"}
NAMES = ("email", "nick", "code", "points", "tags", "tier", "born", "both", "origin")


def schema(normalization: str = "email", **changes: Any) -> StoreSchema:
    """Return a store's schema; `changes` are parts of trait definitions by name."""
    traits = {name: {"dataType": TYPES.get(name, "STRING")} | changes.get(name, {}) for name in NAMES}
    traits["email"] = {"idTypePromotion": "email"} | traits["email"]
    return StoreSchema.from_api(
        {"id": "mem_store_1", "displayName": "store"},
        [{"displayName": "Contact", "version": 1, "traits": traits}],
        {"identifierConfigs": [{"idType": "email", "normalization": normalization}], "matchingRules": ["email"]},
    )


def longest(most: int) -> dict[str, Any]:
    """Return a rule on the length of a text."""
    return {"validationRule": {"maxLength": most}}


def plan_of(now: StoreSchema, mapping: dict[str, Any] | None = None) -> TransformPlan:
    """Bring the mapping and a schema together."""
    return resolve_mapping(parse_mapping(json.dumps(mapping or MAPPING).encode(), "m"), COLUMNS, now)


def read(frame: pl.DataFrame, now: StoreSchema, mapping: dict[str, Any] | None = None) -> Any:
    """Check rows as they are read from a source."""
    numbers = pl.int_range(frame.height, dtype=pl.UInt64, eager=True)
    blank = pl.Series([False] * frame.height, dtype=pl.Boolean)
    return check_rows(compile_checks(plan_of(now, mapping)), frame, numbers, blank)


def again(
    frame: pl.DataFrame, before: StoreSchema, now: StoreSchema, mapping: dict[str, Any] | None = None
) -> Rechecked:
    """Read rows by one schema and check them again by another."""
    typed = read(frame, before, mapping).typed.drop("row")
    plan = plan_of(now, mapping)
    assert unfit(plan, before, now) == ()
    return recheck_rows(recheck_of(plan, before, now), typed)


CELL = st.sampled_from(
    ["", "a", "b", "c", "ab", "abcd", "7", "-12", "x|y", "1|2", " spaced ", "\\N", '"', "ä", "31/01/1990"]
)
ROWS = st.lists(
    st.tuples(st.sampled_from(["a@x.org", "B@X.org", ""]), *([CELL] * 5), st.just("31/01/1990")), max_size=8
)
MOVES = st.fixed_dictionaries(
    {},
    optional={
        "nick": st.just(longest(1)),
        "code": st.just(longest(2)),
        "tier": st.sampled_from([longest(1), {"validationRule": {"pattern": "^[a-z]*$"}}]),
        "points": st.just({"validationRule": {"min": 0}}),
        "tags": st.just({"validationRule": {"maxItems": 1}}),
        "both": st.just(longest(3)),
        "email": st.just(longest(7)),
    },
)


@given(ROWS, MOVES)
@settings(max_examples=25, deadline=None)
def test_it_gives_what_the_source_would(rows: list[tuple[str, ...]], moves: dict[str, dict[str, Any]]) -> None:
    """Of rows that were valid before, the same ones fit, with the same values and removals, as if read again."""
    frame = pl.DataFrame([("k", *row) for row in rows], schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    before, now = schema(), schema("email", **moves)
    first, fresh = read(frame, before), read(frame, now)
    checked = again(frame, before, now)
    valid = first.typed["row"].to_list()
    fits = [row for row, code in zip(valid, checked.code, strict=True) if code is None]
    assert fits == fresh.typed["row"].to_list()
    kept = checked.typed.filter(checked.code.is_null())
    assert kept.select(sorted(kept.columns)).rows() == fresh.typed.drop("row").select(sorted(kept.columns)).rows()


def test_nothing_moves_where_the_schema_did_not() -> None:
    """Every value and removal is the same byte for byte, and there is nothing to say."""
    frame = pl.DataFrame({name: ["a@x.org"] if name == "email" else [""] for name in COLUMNS} | {"nick": ["a"]})
    typed = read(frame, schema()).typed.drop("row")
    checked = again(frame, schema(), schema())
    assert checked.typed.select(typed.columns).equals(typed)
    assert (checked.code.to_list(), checked.issues.height) == ([None], 0)


def test_text_is_cast_as_the_source_would_be() -> None:
    """A STRING without a form of its own becomes any other type; replacements are not made twice."""
    mapping = MAPPING | {"columns": MAPPING["columns"] | {"tier": "Contact.tier"}}
    values = ["7", "x", "\\N", "-0012", "1.0", "2147483648"]
    frame = pl.DataFrame({name: [""] * len(values) for name in COLUMNS}).with_columns(
        email=pl.Series([f"{n}@x.org" for n in range(len(values))]), nick=pl.lit("a"), tier=pl.Series(values)
    )
    before, now = schema(), schema(tier={"dataType": "NUMBER"})
    checked = again(frame, before, now, mapping)
    assert checked.typed["Contact.tier"].to_list() == [7, None, None, -12, 1, None]
    assert checked.code.to_list() == [None, "type-mismatch", None, None, None, "out-of-range"]
    assert checked.typed["Contact.nick"].to_list() == ["b", None, "b", "b", "b", None]
    assert checked.issues.select("code", "column", "trait").rows() == [
        ("type-mismatch", "tier", "Contact.tier"),
        ("out-of-range", "tier", "Contact.tier"),
    ]


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (schema(), schema("trim"), "its values were normalised"),
        (schema("trim"), schema("none"), "its values were normalised"),
        (schema("trim"), schema("email"), None),
        (schema("none"), schema("trim"), None),
        (schema(), schema(email={"idTypePromotion": None}), None),
    ],
)
def test_normalised_values_do_not_tell_how_they_were_written(
    before: StoreSchema, now: StoreSchema, why: str | None
) -> None:
    """Only what was trimmed or left alone can be normalised in another way."""
    if now.traits["Contact.email"].id_type is None:
        now = schema()
    reasons = unfit(plan_of(now), before, now)
    assert (why is None and not reasons) or (why is not None and why in reasons[0])


def test_a_type_that_lost_the_text_is_refused() -> None:
    """What was a number may have been written in many ways; a rule over such a column is not asked either."""
    mapping = MAPPING | {
        "columns": MAPPING["columns"] | {"points": {"to": "Contact.points"}, "tags": "Contact.tags"},
        "rules": [{"name": "short", "check": "length(nick) < 9"}, {"name": "tier", "check": "tier <> 'x'"}],
    }
    mapping["columns"]["tier"] = "Contact.tier"
    before = schema(tags={"dataType": "STRING"})
    now = schema(points={"dataType": "STRING"}, tags={"dataType": "STRING"}, tier={"dataType": "NUMBER"})
    mapping["rules"][1]["check"] = "tier is not null"
    reasons = unfit(plan_of(now, mapping), before, now)
    assert reasons == (
        "Contact.points: a NUMBER does not tell how the source wrote it",
        "rule tier looks at a column whose type changed",
    )
