"""Writes docs/commands.md from the commands themselves: `python docs/generate_commands.py`; a test compares the two."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import rich_click as click

from importer.cli.main import cli

PAGE = Path(__file__).parent / "commands.md"
HEAD = """\
# Commands

Made by `python docs/generate_commands.py` from what `--help` says; do not edit it by hand. States, exit codes and the
files of a run are described in [reports.md](reports.md), mapping files in [mapping.md](mapping.md).
"""


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and all below it, with what is typed to call each."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from commands(child, f"{path} {name}")


def section(path: str, command: click.Command) -> str:
    """Return what the page says about one command."""
    shown = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    lines = [f"## {path}", "", *paragraphs(command.help or "")]
    if shown:
        lines += ["", "| option | |", "|---|---|", *map(row, shown)]
    return "\n".join(lines) + "\n"


def paragraphs(text: str) -> Iterator[str]:
    """Yield the lines of a help text as Markdown: what is indented stays as it is."""
    before = ""
    for line in (line.strip("\b").rstrip() for line in text.splitlines()):
        if line.startswith("  "):
            if before and not before.startswith("  "):
                yield ""
            yield f"    {line.strip()}" if not line.startswith("    ") else line
        elif line or before:
            yield line
        before = line


def row(option: click.Option) -> str:
    """Return the line of one option."""
    value = "" if option.is_flag or option.count else f" {_value(option)}"
    remarks = [
        f"default {option.default}" if option.show_default else "",
        "required" if option.required else "",
        f"environment: `{option.envvar}`" if option.envvar else "",
    ]
    said = "; ".join(remark for remark in remarks if remark)
    names = ", ".join(option.opts)
    return f"| `{names}{value}` | {option.help}{f' ({said})' if said else ''} |"


def _value(option: click.Option) -> str:
    """Return what stands for the option's value; a bar would end the cell of a table."""
    if option.metavar is not None:
        return option.metavar.replace("|", "\\|")
    if isinstance(option.type, click.Choice):
        return "\\|".join(map(str, option.type.choices))
    return {"directory": "FOLDER", "file": "FILE"}.get(option.type.name, option.type.name.upper())


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(section(path, command) for path, command in commands(cli, "memory-importer"))])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} is written\n")
