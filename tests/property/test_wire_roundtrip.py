"""Whatever the typed rows hold, the wire form says exactly that."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.cast import TYPED
from importer.core.profile_text import ProfileText, encode_profiles
from importer.core.schema import DataType
from importer.core.wire import (
    WireTrait,
    body_bytes_bound,
    csv_carried,
    csv_carries_expr,
    encode_import_rows,
    encode_removals,
    import_header,
)

# Written down here once more, from the product documentation: the characters of the CSV flow.
SIGNS = " !@#$%^&*()_+-=[]{}:\\|.`~<>/?"
LATIN = "àáâäǎæãåāçćčċďðḍèéêëěẽēėęğġħḥìíîïǐĩīıįķłļľṁòóôöǒœøõōřṛßşșśšṣțťþṭùúûüǔũūűůŵýŷÿźžżẓ"
ALLOWED = (
    {chr(code) for code in range(128) if chr(code).isalnum()}
    | set(SIGNS + LATIN)
    | {letter.upper() for letter in LATIN if len(letter.upper()) == 1}
)

NAMES = st.text(alphabet="abcXYZ019_.-", min_size=1, max_size=8)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ODD_TEXT = st.text(alphabet="\"\\/\n\r\t\x00\x01\x1f\x7f,;' aé中😀\u2028", max_size=12)
SENT_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r\x85"), max_size=12)
CSV_TEXT = st.text(alphabet=st.one_of(st.sampled_from(sorted(ALLOWED)), st.sampled_from(",;'\"ñ\n中 ")), max_size=8)
NUMBERS = st.integers(-(2**31), 2**31 - 1)


def arrays(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Draw arrays as the JSON text a package holds."""
    lists = st.one_of(st.lists(texts, max_size=4), st.lists(NUMBERS, max_size=4), st.lists(st.booleans(), max_size=4))
    return lists.map(lambda items: json.dumps(items, ensure_ascii=False, separators=(",", ":")))


@st.composite
def frames(
    draw: st.DrawFn, texts: st.SearchStrategy[str], kinds: tuple[DataType, ...] = tuple(DataType)
) -> tuple[tuple[WireTrait, ...], pl.DataFrame]:
    """Draw traits, groups together, and typed rows with any values missing."""
    values: dict[DataType, st.SearchStrategy[Any]] = {
        DataType.STRING: texts,
        DataType.NUMBER: NUMBERS,
        DataType.BOOLEAN: st.booleans(),
        DataType.ARRAY: arrays(texts),
    }
    traits = []
    for group in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
            kind = draw(st.sampled_from(kinds))
            removable, clears = draw(st.sampled_from([(False, False), (True, False), (False, kind is DataType.STRING)]))
            traits.append(WireTrait(f"{group}/{name}", group, name, kind, removable=removable, clears=clears))
    height = draw(st.integers(0, 5))
    columns = {
        trait.ref: pl.Series(
            draw(st.lists(st.none() | values[trait.data_type], min_size=height, max_size=height)),
            dtype=TYPED[trait.data_type],
        )
        for trait in traits
    }
    return tuple(traits), pl.DataFrame(columns)


def profile_of(traits: tuple[WireTrait, ...], row: dict[str, Any]) -> dict[str, Any]:
    """Build a profile the plain way."""
    groups: dict[str, Any] = {}
    for trait in traits:
        value = row[trait.ref]
        if value is not None:
            value = json.loads(value) if trait.data_type is DataType.ARRAY else value
            groups.setdefault(trait.group, {})[trait.name] = value
    return {"traits": groups}


@settings(max_examples=120, deadline=None)
@given(frames(ANY_TEXT | ODD_TEXT))
def test_bodies_say_what_the_rows_hold(case: tuple[tuple[WireTrait, ...], pl.DataFrame]) -> None:
    """A body is byte for byte what the json library makes of the rows: keys in plan order, never a null."""
    traits, frame = case
    expected = [profile_of(traits, row) for row in frame.to_dicts()]
    profiles = encode_profiles(traits, frame.to_arrow()).to_pylist()
    assert profiles == [json.dumps(profile, ensure_ascii=False, separators=(",", ":")) for profile in expected]
    assert json.loads(ProfileText(traits, frame.to_arrow()).body(0, frame.height)) == {"profiles": expected}


@settings(max_examples=60, deadline=None)
@given(frames(ANY_TEXT), st.randoms(use_true_random=False))
def test_a_row_is_written_alike_in_any_company(case: tuple[tuple[WireTrait, ...], pl.DataFrame], chance: Any) -> None:
    """The bytes of a row depend on the row alone, not on the rows beside it."""
    traits, frame = case
    rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    together = encode_profiles(traits, rows).to_pylist()
    order = list(range(frame.height))
    chance.shuffle(order)
    for row in order:
        assert encode_profiles(traits, rows.slice(row, 1)).to_pylist() == [together[row]]


@settings(max_examples=120, deadline=None)
@given(frames(SENT_TEXT))
def test_a_body_is_never_larger_than_its_bound(case: tuple[tuple[WireTrait, ...], pl.DataFrame]) -> None:
    """The bound of a row covers its bytes and a comma, so those of a batch cover its body."""
    traits, frame = case
    bounds = body_bytes_bound(traits, frame)
    profiles = encode_profiles(traits, frame.to_arrow()).to_pylist()
    if frame.height:
        assert all(len(p.encode()) < bound for p, bound in zip(profiles, bounds.tolist(), strict=True))
        assert len(ProfileText(traits, frame.to_arrow()).body(0, frame.height)) <= sum(bounds.tolist()) + 64


@settings(max_examples=120, deadline=None)
@given(st.lists(st.none() | CSV_TEXT | st.sampled_from(["", " ", "\\N", "a  b", "İ", "ẞ"]), min_size=1), st.booleans())
def test_the_csv_flow_carries_what_every_character_allows(values: list[str | None], clears: bool) -> None:
    """One character outside the documented ones, or one space too many, and the value goes by Bulk."""

    def carries(text: str | None) -> bool:
        if text is None or (text == "" and clears):
            return True
        spaced = text != text.strip(" ") or "  " in text
        return text not in {"", "\\N"} and not spaced and all(char in ALLOWED for char in text)

    trait = WireTrait("G.t", "G", "t", DataType.STRING, clears=clears)
    frame = pl.DataFrame({"G.t": pl.Series(values, dtype=pl.String)})
    assert frame.select(csv_carries_expr([trait])).to_series().to_list() == [carries(value) for value in values]


@settings(max_examples=60, deadline=None)
@given(frames(CSV_TEXT, (DataType.STRING, DataType.NUMBER, DataType.BOOLEAN)))
def test_import_files_are_read_back_by_any_csv_reader(case: tuple[tuple[WireTrait, ...], pl.DataFrame]) -> None:
    """Rows that the CSV flow carries come back cell by cell, a removal as its marker."""
    traits, frame = case
    # A file has two columns at least; and every row of it fills or removes each of them.
    traits = (WireTrait("id", "I", "id", DataType.NUMBER), *traits)
    frame = frame.with_columns(id=pl.int_range(pl.len(), dtype=pl.Int32))
    whole = [pl.col(trait.ref).is_not_null() | pl.lit(trait.removable) for trait in traits]
    carried = csv_carried(traits, frame)
    assert carried.to_list() == frame.select(pl.repeat(True, pl.len()) & csv_carries_expr(traits)).to_series().to_list()
    frame = frame.filter(pl.all_horizontal(*whole) & carried)
    header = import_header(len(traits))
    content = (",".join(header) + "\n").encode() + encode_import_rows(traits, frame.to_arrow())
    expected = [
        ["\\N" if value is None else str(value).lower() if isinstance(value, bool) else str(value) for value in row]
        for row in frame.select(trait.ref for trait in traits).rows()
    ]
    assert list(csv.reader(io.StringIO(content.decode(), newline=""))) == [list(header), *expected]


@given(st.lists(st.tuples(NAMES, NAMES), max_size=6, unique=True), st.data())
def test_a_patch_removes_what_it_is_asked_to_and_nothing_else(
    names: list[tuple[str, str]], data: st.DataObject
) -> None:
    """The patch of removals is JSON with a null for each removed trait."""
    names.sort()
    traits = [WireTrait(f"{group}/{name}", group, name, DataType.STRING) for group, name in names]
    removed = data.draw(st.lists(st.sampled_from(traits), unique=True)) if traits else []
    body = json.loads(encode_removals(traits, [trait.ref for trait in removed]))
    found = {(group, name) for group, members in body["traits"].items() for name in members}
    assert found == {(trait.group, trait.name) for trait in removed}
    assert all(value is None for members in body["traits"].values() for value in members.values())
