"""Whatever the cells hold, no row is lost, nothing crashes, and every verdict is a row's own."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.cast import cast_trait
from importer.core.characters import CONTROL, longer_rows, text_bytes
from importer.core.check import CheckedRows, check_rows
from importer.core.check_values import Checks, compile_checks
from importer.core.findings import Cell
from importer.core.schema import DataType, Normalization, ValidationRule
from importer.core.transform import (
    Expression,
    IdentityPolicy,
    LetterCase,
    NullIntent,
    OnInvalid,
    Parse,
    RowRule,
    TraitPlan,
    TransformPlan,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
ODD = st.sampled_from(
    [
        *(
            "",
            " ",
            "\\N",
            "a\x00b",
            "\x0bx",
            " x ",
            "\u00a0x\u3000",
            "a\u200bb",
            "n/a",
            "x" * 1025,
            "x" * 256,
            "😀" * 600,
        ),
        *(
            "1",
            "+5",
            "1.0",
            "-7",
            "2147483648",
            "1E+10",
            "1e3",
            "NaN",
            "0x10",
            "\uff11\uff12",
            "007",
            "1_0",
            "99999999999999999999",
        ),
        *("true", "YES", "no", "2026-02-28", "2026-02-30", "31/12/1985", "31/12/85", "2026-01-02T03:04:05Z"),
        *(
            "a|b",
            "|",
            "a||b ",
            "|".join("x" * 101),
            '["a"]',
            "[1,2]",
            "[[1]]",
            "[null]",
            '["\\ud800"]',
            "[99999999999]",
        ),
        *("ann@x.io", "Ann@X.IO", "a@@x", "+13179581234", "(317) 958-1234", "000-000-0000", "+10000000000", "DE", "us"),
    ]
)
WHITE_SPACE = "\t\n\v\f\r \x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
CELLS = st.none() | ODD | TEXT
COLUMNS = ("id", "email", "phone", "user", "country", "points", "vip", "born", "seen", "tags", "json", "name", "memo")


def trait(name: str, data_type: DataType = DataType.STRING, **more: object) -> TraitPlan:
    """Plan a trait of the column of its name."""
    source = {} if more.keys() & {"computed", "constant"} else {"column": name}
    return TraitPlan(f"G.{name}", "G", name, data_type, **source, **more)  # type: ignore[arg-type]


def expression(text: str, *columns: str) -> Expression:
    """Compile an expression as it stands."""
    return Expression(text, pl.sql_expr(text), columns)


PLAN = TransformPlan(
    key=("id",),
    traits=(
        trait("email", id_type="email", normalization=Normalization.EMAIL, on_invalid=OnInvalid.DROP),
        trait("phone", id_type="phone", normalization=Normalization.PHONE, region_from="country", region="US"),
        trait("user", id_type="user_id", normalization=Normalization.TRIM),
        trait("points", DataType.NUMBER, null_intent=NullIntent.REMOVE, rule=ValidationRule(min=-5, max=1e6)),
        trait("vip", DataType.BOOLEAN, true_values=("yes", "true"), false_values=("no",), on_invalid=OnInvalid.DROP),
        trait("born", parse=Parse.DATE, format="%d/%m/%Y", null_intent=NullIntent.CLEAR, on_invalid=OnInvalid.DROP),
        trait("seen", parse=Parse.DATETIME, null_intent=NullIntent.REMOVE),
        trait("tags", DataType.ARRAY, split="|", rule=ValidationRule(max_items=50)),
        trait("json", DataType.ARRAY, on_invalid=OnInvalid.DROP),
        trait("name", case=LetterCase.LOWER, replace={"n/a": "none"}, required=True),
        trait("memo", null_intent=NullIntent.CLEAR, rule=ValidationRule(pattern="^[^z]*$", max_length=500)),
        trait("both", computed=expression("name || '/' || memo", "name", "memo")),
        trait("origin", constant="crm"),
    ),
    where=expression("country <> 'DE'", "country"),
    rules=(
        RowRule("positive", expression("points > 0", "points"), is_error=False),
        RowRule("not-seven", expression("points <> -7", "points"), is_error=True),
    ),
    identity=IdentityPolicy(deny=("n/a",)),
)
CHECKS = compile_checks(PLAN)
UNRULED = compile_checks(replace(PLAN, rules=(), traits=tuple(replace(each, rule=None) for each in PLAN.traits)))
IDENTIFIERS = frozenset({"G.email", "G.phone", "G.user"})


@st.composite
def sources(draw: st.DrawFn) -> tuple[pl.DataFrame, list[bool]]:
    """Draw a frame of the plan's columns, and which rows are blank lines."""
    height = draw(st.integers(0, 6))
    blank = draw(st.lists(st.sampled_from([False, False, False, True]), min_size=height, max_size=height))
    good = {"email": "ann@x.io", "name": "Ann", "country": "US"}
    columns = {}
    for name in COLUMNS:
        cells = draw(st.lists(CELLS | st.just(good.get(name)), min_size=height, max_size=height))
        columns[name] = pl.Series([None if b else c for b, c in zip(blank, cells, strict=True)], dtype=pl.String)
    return pl.DataFrame(columns), blank


def check(frame: pl.DataFrame, blank: list[bool], first: int, checks: Checks = CHECKS) -> CheckedRows:
    """Check rows numbered from `first`."""
    numbers = pl.int_range(first, first + frame.height, dtype=pl.UInt64, eager=True)
    return check_rows(checks, frame, numbers, pl.Series(blank, dtype=pl.Boolean))


@settings(max_examples=60, deadline=None)
@given(sources())
def test_every_row_is_typed_rejected_or_skipped(source: tuple[pl.DataFrame, list[bool]]) -> None:
    """Each row ends in one place, an error rejects, and no rejection is without an error that names its code."""
    frame, blank = source
    checked = check(frame, blank, 1)
    early = checked.early["state"].to_list()
    assert checked.typed["row"].to_list() == [row for row, state in enumerate(early) if state is None]
    errors = checked.issues.filter(pl.col("severity") == "error")
    first = dict(reversed(errors.select("row_number", "code").rows()))
    rejected = {row + 1: checked.early["code"][row] for row, state in enumerate(early) if state == "rejected"}
    assert rejected == first
    assert [state == "skipped" for state in early] == [
        is_blank or country == "DE"
        for is_blank, country in zip(blank, frame["country"].str.strip_chars().to_list(), strict=True)
    ]
    skipped = {row + 1 for row, state in enumerate(early) if state == "skipped"}
    assert skipped.isdisjoint(checked.issues["row_number"].to_list())


@settings(max_examples=40, deadline=None)
@given(sources())
def test_a_cell_has_one_issue_with_its_own_text(source: tuple[pl.DataFrame, list[bool]]) -> None:
    """One cause, one issue; and what an issue quotes is what the source has there."""
    frame, blank = source
    issues = check(frame, blank, 1).issues
    cells = Counter(issues.filter(pl.col("column").is_not_null()).select("row_number", "column").rows())
    assert all(count == 1 for count in cells.values())
    for number, column, value in issues.select("row_number", "column", "value").rows():
        assert value == (None if column is None else frame[column][number - 1])


@settings(max_examples=25, deadline=None)
@given(sources())
def test_rows_are_judged_alike_in_any_chunk(source: tuple[pl.DataFrame, list[bool]]) -> None:
    """Row by row or all together, rows get the same values, states, issues and repairs."""
    frame, blank = source
    whole = check(frame, blank, 1)
    pieces = [check(frame[row : row + 1], blank[row : row + 1], row + 1) for row in range(frame.height)]
    if not pieces:
        return
    assert pl.concat([piece.early for piece in pieces]).equals(whole.early)
    assert pl.concat([piece.typed.drop("row") for piece in pieces]).equals(whole.typed.drop("row"))
    assert pl.concat([piece.issues for piece in pieces]).equals(whole.issues)
    repairs: Counter[str] = Counter()
    for piece in pieces:
        repairs.update(piece.repairs)
    assert repairs == whole.repairs


@settings(max_examples=40, deadline=None)
@given(sources(), st.sampled_from([CHECKS, UNRULED]))
def test_rows_are_judged_alike_where_few_values_are_wanted(
    source: tuple[pl.DataFrame, list[bool]], checks: Checks
) -> None:
    """What nobody reads need not be written, but no verdict and no gap depends on it."""
    frame, blank = source
    whole, few = check(frame, blank, 1, checks), check(frame, blank, 1, replace(checks, wanted=IDENTIFIERS))
    assert few.early.equals(whole.early)
    assert few.issues.equals(whole.issues)
    assert few.repairs == whole.repairs
    assert few.typed.select("row", *IDENTIFIERS).equals(whole.typed.select("row", *IDENTIFIERS))
    assert few.typed.select(pl.all().is_null()).equals(whole.typed.select(pl.all().is_null()))


def test_an_array_that_nobody_reads_is_not_written() -> None:
    """Its text stays in its place."""
    frame = pl.DataFrame({name: pl.Series(["a|b"], dtype=pl.String) for name in COLUMNS})
    frame = frame.with_columns(email=pl.lit("ann@x.io"), country=pl.lit("US"))
    for wanted, tags in ((None, '["a","b"]'), (IDENTIFIERS, "a|b"), (IDENTIFIERS | {"G.tags"}, '["a","b"]')):
        assert check(frame, [False], 1, replace(UNRULED, wanted=wanted)).judged["G.tags"].to_list() == [tags]


def test_an_array_that_a_rule_reads_is_judged_as_it_is_written() -> None:
    """Where few values are wanted too: the store's rule counts items, a row's rule reads what would be sent."""
    counted = tuple(
        replace(each, rule=ValidationRule(max_items=2)) if each.name == "tags" else each for each in PLAN.traits
    )
    short = (RowRule("short", expression("length(tags) < 12", "tags"), is_error=True),)
    frame = pl.DataFrame({name: pl.Series(["a|b|c", "a|b"], dtype=pl.String) for name in COLUMNS})
    frame = frame.with_columns(email=pl.Series(["a@x.io", "b@x.io"]), country=pl.lit("US"), name=pl.lit("Ann"))
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in ("phone", "points", "vip", "born"))
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in ("seen", "json"))
    for plan in (replace(PLAN, traits=counted, rules=()), replace(UNRULED.plan, rules=short)):
        checks = compile_checks(plan)
        for wanted in (None, IDENTIFIERS):
            judged = check(frame, [False, False], 1, replace(checks, wanted=wanted))
            assert judged.early["state"].to_list() == ["rejected", None]


@settings(max_examples=40, deadline=None)
@given(sources())
def test_typed_rows_fit_the_service(source: tuple[pl.DataFrame, list[bool]]) -> None:
    """What goes on is within the limits, has an identifier, and marks as removed only what was missing."""
    frame, blank = source
    typed = check(frame, blank, 1).typed
    for row in typed.to_dicts():
        assert any(row[f"G.{name}"] for name in ("email", "phone", "user"))
        assert row["G.points"] is None or -5 <= row["G.points"] <= 1_000_000
        for name in ("tags", "json"):
            items = json.loads(row[f"G.{name}"] or "[]")
            assert len(items) <= 100
            assert all(type(item) in (str, int, bool) for item in items)
        for name in ("email", "phone", "user", "born", "seen", "name", "memo", "both"):
            assert len((row[f"G.{name}"] or "").encode("utf-16-le")) // 2 <= 1024
            assert not re.search(CONTROL, row[f"G.{name}"] or "")
        for name in ("points", "seen"):
            cell = frame[name][row["row"]]
            assert row[f"remove:G.{name}"] == (cell is None or cell.strip() in ("", "\\N"))
            assert not (row[f"remove:G.{name}"] and row[f"G.{name}"] is not None)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.none() | st.text(alphabet="0123456789+-.eE_, xNa\uff11\u0663\u00a0", max_size=14), max_size=8))
def test_numbers_are_read_by_the_documented_form_alone(texts: list[str | None]) -> None:
    """A NUMBER is what the plain pattern says, in range, whatever a faster parser would take."""

    def number(text: str | None) -> int | None:
        found = re.fullmatch(r"([+-]?[0-9]+)(?:\.0+)?", text or "")
        value = int(found[1]) if found else None
        return value if value is not None and -(2**31) <= value < 2**31 else None

    cell = Cell(pl.Series(texts, dtype=pl.String))
    cast_trait(trait("n", DataType.NUMBER), cell)
    assert cell.value.to_list() == [number(text) for text in texts]
    refused = [row for finding in cell.findings for row in finding.rows]
    assert sorted(refused) == [row for row, text in enumerate(texts) if text is not None and number(text) is None]
    repaired = [text for text in texts if number(text) is not None and not re.fullmatch("-?[0-9]+", text or "")]
    assert cell.repairs.get("number-format", 0) == len(repaired)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.lists(TEXT | st.sampled_from(["", "a", '"', "\\", " b "]), max_size=5), max_size=6))
def test_split_items_come_back_from_the_json_text(rows: list[list[str] | None]) -> None:
    """Joining items and splitting them again gives the trimmed ones that are not empty."""
    texts = [None if items is None else "|".join(items).strip(WHITE_SPACE) or None for items in rows]
    cell = Cell(pl.Series(texts, dtype=pl.String))
    cast_trait(trait("a", DataType.ARRAY, split="|"), cell)
    for text, value in zip(texts, cell.value, strict=True):
        items = None if text is None else [item.strip(WHITE_SPACE) for item in text.split("|")]
        items = None if items is None else [item for item in items if item]
        if items is not None and any(re.search(CONTROL, item) for item in items):
            items = None
        assert (None if value is None else json.loads(value)) == items


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dates(date(1000, 1, 1)), min_size=1, max_size=5))
def test_days_survive_the_format_they_are_written_in(days: list[date]) -> None:
    """A day written in a format and read by it is that day."""
    for form in ("%d/%m/%Y", "%Y%m%d", "%m-%d-%Y", "%d.%m.%Y"):
        cell = Cell(pl.Series([f"{day:{form}}" for day in days]))
        cast_trait(trait("d", parse=Parse.DATE, format=form), cell)
        assert cell.value.to_list() == [day.isoformat() for day in days]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.none() | TEXT | ODD, max_size=6), st.integers(0, 4), st.integers(0, 12))
def test_bytes_of_a_column_hide_nothing(values: list[str | None], start: int, limit: int) -> None:
    """A flag that is false is certain, for slices too; lengths are exact."""
    column = pl.Series(values, dtype=pl.String).slice(start)
    seen = text_bytes(column)
    assert seen.control == bool(column.str.contains(CONTROL).any())
    assert seen.spaced or not (column != column.str.strip_chars()).any()
    assert seen.international == any(not (text or "").isascii() for text in column)
    long = [row for row, t in enumerate(column) if len((t or "").encode("utf-16-le")) // 2 > limit]
    assert longer_rows(column, limit).to_list() == long
