"""README: what it tells people to type is what CI runs, and what it says they see is what they see."""

from __future__ import annotations

import re
import shlex
from typing import Final

import pytest

from tests.support.cli import ROOT, Ended, new_shell

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALL: Final = "python3 -m venv .venv && .venv/bin/pip install . && "
MAIN_JOB: Final = (
    f"{INSTALL}.venv/bin/memory-importer import samples/customers.csv --mapping mappings/customers.yaml --emulator"
)
TESTS: Final = "python3 -m venv .venv && .venv/bin/pip install '.[dev]' && .venv/bin/python -m pytest"


def blocks(language: str) -> list[str]:
    """Return the code blocks of README in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Run the command of README, without its installation, in a folder that has what a clone has."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("samples", "mappings"):
        (folder / name).symlink_to(ROOT / name)
    arguments = shlex.split(MAIN_JOB.removeprefix(INSTALL))[1:]
    return new_shell(folder).run(*arguments)


def test_readme_fits_two_screens() -> None:
    """Nobody reads more."""
    assert len(README.splitlines()) <= 90
    assert max(map(len, README.splitlines())) <= 160


def test_ci_runs_the_two_commands_as_they_stand() -> None:
    """Each is a block of its own in README, and a line of .ci/run."""
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert f"{MAIN_JOB}\n" in blocks("sh")
    assert f"{TESTS}\n" in blocks("sh")
    assert TESTS in ci
    assert f"{MAIN_JOB} || code=$?" in ci
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_main_job_ends_as_readme_says(main_job: Ended) -> None:
    """Exit code 3, and README says so."""
    assert main_job.code == 3, main_job.stderr
    assert "exits with 3" in README


def test_the_main_job_prints_what_readme_shows(main_job: Ended) -> None:
    """Every line of the shortened output is the beginning of a line that is printed."""
    (shown,) = blocks("text")
    printed = [" ".join(line.split()) for line in main_job.stdout.splitlines()]
    for line in shown.splitlines():
        wanted = " ".join(line.split()).removeprefix("issues ")
        found = [text for text in printed if text.startswith(wanted) or text.removeprefix("issues ").startswith(wanted)]
        assert found, f"README shows what is not printed: {line}"


def test_every_link_leads_somewhere() -> None:
    """In README and in all of docs."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not target.startswith("https://"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_five_next_commands_exist() -> None:
    """Each is one that the command line knows."""
    from importer.cli.main import COMMANDS

    (following,) = [block for block in blocks("sh") if block.count("memory-importer") >= 5]
    called = [line.split()[1] for line in following.splitlines() if line.startswith("memory-importer")]
    assert set(called) <= set(COMMANDS)
    assert called == ["validate", "plan", "import", "resume", "verify", "retry"]
