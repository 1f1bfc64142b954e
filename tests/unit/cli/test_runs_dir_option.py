"""`--runs-dir`: what suggested commands leave out must be what they mean."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from importer.cli.options import runs_dir_option


@click.command()
@runs_dir_option
def shown(runs_dir: str | None) -> None:
    """Print the folder."""
    click.echo(str(runs_dir))


@pytest.mark.parametrize(
    ("environment", "arguments", "expected"),
    [
        ({}, [], "None"),
        ({}, ["--runs-dir", "./runs"], "./runs"),
        ({"MEMORY_RUNS_DIR": "other"}, [], "other"),
        ({"MEMORY_RUNS_DIR": "other"}, ["--runs-dir", "more"], "more"),
        ({"MEMORY_RUNS_DIR": "other"}, ["--runs-dir", "runs/"], str(Path("runs").absolute())),
        ({"MEMORY_RUNS_DIR": "runs"}, [], "runs"),
    ],
)
def test_the_usual_folder_is_named_in_full_where_the_environment_names_another(
    environment: dict[str, str], arguments: list[str], expected: str
) -> None:
    """A command without the option would look where the variable says."""
    ended = CliRunner(env={"MEMORY_RUNS_DIR": ""} | environment).invoke(shown, arguments)
    assert ended.output.strip() == expected
