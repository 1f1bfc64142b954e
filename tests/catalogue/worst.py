"""Inputs made to take all of a machine's time or memory; run as a command, it tries one and says what that took.

`python -m tests.catalogue.worst FOLDER`: a dry run over `FOLDER/source` with `FOLDER/mapping.yaml`, in this process.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

import importer

HEAD: Final = b"email,name\n"
ROW: Final = b"someone@example.com,Some One\n"
GZ_START: Final = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03"
MIB: Final = 1024 * 1024


def gz_of(start: bytes, repeated: bytes, times: int) -> bytes:
    """Return a gz file of `start` and many times `repeated`, compressed once; its check sum is wrong."""
    packing = zlib.compressobj(9, wbits=-15)
    first = packing.compress(start) + packing.flush(zlib.Z_FULL_FLUSH)
    block = packing.compress(repeated) + packing.flush(zlib.Z_FULL_FLUSH)
    return GZ_START + first + block * times + packing.flush() + bytes(8)


def gz_bomb(path: Path) -> None:
    """2 GB of rows in 2 MB."""
    path.write_bytes(gz_of(HEAD, ROW * 700_000, 100))


def many_members(path: Path) -> None:
    """2 GB in 2000 members, behind rows that are not dense at all."""
    member = zlib.compressobj(9, wbits=31)
    packed = member.compress(ROW * 35_000) + member.flush()
    start = zlib.compressobj(1, wbits=31)
    rows = b"".join(f"a{n}@example.com,{os.urandom(8).hex()}\n".encode() for n in range(2000))
    path.write_bytes(start.compress(HEAD + rows) + start.flush() + packed * 2000)


def zst_bomb(path: Path) -> None:
    """2 GB in a few frames."""
    codec = pa.Codec("zstd")
    frame = codec.compress(ROW * 700_000).to_pybytes()
    path.write_bytes(codec.compress(HEAD).to_pybytes() + frame * 100)


def large_field(path: Path) -> None:
    """A cell of 50 MB."""
    path.write_bytes(HEAD + ROW * 1000 + b"a@example.com," + b"x" * (50 * MIB) + b"\n" + ROW)


def long_line(path: Path) -> None:
    """A line of 1 GB, which takes little room on the disk."""
    path.write_bytes(HEAD + ROW + b"x" * (5 * MIB))
    os.truncate(path, 1024 * MIB)


def open_quote(path: Path) -> None:
    """100 MB behind an open quote."""
    path.write_bytes(HEAD + b'a@example.com,"open\n' + ROW * (100 * MIB // len(ROW)))


def two_quotes(path: Path) -> None:
    """A quote, 10 MB of rows and another one."""
    path.write_bytes(HEAD + b'a@example.com,"open\n' + ROW * (10 * MIB // len(ROW)) + b'b@example.com,"close\n' + ROW)


def many_columns(path: Path) -> None:
    """10,001 columns."""
    names = b"email,name," + b",".join(b"c%d" % number for number in range(9999))
    path.write_bytes(names + b"\n" + (b"a@example.com,b" + b",x" * 9999 + b"\n") * 500)


def parquet_rows(path: Path) -> None:
    """50 million rows in a few kilobytes."""
    emails = pa.DictionaryArray.from_arrays(pa.nulls(5_000_000, pa.int8()).fill_null(0), pa.array(["a@example.com"]))
    with pq.ParquetWriter(path, pa.schema([("email", emails.type)])) as writer:
        for _ in range(10):
            writer.write_table(pa.table({"email": emails}))


def parquet_texts(path: Path) -> None:
    """20 GB of one text."""
    names = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * MIB]))
    emails = [f"a{number}@example.com" for number in range(20_000)]
    content = io.BytesIO()
    pq.write_table(pa.table({"email": emails, "name": names}), content, store_schema=False)
    path.write_bytes(content.getvalue())


def parquet_page(path: Path) -> None:
    """One page that unpacks to 200 MB."""
    table = pa.table({"email": ["x" * (100 * MIB)] * 2, "name": ["a"] * 2})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)


@dataclass(frozen=True)
class Worst:
    """An input, what must be said of it, and the memory it may take.

    Attributes:
        make: Writes the file.
        words: What the answer says.
        peak_mib: Peak of resident memory of the whole process.
    """

    make: Callable[[Path], None]
    words: str
    peak_mib: int = 512


WORST: Final[Mapping[str, Worst]] = {
    "gz-bomb": Worst(gz_bomb, "more than 200 times its size", 256),
    "gz-members": Worst(many_members, "more than 200 times its size", 256),
    "zst-bomb": Worst(zst_bomb, "more than 200 times its size", 256),
    "large-field": Worst(large_field, "line 1002"),
    "long-line": Worst(long_line, "line 3"),
    "open-quote": Worst(open_quote, "line 2"),
    "two-quotes": Worst(two_quotes, "line 2"),
    "many-columns": Worst(many_columns, "500 rows", 448),
    "parquet-rows": Worst(parquet_rows, "50000000 rows"),
    "parquet-texts": Worst(parquet_texts, "unpacks to more than"),
    "parquet-page": Worst(parquet_page, "unpacks to more than"),
}


def measured(folder: Path) -> dict[str, Any]:
    """Try the source of a folder and return what was said, and what it took of this process."""
    begun = time.process_time()
    request = importer.RunRequest(
        source=str(folder / "source"),
        mapping=folder / "mapping.yaml",
        settings=importer.Settings(runs_dir=str(folder / "runs")),
        schema_file=folder / "schema.json",
    )
    try:
        report = importer.validate(request)
        answer = f"{report.rows_read} rows"
    except importer.ImporterError as error:
        answer = error.message
    # `ru_maxrss` would begin at what the parent held when it made this process.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    return {"answer": answer, "peak_mib": peak_kib // 1024, "cpu_s": time.process_time() - begun}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(Path(sys.argv[1]))))
