"""Runs that are killed at random moments, again and again: every row arrives, and hardly any twice.

The processes are real and so is SIGKILL; the service applies what it is sent before it answers and writes a journal of
it. `CRASH_SEED` chooses the moments; they are moments of real processes, so a seed gives the same plan and not quite
the same run.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.crashes import Crash, Figures, Moment, check, crash_of, random_moments, write_mapping, write_source
from tests.support.journal_server import FOLLOWED
from tests.support.journals import journal_server

SEED: Final = int(os.environ.get("CRASH_SEED", "20261122"))

BATCH_ROWS: Final = 1000
CONCURRENCY: Final = 8
PARTS_AT_ONCE: Final = 4
PARTS: Final = 8
SIDE_BY_SIDE: Final = 4
"""Runs at once: a run waits for the service most of the time."""

RUNS_A_KILL: Final = 8
"""Runs that may be made for each kill at most: one whose moments came when it was over was not killed."""

LATENCY_S: Final = 0.15
SETTLE_S: Final = 0.6


@dataclass(frozen=True)
class Route:
    """How rows go, and how many of them may be under way at once."""

    name: str

    def options(self, rows: int) -> tuple[str, ...]:
        """Return the options of `plan` and `import`."""
        return ("--via", "bulk") if self.name == "bulk" else ("--via", "import", "--part-rows", str(rows // PARTS))

    def most_out(self, rows: int) -> int:
        """Return how many rows may be under way at once."""
        return CONCURRENCY * BATCH_ROWS if self.name == "bulk" else PARTS_AT_ONCE * (rows // PARTS)


routes: Final = pytest.mark.parametrize("route", [Route("bulk"), Route("import")], ids=lambda route: route.name)


@dataclass(frozen=True)
class Plan:
    """One run and its kills; a service that names operations and one that does not take turns."""

    user: str
    moments: tuple[Moment, ...]


def plans(route: Route) -> Iterator[Plan]:
    """Yield runs without end, the same for the same seed."""
    for number in itertools.count():
        followed = FOLLOWED if number % 2 else ""
        dice = random.Random(f"{SEED}/{route.name}/{number}")
        yield Plan(f"{route.name}-{number}{followed}", random_moments(dice, LATENCY_S))


def take(runs: Iterator[Plan], kills: int) -> list[Plan]:
    """Take runs that are to be killed so often in all, or what is left of them."""
    taken: list[Plan] = []
    while sum(len(run.moments) for run in taken) < kills and (following := next(runs, None)) is not None:
        taken.append(following)
    return taken


def say(capsys: pytest.CaptureFixture[str], route: Route, found: Sequence[Figures], seconds: float) -> None:
    """Print the figures of the runs, whatever pytest captures."""
    again, out = [each.again for each in found], [each.out for each in found]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{route.name}, seed {SEED}: {sum(each.kills for each in found)} kills of {len(found)} runs,"
            f" {sum(each.lost for each in found)} rows lost,"
            f" sent again a run {statistics.median(again):.0f} (median), {max(again)} (most),"
            f" under way at its kills {statistics.median(out):.0f}, {max(out)}; {seconds:.0f} s\n"
        )


@routes
def test_killed_at_random_moments(tmp_path: Path, route: Route) -> None:
    """Five kills of 50,000-row runs: each ends in exit 0, no row is lost, no more is sent again than was under way."""
    rows, kills = 50_000, 5
    source, mapping = write_source(tmp_path / "source.csv", rows), write_mapping(tmp_path / "mapping.yaml")
    with journal_server(tmp_path / "journals", latency_s=LATENCY_S, settle_s=SETTLE_S, seed=SEED) as server:
        planned = crash_of(server, tmp_path / "planned", "planner", source)
        assert planned.shell.run("plan", source, "-m", mapping, *route.options(rows)).code == 0

        def killed(plan: Plan) -> Crash:
            shutil.copytree(planned.shell.runs_dir, tmp_path / plan.user / "runs")
            crash = crash_of(server, tmp_path / plan.user, plan.user, source)
            crash.go(("import", "--plan", "last"), plan.moments)
            return crash

        runs = itertools.islice(plans(route), RUNS_A_KILL * kills)
        done = 0
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            while done < kills:  # a process that ended before its moment was not killed
                taken = take(runs, kills - done)
                assert taken, f"{done} kills only: the moments are no longer while a run is at work"
                for crash in pool.map(killed, taken):
                    done += check(crash, route.most_out(rows)).kills


@pytest.mark.soak
@routes
def test_killed_fifty_times(tmp_path: Path, route: Route, capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty kills of 200,000-row imports, from the source on: the same."""
    rows, kills = 200_000, 50
    found: list[Figures] = []
    began = time.monotonic()
    source, mapping = write_source(tmp_path / "source.csv", rows), write_mapping(tmp_path / "mapping.yaml")
    for plan in itertools.islice(plans(route), RUNS_A_KILL * kills):
        with journal_server(tmp_path / plan.user, latency_s=LATENCY_S, settle_s=SETTLE_S, seed=SEED) as server:
            crash = crash_of(server, tmp_path / plan.user, plan.user, source)
            crash.go(("import", source, "-m", mapping, *route.options(rows)), plan.moments)
            found.append(check(crash, route.most_out(rows)))
        shutil.rmtree(tmp_path / plan.user)
        if sum(each.kills for each in found) >= kills:
            break
    assert sum(each.kills for each in found) >= kills
    say(capsys, route, found, time.monotonic() - began)
