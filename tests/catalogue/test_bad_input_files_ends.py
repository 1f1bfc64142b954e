"""Catalogue of bad input, how a run over it ends: changed files, real commands, and nothing sent."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

import importer
from importer.reports.progress import NoProgress
from tests.catalogue.trial import CANARY, COLUMNS, Case, Read, request_for, write_schema
from tests.support.cli import Ended, Shell, new_shell, run_all
from tests.support.runs import workbench

TABLE: Final = "email,name\n" + "".join(f"{CANARY}{n}@example.com,{CANARY}\n" for n in range(2000))
CASE: Final = Case("changing", TABLE.encode(), Read(2000))


def replaced(path: Path) -> None:
    """Put another file in its place."""
    other = path.with_name("other.csv")
    other.write_text(TABLE, encoding="utf-8")
    other.replace(path)


def grown(path: Path) -> None:
    """Add a row."""
    with path.open("a", encoding="utf-8") as file:
        file.write("late@example.com,late\n")


def cut(path: Path) -> None:
    """Take half of it away."""
    os.truncate(path, 100)


CASES: Final[Mapping[int, Mapping[str, Callable[[Path], None]]]] = {
    36: {"replaced": replaced, "grown": grown, "cut": cut, "gone": Path.unlink}
}


class Meddling(NoProgress):
    """Changes the file once it is about to be read."""

    def __init__(self, change: Callable[[], None]) -> None:
        self._change = change

    def stage(self, name: str, total: int | None) -> None:  # noqa: ARG002 - the protocol's
        """Change it."""
        if name == "read and check":
            self._change()


@pytest.mark.parametrize("name", CASES[36])
def test_a_file_that_changes_is_told_from_a_bad_one(name: str, tmp_path: Path) -> None:
    """A file that is not the one it was ends the run with an error of its own, and nothing is kept."""
    request = request_for(CASE, tmp_path)
    hooks = importer.Hooks(progress=Meddling(lambda: CASES[36][name](tmp_path / "table.csv")))
    with pytest.raises(importer.SourceChangedError, match="changed while it was read"):
        importer.validate(request, hooks)
    assert list((tmp_path / "runs").glob("2*")) == []


GOOD: Final = f"email,name\n{CANARY}1@example.com,{CANARY}\n".encode()
ENDS: Final = {
    "latin": (GOOD + b"x@example.com,Jos\xe9\n", 2, "latin-1"),
    "open": (GOOD + f'x@example.com,"{CANARY}\n'.encode() + GOOD[11:] * 3, 2, "line 3"),
    "short": (GOOD + f"{CANARY}\n".encode() + GOOD[11:], 3, ""),
    "bomb": (gzip.compress(b"email,name\n" + b"," * 70_000_000, 9), 2, "200 times"),
    "field": (GOOD + b"x@example.com," + b"x" * 1_200_000 + b"\n", 2, "larger than 1 MiB"),
    "headless": (GOOD[11:] * 3, 2, "header row"),
}
"""Content, exit code, and a word of what is said; one for each way to end."""

OPTIONS: Final = {"field": ("--max-field", "1")}


def test_commands_end_as_the_catalogue_says(tmp_path: Path) -> None:
    """The real command has the exit code and the words, and shows no cell on either stream."""
    shell = new_shell(tmp_path)
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(json.dumps({"version": 1, "columns": COLUMNS}), encoding="utf-8")
    schema = write_schema(mapping, tmp_path / "schema.json")
    for name, (content, _, _) in ENDS.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
    fixed = ("--mapping", mapping, "--schema", schema)
    ended = run_all({name: command(shell, f"{name}.csv", *OPTIONS.get(name, ()), *fixed) for name in ENDS})
    for name, (_, code, words) in ENDS.items():
        assert ended[name].code == code, (name, ended[name])
        said = ended[name].stdout + ended[name].stderr
        assert words in said, (name, said)
        assert CANARY not in said.lower()
        assert "Traceback" not in said


def command(shell: Shell, source: str, *fixed: str | Path) -> Callable[[], Ended]:
    """Return what runs `validate` over a source."""
    return lambda: shell.run("validate", source, *fixed)


def test_nothing_is_sent_of_a_file_that_is_refused(tmp_path: Path) -> None:
    """A file that is lost behind many good rows costs no request that writes."""
    path = tmp_path / "table.csv"
    with workbench(tmp_path, {"version": 1, "columns": COLUMNS}) as bench:
        for content in (TABLE + 'x@example.com,"open\n', TABLE + "x" * 20_000_000):
            path.write_text(content, encoding="utf-8")
            with pytest.raises(importer.SourceError, match="line 2002"):
                bench.deliver(path)
        cut_off = gzip.compress(os.urandom(50_000).hex().encode())
        path.write_bytes(gzip.compress(TABLE.encode()) + cut_off[:-100])
        with pytest.raises(importer.SourceError, match="ends too early"):
            bench.deliver(path)
        assert bench.writes() == []
        assert bench.stored() == []
