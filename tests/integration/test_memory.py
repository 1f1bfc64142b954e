"""Memory: bounded by the chunk and by a few numbers a row, never by the file."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any, Final

import polars as pl
import pytest

from importer.core.mapping_seed import seed_for
from importer.emulator import Emulator
from importer.pipeline.prepare import Sinks, prepare
from importer.ports import SourceChunk
from importer.settings import Settings
from importer.state.spill import SpilledHashes
from importer.wiring.looking import save_schema
from importer.wiring.opening import read_mapping
from importer.wiring.targets import open_live
from tests.support.fakes import FakeIssues, FakePackage, FakeProgress, FakeRejected, FakeSource, checks_of, chunk_of
from tests.support.runs import Workbench

ROOT: Final = Path(__file__).parents[2]
MAPPING: Final = ROOT / "mappings" / "bench-customers.yaml"
GB: Final = 1_000_000_000
CHUNKS: Final = 60
CHUNK_ROWS: Final = 200


class Watched(FakeSource):
    """A source that makes each chunk when it is asked for, and counts how many are still held then."""

    def __init__(self) -> None:
        super().__init__(())
        self.most = 0
        self._made: list[weakref.ref[pl.DataFrame]] = []

    @property
    def held(self) -> int:
        """Chunks that somebody holds."""
        return sum(ref() is not None for ref in self._made)

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield chunks, keeping none."""
        for number in range(CHUNKS):
            first = number * CHUNK_ROWS + 1
            rows = [
                {"id": f"K{n}", "email": f"p{n}@example.com", "note": "x" * 100}
                for n in range(first, first + CHUNK_ROWS)
            ]
            chunk = chunk_of(rows, first=first)
            self._made.append(weakref.ref(chunk.frame))
            self.most = max(self.most, self.held)
            yield chunk


class Forgetful(FakePackage):
    """A package that remembers only how many typed frames and chunks of the source are held when the next one comes."""

    def __init__(self, source: Watched) -> None:
        super().__init__()
        self.most = 0
        self.chunks_held: list[int] = []
        self._source = source
        self._seen: list[weakref.ref[pl.DataFrame]] = []

    def append(self, rows: pl.DataFrame, valid: pl.DataFrame) -> None:
        """Count, and let go."""
        self._seen += [weakref.ref(rows), weakref.ref(valid)]
        self.most = max(self.most, sum(ref() is not None for ref in self._seen))
        self.chunks_held.append(self._source.held)


def test_preparing_holds_no_more_than_the_chunks_at_hand(tmp_path: Path) -> None:
    """Of each chunk only a few numbers a row stay, however many chunks there are."""
    mapping: dict[str, Any] = {
        "source": {"key": ["id"]},
        "columns": {"email": "Contact.email", "note": "Account.note"},
    }
    checks, _ = checks_of(mapping, ("id", "email", "note"))
    source = Watched()
    package = Forgetful(source)
    sinks = Sinks(FakeIssues(), FakeRejected(), FakeProgress(), Event())
    with SpilledHashes(tmp_path) as spill:
        prepared = prepare(source, checks, package, sinks, spill=spill)
        assert len(prepared.hashes["Contact.email"]) == prepared.rows_read
    assert prepared.rows_read == CHUNKS * CHUNK_ROWS
    # the one that was just made, and the one that is checked meanwhile
    assert source.most <= 2
    assert package.most <= 2  # both frames of the one that is appended
    # The one that is checked, as a package may keep whoever appends waiting; another may be let go of a little late.
    assert median(package.chunks_held) <= 1
    assert prepared.measures.estimated_size() <= 12 * prepared.rows_read


def peak_bytes(*command: str) -> tuple[int, int]:
    """Run a command; return its exit code and the most memory it had at once."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * 1024


@pytest.mark.soak
@pytest.mark.parametrize(("rows", "most"), [(1_000_000, 7 * GB // 10), (3_000_000, 8 * GB // 10)])
def test_millions_of_rows_are_validated_in_little_memory(tmp_path: Path, rows: int, most: int) -> None:
    """A million rows within 0.7 GB, and three million within 0.8."""
    source, schema = tmp_path / "rows.csv", tmp_path / "schema.json"
    with Emulator(":memory:", schema=seed_for(read_mapping(MAPPING))) as emulator:
        settings: Settings = Workbench(tmp_path, MAPPING, emulator).settings
        with open_live(settings) as target:
            save_schema(target.schema, schema)
    code, _ = peak_bytes(str(ROOT / "bench" / "generate_customers.py"), str(source), "--rows", str(rows))
    assert code == 0
    options = ["-m", str(MAPPING), "--schema", str(schema), "--runs-dir", str(tmp_path / "runs")]
    code, peak = peak_bytes("-m", "importer", "validate", str(source), *options)
    source.unlink()
    assert code == 3
    assert peak <= most, f"{peak / GB:.2f} GB"
