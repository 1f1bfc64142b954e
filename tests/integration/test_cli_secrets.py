"""Credentials are nowhere, and cell values only where the documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from tests.support.cli import CREDENTIALS, Ended, Shell, new_shell, run_all, served

SECRET: Final = "canary-of-credentials-4711"
GOOD: Final = "canaryOfGoodCells"
BAD: Final = "canaryOfBadCells"
WITH_VALUES: Final = {"rejected.csv", "rejected-malformed.txt"}
"""Files of a run that hold cells of the source; the package is a folder of them."""

SOURCE: Final = f"""id,email,points,note
1,{GOOD}@example.com,1,{GOOD}
2,two@example.com,2,fine
3,{BAD},3,{BAD}
4,four@example.com,{BAD},fine
5,five@example.com,5,{BAD}"{BAD},{BAD},{BAD}
6,two@example.com,6,fine
"""
MAPPING: Final = """version: 1
source: {key: [id]}
columns:
  email: Contact.email
  points: {to: Loyalty.points, type: number}
  note: Account.note
"""


@dataclass(frozen=True)
class Canaries:
    """Runs of a file full of canaries, with and without `--show-values`."""

    plain: Shell
    shown: Shell
    ended: list[Ended]

    def visible(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the text of everything that may be shown to anyone."""
        for number, ended in enumerate(self.ended):
            yield f"stdout {number}", ended.stdout
            yield f"stderr {number}", ended.stderr
        for run in self.plain.runs():
            for path in sorted(run.rglob("*")):
                if path.is_file() and path.name not in WITH_VALUES and path.parent.name != "package":
                    yield str(path), text_of(path)


def text_of(path: Path) -> str:
    """Return all text in a file; that of a Parquet file is compressed otherwise."""
    if path.suffix == ".parquet":
        return repr(pl.read_parquet(path).to_dicts())
    return path.read_bytes().decode("utf-8", "replace")


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Canaries:
    """Validate and import the canaries, then be refused because of a wrong secret."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "canaries.csv").write_text(SOURCE, encoding="utf-8")
    (folder / "canaries.yaml").write_text(MAPPING, encoding="utf-8")
    source = (folder / "canaries.csv", "-m", folder / "canaries.yaml")
    secret = {**CREDENTIALS, "TWILIO_API_SECRET": SECRET, "TWILIO_AUTH_TOKEN": SECRET}
    anything = ("--max-rejected", "100", "--yes")
    with served(folder, folder / "canaries.yaml", api_secret=SECRET) as (_, reached):
        plain = Shell(folder, {**reached.environment, **secret})
        shown = new_shell(folder / "shown", **plain.environment)
        wrong = Shell(folder, {**plain.environment, "TWILIO_API_SECRET": f"{SECRET}-wrong"})

        def send() -> Ended:
            ended.append(plain.run("import", *source, *anything, "--json"))
            return plain.run("resume", "last", "--release", "all", "--yes")

        ended: list[Ended] = []
        ended += run_all(
            {
                "send": send,
                "refused": lambda: wrong.run("--debug", "import", *source, *anything, "--json"),
                "shown": lambda: shown.run("validate", *source, "--show-values"),
            }
        ).values()
    assert [each.code for each in ended] == [3, 3, 4, 3]
    return Canaries(plain, shown, ended)


def test_credentials_are_nowhere(canaries: Canaries) -> None:
    """Not in what is printed, not in a run's folder, not even where the service refuses them."""
    for name, text in canaries.visible():
        assert SECRET not in text, name
    for path in canaries.plain.runs_dir.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_cell_values_are_not_shown(canaries: Canaries) -> None:
    """Neither good nor bad ones: not in reports, issues, outcomes, groups, the ledger or any log."""
    for name, text in canaries.visible():
        assert GOOD not in text, name
        assert BAD not in text, name


def test_values_are_shown_when_asked_for(canaries: Canaries) -> None:
    """In the issue files alone; and rejected.csv has what is to be mended, always."""
    run = canaries.shown.runs()[0]
    assert BAD in text_of(run / "issues.csv")
    assert BAD in text_of(run / "issues.parquet")
    assert BAD not in text_of(run / "report.json")
    assert BAD in text_of(canaries.plain.runs()[0] / "rejected.csv")
