"""Mutated sources and mappings from a seed, each tried in a dry run.

`python -m tests.catalogue.fuzz SEED` tries one seed and says what came of it and where its files are;
`python -m tests.catalogue.fuzz FIRST END` tries all of them and prints those that break a promise.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

import importer
from importer.cli.exits import exit_code_for
from importer.ports import SourceOptions
from importer.sources import open_source
from tests.catalogue.fuzz_files import MAPPING, files_of
from tests.catalogue.trial import CANARY, write_schema

HANG_S: Final = 60
LONGEST_CHARS: Final = 1000
MEMORY_BYTES: Final = 6 * 1024**3


@dataclass(frozen=True)
class Tried:
    """What came of a seed.

    Attributes:
        seed: The seed.
        kind: ``csv``, ``parquet`` or ``mapping``.
        answer: How the run ended, in a line.
        faults: Promises that were broken.
    """

    seed: int
    kind: str
    answer: str
    faults: tuple[str, ...]


def try_seed(seed: int, folder: Path) -> Tried:
    """Try one seed in a folder of its own; nothing is raised, whatever happens."""
    kind, source, mapping = files_of(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source").write_bytes(source)
    (folder / "mapping.yaml").write_bytes(mapping)
    (folder / "base.yaml").write_text(MAPPING, encoding="utf-8")
    request = importer.RunRequest(
        source=str(folder / "source"),
        mapping=folder / "mapping.yaml",
        settings=importer.Settings(runs_dir=str(folder / "runs")),
        schema_file=write_schema(folder / "base.yaml", folder / "schema.json"),
    )
    faults: list[str] = []
    try:
        report = importer.validate(request)
    except importer.ImporterError as error:
        answer = f"{type(error).__name__}: {error.message}"
        faults += refusal_faults(error, folder, source)
    except BaseException as error:  # noqa: BLE001 - any other end is what is looked for
        answer = f"{type(error).__name__} {traceback.format_exc()[-1500:]}"
        faults.append("an error nobody foresaw")
    else:
        answer = f"exit code {report.exit_code}, {report.rows_read} rows"
        faults += report_faults(report, folder, source)
    if any(thread.name == "source-read-ahead" for thread in threading.enumerate()):
        faults.append("a thread is left over")
    return Tried(seed, kind, answer, tuple(faults))


def refusal_faults(error: importer.ImporterError, folder: Path, source: bytes) -> Iterator[str]:
    """Yield what is wrong with a refusal."""
    problems = [str(problem) for problem in getattr(error, "problems", ())]
    said = " ".join((error.message, error.hint, *problems))
    if exit_code_for(error) == 1:
        yield "exit code 1"
    if not error.hint:
        yield "no hint"
    if not error.message.replace(str(folder), "").isprintable():
        yield "a message that cannot be shown"
    if CANARY in said.lower() and CANARY not in header_of(folder, source):
        yield "a cell in the message"
    if max(map(len, (error.message, error.hint, *problems))) > LONGEST_CHARS:
        yield "a long message"
    if list((folder / "runs").glob("2*")):
        yield "a run folder is left over"


def report_faults(report: importer.Report, folder: Path, source: bytes) -> Iterator[str]:
    """Yield what is wrong with a report."""
    run = Path(report.folder or "")
    if report.rows_read != sum(report.outcomes.values()):
        yield "rows do not add up"
    if report.exit_code not in {0, 3}:
        yield f"exit code {report.exit_code}"
    issues = pl.read_parquet(run / "issues.parquet")
    said = "\n".join([(run / "report.json").read_text(encoding="utf-8"), *issues["message"].to_list()])
    if CANARY in said.lower() and CANARY not in header_of(folder, source):
        yield "a cell in the report"
    if (run / "package").exists():
        yield "a package is left over"


def header_of(folder: Path, source: bytes) -> str:
    """Return the names of a source's columns, which may be shown; where there are none, its first line."""
    try:
        columns = open_source(str(folder / "source"), SourceOptions()).describe().columns
    except importer.ImporterError:
        return beginning(source)[:300].replace(b"\0", b"").decode("latin-1").lower()
    return " ".join(columns).lower()


def beginning(source: bytes) -> bytes:
    """Return the first bytes of a source, decompressed as far as that goes."""
    for codec, magic in (("gzip", b"\x1f\x8b"), ("zstd", b"\x28\xb5\x2f\xfd")):
        if source.startswith(magic):
            try:
                whole: bytes = pa.CompressedInputStream(pa.BufferReader(source), codec).read(4096)
            except (OSError, pa.ArrowException):
                return b""
            return whole
    return source


def try_all(first: int, end: int, folder: Path) -> list[Tried]:
    """Try seeds and return those that broke a promise."""
    broken = []
    for seed in range(first, end):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            tried = try_seed(seed, Path(place))
            faulthandler.cancel_dump_traceback_later()
            if tried.faults:
                broken.append(tried)
    return broken


def main(arguments: list[str]) -> int:
    """Try the seeds named on the command line."""
    seeds = [int(text) for text in arguments]
    if len(seeds) == 1:
        folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{seeds[0]}-"))
        print(try_seed(seeds[0], folder), f"files: {folder}", sep="\n")  # noqa: T201 - a command for people
        return 0
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        broken = try_all(seeds[0], seeds[1], Path(place))
    for tried in broken:
        print(tried)  # noqa: T201 - the same
    return 1 if broken else 0


if __name__ == "__main__":
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
