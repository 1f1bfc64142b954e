"""Waits the service asks for, over real sockets: nobody sends before they are over."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import Final

import pytest

from importer.core.pacing import THROTTLED_BASE_S
from importer.core.report import Report
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.runs import plan
from tests.support.interposed import Interposed, interposed
from tests.support.loopback import Reply, Seen
from tests.support.runs import QUICK, Workbench, workbench

WORKERS: Final = 4
BATCHES: Final = WORKERS + 1
OPTIONS: Final = replace(QUICK, concurrency=WORKERS)
ACCEPTED: Final = Reply(202, b'{"message":"ok"}')


@dataclass
class Throttled:
    """Refuses the first request of every worker, once all of them are there, and accepts whatever comes later.

    Attributes:
        headers: Made for each refusal.
        told: Monotonic and wall-clock time right before each refusal left.
    """

    headers: Callable[[], dict[str, str]]
    told: list[tuple[float, float]] = field(default_factory=list)
    _all_here: threading.Barrier = field(default_factory=lambda: threading.Barrier(WORKERS))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _count: int = 0

    def __call__(self, seen: Seen) -> Reply | None:
        """Answer a body; let everything else through."""
        if seen.method != "PUT":
            return None
        with self._lock:
            self._count += 1
            is_first = self._count <= WORKERS
        if not is_first:
            return ACCEPTED
        self._all_here.wait(20)
        with self._lock:
            self.told.append((time.monotonic(), time.time()))
            return Reply(429, b'{"code":20429,"message":"slow down","status":429}', self.headers())


@dataclass
class Planned:
    """A planned run of as many bodies as it takes, which every test sends anew from a copy."""

    bench: Workbench
    between: Interposed
    report: Report

    def send(self, folder: Path, script: Throttled) -> Report:
        """Send a copy of the plan."""
        shutil.copytree(self.bench.folder / "runs", folder / "runs")
        self.between.script = script
        self.between.api.seen.clear()
        return self.resume(folder)

    def resume(self, folder: Path) -> Report:
        """Send what is left of it."""
        settings = self.bench.settings.model_copy(
            update={"api_url": self.between.api.url, "runs_dir": str(folder / "runs")}
        )
        return resume(ResumeRequest(self.report.run_id or "", settings), Hooks(), OPTIONS)

    def arrivals(self) -> list[float]:
        """Return when bodies came, as monotonic times."""
        return [seen.at_s for seen in self.between.of("PUT", "/Bulk")]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planned]:
    """Plan once."""
    mapping = {"version": 1, "columns": {"email": "Contact.email", "note": "Account.note"}}
    with workbench(tmp_path_factory.mktemp("pacing"), mapping) as bench, interposed(bench.emulator) as between:
        source = bench.folder / "source.csv"
        lines = (f"p{n}@example.com,n" for n in range(BATCHES * 1000))
        source.write_text("\n".join(["email,note", *lines, ""]), encoding="utf-8")
        settings = bench.settings.model_copy(update={"api_url": between.api.url})
        report = plan(RunRequest((str(source),), bench.mapping, settings), Hooks())
        assert report.routes["bulk"].requests == BATCHES
        yield Planned(bench, between, report)


@pytest.mark.parametrize(
    ("headers", "least_s"),
    [
        ({"retry-after": "1"}, 1.0),
        ({}, THROTTLED_BASE_S),
        ({"retry-after": "abc"}, THROTTLED_BASE_S),
        ({"retry-after": "-1"}, THROTTLED_BASE_S),
    ],
    ids=["seconds", "absent", "abc", "negative"],
)
def test_no_worker_sends_before_the_wait_is_over(
    planned: Planned, tmp_path: Path, headers: dict[str, str], least_s: float
) -> None:
    """The wait that was asked for, counted from the last time it was; where none can be read, one of our own."""
    script = Throttled(lambda: headers)
    report = planned.send(tmp_path, script)
    assert report.exit_code == 0, report.error
    later = planned.arrivals()[WORKERS:]
    assert len(later) == BATCHES
    assert min(later) >= max(at_s for at_s, _ in script.told) + least_s


@pytest.mark.parametrize(
    "ahead_s", [None, 3600, -3600], ids=["its clock unknown", "its clock ahead", "its clock behind"]
)
def test_a_date_is_waited_for(planned: Planned, tmp_path: Path, ahead_s: int | None) -> None:
    """By the service's own clock where its answers say what that is, however wrong it goes; otherwise by ours."""
    until: list[float] = []

    def headers() -> dict[str, str]:
        until.append(float(int(time.time()) + (2 if ahead_s is None else 1)))
        asked = {"retry-after": formatdate(until[-1] + (ahead_s or 0), usegmt=True)}
        return asked if ahead_s is None else asked | {"date": formatdate(time.time() + ahead_s, usegmt=True)}

    script = Throttled(headers)
    report = planned.send(tmp_path, script)
    assert report.exit_code == 0, report.error
    later = planned.arrivals()[WORKERS:]
    last_at_s, last_wall_s = script.told[-1]
    assert min(later) >= last_at_s + (max(until) - last_wall_s)


def test_a_wait_of_a_day_ends_the_run_at_once(planned: Planned, tmp_path: Path) -> None:
    """Nothing more is sent, exit code 5 says that it can be resumed, and it can."""
    report = planned.send(tmp_path, Throttled(lambda: {"retry-after": "86400"}))
    assert report.exit_code == 5
    assert report.outcomes["not_sent"] == BATCHES * 1000
    assert len(planned.arrivals()) == WORKERS
    again = planned.resume(tmp_path)
    assert (again.exit_code, again.outcomes["accepted"]) == (0, BATCHES * 1000)
    assert len(planned.arrivals()) == WORKERS + BATCHES


def test_reads_before_a_run_wait_as_well(planned: Planned, tmp_path: Path) -> None:
    """A store that is busy when its schema is read is asked again when it said so, not before."""
    refusals = [Reply(429, b"{}", {"retry-after": "1"})]
    told: list[float] = []

    def script(seen: Seen) -> Reply | None:
        if refusals:
            told.append(time.monotonic())
            return refusals.pop()
        return ACCEPTED if seen.method == "PUT" else None

    shutil.copytree(planned.bench.folder / "runs", tmp_path / "runs")
    planned.between.script = script
    planned.between.api.seen.clear()
    assert planned.resume(tmp_path).exit_code == 0
    assert planned.between.api.seen[1].at_s >= told[0] + 1.0
