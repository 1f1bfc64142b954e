"""A dry run does nothing that only sending has a use for."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from importer.errors import DiskError
from importer.ports import SourceOptions
from importer.sources.open import open_source
from importer.wiring.opening import opened
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan, planned_report, planned_run, validate
from tests.support.runs import folder_of, outcomes_of, workbench

MAPPING = {"version": 1, "source": {"key": ["id"]}, "columns": {"email": "Contact.email", "name": "Contact.firstName"}}


def test_the_source_is_hashed_for_runs_that_send_alone(tmp_path: Path) -> None:
    """Whether a source was delivered before is asked with its hash; of what was only checked nobody asks."""
    source = tmp_path / "source.csv"
    source.write_text("id,email,name\n1,ann@example.com,Ann\n")
    with workbench(tmp_path, MAPPING) as bench:
        checked, planned = (
            folder_of(command(bench.request(source))).read_manifest().source.fingerprint for command in (validate, plan)
        )
    assert checked == ""
    assert planned == open_source(str(source), SourceOptions()).fingerprint()


def test_outcomes_told_early_are_those_that_are_told_at_the_end(tmp_path: Path) -> None:
    """Held, combined and rejected rows among them; what goes wrong while they are written ends the command."""
    source = tmp_path / "source.csv"
    rows = ["1,ann@example.com,Ann", "1,ann@example.com,Anna", "2,bob@example.com,Bob", "3,bob@example.com,Rob", "4,,"]
    source.write_text("\n".join(["id,email,name", *rows, ""]))
    with workbench(tmp_path, MAPPING) as bench, opened(bench.request(source)) as inputs:
        run = planned_run(bench.request(source), Hooks(), inputs, "plan")
        assert run.outcomes is not None
        early = outcomes_of(planned_report(run, Hooks()))
        run.outcomes = None
        assert outcomes_of(planned_report(run, Hooks())).equals(early)
        assert set(early["state"]) == {"planned", "combined", "held", "rejected"}
        run.outcomes = Future()
        run.outcomes.set_exception(DiskError("the disk is full"))
        with pytest.raises(DiskError):
            planned_report(run, Hooks())


def test_a_null_token_that_a_repair_bared_is_no_value(tmp_path: Path) -> None:
    """Texts are as short as they are behind `--fix`."""
    source = tmp_path / "source.csv"
    source.write_text('id,email,name\n1,ann@example.com,"=""N/A"""\n2,bob@example.com,Barbara\n')
    mapping = MAPPING | {"source": {"key": ["id"], "null_tokens": ["N/A"]}}
    with workbench(tmp_path, mapping) as bench:
        planned = plan(bench.request(source, fixes=("excel-wrapper",)))
    assert outcomes_of(planned)["state"].to_list() == ["rejected", "planned"]


def test_a_plan_tells_which_rows_a_limit_leaves_out(tmp_path: Path) -> None:
    """Outcomes are known before there is a send order only where all rows go."""
    source = tmp_path / "source.csv"
    source.write_text("id,email,name\n1,ann@example.com,Ann\n2,bob@example.com,Bob\n3,,\n")
    with workbench(tmp_path, MAPPING) as bench:
        whole, canary = (outcomes_of(plan(bench.request(source, limit=limit))) for limit in (None, 1))
    assert whole["state"].to_list() == ["planned", "planned", "rejected"]
    assert canary["state"].to_list() == ["planned", "skipped", "rejected"]
    assert canary["code"].to_list()[1] == "limit"
