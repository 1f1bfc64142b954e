"""Two databases of the emulator are two stores, also under one ID: no decision and no delivery carries over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.core.mapping_seed import seed_for
from importer.core.report import Report
from importer.emulator import Emulator, EmulatorSettings
from importer.state.decisions import Decisions
from importer.state.run_folder import RunFolder
from importer.wiring.opening import read_mapping
from importer.wiring.requests import Hooks
from importer.wiring.sending import run_import
from tests.support.runs import IDLE_S, QUICK, Workbench, workbench
from tests.support.strict_store import MAPPING, people, write_source

STORE = EmulatorSettings(store_id="mem_store_0000000000000000000000000a")
SAME = [("A", "same@example.com", "one", 1), ("B", "same@example.com", "two", 2)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A local service."""
    with workbench(tmp_path / "bench", MAPPING, STORE) as made:
        yield made


@pytest.fixture
def other(bench: Workbench) -> Iterator[Workbench]:
    """The same runs folder beside a service with another database, whose store has the same ID."""
    with Emulator(":memory:", STORE) as emulator:
        emulator.seed(seed_for(read_mapping(bench.mapping)))
        yield Workbench(bench.folder, bench.mapping, emulator)


def imported(bench: Workbench, source: Path, **options: int) -> tuple[Report, str]:
    """Import a source; return also what was asked."""
    asked: list[str] = []

    def agree(question: str) -> bool:
        asked.append(question)
        return True

    report = run_import(bench.request(source, **options), Hooks(confirm=agree), QUICK)
    bench.emulator.wait_idle(IDLE_S)
    return report, " ".join(asked)


def test_a_fresh_database_was_given_nothing_before(bench: Workbench, other: Workbench) -> None:
    """The question speaks of an earlier delivery in the store that had it, and in no other."""
    source = write_source(bench, *people(2))
    _, first = imported(bench, source)
    _, again = imported(bench, source)
    _, elsewhere = imported(other, source)
    assert ["was delivered to this store" in asked for asked in (first, again, elsewhere)] == [False, True, False]


def test_decisions_stay_with_their_database(bench: Workbench, other: Workbench) -> None:
    """A group that was let go in one store is held in the other, where nobody decided about it."""
    source = write_source(bench, *SAME)
    allowed, _ = imported(bench, source, allow_merges=1)
    again, _ = imported(bench, source)
    elsewhere, _ = imported(other, source)
    assert [report.outcomes["held"] for report in (allowed, again, elsewhere)] == [0, 0, 2]


def test_a_database_keeps_its_identity(tmp_path: Path) -> None:
    """A service that is started again on the same file is the same store."""
    targets = []
    for port in range(2):
        with Emulator(tmp_path / "store.db", STORE) as emulator:
            path = tmp_path / "mapping.yaml"
            path.write_text('{"version": 1, "columns": {"email": "Contact.email", "note": "A.note"}}')
            emulator.seed(seed_for(read_mapping(path)))
            bench = Workbench(tmp_path, path, emulator)
            source = tmp_path / "source.csv"
            source.write_text(f"email,note\np{port}@example.com,x\n")
            report, _ = imported(bench, source)
            targets.append(RunFolder(Path(report.folder or "")).read_manifest().target)
    assert targets[0].identity == targets[1].identity
    assert targets[0].database
    assert len({Decisions(tmp_path, target).path for target in targets}) == 1
