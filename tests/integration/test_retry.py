"""`retry` sends again what did not arrive, no more than that, and never an old value on top of a newer one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from importer.emulator import EmulatorSettings
from importer.errors import ConfigError, GuardError, LockedError, PackageChangedError
from importer.state.frames import FrameFile, FrameWriter
from importer.state.lock import SendingLock
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.runs import plan
from tests.support.runs import QUICK, Workbench, bench_of, outcomes_of, workbench
from tests.support.strict_store import (
    DROPPING,
    MAPPING,
    POINTERS,
    bodies,
    deliver_strictly,
    found,
    notes_in,
    people,
    send_again,
    set_rule,
    write_source,
)

bench = bench_of(MAPPING, POINTERS)


def test_refused_rows_go_again_once_their_cause_is_mended(bench: Workbench) -> None:
    """They alone, with a batch and a request of their own, and the run is as if nothing had happened."""
    report = deliver_strictly(bench, write_source(bench, *people([1, 50, 2, 60])), 10)
    assert found(report) == {"accepted": 2, "failed": 2}
    assert any(f"retry {report.run_id}" in hint for hint in report.hints)
    before = bodies(bench)
    again = send_again(bench, report)
    assert (found(again), again.exit_code, again.command) == ({"accepted": 4}, 0, "retry")
    assert bodies(bench) == before + 1
    assert len(bench.stored()) == 4
    batches = outcomes_of(again)["batch_id"].to_list()
    assert batches[0] == batches[2]
    assert batches[1] == batches[3] != batches[0]
    assert again.routes["bulk"].rows == 6
    assert again.routes["bulk"].reasons["sent again"] == 2
    assert (again.operations.at_least, again.operations.at_most) == (4, 4)
    assert again.hints == ()


def test_nothing_is_sent_where_nothing_is_left(bench: Workbench) -> None:
    """It says so, asks nobody, and ends as the run stands."""
    report = bench.deliver(write_source(bench, *people(3), ("K9", "nobody", "rejected", 1)))
    before = len(bench.emulator.journal())

    def refuse(question: str) -> bool:
        raise AssertionError(question)

    again = send_again(bench, report, Hooks(confirm=refuse))
    assert (again.outcomes, again.exit_code) == (report.outcomes, 3)
    assert any("nothing to send again" in note for note in again.notes)
    assert len(bench.emulator.journal()) == before


def test_rows_of_a_part_that_had_errors_go_by_bulk_which_names_the_bad_one(tmp_path: Path) -> None:
    """An import only counts; sent again, one row is refused and the others are what Bulk says they are."""
    mapping = MAPPING | {"routing": {"import_min_rows": 10}}
    with workbench(tmp_path / "bench", mapping, EmulatorSettings(error_pointers=True)) as bench:
        report = deliver_strictly(bench, write_source(bench, *people([1] * 19 + [50])), 10)
        assert (found(report), report.operations.at_least) == ({"unattributed": 20}, 0)
        asked: list[str] = []

        def strict_still(question: str) -> bool:
            asked.append(question)
            set_rule(bench, 10)
            return True

        again = send_again(bench, report, Hooks(confirm=strict_still))
        assert "20 rows" in asked[0]
        assert "at least 20 billable operations" in asked[0]
        assert (found(again), again.exit_code) == ({"processed": 19, "failed": 1}, 3)
        frame = outcomes_of(again)
        assert frame.filter(pl.col("state") == "failed")["id"].to_list() == ["K19"]
        assert set(frame["route"]) == {"bulk"}
        assert set(again.routes) == {"import", "bulk"}
        # Each row may have been applied by the import, and all but the bad one were by Bulk.
        assert (again.operations.at_least, again.operations.at_most) == (19, 39)


def test_only_the_states_asked_for_go(tmp_path: Path) -> None:
    """`--state` narrows; what is no state of rows that can be sent again is refused."""
    with workbench(tmp_path / "bench", MAPPING, DROPPING) as bench:
        report = deliver_strictly(bench, write_source(bench, *people([1, 50])), 10)
        assert found(report) == {"unattributed": 2}
        before = bodies(bench)
        assert found(send_again(bench, report, states=["failed", "unknown"])) == {"unattributed": 2}
        assert bodies(bench) == before
        with pytest.raises(ConfigError, match="accepted"):
            send_again(bench, report, states=["accepted"])
        assert found(send_again(bench, report, states=["unattributed"])) == {"processed": 2}


def test_rows_that_reading_back_confirmed_stay_where_they_are(tmp_path: Path) -> None:
    """What is in the store as it was sent need not be paid for twice."""
    with workbench(tmp_path / "bench", MAPPING, DROPPING) as bench:
        report = deliver_strictly(bench, write_source(bench, *people([1, 50, 2])), 10)
        resume(ResumeRequest(report.run_id, bench.settings), Hooks(), replace(QUICK, settle="lookup"))
        again = send_again(bench, report)
        assert (found(again), again.exit_code) == ({"unattributed": 2, "processed": 1}, 0)
        assert again.verified == {"confirmed": 2, "mismatched": 0, "missing": 0}


def test_a_run_that_is_not_over_is_resumed_first(bench: Workbench) -> None:
    """Its rows that were never sent would come after those that are sent again."""
    planned = plan(bench.request(write_source(bench, *people(5))), Hooks())
    with pytest.raises(ConfigError) as refused:
        send_again(bench, planned)
    assert f"resume {planned.run_id}" in refused.value.hint
    assert bench.writes() == []


def test_a_question_that_is_declined_leaves_the_run_as_it_is(bench: Workbench) -> None:
    """Nothing was sent: exit code 2, and the rows are what they were."""
    report = deliver_strictly(bench, write_source(bench, *people([1, 50])), 10)
    before = bodies(bench)
    declined = send_again(bench, report, Hooks(confirm=lambda _: False))
    assert (declined.outcomes, declined.exit_code) == (report.outcomes, 2)
    assert bodies(bench) == before
    assert found(send_again(bench, report)) == {"accepted": 2}


def test_an_interrupted_retry_says_what_is_known_and_can_be_resumed(bench: Workbench) -> None:
    """Rows that wait to be sent again are not `not_sent`: they were sent, and what came of that is what is known."""
    report = deliver_strictly(bench, write_source(bench, *people([1, 50, 60])), 10)
    hooks = Hooks(stop_signal=lambda: 15)

    def stop(question: str) -> bool:
        hooks.stop.set()
        return True

    stopping = Hooks(confirm=stop, stop=hooks.stop, stop_signal=hooks.stop_signal)
    stopped = send_again(bench, report, stopping)
    assert (found(stopped), stopped.exit_code) == ({"accepted": 1, "failed": 2}, 143)
    with pytest.raises(ConfigError, match="not over"):
        send_again(bench, report)
    assert found(bench.go_on(report)) == {"accepted": 3}
    assert send_again(bench, report).outcomes["accepted"] == 3


def test_the_schema_is_guarded_and_an_old_package_asks(bench: Workbench) -> None:
    """As in a resume: rows are sent to the store they were checked against, and not weeks later unasked."""
    report = deliver_strictly(bench, write_source(bench, *people([1, 50])), 10)
    set_rule(bench, 10)
    with pytest.raises(GuardError, match="changed"):
        send_again(bench, report)
    set_rule(bench, None)
    folder = RunFolder(Path(report.folder or ""))
    folder.write_manifest(folder.read_manifest().model_copy(update={"created_at": "2026-01-01T00:00:00Z"}))
    with pytest.raises(ConfigError, match="older"):
        send_again(bench, report, Hooks(confirm_stale=lambda _: False))
    assert found(send_again(bench, report, stale_ok=True)) == {"accepted": 2}


def test_a_package_that_changed_on_disk_is_not_sent_again(bench: Workbench) -> None:
    """The rows must be those whose hash was pinned when they were planned."""
    report = deliver_strictly(bench, write_source(bench, *people([1, 50])), 10)
    package = RunFolder(Path(report.folder or "")).package / "valid.arrow"
    frames = list(FrameFile(package).frames())
    writer = FrameWriter(package)
    for frame in frames:
        writer.append(frame.with_columns(pl.lit("TAMPERED").alias("Account.note")))
    writer.close()
    before = bodies(bench)
    with pytest.raises(PackageChangedError):
        send_again(bench, report)
    assert bodies(bench) == before


def test_a_store_that_another_process_sends_to_is_left_alone(bench: Workbench) -> None:
    """What that process delivers could not be seen."""
    report = deliver_strictly(bench, write_source(bench, *people([1, 50])), 10)
    runs = Path(bench.settings.runs_dir)
    with SendingLock(runs, bench.emulator.store_id), pytest.raises(LockedError):
        send_again(bench, report)


def test_a_group_keeps_its_order(tmp_path: Path) -> None:
    """A row that goes again takes the later rows of its group along: the newest value stays the last."""
    mapping = MAPPING | {"identity": {"on_shared": {"email": "allow"}}}
    with workbench(tmp_path / "bench", mapping, POINTERS) as bench:
        shared = "one@example.com"
        rows = [("A", shared, "a", 1), ("B", shared, "b", 50), ("C", shared, "c", 3), ("D", "d@example.com", "d", 4)]
        report = deliver_strictly(bench, write_source(bench, *rows), 10)
        assert found(report) == {"accepted": 3, "failed": 1}
        again = send_again(bench, report)
        assert (found(again), again.exit_code) == ({"accepted": 4}, 0)
        assert notes_in(bench)[shared] == "c"
        assert any("1 of them only to stay behind" in note for note in again.notes)
        # A and D once, B once, C twice; every row of the group may have merged something.
        assert (again.operations.at_least, again.operations.at_most) == (5, 9)
        batches = outcomes_of(again)["batch_id"].to_list()
        assert len(set(batches)) == 4, "rows of a group share no body"
