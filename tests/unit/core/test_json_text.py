"""JSON text made and recognised by expressions."""

from __future__ import annotations

import json

import polars as pl
import pyarrow as pa
import pytest

from importer.core.json_text import (
    ARRAY_OF_BOOLEANS,
    ARRAY_OF_INTEGERS,
    ARRAY_OF_STRINGS,
    escape_expr,
    escaped,
    escapes_in,
    has_half_pair,
    json_lists,
    json_plain,
    json_strings,
    quoted,
)

EVERY_ODD_CHARACTER = "".join(map(chr, range(0x20))) + '"\\/\x7f\x85\u2028\ufeff\u00e9\u4e2d\U0001f600'


def test_strings_are_escaped_as_the_json_library_does() -> None:
    """Every control character, quotes, backslashes and text of any script come out as json.dumps has them."""
    expected = json.dumps(EVERY_ODD_CHARACTER, ensure_ascii=False)
    assert quoted(EVERY_ODD_CHARACTER) == expected
    odd = pl.DataFrame({"t": [EVERY_ODD_CHARACTER, None]}).select(escape_expr(pl.col("t"))).to_series()
    assert odd.to_list() == [expected[1:-1], None]


def column(*texts: str | None) -> pa.LargeStringArray:
    """Return a column of texts, a slice of a longer one."""
    return pa.array(['"\x00\n', *texts, '"\x00\n'], pa.large_string())[1:-1]


def test_only_the_escapes_that_a_column_needs_are_looked_for() -> None:
    """Every character that JSON escapes is found, and no other; with what was found a column comes out the same."""
    for char in EVERY_ODD_CHARACTER:
        found = escapes_in(column("plain", char))
        assert bool(found) == (char in found) == (len(json.dumps(char, ensure_ascii=False)) > 3)
    assert not escapes_in(column(None))
    assert not escapes_in(column())
    for text in ('say "hi"', "a\tb\r\nc\\", "\n\x0b", EVERY_ODD_CHARACTER, "\u4e2d"):
        made = escaped(column("plain", text, None))
        assert made.to_pylist() == ["plain", json.dumps(text, ensure_ascii=False)[1:-1], None]
    assert set(escapes_in(column('"', "\n", "plain"))) == {'"', "\n"}


def test_lists_become_json_arrays() -> None:
    """Lists of texts, numbers and truth values become the text json.dumps gives without spaces; null stays null."""
    texts = [["a", EVERY_ODD_CHARACTER], [], None, [""]]
    dumped = [None if text is None else json.dumps(text, ensure_ascii=False, separators=(",", ":")) for text in texts]
    assert json_strings(pl.Series(texts)).to_list() == dumped
    assert json_plain(pl.Series([[1, -2], [], None])).to_list() == ["[1,-2]", "[]", None]
    assert json_plain(pl.Series([[True, False]])).to_list() == ["[true,false]"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", "strings"),
        ("[ \t\r\n]", "strings"),
        ('["a" , "b"]', "strings"),
        ('["\\"]"]', "strings"),
        ("[1,-2]", "integers"),
        ("[ 1 ]", "integers"),
        ("[true ,false]", "booleans"),
        ('["a"] ', None),
        ('[\u00a0"a"]', None),
        ("[1\u2003]", None),
        ("[1 2]", None),
        ("[1,]", None),
        ('["\x01"]', None),
        ("[True]", None),
        ('["a"]\n', None),
    ],
)
def test_flat_arrays_are_recognised(text: str, kind: str | None) -> None:
    """A text matches the pattern of its kind and no other; only JSON's own white space counts as such."""
    patterns = {"strings": ARRAY_OF_STRINGS, "integers": ARRAY_OF_INTEGERS, "booleans": ARRAY_OF_BOOLEANS}
    matched = [name for name, pattern in patterns.items() if pl.Series([text]).str.contains(pattern).item()]
    assert matched == ([] if kind is None else [kind])
    if kind is not None:
        assert isinstance(json.loads(text), list)


def test_half_surrogate_pairs_are_found() -> None:
    """An escaped half is found wherever its other half is not; escaped backslashes do not count."""
    texts = ['["\\ud83d\\ude00"]', '["\\ud83d"]', '["\\\\ud83d"]', '["\\\\\\ud83d"]', '["\\uDE00\\uD83D"]', "[]", None]
    assert has_half_pair(pl.Series(texts)).fill_null(value=False).to_list() == [
        *(False, True, False, True),
        *(True, False, False),
    ]
    assert has_half_pair(pl.Series(["[]", None])).to_list() == [False, False]
    lists = json_lists(pl.Series(['["\\ud83d\\ude00", "\\u00e9\\n"]', "[]", None]))
    assert lists.to_list() == [["\U0001f600", "\u00e9\n"], [], None]
