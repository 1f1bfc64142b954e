"""Every command has help worth reading and is on the page of commands."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import pytest
import rich_click as click

from tests.support.cli import ROOT, new_shell


def load_generator() -> Any:
    """Import docs/generate_commands.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("generate_commands", ROOT / "docs" / "generate_commands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()
COMMANDS: dict[str, click.Command] = dict(GENERATOR.commands(GENERATOR.cli, "memory-importer"))


def test_the_page_is_up_to_date() -> None:
    """If this fails: `python docs/generate_commands.py`."""
    assert GENERATOR.PAGE.read_text(encoding="utf-8") == GENERATOR.page()


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_help_and_is_on_the_page(path: str) -> None:
    """A first line that fits a list of commands, and help for every option."""
    command = COMMANDS[path]
    first = (command.help or "").splitlines()[0]
    assert 20 < len(first) < 90
    assert first.endswith(".")
    assert f"\n## {path}\n" in GENERATOR.PAGE.read_text(encoding="utf-8")
    without = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert without == []


@pytest.mark.parametrize("path", COMMANDS)
def test_help_keeps_its_lines(path: str) -> None:
    """Lines of examples are neither wrapped nor joined on a terminal of 80 columns."""
    text = COMMANDS[path].help or ""
    assert all(len(line) <= 78 for line in text.splitlines()[1:])


def test_help_is_printed_quickly_and_without_heavy_imports() -> None:
    """`--help` of the program and of a command need click only; it is asked for most when nothing works yet."""
    script = (
        "import sys; from importer.cli.main import cli\n"
        "for arguments in (['--help'], ['import', '--help'], ['emulator', '--help']):\n"
        "    cli.main(arguments, prog_name='memory-importer', standalone_mode=False)\n"
        "heavy = {'polars', 'pyarrow', 'numpy', 'httpx', 'pydantic', 'starlette', 'uvicorn', 'phonenumbers'}\n"
        "heavy |= {'ruamel.yaml', 'jinja2', 'orjson', 'sqlite3', 'asyncio', 'ssl', 'importer.wiring'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Exit codes" in ended.stdout


def test_the_program_says_its_version(tmp_path_factory: pytest.TempPathFactory) -> None:
    """On one line."""
    ended = new_shell(tmp_path_factory.mktemp("version")).run("--version")
    assert (ended.code, ended.stdout) == (0, "memory-importer 0.1.0\n")
