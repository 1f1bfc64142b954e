"""Catalogue of bad input, Parquet: damage, types, sizes."""

from __future__ import annotations

import io
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import importer
from tests.catalogue.trial import CANARY, Case, Read, Refused, parameters, try_out

OUT_OF_RANGE: Final = "out-of-range"
MISMATCH: Final = "type-mismatch"
MANY: Final = "too-many-items"
DAMAGED: Final = ("truncated, damaged, or of an unknown form",)
NOT_READ: Final = ("cannot be read",)


def written(table: pa.Table, **options: Any) -> bytes:
    """Return a table as a Parquet file."""
    content = io.BytesIO()
    pq.write_table(table, content, **options)
    return content.getvalue()


def beside(column: pa.Array | list[Any], name: str = "x", **options: Any) -> bytes:
    """Return a Parquet file with a column beside e-mail addresses."""
    emails = [f"{CANARY}{number}@example.com" for number in range(len(column))]
    return written(pa.table({"email": emails, name: column}), **options)


def mapped(**target: Any) -> dict[str, Any]:
    """Return a mapping of that column to a trait."""
    return {"email": "Contact.email", "x": {"to": "Account.x", **target}}


def as_text(column: pa.Array, texts: list[str | None], name: str = "text", **source: Any) -> Case:
    """Return a case of a column that is read as these texts."""
    planned = sum(text is not None for text in texts)
    missing = [(row, None, "too-few-values") for row, text in enumerate(texts, 1) if text is None]
    return Case(name, beside(column), Read(planned, missing, cells={"x": texts}), columns=mapped(), source=source)


def number(name: str, column: pa.Array, rejected: list[tuple[int, str]], **source: Any) -> Case:
    """Return a case of a column for a NUMBER, with the rows that are rejected."""
    expected = Read(len(column) - len(rejected), [(row, None, code) for row, code in rejected])
    return Case(name, beside(column), expected, columns=mapped(type="number"), source=source)


def with_codec(number: int) -> bytes:
    """Return a Parquet file whose footer says that the addresses are compressed by another codec than they are.

    It changes the member `codec` (the 4th, an i32) of the column's metadata, behind its path, in Thrift's compact form.
    """
    path = b"\x19\x18\x05email"
    content = written(pa.table({"email": [f"{CANARY}@example.com"], "name": ["a"]}), compression="snappy")
    assert content.count(path + b"\x15\x02\x16") == 1
    return content.replace(path + b"\x15\x02\x16", path + b"\x15" + bytes([number * 2]) + b"\x16")


def not_mapped(name: str, column: pa.Array) -> list[Case]:
    """Return cases of a column that cannot be mapped, and is left out where it is not."""
    content = beside(column)
    return [
        Case(f"{name}-mapped", content, Refused(NOT_READ, "leave it out", importer.MappingError), columns=mapped()),
        Case(
            f"{name}-left-out",
            written(pq.read_table(io.BytesIO(content)).append_column("name", pa.array(["a"] * len(column)))),
            Read(len(column), notes=("'x' is left out",)),
        ),
    ]


WHOLE: Final = beside(["a", "b"])
MOMENT: Final = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NAIVE: Final = MOMENT.replace(tzinfo=None)
ONE_TEXT: Final = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array([CANARY * 100_000]))
CASES: Final = {
    72: [
        Case("cut", WHOLE[:-20], Refused(DAMAGED)),
        Case("flipped", WHOLE[:-8] + b"\xff\xff\xff\x7f" + WHOLE[-4:], Refused(DAMAGED)),
        Case("no-footer", WHOLE[:-12] + bytes(8) + b"PAR1", Refused(DAMAGED)),
        Case("four-bytes", b"PAR1", Refused(DAMAGED)),
        Case("page", WHOLE[:4] + bytes(60) + WHOLE[64:], Refused(DAMAGED), columns=mapped()),
        Case("text", f"email,name\n{CANARY}@example.com,a\n".encode(), Read(1)),
    ],
    73: [
        Case("encrypted", b"PARE" + WHOLE[4:-4] + b"PARE", Refused(("encrypted",), "decrypt")),
        Case("lzo", with_codec(3), Refused(DAMAGED, "without compression")),
        Case("outside-the-list", with_codec(60), Refused(DAMAGED, "without compression")),
        Case("another-than-it-is", with_codec(4), Refused(DAMAGED, "without compression")),
        Case("its-own", with_codec(1), Read(1)),
    ],
    74: [
        Case("twice", written(pa.table([["a"], ["b"]], names=["email", "email"])), Refused(("'email' more than once",)))
    ],
    75: [
        as_text(pa.array([date(2026, 3, 4), None]), ["2026-03-04", None], "date"),
        as_text(pa.array([MOMENT], pa.timestamp("us", "UTC")), ["2026-03-04T05:06:07Z"], "utc"),
        as_text(pa.array([MOMENT], pa.timestamp("ms", "Asia/Tokyo")), ["2026-03-04T05:06:07Z"], "zone"),
        as_text(pa.array([NAIVE], pa.timestamp("ns")), ["2026-03-04T05:06:07"], "naive"),
        as_text(pa.array([NAIVE], pa.timestamp("ns")), ["2026-03-04T04:06:07Z"], "assumed", assume_tz="Europe/Berlin"),
        Case(
            "naive-is-said",
            beside(pa.array([NAIVE], pa.timestamp("ns"))),
            Read(1, notes=("times without a zone in 'x'",)),
            columns=mapped(),
        ),
    ],
    76: [
        as_text(
            pa.array([Decimal("12345678901234567890123456789012345.67")], pa.decimal128(38, 2)),
            ["12345678901234567890123456789012345.67"],
        ),
        number("number", pa.array([Decimal("5.00"), Decimal("5.50")], pa.decimal128(38, 2)), [(2, MISMATCH)]),
    ],
    77: [as_text(pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"], "dictionary")],
    78: [
        number("int64", pa.array([2**31 - 1, 2**31, -(2**31) - 1]), [(2, OUT_OF_RANGE), (3, OUT_OF_RANGE)]),
        number("uint64", pa.array([2**64 - 1, 7], pa.uint64()), [(1, OUT_OF_RANGE)]),
        as_text(pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"], "exact"),
    ],
    79: [
        Case(
            "items",
            beside(pa.array([[1, 2], list(range(100)), list(range(101))])),
            Read(2, [(3, None, MANY)]),
            columns=mapped(type="array"),
        ),
        *not_mapped("of-lists", pa.array([[[1]]])),
    ],
    80: [
        *not_mapped("struct", pa.array([{"a": 1}])),
        *not_mapped("map", pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))),
        *not_mapped("binary", pa.array([b"a"])),
        *not_mapped("duration", pa.array([timedelta(1)])),
        *not_mapped("null", pa.nulls(1)),
        as_text(pa.array([time(5, 6, 7)]), ["05:06:07"], "time"),
    ],
    81: [
        number("floats", pa.array([1.0, 2.5, math.nan, math.inf]), [(2, MISMATCH), (3, MISMATCH), (4, MISMATCH)]),
        number("missing", pa.array([1.0, math.nan]), [(2, "too-few-values")], nan_as_missing=True),
    ],
    82: [
        Case(
            "rows",
            written(pa.table({"email": pa.array(["a"] * 3_000_000).dictionary_encode()})),
            Refused(("3000000 rows",)),
        ),
        Case("text", beside(ONE_TEXT), Refused(("unpacks to more than",)), columns=mapped()),
        Case(
            "plain",
            beside(["x" * 70_000_000], use_dictionary=False, compression="zstd", write_statistics=False),
            Refused(("unpacks to more than 200 times",)),
            columns=mapped(),
        ),
    ],
    83: [
        Case(
            "late",
            (
                "email,x\n" + "".join(f"a{n}@example.com,{n}\n" for n in range(20_001)) + f"b@example.com,{CANARY}\n"
            ).encode(),
            Read(20_001, [(20_002, 20_003, MISMATCH)]),
            columns=mapped(type="number"),
        )
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_comes_of_a_parquet_file(case: Case, tmp_path: Path) -> None:
    """Each Parquet file of the catalogue is answered as its line says, and no cell is shown."""
    try_out(case, tmp_path)
