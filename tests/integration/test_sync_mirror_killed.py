"""Mirrors that are killed at random moments and run again: the store ends equal to the source, and nothing else goes.

The processes and SIGKILL are real. `CRASH_SEED` chooses the moments.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

import pytest

from importer.core.report import Report
from importer.emulator import EmulatorSettings
from tests.support.commands import start
from tests.support.mirrors import MIRROR, is_mirror, mirrored, removals
from tests.support.runs import IDLE_S, workbench
from tests.support.syncs import MAPPING, Row, Synced, by_email, found, person

SEED: Final = int(os.environ.get("CRASH_SEED", "20261122"))
KEYS: Final = 60
GOING: Final = 12
"""Keys that go with each version of the source; as many come, and as many change."""

SLOW: Final = {"fault": "slow", "operations": ["DeleteProfile"], "delay_s": 0.05}
"""So that removing takes long enough to be killed in."""


@dataclass(frozen=True)
class Killed:
    """A mirror that is killed once for each version of its source."""

    synced: Synced
    dice: random.Random

    def goes_on(self, rows: dict[str, Row]) -> dict[str, Row]:
        """Write the next version of the source; return its rows."""
        kept = self.dice.sample(sorted(rows), len(rows) - GOING)
        rows = {key: rows[key] for key in kept}
        for key in self.dice.sample(kept, GOING):
            email, phone, points = rows[key]
            rows[key] = email, phone, points + 1
        for number in self.dice.sample(range(1_000, 10_000), GOING):
            rows[f"K{number}"] = person(number)
        self.synced.write(rows)
        return rows

    def kill(self) -> bool:
        """Run the mirror and kill it at some moment; false if it ended before that."""
        reached = self._moment()
        pause = Event()
        with start(self.synced.bench, "sync", "run", self.synced.file.name, "--concurrency", "3") as process:
            while process.poll() is None and not reached():
                pause.wait(0.002)
            process.kill()
            _, said = process.communicate()
        assert process.returncode in (0, -9), (process.returncode, said)
        # What is under way when its sender dies is applied before anything newer is sent.
        self.synced.bench.emulator.wait_idle(IDLE_S)
        return process.returncode == -9

    def _moment(self) -> Callable[[], bool]:
        folder = self.synced.folder
        runs = len(list(folder.runs.glob("2*")))
        before, entries = self._deletes(), self.dice.randint(1, 2 * GOING)
        deletes = self.dice.randint(1, GOING - 1)
        return self.dice.choice(
            (
                lambda: self.synced.state.pending is not None,
                lambda: len(list(folder.runs.glob("2*"))) > runs and self._logged() >= entries,
                lambda: len(list(folder.runs.glob("2*"))) > runs and self._logged() >= entries,
                lambda: self._deletes() >= before + deletes,
                (folder.path / ".snapshot.parquet.part").exists,
            )
        )

    def _logged(self) -> int:
        last = max(self.synced.folder.runs.glob("2*"))
        log = last / "removals.log"
        return log.read_bytes().count(b"\n") if log.exists() else 0

    def _deletes(self) -> int:
        return sum(entry["method"] == "DELETE" for entry in self.synced.bench.emulator.journal())


def kill_mirror(folder: Path, number: int, versions: int) -> int:
    """Bring versions of a source into a store, with a kill for each; return how many there were."""
    with workbench(folder, MAPPING, EmulatorSettings(apply_delay_s=0.02)) as bench:
        killed = Killed(Synced(bench, MIRROR), random.Random(f"{SEED}/mirror/{number}"))
        synced = killed.synced
        rows = mirrored(synced, KEYS)
        bench.emulator.switch_on(SLOW)
        kills = 0
        for _ in range(versions):
            rows = killed.goes_on(rows)
            kills += killed.kill()
            check(synced.run(), rows)
            assert is_mirror(synced, rows)
        unchanged = synced.run()
        assert (unchanged.exit_code, found(unchanged)) == (0, {"unchanged": len(rows)})
        assert removals(unchanged).candidates == 0
        assert synced.stored() == by_email(rows)
        return kills


def check(report: Report, rows: dict[str, Row]) -> None:
    """A run that comes after a kill ends well, and what it does not remove is gone already."""
    assert (report.exit_code, report.rows_read) == (0, len(rows))
    told = removals(report)
    assert told.deleted + told.gone == told.candidates


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Five versions of a source, each killed once."""
    assert kill_mirror(tmp_path / "bench", 0, versions=5) >= 4


@pytest.mark.soak
def test_fifty_kills_at_random_moments(tmp_path: Path) -> None:
    """Fifty of fifty end with the store equal to the source."""
    assert sum(kill_mirror(tmp_path / str(number), number, versions=5) for number in range(1, 11)) >= 40
