"""What is seen in the bytes of a column at once is what a look at every value would tell."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.cast import change_text
from importer.core.characters import (
    CONTROL,
    INVISIBLE,
    control_rows,
    invisible_rows,
    is_one_of,
    short_in_case,
    text_bytes,
)
from importer.core.findings import Cell, kept
from importer.core.transform import LetterCase
from tests.support.checking import trait

WHITE_SPACE = "\t\n\v\f\r \x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
ODD = st.sampled_from([*WHITE_SPACE, *"\x00\x7f\x1f\u200b\ufeff\u00e9\u00c2\u1681\u200b\u3001\u0080", "aB", "Zz@[`{"])
TEXTS = st.lists(
    st.none() | st.lists(ODD | st.characters(exclude_categories=["Cs"]), max_size=5).map("".join), max_size=8
)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(0, 3))
def test_rows_found_by_bytes_are_those_that_their_pattern_finds(values: list[str | None], start: int) -> None:
    """Control and invisible characters are found in just the rows that have some, in slices and between nulls too."""
    text = pl.Series(values, dtype=pl.String).slice(start)
    assert control_rows(text).to_list() == text.str.contains(CONTROL).arg_true().to_list()
    assert invisible_rows(text).to_list() == text.str.contains(INVISIBLE).arg_true().to_list()


_LONG = st.lists(st.none() | st.text("ab\u00e9\u200b", max_size=30), max_size=12)


@settings(max_examples=300, deadline=None)
@given(_LONG, _LONG, st.data())
def test_invisible_characters_are_found_wherever_the_text_stands(
    values: list[str | None], more: list[str | None], data: st.DataObject
) -> None:
    """In a view or in one of several buffers, in rows that were gathered in any order, and not beneath a null."""
    text = pl.concat(
        [pl.Series(values, dtype=pl.String), pl.Series(more, dtype=pl.String)], rechunk=data.draw(st.booleans())
    )
    if len(text) and data.draw(st.booleans()):
        text = text[data.draw(st.lists(st.integers(0, len(text) - 1), max_size=20))]
    hidden = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    text = kept(text.alias("text"), ~pl.Series(hidden, dtype=pl.Boolean))
    assert invisible_rows(text).to_list() == text.str.contains(INVISIBLE).arg_true().to_list()


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.data())
def test_sizes_are_those_of_the_texts_there_are(values: list[str | None], data: st.DataObject) -> None:
    """Whatever stands beneath a null, as where a mask was laid over texts; the longest may be one of those."""
    hidden = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    text = kept(pl.Series("text", values, dtype=pl.String), ~pl.Series(hidden, dtype=pl.Boolean))
    sizes = [len(value.encode()) for value in text if value is not None]
    seen = text_bytes(text)
    assert seen.shortest == min(sizes, default=None)
    assert seen.longest >= max(sizes, default=0)
    assert seen.broken or not text.str.contains(r"[\r\n]").any()


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_a_column_is_spaced_only_where_trimming_changes_something(values: list[str | None]) -> None:
    """Letters beyond ASCII at the ends of a text are no white space; what ASCII has below the space counts as some."""
    text = pl.Series(values, dtype=pl.String)
    changed = text != text.str.strip_chars()
    below = text.str.contains(r"^[\x00-\x1f]|[\x00-\x1f]$")
    assert text_bytes(text).spaced == bool((changed | below).any())


@pytest.mark.parametrize("space", list(WHITE_SPACE))
def test_every_white_space_that_is_trimmed_is_seen(space: str) -> None:
    """At the beginning, at the end and as the whole of a text, beside texts that have letters of the same bytes."""
    for text in (space + "x", "x" + space, space, "\u00e9" + space):
        assert text_bytes(pl.Series([None, "", "\u00e9", text, "caf\u00e9"])).spaced
    assert not text_bytes(pl.Series(["x" + space + "y", None, "\u00c2x\u00e9"])).spaced


@pytest.mark.parametrize("last", ["\x1f", "\x7f"])
def test_a_control_character_is_seen_at_the_end_of_a_long_column(last: str) -> None:
    """A column is looked at in pieces, to its end; what is text is none."""
    texts = ["a line of text\n"] * 50_000
    assert not text_bytes(pl.Series([*texts, "\t\r\n"])).control
    assert text_bytes(pl.Series([*texts, last])).control


def test_words_are_found_whatever_their_length() -> None:
    """A word is found as a whole, short or long, ASCII or not, and a null is none, whatever stood in its place."""
    words = ["a", "abcd", "abcde", "twelve bytes", "thirteen byte", "\u00e9", ""]
    text = pl.Series([*words, None, "ab", "twelve byteS", "thirteen bytes", "abcdf"])
    assert is_one_of(text, words).tolist() == [True] * len(words) + [False] * 5
    gone = text.to_frame("t").select(pl.when(pl.col("t") != "a").then("t")).to_series()
    assert not is_one_of(gone, ["a"]).any()
    assert is_one_of(text.slice(2), ["abcde"]).tolist() == [True] + [False] * 9


@settings(max_examples=150, deadline=None)
@given(st.lists(st.none() | st.text(st.characters(max_codepoint=0x7F), max_size=12), max_size=8), st.integers(0, 3))
def test_the_case_of_short_texts_is_changed_as_of_any(values: list[str | None], start: int) -> None:
    """Short ASCII texts get the case that polars gives them; other bytes stay, and nulls."""
    text = pl.Series(values, dtype=pl.String).slice(start)
    lower, upper = short_in_case(text, LetterCase.LOWER), short_in_case(text, LetterCase.UPPER)
    assert lower is not None
    assert upper is not None
    assert lower.to_list() == text.str.to_lowercase().to_list()
    assert upper.to_list() == text.str.to_uppercase().to_list()


def test_the_case_of_other_texts_is_left_to_polars() -> None:
    """A text beyond ASCII is changed as Unicode has it, and what is longer than known before is measured again."""
    assert short_in_case(pl.Series(["A", "\u00c9"]), LetterCase.LOWER) is None
    cell = Cell(pl.Series(["\u0130X", "VIP"]), longest=3)
    change_text(trait("t", case=LetterCase.LOWER, replace={"vip": "x" * 40}), cell)
    assert cell.value.to_list() == ["i\u0307x", "x" * 40]
    assert cell.may_exceed(39)
    cell = Cell(pl.Series(["VIP"]), longest=3)
    change_text(trait("t", case=LetterCase.LOWER, replace={"vip": "x" * 40}), cell)
    assert cell.may_exceed(39)
    assert not cell.may_exceed(40)
