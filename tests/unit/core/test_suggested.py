"""Commands that hints suggest: typed as they stand they mean the run they are about."""

from __future__ import annotations

import shlex
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.report import Report
from importer.core.report_hints import next_steps
from importer.core.suggested import run_command, runs_command, sync_command

NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/"), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@pytest.mark.parametrize("runs_dir", ["runs", "./runs", "runs/"])
def test_the_usual_folder_is_not_named(runs_dir: str) -> None:
    """Where runs are kept when nobody says anything, nobody need say it."""
    assert run_command(PurePath(runs_dir, "r-1"), "resume", "--all") == "`memory-importer resume r-1 --all`"
    assert runs_command(PurePath(runs_dir), "status") == "`memory-importer status`"


@given(folder=NAMES, option=NAMES)
def test_a_shell_reads_back_what_was_meant(folder: str, option: str) -> None:
    """Blanks, quotes and dollars in the name of a folder or in an option reach the command as they are."""
    runs_dir = PurePath("/data", folder)
    command = run_command(runs_dir / "r-1", "import --plan", "--release", option).removeprefix("`").removesuffix("`")
    words = ["memory-importer", "import", "--plan", "r-1", "--release", option, "--runs-dir", str(runs_dir)]
    assert shlex.split(command) == words


@pytest.mark.parametrize("folder", ["crm.yaml.state/runs/r-1", "/srv/my syncs/crm.yaml.state/runs/r-1/"])
def test_a_run_of_a_sync_is_left_to_the_sync(folder: str) -> None:
    """It goes on with it; what the sync cannot do, such as letting a row go, is done by hand."""
    file = shlex.quote(folder.partition(".state")[0])
    assert run_command(folder, "resume") == f"`memory-importer sync run {file}`" == sync_command(folder)
    assert sync_command(folder, "--full-refresh") == f"`memory-importer sync run {file} --full-refresh`"
    assert run_command(folder, "resume", "--release", "all").startswith("`memory-importer resume r-1 --release all")


@pytest.mark.parametrize("folder", ["runs/r-1", ".state/runs/r-1", "crm.yaml.state/other/r-1", "r-1", ""])
def test_other_runs_are_of_no_sync(folder: str) -> None:
    """Only a runs folder in the state folder of a sync file tells of one."""
    assert sync_command(folder) is None


def test_steps_of_a_report_name_its_folder() -> None:
    """What `report.json` tells to do next works from any folder of runs."""
    report = Report.model_validate(
        {
            "run_id": "r-1",
            "command": "import",
            "started_at": "2026-11-22T10:00:00Z",
            "folder": "my runs/r-1",
            "outcomes": {"held": 1, "failed": 2, "unknown": 1, "not_sent": 3},
            "merge_groups": {"groups": 1, "rows": 1, "held": 1, "held_rows": 1},
        }
    )
    commands = [part for step in next_steps(report) for part in step.split("`")[1::2] if "explain" not in part]
    assert len(commands) == 5
    assert all(command.endswith(" --runs-dir 'my runs'") for command in commands)
