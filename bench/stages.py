"""Run one stage once in this process and print its seconds as JSON: `python bench/stages.py STAGE SOURCE SCHEMA`.

`schema` in place of a stage writes the file SCHEMA: a store that has what the mapping needs.

`measure.py` starts one fresh process for each figure. Imports, the mapping, the store's schema and the source's header
are read before the clock starts; what a stage needs of earlier stages is made before it starts too.
"""

from __future__ import annotations

from importer.cli import startup

startup.begin()  # before anything that allocates is imported, as in the commands; it ends when the work begins

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from importer.core.mapping_seed import seed_for
from importer.core.phones import normalise_phones
from importer.pipeline.prepare import Sinks, prepare
from importer.reports.issue_files import IssueSink
from importer.settings import Settings
from importer.state.run_folder import RunFolder
from importer.wiring.looking import save_schema
from importer.wiring.opening import opened, read_mapping
from importer.wiring.reopening import load_run
from importer.wiring.requests import RunRequest
from importer.wiring.runs import plan, validate
from importer.wiring.send_order import payloads_of
from importer.wiring.targets import open_emulator

MAPPING = Path(__file__).parent.parent / "mappings" / "bench-customers.yaml"
BODY_ROWS = 1000
NATIONAL_PHONES = 200_000
CHUNK_ROWS = 100_000


@dataclass(frozen=True)
class Bench:
    """What every stage is given."""

    request: RunRequest
    folder: Path

    @property
    def source(self) -> str:
        """The file."""
        return self.request.sources[0]


class Nowhere:
    """Takes whatever a run writes and forgets it."""

    def append(self, *_: Any, **__: Any) -> None:
        """Forget rows."""

    append_malformed = stage = advance = append


def scan(bench: Bench) -> Callable[[], object]:
    """Read every column as text and add up its bytes: what all others are compared with."""
    sums = pl.all().str.len_bytes().sum()
    lazy = pl.scan_csv(bench.source, infer_schema=False, truncate_ragged_lines=True).select(sums)
    return lambda: lazy.collect(engine="streaming")


def read(bench: Bench) -> Callable[[], object]:
    """Read rows, numbered and with their lines."""
    with opened(bench.request, hashed=False) as inputs:
        return lambda: sum(chunk.frame.height for chunk in inputs.source.chunks())


def check(bench: Bench) -> Callable[[], object]:
    """Read, check and write the issues."""

    def work() -> object:
        issues = IssueSink(bench.folder, inputs.plan.key, (bench.source,), show_values=False)
        nowhere: Any = Nowhere()
        prepared = prepare(inputs.source, inputs.checks, nowhere, Sinks(issues, nowhere, nowhere, Event()))
        issues.close()
        return prepared.rows_read

    with opened(bench.request, hashed=False) as inputs:
        return work


def whole_validate(bench: Bench) -> Callable[[], object]:
    """Validate: with identities, outcomes and the reports."""
    return lambda: validate(bench.request).exit_code


def whole_plan(bench: Bench) -> Callable[[], object]:
    """Plan: with the package, routes and batches."""
    return lambda: plan(bench.request).exit_code


def send(bench: Bench) -> Callable[[], object]:
    """Make the Bulk bodies of every planned row from the package; no HTTP."""
    report = plan(bench.request)
    folder = RunFolder(bench.folder / report.run_id)
    run = load_run(folder)
    payloads = payloads_of(run, folder.read_order())
    rows = folder.read_order().height

    def work() -> object:
        for start in range(0, rows, BODY_ROWS):
            payloads.bulk_body(start, min(start + BODY_ROWS, rows))
        return rows

    return work


def _normalised(texts: pl.Series, regions: pl.Series) -> int:
    """Normalise a column as a run does, a chunk at a time; return how many values it has."""
    for start in range(0, len(texts), CHUNK_ROWS):
        normalise_phones(texts.slice(start, CHUNK_ROWS), regions.slice(start, CHUNK_ROWS))
    return len(texts)


def phones(bench: Bench) -> Callable[[], object]:
    """Normalise the phones of the file, with the country beside them."""
    lazy = pl.scan_csv(bench.source, infer_schema=False, truncate_ragged_lines=True)
    frame = lazy.select(pl.col("mobile").str.strip_chars(), "country").collect()
    return lambda: _normalised(*frame.get_columns())


def national_phones(bench: Bench) -> Callable[[], object]:
    """Normalise numbers as people abroad write them: no calling code, blanks between."""
    del bench
    number = np.random.default_rng(7).integers(10**6, 10**7, NATIONAL_PHONES)
    regions = pl.Series(["GB", "DE", "FR", "IN", "JP", "BR"]).gather(np.arange(NATIONAL_PHONES) % 6)
    starts = pl.Series(["07410", "0151 1", "06 12", "098100", "090 1", "011 9"]).gather(np.arange(NATIONAL_PHONES) % 6)
    texts = pl.select(pl.format("{} {}", starts, pl.Series(number).cast(pl.String))).to_series()
    return lambda: _normalised(texts, regions)


STAGES: dict[str, Callable[[Bench], Callable[[], object]]] = {
    "scan": scan,
    "read": read,
    "check": check,
    "validate": whole_validate,
    "plan": whole_plan,
    "send": send,
    "phones": phones,
    "national": national_phones,
}


COUNTED = ("send", "phones", "national")
"""Stages whose speed is asked for in units a second."""


def save_needed_schema(path: Path) -> None:
    """Write the schema of an emulator's store, for runs without one."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_emulator(Settings(runs_dir=f"{folder}/runs"), seed=seed_for(read_mapping(MAPPING))) as store,
    ):
        save_schema(store.schema, path)


def main() -> None:
    """Prepare the stage, time it, print what it took and how much it worked on."""
    stage, source, schema = sys.argv[1:]
    if stage == "schema":
        save_needed_schema(Path(schema))
        return
    pa.array(["x"])
    startup.end()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(runs_dir=folder)
        bench = Bench(RunRequest((source,), MAPPING, settings, schema_file=Path(schema)), Path(folder))
        work = STAGES[stage](bench)
        started = time.perf_counter()
        done = work()
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "units": done if stage in COUNTED else None}))


if __name__ == "__main__":
    main()
