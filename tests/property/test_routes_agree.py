"""Both routes leave the same profiles: the same random rows by Bulk, by import, and as the importer would mix them.

A plain reading of the rules in this file says what the profiles must be, so that the routes cannot be wrong alike.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.errors import ConfigError
from tests.support.rules import Store, Value, nested
from tests.support.runs import DELIVERED, Profile, Workbench, outcomes_of, workbench

CSV_SIGNS: Final = "!@#$%^&*()_+-=[]{}:\\|.`~<>/?"
CSV_LETTERS: Final = "àáâäǎæãåāçćčċďðḍèéêëěẽēėęğġħḥìíîïǐĩīıįķłľṁòóôöœøõōřṛßşșśšṣțťþṭùúûüǔũūűůŵýŷÿźžżẓÀŁŠŻŒ"
PLAIN: Final = "azAZ09"
CARRIED_SIGNS: Final = frozenset(string.ascii_letters + string.digits + CSV_SIGNS + CSV_LETTERS)
ELSEWHERE: Final = ",;'\"ñЖ你🎉\n\t"


@dataclass(frozen=True)
class Column:
    """One source column and the trait it sets."""

    ref: str
    kind: str = "string"
    on_missing: str = "keep"
    id_type: str | None = None

    def target(self) -> dict[str, Any]:
        """Return the column's entry in the mapping."""
        entry: dict[str, Any] = {"to": self.ref, "type": self.kind, "on_missing": self.on_missing}
        if self.id_type is not None:
            entry["identifier"] = self.id_type
            del entry["on_missing"]  # an identifier is always kept
        return entry | ({"split": "|"} if self.kind == "array" else {})


@dataclass(frozen=True)
class Row:
    """One row: whose it is, what its cells mean (None is missing) and how they are written."""

    person: int
    cells: tuple[Value | None, ...]
    written: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A source, its mapping, and what is in the store before."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    before: tuple[dict[str, Value], ...]
    keyed: bool
    delimiter: str
    line_end: str

    def mapping(self, **routing: int) -> dict[str, Any]:
        """Return the mapping; the source is read as it is written."""
        source: dict[str, Any] = {"delimiter": self.delimiter, "encoding": "utf-8"}
        return {
            "version": 1,
            "source": source | ({"key": ["person"]} if self.keyed else {}),
            "columns": {f"c{number}": column.target() for number, column in enumerate(self.columns)},
            "routing": {"import_min_rows": 2} | routing,
        }

    def write(self, path: Path) -> None:
        """Write the source."""
        names = ["person", *(f"c{number}" for number in range(len(self.columns)))]
        lines = [names, *([f"P{row.person}", *row.written] for row in self.rows)]
        text = "".join(self.delimiter.join(line) + self.line_end for line in lines)
        path.write_text(text, encoding="utf-8", newline="")


# --- what the profiles must be ---------------------------------------------------------------------------------------


def id_types(columns: Sequence[Column]) -> dict[str, str]:
    """Return the identifier types of the traits that are identifiers."""
    return {column.ref: column.id_type for column in columns if column.id_type is not None}


def payload_of(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[dict[str, Value], list[str]]:
    """Return the values and the removals that the rows of one person come to: the last word on each trait."""
    values: dict[str, Value] = {}
    removed: dict[str, None] = {}
    for row in rows:
        for column, cell in zip(columns, row.cells, strict=True):
            said = "" if cell is None and column.on_missing == "clear" else cell
            if said is not None:
                values[column.ref] = said
                removed.pop(column.ref, None)
            elif column.on_missing == "remove":
                values.pop(column.ref, None)
                removed[column.ref] = None
    return values, list(removed)


def rows_by_person(rows: Sequence[Row]) -> dict[int, list[Row]]:
    """Group rows, keeping their order."""
    persons: dict[int, list[Row]] = {}
    for row in rows:
        persons.setdefault(row.person, []).append(row)
    return persons


def expected(case: Case) -> list[Profile]:
    """Return the profiles that a case must leave."""
    store = Store(id_types(case.columns))
    for values in case.before:
        store.write(values)
    for rows in rows_by_person(case.rows).values():
        store.write(*payload_of(case.columns, rows))
    return store.shown()


# --- random cases ----------------------------------------------------------------------------------------------------


def texts(alphabet: str) -> st.SearchStrategy[str]:
    """Draw words with single spaces between them; never the token that means "missing"."""
    word = st.text(alphabet, min_size=1, max_size=5).map(str.strip).filter(bool)
    return st.lists(word, min_size=1, max_size=3).map(" ".join).filter(lambda text: text != "\\N")


CARRIED: Final = texts(CSV_SIGNS + CSV_LETTERS + PLAIN)
ANY_TEXT: Final = CARRIED | texts(PLAIN + CSV_LETTERS + ELSEWHERE) | st.just("two  spaces")
MISSING_TEXT: Final = st.sampled_from(["", '""', "\\N", "  "])
NUMBERS: Final = st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3)
ITEMS: Final = st.lists(st.text("abcé'ñ", min_size=1, max_size=4), min_size=1, max_size=3, unique=True).map(tuple)


def identifier(column: Column, person: int, variant: int) -> str:
    """Return an identifier no other person has, as the service keeps it."""
    match column.id_type:
        case "email":
            return f"p{person}.{variant}@example.com"
        case "phone":
            return f"+13179{variant}8{person:04d}"
        case _:
            return f"U-{person}-{variant}"


@st.composite
def draw_columns(draw: st.DrawFn, *, arrays: bool) -> tuple[Column, ...]:
    """Draw a schema: some identifiers, and traits of every type and null intent."""
    others = [Column("Contact.phone", id_type="phone"), Column("Account.userId", id_type="user_id")]
    identifiers = [Column("Contact.email", id_type="email"), *draw(st.lists(st.sampled_from(others), unique=True))]
    kinds = ["string", "string", "number", "boolean"] + (["array"] if arrays else [])
    traits = [Column("Account.note", on_missing=draw(st.sampled_from(["keep", "clear", "remove"])))]
    for number in range(draw(st.sampled_from([4, 6, 2, 0]))):
        kind = draw(st.sampled_from(kinds))
        intents = {"string": ["keep", "clear", "remove"], "array": ["keep"]}.get(kind, ["keep", "remove"])
        group = draw(st.sampled_from(["Contact", "Account", "Loyalty"]))
        traits.append(Column(f"{group}.trait{number}", kind, draw(st.sampled_from(intents))))
    return tuple(draw(st.permutations([*identifiers, *traits])))


@st.composite
def draw_cell(draw: st.DrawFn, column: Column, person: int, text: st.SearchStrategy[str]) -> Value | None:
    """Draw what a cell means."""
    if draw(st.integers(0, 3)) == 0:
        return None
    if column.id_type is not None:
        return identifier(column, person, draw(st.sampled_from([0, 0, 0, 1])))
    match column.kind:
        case "number":
            return draw(NUMBERS)
        case "boolean":
            return draw(st.booleans())
        case "array":
            return draw(ITEMS)
        case _:
            return draw(text)


@st.composite
def draw_written(draw: st.DrawFn, cell: Value | None, column: Column, delimiter: str) -> str:
    """Draw how a cell is written: quoted or not, with spaces around it, identifiers in other spellings."""
    if cell is None:
        return draw(MISSING_TEXT)
    match cell:
        case bool():
            text = draw(st.sampled_from([str(cell), str(cell).lower()]))
        case tuple():
            text = "|".join(cell)
        case _:
            text = str(cell)
    if column.id_type == "email":
        text = draw(st.sampled_from([text, text.upper()]))
    if column.id_type == "phone":
        text = draw(st.sampled_from([text, f"+1 ({text[2:5]}) {text[5:8]}-{text[8:]}"]))
    text = draw(st.sampled_from([text, text, f" {text} "]))
    must = any(sign in text for sign in (delimiter, '"', "\n", "\r"))
    return '"' + text.replace('"', '""') + '"' if must or draw(st.integers(0, 4)) == 0 else text


@st.composite
def draw_row(
    draw: st.DrawFn, columns: Sequence[Column], person: int, text: st.SearchStrategy[str], delimiter: str
) -> Row:
    """Draw a row with an identifier and a second value."""
    cells = [draw(draw_cell(column, person, text)) for column in columns]
    if not any(cell is not None for cell, column in zip(cells, columns, strict=True) if column.id_type):
        place = next(number for number, column in enumerate(columns) if column.id_type)
        cells[place] = identifier(columns[place], person, 0)
    if sum(cell is not None for cell in cells) < 2:
        cells[next(number for number, column in enumerate(columns) if column.ref == "Account.note")] = "second value"
    written = [draw(draw_written(cell, column, delimiter)) for cell, column in zip(cells, columns, strict=True)]
    return Row(person, tuple(cells), tuple(written))


@st.composite
def draw_before(draw: st.DrawFn, columns: Sequence[Column], rows: Sequence[Row]) -> list[dict[str, Value]]:
    """Draw profiles of one person that are in the store before: none, one, or several that the rows bring together."""
    before: list[dict[str, Value]] = []
    for variant in range(draw(st.sampled_from([1, 2, 0]))):
        values: dict[str, Value] = {}
        for column in columns:
            if column.id_type is not None:
                if draw(st.booleans()):
                    values[column.ref] = identifier(column, rows[0].person, 0)
            elif draw(st.integers(0, 2)):
                stored: dict[str, Value] = {"number": 7 + variant, "boolean": True, "array": ("stored",)}
                values[column.ref] = stored.get(column.kind, f"stored {variant}")
        store = Store(id_types(columns))
        if not store.identifiers(values) or len(values) < 2:
            continue
        for earlier in [*before, values]:
            store.write(earlier)
        payload, removed = payload_of(columns, rows)
        # Of several profiles nobody can say by Bulk which one a removal is for: such a row is held.
        if not removed or len(store.matches(payload)) < 2:
            before.append(values)
    return before


@st.composite
def draw_case(draw: st.DrawFn, text: st.SearchStrategy[str], *, arrays: bool) -> Case:
    """Draw a case. With a key, a person may have several rows; they are combined."""
    columns = draw(draw_columns(arrays=arrays))
    keyed = draw(st.booleans())
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    # A run costs the same whether it has one row or twenty, so that most cases have many.
    count = draw(st.sampled_from([16, 24, 8, 1]))
    persons = draw(st.lists(st.integers(0, 30), min_size=count, max_size=count, unique=not keyed))
    rows = [draw(draw_row(columns, person, text, delimiter)) for person in persons]
    before = [values for some in rows_by_person(rows).values() for values in draw(draw_before(columns, some))]
    return Case(columns, tuple(rows), tuple(before), keyed, delimiter, draw(st.sampled_from(["\n", "\r\n"])))


# --- runs ------------------------------------------------------------------------------------------------------------


@contextmanager
def prepared(case: Case, **routing: int) -> Iterator[tuple[Workbench, Path]]:
    """Give a fresh store what is there before, and the source on disk."""
    with TemporaryDirectory() as name, workbench(Path(name), case.mapping(**routing)) as bench:
        source = bench.folder / "source.csv"
        case.write(source)
        bench.put([nested(values) for values in case.before])
        yield bench, source


def delivered(case: Case, via: str) -> tuple[list[Profile], dict[int, str]]:
    """Deliver a case; return the profiles it leaves and the state of each row."""
    with prepared(case) as (bench, source):
        report = bench.deliver(source, via=via)
        assert report.exit_code == 0, (report.error, report.outcomes)
        frame = outcomes_of(report)
        return bench.stored(), dict(frame.select("row_number", "state").iter_rows())


@settings(max_examples=18, deadline=None)
@given(draw_case(CARRIED, arrays=False))
def test_bulk_and_import_leave_the_same_profiles(case: Case) -> None:
    """Rows that a CSV file carries end alike by both routes, whatever a missing cell means and whatever is stored."""
    wanted = expected(case)
    by_bulk, bulk_states = delivered(case, "bulk")
    assert by_bulk == wanted
    by_import, import_states = delivered(case, "import")
    assert by_import == wanted
    # A removal by PATCH is no more than accepted, one in a part is processed with it.
    assert {row: "processed" if state == "accepted" else state for row, state in bulk_states.items()} == import_states
    assert set(bulk_states.values()) <= {*DELIVERED, "combined"}


def carried_by_csv(case: Case) -> bool:
    """Tell whether a case has nothing that an import file cannot hold."""
    for rows in rows_by_person(case.rows).values():
        for value in payload_of(case.columns, rows)[0].values():
            if isinstance(value, tuple):
                return False
            words = str(value).split(" ")
            if value != "" and not (all(words) and CARRIED_SIGNS.issuperset("".join(words))):
                return False
    return True


@settings(max_examples=8, deadline=None)
@given(draw_case(ANY_TEXT, arrays=True))
def test_rows_go_where_they_can_and_end_alike(case: Case) -> None:
    """Any rows end alike by Bulk and mixed; forced into import files they are refused with reasons before a write."""
    wanted = expected(case)
    assert delivered(case, "bulk")[0] == wanted
    assert delivered(case, "auto")[0] == wanted
    if carried_by_csv(case):
        return
    with prepared(case) as (bench, source):
        before = len(bench.writes())
        with pytest.raises(ConfigError, match=r"not every row can go by import \(\d+ rows? with ") as refusal:
            bench.deliver(source, via="import")
        assert refusal.value.hint
        assert len(bench.writes()) == before


@pytest.mark.parametrize("via", ["bulk", "auto"])
def test_an_array_is_removed_whatever_the_route(via: str, tmp_path: Path) -> None:
    """How an import file holds an array is not documented, so a row that removes one goes by Bulk."""
    columns = (
        Column("Contact.email", id_type="email"),
        Column("Account.note"),
        Column("Account.colours", "array", "remove"),
    )
    rows = tuple(Row(n, (f"p{n}@example.com", "x", None), (f"p{n}@example.com", "x", "")) for n in range(2))
    before: tuple[dict[str, Value], ...] = ({"Contact.email": "p0@example.com", "Account.colours": ("red",)},)
    case = Case(columns, rows, before, keyed=False, delimiter=",", line_end="\n")
    assert delivered(case, via)[0] == expected(case)
