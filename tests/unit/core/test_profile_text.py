"""The JSON text of profiles, and Bulk bodies of it."""

from __future__ import annotations

import json
from itertools import chain, combinations, product

import polars as pl
import pyarrow as pa

from importer.core.profile_text import ProfileText, encode_profiles
from importer.core.schema import DataType
from importer.core.wire import WireTrait

TRAITS = (
    WireTrait("C.name", "C", "name", DataType.STRING),
    WireTrait("C.email", "C", "email", DataType.STRING, id_type="email"),
    WireTrait("L.points", "L", "points", DataType.NUMBER, removable=True),
    WireTrait("L.vip", "L", "vip", DataType.BOOLEAN),
    WireTrait("T.tags", "T", "tags", DataType.ARRAY),
)


def rows_of(*rows: tuple[object, ...]) -> pa.Table:
    """Make typed rows of `TRAITS`."""
    types = [pl.String, pl.String, pl.Int32, pl.Boolean, pl.String]
    refs = (trait.ref for trait in TRAITS)
    return pl.DataFrame(rows, schema=dict(zip(refs, types, strict=True)), orient="row").to_arrow()


def test_profiles_are_written_as_the_service_reads_them() -> None:
    """A row becomes an object of groups and traits, in plan order, nulls and empty groups left out."""
    profiles = encode_profiles(
        TRAITS,
        rows_of(("Ann", "a@x.io", -5, True, '["a"]'), (None, "b@x.io", None, False, None), ("", None, 0, None, "[]")),
    )
    assert profiles.to_pylist() == [
        '{"traits":{"C":{"name":"Ann","email":"a@x.io"},"L":{"points":-5,"vip":true},"T":{"tags":["a"]}}}',
        '{"traits":{"C":{"email":"b@x.io"},"L":{"vip":false}}}',
        '{"traits":{"C":{"name":""},"L":{"points":0},"T":{"tags":[]}}}',
    ]
    assert encode_profiles(TRAITS, rows_of((None,) * 5)).to_pylist() == ['{"traits":{}}']
    assert encode_profiles(TRAITS, rows_of()).to_pylist() == []


def test_what_stands_between_values_does_not_depend_on_the_rows_beside() -> None:
    """A trait may have a value in all rows, in some or in none: a row is the text it is when it is alone."""
    full, empty = ("Ann", "a@x.io", -5, True, '["a"]'), (None,) * 5
    for having in product(("all", "some", "none"), repeat=5):
        first = tuple(value if has != "none" else None for value, has in zip(full, having, strict=True))
        other = tuple(value if has == "all" else None for value, has in zip(full, having, strict=True))
        alone = [encode_profiles(TRAITS, rows_of(row), lead=",")[0].as_py() for row in (first, other, first)]
        assert encode_profiles(TRAITS, rows_of(first, other, first), lead=",").to_pylist() == alone
        assert json.loads(alone[1][1:])["traits"].keys() == {
            trait.group for trait, value in zip(TRAITS, other, strict=True) if value is not None
        }
    assert encode_profiles(TRAITS, rows_of(empty, full, empty)).to_pylist()[::2] == ['{"traits":{}}'] * 2


def test_a_bulk_body_is_a_list_of_profiles() -> None:
    """Any stretch of encoded rows is a body, UTF-8, with rows left out wherever they stand."""
    rows = [(name, None, number, None, None) for number, name in enumerate(("J\u00f6rg", "x", "y", "z"))]
    text = ProfileText(TRAITS, rows_of(*rows))
    profiles = [{"traits": {"C": {"name": name}, "L": {"points": number}}} for name, _, number, *_ in rows]
    for start, stop in combinations(range(5), 2):
        for skip in chain.from_iterable(combinations(range(-1, 5), count) for count in range(7)):
            left = [profiles[row] for row in range(start, stop) if row not in skip]
            assert json.loads(text.body(start, stop, skip)) == {"profiles": left}
    assert ProfileText(TRAITS, rows_of()).body(0, 0) == b'{"profiles":[]}'
