"""`retry` and `--settle` as people and schedulers type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.emulator import BadProfile, EmulatorSettings
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan
from tests.support.cli import new_shell
from tests.support.commands import run, start
from tests.support.runs import workbench
from tests.support.strict_store import MAPPING, bodies, deliver_strictly, people, write_source


def test_retry_asks_a_terminal_or_needs_its_flag(tmp_path: Path) -> None:
    """Without either nothing is sent: exit code 2 names the flag, and the report stands as it was."""
    with workbench(tmp_path, MAPPING, EmulatorSettings(error_pointers=True)) as bench:
        deliver_strictly(bench, write_source(bench, *people([1, 50])), 10)
        before = bodies(bench)
        code, declined = run(bench, "retry", "last", "--state", "failed")
        assert (code, declined["exit_code"], declined["command"]) == (2, 2, "retry")
        assert (declined["outcomes"]["failed"], bodies(bench)) == (1, before)
        assert "--yes" in declined["error"]["hint"]
        with start(bench, "retry", "last", "--state", "failed", "--state", "unknown", "--yes") as process:
            _, told = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "at least 1 billable operations" in told, "the cost is shown where nobody is asked, too"
        assert bodies(bench) == before + 1


def test_settling_is_an_option_of_resume(tmp_path: Path) -> None:
    """`resume` reads back, or sends again; it tells what that costs."""
    settings = EmulatorSettings(bad_profile=BadProfile.ACCEPT_THEN_DROP)
    with workbench(tmp_path, MAPPING, settings) as bench:
        deliver_strictly(bench, write_source(bench, *people([1, 50, 2])), 10)
        code, read = run(bench, "resume", "last", "--settle", "lookup", "--yes")
        assert (code, read["verified"]) == (3, {"confirmed": 2, "mismatched": 0, "missing": 1})
        with start(bench, "resume", "last", "--settle", "redeliver", "--yes") as process:
            _, told = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "1 row is unattributed or unknown: sending it again costs at least 1 operation." in told


@pytest.mark.parametrize("option", [("--state", "accepted"), ("--settle", "maybe")])
def test_what_cannot_be_asked_for_is_a_usage_error(tmp_path: Path, option: tuple[str, str]) -> None:
    """Exit code 2, before any run is looked for."""
    ended = new_shell(tmp_path).run("retry", "last", *option)
    assert ended.code == 2
    assert option[0] in ended.stderr


def test_the_local_emulator_asks_nothing(tmp_path: Path) -> None:
    """A run of `--emulator` is retried without a question, and without credentials."""
    shell = new_shell(tmp_path)
    (tmp_path / "mapping.yaml").write_text('{"version": 1, "columns": {"email": "Contact.email", "note": "A.note"}}')
    (tmp_path / "people.csv").write_text("email,note\na@example.com,one\nb@example.com,two\n")
    assert shell.run("import", "people.csv", "-m", "mapping.yaml", "--emulator").code == 0
    ended = shell.run("retry", "last", "--settle", "redeliver", "--json")
    assert (ended.code, ended.report["outcomes"]["processed"]) == (0, 2), ended.stderr
    assert any("nothing to send again" in note for note in ended.report["notes"])


def test_what_sending_again_may_cost_is_bounded_by_an_option(tmp_path: Path) -> None:
    """`--max-operations` stops a retry with exit code 6, and `--free-operations` replaces the month's allowance."""
    with workbench(tmp_path, MAPPING, EmulatorSettings(error_pointers=True)) as bench:
        deliver_strictly(bench, write_source(bench, *people([1, 50, 60])), 10)
        before = bodies(bench)
        code, refused = run(bench, "retry", "last", "--max-operations", "1", "--yes")
        assert (code, refused["exit_code"], bodies(bench)) == (6, 6, before)
        assert "--max-operations 2" in refused["error"]["hint"]
        with start(bench, "retry", "last", "--max-operations", "2", "--free-operations", "7", "--yes") as process:
            _, told = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "of 7 free" in told
        assert bodies(bench) == before + 1


def test_a_plan_that_a_newer_run_overtook_needs_its_flag(tmp_path: Path) -> None:
    """`import --plan` ends with 6 and says how to go on; the flag has no meaning for a source that is read now."""
    with workbench(tmp_path, MAPPING, EmulatorSettings(status_url=False)) as bench:
        older = plan(bench.request(write_source(bench, *people(2))), Hooks())
        bench.deliver(write_source(bench, *people(2, "new"), name="later.csv"))
        code, refused = run(bench, "import", "--plan", older.run_id, "--yes")
        assert (code, refused["outcomes"]["not_sent"]) == (6, 2)
        assert f"resume {older.run_id} --ignore-later" in refused["error"]["hint"]
        code, sent = run(bench, "import", "--plan", older.run_id, "--ignore-later", "--yes")
        assert (code, sent["outcomes"]["accepted"]) == (0, 2)
    ended = new_shell(tmp_path).run("import", "source.csv", "-m", "mapping.yaml", "--ignore-later")
    assert ended.code == 2
    assert "--plan" in ended.stderr
