"""The journal server as a process, and what its journals say was applied."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, Final

import httpx
import orjson
import polars as pl

SERVER: Final = Path(__file__).with_name("journal_server.py")
PATIENCE_S: Final = 60.0

ROWS_SCHEMA: Final = pl.Schema(
    {"email": pl.String, "note": pl.String, "points": pl.Int64, "number": pl.Int64, "end": pl.Int64}
)


@dataclass(frozen=True)
class Entry:
    """One request that was applied.

    Attributes:
        kind: ``bulk``, ``create``, ``upload``, ``lookup``, ``patch`` or ``violation``.
        number: Of the request, in order of arrival.
        rows: Profiles it wrote.
        body: As it came.
        end: Where the entry ends in the journal.
        more: What else the server noted.
    """

    kind: str
    number: int
    rows: int
    body: bytes
    end: int
    more: dict[str, Any]


@dataclass(frozen=True)
class Journal:
    """What one account was sent.

    Attributes:
        path: The journal's file; it need not be there yet.
        api_url: Where the server is.
        user: Whose journal it is.
    """

    path: Path
    api_url: str
    user: str

    def entries(self) -> list[Entry]:
        """Return everything that was applied, in that order."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            return [
                Entry(header["kind"], header["number"], header["rows"], file.read(header["size"]), file.tell(), header)
                for header in _headers(file)
            ]

    def rows(self) -> pl.DataFrame:
        """Return every row of every Bulk body and every file: values, request number, end of its entry."""
        frames = [_rows_of(entry) for entry in self.entries() if entry.kind in ("bulk", "upload")]
        return pl.concat([pl.DataFrame(schema=ROWS_SCHEMA), *frames])

    def applied(self) -> int:
        """Count rows that were applied so far, those that came twice too; quick."""
        return sum(header["rows"] for header in self._lines())

    def count(self, kind: str) -> int:
        """Count requests of a kind so far; quick."""
        return sum(header["kind"] == kind for header in self._lines())

    def _lines(self) -> Iterator[dict[str, Any]]:
        if self.path.exists():
            with self.path.open("rb") as file:
                yield from _headers(file)

    def size(self) -> int:
        """Return how long the journal is, in bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def settle(self) -> None:
        """Wait until the server has done what dead clients asked of it."""
        pause = Event()
        for _ in range(int(PATIENCE_S / 0.02)):
            if httpx.get(f"{self.api_url}/idle/{self.user}", trust_env=False).json()["open"] == 0:
                return
            pause.wait(0.02)
        raise AssertionError("the journal server is never idle")


def _headers(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """Yield the entries' lines, each with the file at its body; one that is being written is not there yet."""
    file.seek(0, 2)
    whole = file.tell()
    file.seek(0)
    while (line := file.readline()).endswith(b"\n"):
        header: dict[str, Any] = orjson.loads(line)
        end = file.tell() + header["size"] + 1
        if end > whole:
            return
        yield header
        file.seek(end)


def _rows_of(entry: Entry) -> pl.DataFrame:
    if entry.kind == "bulk":
        traits = [profile["traits"] for profile in orjson.loads(entry.body)["profiles"]]
        columns: dict[str, list[Any]] = {
            "email": [each["Contact"]["email"] for each in traits],
            "note": [each["Account"]["note"] for each in traits],
            "points": [each["Account"].get("points") for each in traits],
        }
        frame = pl.DataFrame(columns, schema={name: ROWS_SCHEMA[name] for name in columns})
    else:
        names = [column.partition(".")[2] for column in entry.more["columns"]]
        frame = pl.read_csv(entry.body, has_header=True, new_columns=names, infer_schema=False)
        frame = frame.select("email", "note", pl.col("points").cast(pl.Int64))
    return frame.with_columns(number=pl.lit(entry.number, pl.Int64), end=pl.lit(entry.end, pl.Int64))


@dataclass(frozen=True)
class JournalServer:
    """A running journal server."""

    folder: Path
    api_url: str
    store_id: str

    def journal(self, user: str) -> Journal:
        """Return the journal of an account."""
        return Journal(self.folder / f"{user}.journal", self.api_url, user)

    def environment(self, user: str, runs: Path) -> dict[str, str]:
        """Return an environment in which this server is the live service and `user` the caller."""
        return {
            "TWILIO_API_KEY": user,
            "TWILIO_API_SECRET": "secret",
            "MEMORY_API_URL": self.api_url,
            "MEMORY_STORE_ID": self.store_id,
            "MEMORY_RUNS_DIR": str(runs),
        }


@contextmanager
def journal_server(folder: Path, *, latency_s: float, settle_s: float, seed: int) -> Iterator[JournalServer]:
    """Run a journal server for the length of a block."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--latency-s", str(latency_s), "--settle-s", str(settle_s), "--seed", str(seed)]
    command = [sys.executable, str(SERVER), str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield JournalServer(folder, ready["api_url"], ready["store_id"])
        finally:
            process.terminate()
