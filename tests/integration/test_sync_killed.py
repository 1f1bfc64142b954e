"""Syncs that are killed at random moments and run again: the store ends equal to the source, the next run sends none.

The processes and SIGKILL are real; the service writes a journal of what it applied. `CRASH_SEED` chooses the moments.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

import polars as pl
import pytest

from tests.support.crashes import COLUMNS, Crash, crash_of, write_mapping
from tests.support.journals import JournalServer, journal_server

SEED: Final = int(os.environ.get("CRASH_SEED", "20261122"))
ROWS: Final = 4_000
SIDE_BY_SIDE: Final = 3
MOST_VERSIONS: Final = 12


@dataclass(frozen=True)
class Plan:
    """How many syncs there are, and what becomes of each.

    Attributes:
        syncs: How many.
        versions: Of the source, one after the other; a part of the rows changes each time.
        kills: Of each version at most; one of each sync at least.
    """

    syncs: int
    versions: int
    kills: int


@dataclass(frozen=True)
class Killed:
    """One sync that is killed again and again.

    Attributes:
        crash: Its shell, journal and source.
        dice: Chooses the moments.
        plan: What becomes of it.
    """

    crash: Crash
    dice: random.Random
    plan: Plan

    @property
    def state(self) -> Path:
        """What the sync knows."""
        return self.crash.shell.folder / "rows.sync.yaml.state"

    def write(self, version: int) -> None:
        """Write a version of the source."""
        lines = [
            f"K{n},p{n}@example.com,note {version},{n + version}\n"
            if n % 4 == version % 4
            else f"K{n},p{n}@example.com,note,{n}\n"
            for n in range(ROWS)
        ]
        self.crash.source.write_text("id,email,note,points\n" + "".join(lines), encoding="utf-8")

    def command(self) -> list[str]:
        """Return how the sync is run: its first run is told so, until there is a snapshot."""
        first = [] if (self.state / "snapshot.parquet").exists() else ["--first-run"]
        return ["sync", "run", "rows.sync.yaml", *first]

    def moments(self) -> Callable[[], bool]:
        """Return what is waited for before the kill."""
        journal = self.crash.journal
        before = journal.applied()
        rows = self.dice.randint(1, ROWS // 4)
        runs = len(list(self.state.glob("runs/2*")))
        return self.dice.choice(
            (
                lambda: len(list(self.state.glob("runs/2*"))) > runs,
                self._pending,
                lambda: journal.applied() > before,
                lambda: journal.applied() >= before + rows,
                (self.state / ".snapshot.parquet.part").exists,
            )
        )

    def _pending(self) -> bool:
        try:
            return json.loads((self.state / "sync.json").read_text(encoding="utf-8"))["pending"] is not None
        except (OSError, ValueError):
            return False

    def run(self) -> int:
        """Bring every version of the source into the store, with kills on the way; return how many there were."""
        kills = 0
        for version in range(MOST_VERSIONS):
            if version >= self.plan.versions and kills:
                break  # a process that ends before its moment is not killed: another version is another chance
            self.write(version)
            for _ in range(self.dice.randint(0 if version else 1, self.plan.kills)):
                kills += self._killed()
            self._ends()
            self._check()
        self._check_rest()
        return kills

    def _killed(self) -> bool:
        process = self.crash.shell.start(*self.command(), "--json")
        reached, pause_s = self.moments(), self.dice.choice((0.0, 0.0, self.dice.uniform(0, 0.4)))
        while process.poll() is None and not reached():
            pause(0.002)
        pause(pause_s)
        process.kill()
        _, said = process.communicate()
        assert process.returncode in (0, -9), (process.returncode, said)
        # What is under way when its sender dies may be applied later: here it is, before anything newer is sent.
        self.crash.journal.settle()
        return process.returncode == -9

    def _ends(self) -> None:
        ended = self.crash.shell.run(*self.command(), "--json")
        assert ended.code == 0, (ended.code, ended.stderr[-2000:])

    def _check(self) -> None:
        """The store is what the source is."""
        self.crash.journal.settle()
        values = ["email", "note", "points"]
        last = self.crash.journal.rows().group_by("email", maintain_order=True).last().select(values)
        assert last.sort("email").equals(pl.read_csv(self.crash.source, columns=values).sort("email"))

    def _check_rest(self) -> None:
        """The sync knows that the store is what the source is."""
        applied = self.crash.journal.applied()
        ended = self.crash.shell.run("sync", "run", "rows.sync.yaml", "--json", "--skip-exit-code", "99")
        assert (ended.code, ended.report["outcomes"]["unchanged"]) == (99, ROWS)
        assert self.crash.journal.applied() == applied


def pause(seconds: float) -> None:
    """Wait."""
    Event().wait(seconds)


def killed_sync(server: JournalServer, folder: Path, number: int, plan: Plan) -> int:
    """Run one sync with its kills; return how many there were."""
    crash = crash_of(server, folder, f"sync-{number}", folder / "rows.csv")
    write_mapping(folder / "mapping.yaml", COLUMNS)
    sync = {"version": 1, "source": "rows.csv", "mapping": "mapping.yaml", "mode": "full"}
    (folder / "rows.sync.yaml").write_text(json.dumps(sync), encoding="utf-8")
    return Killed(crash, random.Random(f"{SEED}/sync/{number}"), plan).run()


def kill_syncs(folder: Path, plan: Plan) -> int:
    """Run syncs side by side; return how many kills there were."""
    with (
        journal_server(folder / "journals", latency_s=0.05, settle_s=0.2, seed=SEED) as server,
        ThreadPoolExecutor(SIDE_BY_SIDE) as pool,
    ):
        return sum(pool.map(lambda number: killed_sync(server, folder / str(number), number, plan), range(plan.syncs)))


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Five syncs, each killed at least once while it brings two versions of its source into the store."""
    assert kill_syncs(tmp_path, Plan(syncs=5, versions=2, kills=1)) >= 5


@pytest.mark.soak
def test_fifty_syncs_killed_at_random_moments(tmp_path: Path) -> None:
    """Fifty of fifty end with the store equal to the source."""
    assert kill_syncs(tmp_path, Plan(syncs=50, versions=3, kills=2)) >= 50
