"""What a resume may and may not do: never more than was asked, and never a report that forgets what was delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl
import pytest

from importer.core.manifest import Stage
from importer.emulator import EmulatorSettings
from importer.errors import ConfigError, LockedError
from importer.state.frames import FrameFile, FrameWriter
from importer.state.lock import PackagingLock
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.runs import plan
from tests.support.people_file import people_mapping, write_people
from tests.support.runs import IDLE_S, QUICK, Workbench, bench_of, outcomes_of, workbench

MAPPING: Final = people_mapping()

bench = bench_of(MAPPING)


def plain_rows(count: int) -> list[str]:
    """Rows of different people."""
    return [f"{n},p{n}@example.com,,nick {n},{n}" for n in range(count)]


def test_a_question_that_is_declined_keeps_what_was_delivered(bench: Workbench) -> None:
    """The rows of the canary stay delivered in the report and in the outcomes; only the others are not sent."""
    canary = bench.deliver(write_people(bench, *plain_rows(10)), limit=4)
    assert canary.outcomes["processed"] == 4
    request = ResumeRequest(canary.run_id, bench.settings, rest=True)
    declined = resume(request, Hooks(confirm=lambda _: False), QUICK)
    assert declined.exit_code == 2
    assert declined.error is not None
    assert (declined.outcomes["processed"], declined.outcomes["not_sent"]) == (4, 6)
    assert outcomes_of(declined).filter(pl.col("state") == "processed")["request_id"].null_count() == 0


def test_nothing_is_asked_where_nothing_is_left(bench: Workbench) -> None:
    """A finished run is reported again; no question, no request."""
    done = bench.deliver(write_people(bench, *plain_rows(5)))
    before = len(bench.writes())

    def refuse(question: str) -> bool:
        raise AssertionError(question)

    again = resume(ResumeRequest(done.run_id, bench.settings), Hooks(confirm=refuse), QUICK)
    assert again.outcomes == done.outcomes
    assert len(bench.writes()) == before
    assert any("nothing was left" in note for note in again.notes)


def test_a_planned_package_that_changed_on_disk_is_not_sent(bench: Workbench) -> None:
    """Each batch was pinned by a hash over its typed rows."""
    planned = plan(bench.request(write_people(bench, *plain_rows(20))), Hooks())
    package = RunFolder(Path(planned.folder or "")).package / "valid.arrow"
    frames = list(FrameFile(package).frames())
    writer = FrameWriter(package)
    for frame in frames:
        writer.append(frame.with_columns(pl.lit("TAMPERED").alias("Contact.nick")))
    writer.close()
    report = bench.go_on(planned)
    assert report.exit_code == 7
    assert report.error is not None
    assert bench.stored() == []


GROUPS = (
    "1,a@example.com,,one,1",
    "2,a@example.com,,two,2",
    "3,c@example.com,+13175550143,three,3",
    "4,d@example.com,+13175550143,four,4",
)


def test_releasing_one_group_of_a_canary_sends_no_other(tmp_path: Path) -> None:
    """A group that was allowed, but lies outside the limit, is not let go with one that was held."""
    mapping = MAPPING | {"identity": {"on_shared": {"phone": "allow"}}}
    with workbench(tmp_path / "bench", mapping) as bench:
        canary = bench.deliver(write_people(bench, "0,z@example.com,,first,0", *GROUPS), limit=1)
        assert (canary.outcomes["processed"], canary.outcomes["held"], canary.skipped["limit"]) == (1, 2, 2)
        released = bench.go_on(canary, release=frozenset[int]())
        assert (released.outcomes["processed"], released.skipped["limit"]) == (3, 2)


def test_the_rest_of_a_canary_keeps_the_route_that_was_forced(bench: Workbench) -> None:
    """`--via import` forces, also for the rows that follow later."""
    canary = bench.deliver(write_people(bench, *plain_rows(6)), limit=2, via="import")
    rest = bench.go_on(canary, rest=True)
    assert set(rest.routes) == {"import"}
    assert rest.outcomes["processed"] == 6


def test_a_later_row_of_a_group_removes_what_an_earlier_one_set(tmp_path: Path) -> None:
    """A row waits until the one before it is applied: before that there is no profile to remove anything from."""
    rows = ("1,h@example.com,,one,5", "2,h@example.com,,two,")
    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(apply_delay_s=0.4)) as bench:
        report = bench.deliver(write_people(bench, *rows), allow_merges=1)
        assert (report.outcomes["processed"], report.outcomes["accepted"]) == (1, 1)
        (profile,) = bench.stored()
        assert profile["traits"]["Contact"]["nick"] == "two"
        assert "points" not in profile["traits"].get("Loyalty", {})


def _stopped_while_packaging(bench: Workbench, command: str) -> str:
    planned = plan(bench.request(write_people(bench, *plain_rows(5))), Hooks())
    folder = RunFolder(Path(planned.folder or ""))
    manifest = folder.read_manifest()
    folder.write_manifest(manifest.model_copy(update={"stage": Stage.PACKAGING, "command": command}))
    return planned.run_id


def test_a_plan_that_was_killed_stays_a_plan(bench: Workbench) -> None:
    """Nobody saw what it would do, so resuming it shows that and sends nothing."""
    run_id = _stopped_while_packaging(bench, "plan")
    report = resume(ResumeRequest(run_id, bench.settings), Hooks(), QUICK)
    assert report.outcomes["planned"] == 5
    assert bench.writes() == []
    sent = resume(ResumeRequest(run_id, bench.settings), Hooks(), QUICK)
    bench.emulator.wait_idle(IDLE_S)
    assert sent.outcomes["processed"] == 5


def test_a_run_that_is_still_being_read_is_not_begun_again(bench: Workbench) -> None:
    """Two processes would write one package."""
    run_id = _stopped_while_packaging(bench, "import")
    with PackagingLock(bench.folder / "runs" / run_id), pytest.raises(LockedError):
        resume(ResumeRequest(run_id, bench.settings), Hooks(), QUICK)
    assert resume(ResumeRequest(run_id, bench.settings), Hooks(), QUICK).exit_code == 0


def test_operations_are_those_of_rows_that_go(bench: Workbench) -> None:
    """A canary costs what it sends, a plan says what removals may cost, and a stopped run costs nothing."""
    source = write_people(bench, *plain_rows(10), "x,x@example.com,,nick x,")
    planned = plan(bench.request(source), Hooks())
    assert (planned.operations.at_least, planned.operations.at_most) == (11, 12)
    canary = bench.deliver(source, limit=3)
    assert (canary.operations.at_least, canary.operations.at_most) == (3, 3)
    stopped = bench.deliver(write_people(bench, *plain_rows(2), "y,nobody,,nick,1"), max_rejected_percent=1.0)
    assert (stopped.exit_code, stopped.operations.at_most) == (6, 0)


def test_an_old_package_has_a_question_of_its_own(bench: Workbench) -> None:
    """Who agreed to write to a live store did not agree to send what was checked days ago."""
    planned = plan(bench.request(write_people(bench, *plain_rows(5))), Hooks())
    folder = RunFolder(Path(planned.folder or ""))
    folder.write_manifest(folder.read_manifest().model_copy(update={"created_at": "2026-01-01T00:00:00Z"}))
    hooks = Hooks(confirm=lambda _: True, confirm_stale=lambda _: False)
    with pytest.raises(ConfigError):
        resume(ResumeRequest(planned.run_id, bench.settings), hooks, QUICK)
    assert bench.writes() == []
    assert bench.go_on(planned, stale_ok=True).outcomes["processed"] == 5


def test_a_dry_run_is_never_sent(bench: Workbench) -> None:
    """Not even one that was killed."""
    run_id = _stopped_while_packaging(bench, "validate")
    with pytest.raises(ConfigError):
        resume(ResumeRequest(run_id, bench.settings), Hooks(), QUICK)
