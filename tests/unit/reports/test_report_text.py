"""Text in reports: CSV quoting, formulas, characters nobody sees, masks, encodings."""

from __future__ import annotations

import csv
import io
import json
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.reports.csv_text import CsvStyle, Encoder, csv_header, csv_lines, harmless
from importer.reports.masks import mask_expr
from importer.reports.plain_text import ESCAPES, printable

CELL = st.none() | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",;\r\n\t\ufeff'), max_size=8)
STYLE = st.builds(
    CsvStyle,
    delimiter=st.sampled_from([",", ";", "\t", "|", "\x01", "^"]),
    quote=st.just('"'),
    line_terminator=st.sampled_from(["\n", "\r\n"]),
)


def masked(values: list[str | None]) -> list[str | None]:
    """Mask values."""
    return pl.Series("v", values, dtype=pl.String).to_frame().select(mask_expr(pl.col("v"))).to_series().to_list()


def shown(value: str | None) -> str | None:
    """Return a value as a spreadsheet gets it."""
    frame = pl.DataFrame({"v": [value]}, schema={"v": pl.String}).select(harmless("v"))
    result: str | None = frame.item()
    return result


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6), STYLE)
def test_lines_read_back_by_the_standard_library(rows: list[tuple[str | None, ...]], style: CsvStyle) -> None:
    """What is written as CSV reads back as the same values, whatever is in them."""
    frame = pl.DataFrame(rows, schema=["a", "b", "c"], orient="row", schema_overrides=dict.fromkeys("abc", pl.String))
    text = csv_header(["a", "b", "c"], style) + "".join(csv_lines(frame, style))
    read = list(csv.reader(io.StringIO(text, newline=""), delimiter=style.delimiter, strict=True))
    assert read == [["a", "b", "c"], *([cell or "" for cell in row] for row in rows)]


@given(st.lists(CELL.filter(lambda cell: cell is not None), min_size=1, max_size=6), STYLE)
def test_a_header_is_written_as_a_row_of_its_names_would_be(names: list[str], style: CsvStyle) -> None:
    """Who reads the file by its rows reads the header too."""
    row = pl.DataFrame([names], schema=[str(place) for place in range(len(names))], orient="row")
    assert csv_header(names, style) == csv_lines(row, style).item()


def test_a_null_and_an_empty_text_differ() -> None:
    """An unquoted empty field was a null, a quoted one an empty text."""
    frame = pl.DataFrame({"a": [None, ""], "b": ["", None]}, schema={"a": pl.String, "b": pl.String})
    assert csv_lines(frame, CsvStyle()).to_list() == [',""\n', '"",\n']


def test_other_types_are_text() -> None:
    """Lists are JSON, numbers their digits, and missing ones empty."""
    frame = pl.DataFrame(
        {"l": [["a", 'b"', "é"], [], None], "n": [1, None, 3], "d": [[1, 2], [None], None], "x": [[b"a"], None, []]},
        schema_overrides={"x": pl.List(pl.Binary)},
    )
    lines = list(csv.reader(csv_lines(frame, CsvStyle()).to_list()))
    assert json.loads(lines[0][0]) == ["a", 'b"', "é"]
    assert json.loads(lines[0][3]) == ["a"]
    assert lines[1] == ["[]", "", "[null]", ""]
    assert lines[2] == ["", "3", "", "[]"]


@pytest.mark.parametrize("value", ["=1+1", "+4915112345", "-5", "@x", "\tx", "\rx", "\n=1", " =1", "＝1"])  # noqa: RUF001
def test_formulas_are_neutralised(value: str) -> None:
    """A spreadsheet gets no cell that it would take for a formula."""
    text = shown(value)
    assert text is not None
    assert text.startswith("'")


@pytest.mark.parametrize("value", ["a=b", "x-y", "", None, "plain", "Größe"])
def test_ordinary_text_is_left_alone(value: str | None) -> None:
    """Text that does no harm stands as it is."""
    assert shown(value) == value


@given(st.text(max_size=12))
def test_nothing_invisible_is_shown(value: str) -> None:
    """No control or direction-changing character reaches a person's screen, by either way."""
    value = value.encode("utf-8", "replace").decode()
    for text in (shown(value) or "", printable(value)):
        assert not set(text) & set(ESCAPES)
        assert not any(unicodedata.category(char) == "Cc" for char in text)


def test_escapes_are_legible() -> None:
    """A hidden character is named by its number."""
    assert printable("a\x1b[31m\u202eb\nc\udce9") == r"a\u001b[31m\u202eb\nc?"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_mask_tells_first_character_and_length_only(one: str, other: str) -> None:
    """Two values of one length with the same start are masked alike: nothing else gets through."""
    one, other = (text.encode("utf-8", "replace").decode() for text in (one, other))
    length = min(len(one), len(other))
    first, second = one[:length], (one[0] + other)[:length]
    shown_first, shown_second = masked([first, second])
    assert shown_first == shown_second
    assert shown_first is not None
    assert len(shown_first) < 20


@given(st.text(st.characters(categories=["L", "N"]), min_size=5))
def test_a_mask_never_contains_the_value(value: str) -> None:
    """A masked value does not hold the value."""
    (text,) = masked([value])
    assert text is not None
    assert value not in text


def test_masks_of_known_values() -> None:
    """Short values keep their first character to themselves; a null stays null."""
    assert masked(["jane@example.com", "1234", "+4915112345", "x", "", None]) == [
        "j••• (16 chars)",
        "••• (4 chars)",
        "••• (11 chars)",
        "••• (1 char)",
        "••• (0 chars)",
        None,
    ]


@pytest.mark.parametrize(
    ("encoding", "has_bom", "expected"),
    [
        ("utf-8", False, "aé".encode()),
        ("utf-8", True, "aé".encode("utf-8-sig")),
        ("utf-8-sig", True, "aé".encode("utf-8-sig")),
        ("utf-16-le", True, b"\xff\xfe" + "aé".encode("utf-16-le")),
        ("utf-16-be", True, b"\xfe\xff" + "aé".encode("utf-16-be")),
        ("utf-16", True, "aé".encode("utf-16")),
        ("latin-1", False, b"a\xe9"),
    ],
)
def test_encoder_writes_a_mark_once(encoding: str, has_bom: bool, expected: bytes) -> None:
    """A file gets the byte order mark of its source, once, however its text is cut."""
    encoder = Encoder(encoding, has_bom=has_bom)
    pieces = [encoder.encode_lines(pl.Series(["a"])), encoder.encode_lines(pl.Series(["é"]))]
    assert b"".join(bytes(piece) for piece in pieces) == expected


def test_encoder_of_no_lines() -> None:
    """No lines are no bytes."""
    assert bytes(Encoder("utf-8").encode_lines(pl.Series([], dtype=pl.String))) == b""


def test_encoder_stays_legible_where_a_codec_cannot_write() -> None:
    """A character that the encoding lacks is written out; the report is not lost for it."""
    assert Encoder("latin-1").encode("a\u20ac") == b"a\\u20ac"
