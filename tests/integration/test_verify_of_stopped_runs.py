"""What reading back found of rows that were then sent: it is of another moment, and is not told of them."""

from __future__ import annotations

import errno
from pathlib import Path

import polars as pl

from importer.core.delivery import BatchEntry, Changes
from importer.core.lifecycle import BatchState
from importer.core.manifest import Stage
from importer.core.pacing import begun, told_to_wait
from importer.core.report import Report
from importer.reports.progress import NoProgress
from importer.state.lock import RunLock
from importer.state.run_folder import RunFolder
from importer.wiring.clock import CLOCK
from importer.wiring.finding import find_run
from importer.wiring.reopening import load_run, open_store
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan
from importer.wiring.sending import run_import
from importer.wiring.verifying import VerifyRequest, read_back, verify
from tests.support.runs import QUICK, Workbench, bench_of
from tests.support.strict_store import MAPPING, SILENT, found, people, write_source

bench = bench_of(MAPPING, SILENT)


def killed_while_sending(bench: Workbench) -> Report:
    """Leave a run as a kill does between the ledger's word that a body leaves and the body: nothing of it arrived."""
    report = plan(bench.request(write_source(bench, *people(3))), Hooks())
    folder = RunFolder(Path(report.folder or ""))
    manifest = folder.read_manifest()
    with folder.open_ledger(manifest) as ledger:
        (entry,) = ledger.entries()
        ledger.apply(Changes(batches=(BatchEntry(entry.spec, BatchState.SENT, 1, entry.trace),)))
    folder.write_manifest(manifest.model_copy(update={"stage": Stage.SENDING}))
    return report


def test_rows_that_are_sent_after_they_were_read_back_have_no_result(bench: Workbench) -> None:
    """They were missing because nobody had sent them: the run that then delivers them is fine."""
    report = killed_while_sending(bench)
    looked = verify(VerifyRequest(report.run_id or "", bench.settings, everything=True))
    assert (looked.verified["missing"], looked.exit_code) == (3, 3)
    again = bench.go_on(report)
    assert (found(again), again.verified, again.exit_code) == ({"accepted": 3}, {}, 0)
    assert not (Path(again.folder or "") / "mismatches.csv").exists()
    assert verify(VerifyRequest(report.run_id or "", bench.settings, everything=True)).verified["confirmed"] == 3


def test_rows_that_are_not_sent_again_keep_their_result(bench: Workbench) -> None:
    """What was found of them stays true when the same run sends others."""
    report = bench.deliver(write_source(bench, *people(4)), limit=3)
    verify(VerifyRequest(report.run_id or "", bench.settings, everything=True))
    again = bench.go_on(report, rest=True)
    assert (found(again), again.verified) == ({"accepted": 4}, {"confirmed": 3, "mismatched": 0, "missing": 0})


def test_a_wait_asked_for_while_rows_were_sent_holds_for_reading_them_back(bench: Workbench) -> None:
    """Settling begins where delivering ended: the same service, which may have asked everybody to wait."""
    report = bench.deliver(write_source(bench, *people(3)))
    found_run = find_run(bench.settings, report.run_id or "")
    with RunLock(found_run.folder.path), open_store(bench.settings, found_run.manifest, Hooks()) as store:
        run, lines = load_run(found_run.folder), pl.Series([0, 1, 2])
        now_s = CLOCK.monotonic_s()
        known = told_to_wait(begun(None, now_s), now_s, 0.4, 0.0)
        counted = read_back(run, store, Hooks(), lines, QUICK, known)
        assert CLOCK.monotonic_s() - now_s >= 0.4
    assert counted["confirmed"] == 3


class _Unwritable(NoProgress):
    """What a run meets where a file of it can be used no more once it is sending, and no one foresaw it."""

    name = ""

    def stage(self, name: str, total: int | None) -> None:  # noqa: ARG002 - as `ProgressSink` has it
        """Keep which it is."""
        self.name = name

    def advance(self, rows: int, **fields: int | str) -> None:  # noqa: ARG002 - the same
        """Fail while rows are sent."""
        if self.name == "send":
            raise OSError(errno.EROFS, "Read-only file system", "live.json")


def test_a_file_that_fails_while_rows_are_sent_costs_no_report(bench: Workbench) -> None:
    """The run stopped (5) and can be resumed; it was not refused before anything was sent (2)."""
    report = run_import(bench.request(write_source(bench, *people(3))), Hooks(progress=_Unwritable()), QUICK)
    assert report.exit_code == 5
    assert report.error is not None
    assert "Read-only" in report.error.message
    assert f"resume {report.run_id}" in report.error.hint
    assert (Path(report.folder or "") / "report.json").exists()
    assert found(bench.go_on(report)) == {"accepted": 3}
