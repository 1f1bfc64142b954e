"""`mapping test` by the real command: the samples' own tests, and one that fails."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from importer.settings import Settings
from importer.wiring.mapping_cases import run_mapping_tests
from importer.wiring.requests import RunRequest
from tests.support.cli import CUSTOMERS_MAPPING, MAPPINGS, new_shell, run_all


def test_the_sample_mappings_pass_their_own_tests(tmp_path: Path) -> None:
    """Every mapping that is shipped has tests, and the command runs them; nothing is connected to."""
    shell = new_shell(tmp_path)
    names = sorted(path.name for path in MAPPINGS.glob("*.yaml"))
    ended = run_all({name: partial(shell.run, "mapping", "test", MAPPINGS / name) for name in names})
    assert {name: result.code for name, result in ended.items()} == dict.fromkeys(names, 0), ended
    assert "5 of 5 tests passed" in ended["customers.yaml"].stdout
    assert not shell.trace.exists(), "a connection was opened"


def test_a_test_that_fails_is_shown_and_ends_with_3(tmp_path: Path) -> None:
    """The difference is on standard output with its line; as JSON it says the same."""
    text = CUSTOMERS_MAPPING.read_text(encoding="utf-8").replace("Loyalty.points: 294", "Loyalty.points: 295")
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    ended = new_shell(tmp_path).run("mapping", "test", "m.yaml")
    assert ended.code == 3, ended.stderr
    assert "FAILED  values are cast and normalised (line" in ended.stdout
    assert "Loyalty.points: expected 295, is 294" in ended.stdout


@pytest.mark.parametrize("name", ["customers.yaml", "contacts-de.yaml"])
def test_the_emulator_gives_the_same_as_the_mappings_own_types(name: str, tmp_path: Path) -> None:
    """A store's rules are used where one is named."""
    settings = Settings(runs_dir=str(tmp_path / "runs"))
    alone = run_mapping_tests(RunRequest((), MAPPINGS / name, settings))
    with_store = run_mapping_tests(RunRequest((), MAPPINGS / name, settings, emulator=True))
    assert alone == with_store
    assert all(result.passed for result in alone)
