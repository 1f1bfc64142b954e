"""`last`: the newest run that a command can be about, whatever was made since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from importer.core.manifest import Stage
from importer.core.report import Report
from importer.errors import ConfigError
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.retrying import RetryRequest, retry
from importer.wiring.runs import plan, validate
from importer.wiring.verifying import VerifyRequest, verify
from tests.support.runs import QUICK, Workbench, bench_of
from tests.support.strict_store import MAPPING, people, write_source

bench = bench_of(MAPPING)


def planned(bench: Workbench, name: str) -> Report:
    """Plan a run of two people."""
    return plan(bench.request(write_source(bench, *people(2, name), name=f"{name}.csv")), Hooks())


def send_plan(bench: Workbench, run: str, **options: Any) -> Report:
    """Do what `import --plan` does."""
    return resume(ResumeRequest(run, bench.settings, planned_only=True, command="import", **options), Hooks(), QUICK)


def test_plan_last_is_the_newest_plan_that_was_not_sent(bench: Workbench) -> None:
    """Not the run that was sent after it, nor the dry run: what was planned first goes once the other is sent."""
    first, second = planned(bench, "first"), planned(bench, "second")
    validate(bench.request(write_source(bench, *people(1))), Hooks())
    assert send_plan(bench, "last").run_id == second.run_id
    assert send_plan(bench, "last", ignore_later=True).run_id == first.run_id
    with pytest.raises(ConfigError, match=r"no run in .* that is planned and was not sent"):
        send_plan(bench, "last")


@pytest.mark.parametrize(
    ("stage", "cause", "command"),
    [
        (Stage.PACKAGING, "is not planned", "resume"),
        (Stage.SENDING, "begun to be sent already", "resume"),
        (Stage.FINISHED, "sent already, to its end", "retry"),
    ],
)
def test_a_run_that_is_not_planned_is_refused(bench: Workbench, stage: Stage, cause: str, command: str) -> None:
    """Exit code 2 names the command that goes on with it; nothing is sent."""
    report = planned(bench, "one")
    folder = RunFolder(Path(report.folder or ""))
    folder.write_manifest(folder.read_manifest().model_copy(update={"stage": stage}))
    with pytest.raises(ConfigError, match=cause) as refused:
        send_plan(bench, report.run_id)
    assert f"memory-importer {command} {report.run_id}" in refused.value.hint
    assert bench.writes() == []


def test_resume_last_passes_dry_runs_over(bench: Workbench) -> None:
    """Somebody who validates another file meanwhile still resumes the run that stopped."""
    report = planned(bench, "one")
    validate(bench.request(write_source(bench, *people(1))), Hooks())
    assert resume(ResumeRequest("last", bench.settings), Hooks(), QUICK).run_id == report.run_id


def test_verify_last_and_retry_last_are_about_what_was_sent(bench: Workbench) -> None:
    """A plan that waits is nothing to read back or to send again."""
    sent = bench.deliver(write_source(bench, *people(2)))
    planned(bench, "later")
    assert verify(VerifyRequest("last", bench.settings)).run_id == sent.run_id
    assert retry(RetryRequest("last", bench.settings), Hooks(), QUICK).run_id == sent.run_id


def test_there_is_none(bench: Workbench) -> None:
    """The message says what was looked for and where."""
    with pytest.raises(ConfigError, match=r"there is no run in .*runs that can be sent from"):
        resume(ResumeRequest("last", bench.settings), Hooks(), QUICK)
    with pytest.raises(ConfigError, match=r"there is no run in .*runs that was sent"):
        verify(VerifyRequest("last", bench.settings))
