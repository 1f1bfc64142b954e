"""The service's wire form of typed rows."""

from __future__ import annotations

import csv
import io

import polars as pl
import pytest

from importer.core.check import REMOVE_PREFIX
from importer.core.schema import DataType
from importer.core.transform import NullIntent, TraitPlan, TransformPlan
from importer.core.wire import (
    REMOVAL_CELL,
    WireTrait,
    body_bytes_bound,
    csv_carried,
    csv_carries_expr,
    encode_import_rows,
    encode_removals,
    import_header,
    removal_column,
    wire_traits,
)

NAME = WireTrait("C.name", "C", "name", DataType.STRING)
EMAIL = WireTrait("C.email", "C", "email", DataType.STRING, id_type="email")
POINTS = WireTrait("L.points", "L", "points", DataType.NUMBER, removable=True)
VIP = WireTrait("L.vip", "L", "vip", DataType.BOOLEAN)
TAGS = WireTrait("T.tags", "T", "tags", DataType.ARRAY)
TRAITS = (NAME, EMAIL, POINTS, VIP, TAGS)


def frame(*rows: tuple[object, ...]) -> pl.DataFrame:
    """Make typed rows of `TRAITS`."""
    types = [pl.String, pl.String, pl.Int32, pl.Boolean, pl.String]
    return pl.DataFrame(rows, schema=dict(zip((t.ref for t in TRAITS), types, strict=True)), orient="row")


def test_traits_of_a_group_stand_together() -> None:
    """A plan that mixes its groups is put in order: groups as they first appear, traits as they are planned."""
    plans = [
        TraitPlan(f"{group}.{name}", group, name, DataType.STRING, column=name, null_intent=intent)
        for group, name, intent in [
            ("B", "x", NullIntent.KEEP),
            ("A", "y", NullIntent.REMOVE),
            ("B", "z", NullIntent.CLEAR),
        ]
    ]
    traits = wire_traits(TransformPlan(key=(), traits=tuple(plans)))
    assert [trait.ref for trait in traits] == ["B.x", "B.z", "A.y"]
    assert [(trait.removable, trait.clears) for trait in traits] == [(False, False), (False, True), (True, False)]


def test_removals_are_the_only_nulls_on_the_wire() -> None:
    """A patch names each removed trait with null, in plan order whatever order it is asked in."""
    assert encode_removals(TRAITS, ["T.tags", "C.name", "L.points"]) == (
        b'{"traits":{"C":{"name":null},"L":{"points":null},"T":{"tags":null}}}'
    )
    assert encode_removals(TRAITS, ["X.unknown"]) == b'{"traits":{}}'


def test_import_rows_are_plain_csv() -> None:
    """Cells stand as they are; a null of a removable trait is a removal, an empty text an empty cell."""
    traits = (NAME, EMAIL, POINTS, VIP)
    rows = frame(("Ann", "a@x.io", None, True, None), ("", "b@x.io", 7, False, None)).to_arrow()
    content = encode_import_rows(traits, rows)
    assert content == b"Ann,a@x.io,\\N,true\n,b@x.io,7,false\n"
    assert list(csv.reader(io.StringIO(content.decode()))) == [
        ["Ann", "a@x.io", REMOVAL_CELL, "true"],
        ["", "b@x.io", "7", "false"],
    ]
    assert encode_import_rows(traits, rows.slice(1)) == b",b@x.io,7,false\n"
    assert encode_import_rows(traits, frame().to_arrow()) == b""


def test_no_line_of_an_import_file_is_left_out() -> None:
    """An empty cell would wipe what is stored: a row without a value that it does not remove is a fault of ours."""
    with pytest.raises(ValueError, match="lacks a value"):
        encode_import_rows((NAME, POINTS), frame(("Ann", None, 1, None, None), (None, None, 2, None, None)).to_arrow())


def test_import_headers_are_short_and_different() -> None:
    """100 generated headers are unique and far below 64 characters."""
    header = import_header(100)
    assert header[:2] == ("c001", "c002")
    assert len(set(header)) == 100
    assert max(map(len, header)) <= 64


@pytest.mark.parametrize(
    ("text", "carried"),
    [
        ("Ann", True),
        ("Ann Lee", True),
        ("\u00c9lodie \u0141\u00f3d\u017a \u00df", True),
        ("a@x.io", True),
        (None, True),
        ("", False),
        (" Ann", False),
        ("Ann ", False),
        ("Ann  Lee", False),
        ("Ann\u00a0Lee", False),
        ("O'Brien", False),
        ("a,b", False),
        ('say "hi"', False),
        ("a;b", False),
        ("two\nlines", False),
        ("tab\tbed", False),
        ("ma\u00f1ana", False),
        ("e\u0301", False),
        ("\u4e2d", False),
        ("\U0001f600", False),
        ("\\N", False),
        ("\\Nx", True),
    ],
)
def test_the_csv_flow_carries_documented_characters_only(text: str | None, carried: bool) -> None:
    """Other characters, odd spaces and the removal cell go by Bulk; a missing value is no obstacle."""
    rows = pl.DataFrame({"C.name": pl.Series([text], dtype=pl.String)})
    assert rows.select(csv_carries_expr([NAME])).item() is carried


def test_arrays_do_not_go_by_csv_and_other_types_always_do() -> None:
    """How an array cell is written is not documented; numbers and truth values are plain text."""
    rows = frame(("A", "a", 1, True, "[]"), ("A", "a", -1, False, None))
    assert rows.select(csv_carries_expr(TRAITS)).to_series().to_list() == [False, True]
    assert rows.select(csv_carries_expr([]).first()).item() is True
    assert csv_carried(TRAITS, rows).to_list() == [False, True]
    assert csv_carried([], rows).to_list() == [True, True]


@pytest.mark.parametrize(
    "odd",
    [
        "",
        " a",
        "a ",
        "a  b",
        "a\tb",
        "a\x7f",
        "\\N",
        'a"b',
        "a'b",
        "a,b",
        "a;b",
        "Zo\u00eb",
        "\u4e2d",
        None,
        "a b",
        "~",
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("clears", [False, True])
def test_one_odd_text_among_plain_ones_is_judged_alone(odd: str | None, place: int, clears: bool) -> None:
    """A column that is judged by all its bytes at once gets the answers that its values get one by one."""
    trait = WireTrait("C.name", "C", "name", DataType.STRING, clears=clears)
    texts = ["Ann Lee", "b", None, "a.b@example.com"]
    rows = pl.DataFrame({"C.name": pl.Series([*texts[:place], odd, *texts[place:]], dtype=pl.String)})
    alone = rows.select(csv_carries_expr([trait])).to_series().to_list()
    assert csv_carried([trait], rows).to_list() == alone
    assert (
        csv_carried([NAME], rows[[place]]).to_list()
        == rows[[place]].select(csv_carries_expr([NAME])).to_series().to_list()
    )


def test_a_cleared_text_goes_by_csv() -> None:
    """An empty cell overwrites with the empty text, which is what clear asks for; other odd texts still do not go."""
    clears = WireTrait("C.name", "C", "name", DataType.STRING, clears=True)
    rows = pl.DataFrame({"C.name": ["", "x", "a,b", None]})
    assert rows.select(csv_carries_expr([clears])).to_series().to_list() == [True, True, False, True]


def test_the_bound_counts_only_columns_that_are_there() -> None:
    """A frame narrowed to some traits has a bound for these."""
    rows = frame(("Ann", "a@x.io", 1, True, "[]")).select("C.name")
    everything = frame(("Ann", None, None, None, None))
    narrow = body_bytes_bound(TRAITS, rows).tolist()
    assert narrow == body_bytes_bound(TRAITS, everything).tolist()


def test_removals_are_marked_in_a_column_of_their_own() -> None:
    """The name of the column is the trait's with a prefix that no group can have."""
    assert removal_column("L.points") == REMOVE_PREFIX + "L.points" == "remove:L.points"
