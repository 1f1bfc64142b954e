"""What `-v` and `-vv` show, and that it is one line an event whatever is in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from importer.cli.logs import NAME, TextFormatter, configure, is_shown
from importer.cli.main import COMMANDS, SILENT, cli

LOG = logging.getLogger(NAME)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave logging as it was."""
    before = LOG.handlers[:], LOG.level, LOG.propagate
    yield
    LOG.handlers[:], LOG.level, LOG.propagate = before


@pytest.mark.parametrize(
    ("verbosity", "shown"), [(0, []), (1, ["stage"]), (2, ["stage", "request"]), (5, ["stage", "request"])]
)
def test_each_v_shows_more(verbosity: int, shown: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Stages by one, requests by two; more than two is two. All of it on standard error."""
    configure(verbosity)
    LOG.info("%(name)s", {"name": "read"}, extra={"event": "stage"})
    LOG.debug("%(path)s", {"path": "/Profiles/Bulk", "status": None, "ms": 3}, extra={"event": "request"})
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in err.splitlines()] == shown
    assert (out, is_shown()) == ("", verbosity > 0)
    assert "path=/Profiles/Bulk ms=3" in err or verbosity < 2


def test_to_configure_again_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """`-v` before and after a command's name are two of them."""
    configure(1)
    configure(2)
    LOG.info("%(name)s", {"name": "read"}, extra={"event": "stage"})
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "v=plain"),
        ("two words", 'v="two words"'),
        ("a\nb\x1b[31m\u2028\u202e", "v=a?b?[31m??"),
        (0.125, "v=0.1"),
        (0, "v=0"),
        (None, "event"),
    ],
)
def test_a_field_cannot_break_a_line(value: object, shown: str) -> None:
    """Neither begin one of its own nor move the cursor; what says nothing is left out."""
    record = logging.LogRecord(NAME, logging.INFO, "", 0, "x", ({"v": value},), None)
    record.event = "event"
    line = TextFormatter().format(record)
    assert line.isprintable()
    assert line.endswith(shown)


def test_a_record_without_fields_is_its_message() -> None:
    """Whatever else is logged under the name is still one line."""
    record = logging.LogRecord(NAME, logging.WARNING, "", 0, "a\n%s", ("b",), None)
    assert TextFormatter().format(record).split(" ", 1)[1] == "warning a?b"


def test_every_command_that_works_takes_it() -> None:
    """Before its name and after it, as often as wanted; those in between are groups."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        below = [*command.commands.values()] if isinstance(command, click.Group) else [command]
        for each in below:
            assert each is not None
            taken = any("--verbose" in parameter.opts for parameter in each.params)
            assert taken is (name not in SILENT), name


def test_it_is_added_up() -> None:
    """`-v explain` says the same as `explain`; one too many does no harm."""
    for arguments in (["-v", "explain", "missing-identifier"], ["-vvv", "explain", "missing-identifier"]):
        assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert LOG.level == logging.DEBUG
