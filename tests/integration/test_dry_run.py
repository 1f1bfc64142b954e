"""A dry run does nothing that only sending has a use for."""

from __future__ import annotations

from pathlib import Path

from importer.ports import SourceOptions
from importer.sources.open import open_source
from importer.wiring.runs import plan, validate
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
