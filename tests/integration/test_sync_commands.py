"""The commands of `sync`, as a person and a scheduler meet them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.cli import CUSTOMERS, CUSTOMERS_MAPPING, Shell, served
from tests.support.here import run_here

FILE = "crm.sync.yaml"


def write(shell: Shell) -> None:
    """Write a sync file in a folder of its own, so that its paths are not those of the working folder."""
    folder = shell.folder / "syncs"
    folder.mkdir()
    (folder / "customers.csv").write_bytes(CUSTOMERS.read_bytes())
    (folder / "customers.yaml").write_bytes(CUSTOMERS_MAPPING.read_bytes())
    text = "version: 1\nsource: customers.csv\nmapping: customers.yaml\nmode: full\n"
    (folder / FILE).write_text(text, encoding="utf-8")


def test_a_sync_from_its_first_run_to_its_reset(tmp_path: Path) -> None:
    """Each command says what there is to know, and what to type next works."""
    with served(tmp_path) as (emulator, shell):
        write(shell)
        file = f"syncs/{FILE}"
        lost = shell.run("sync", "run", file)
        assert (lost.code, "--first-run" in lost.stderr) == (2, True)
        first = shell.run("sync", "run", file, "--first-run", "--json")
        assert (first.code, first.report["sync"]["new"]) == (3, 485)
        again = shell.run("sync", "run", file)
        assert again.code == 3
        assert "482" in again.stdout
        assert "import it again" not in again.stdout
        standing = json.loads(shell.run("sync", "status", file, "--json").stdout)
        assert (standing["keys"], standing["due"], standing["busy"], standing["last"]["exit_code"]) == (
            482,
            0,
            False,
            3,
        )
        assert "482 keys, 482 delivered" in shell.run("sync", "status", file).stdout
        history = [json.loads(line) for line in shell.run("sync", "history", file, "--json").stdout.splitlines()]
        assert [(run["number"], run["exit_code"]) for run in history] == [(0, 2), (1, 3), (2, 3)]
        listed = shell.run("sync", "history", file).stdout.splitlines()
        assert [line.split()[0] for line in listed] == ["number", "2", "1", "-"]
        refused = shell.run("sync", "reset", file)
        assert (refused.code, "--yes" in refused.stderr) == (2, True)
        assert shell.run("sync", "reset", file, "--yes").code == 0
        assert shell.run("sync", "run", file).code == 2
        assert not (shell.folder / "runs").exists()
        assert len(emulator.profiles()) == 482


def test_editors_are_told_what_a_sync_file_may_hold(tmp_path: Path) -> None:
    """`sync schema` prints a JSON Schema."""
    schema = json.loads(Shell(tmp_path).run("sync", "schema").stdout)
    assert schema["properties"]["mode"]["description"]


def test_what_a_run_is_told_reaches_it(tmp_path: Path) -> None:
    """A dry run sends nothing, a limited one the first rows, a refresh what is parked; no work has an exit code."""
    with served(tmp_path) as (emulator, shell):
        (tmp_path / "c.csv").write_text("id,email,points\n" + "".join(f"K{n},p{n}@example.com,1\n" for n in range(9)))
        mapping = {
            "version": 1,
            "source": {"key": ["id"]},
            "columns": {"email": "Contact.email", "points": {"to": "Loyalty.points", "type": "number"}},
        }
        (tmp_path / "m.yaml").write_text(json.dumps(mapping))
        sync = {"version": 1, "source": "c.csv", "mapping": "m.yaml", "mode": "full", "refused_runs": 1}
        (tmp_path / FILE).write_text(json.dumps(sync))

        def run(*options: str) -> tuple[int, dict[str, int]]:
            ended = run_here(tmp_path, "sync", "run", FILE, "--json", *options, environment=shell.environment)
            report = json.loads(ended.stdout)
            return ended.code, {state: count for state, count in report["outcomes"].items() if count}

        assert run("--dry-run") == (0, {"planned": 9})
        assert not emulator.profiles()
        assert run("--first-run", "--limit", "4") == (0, {"skipped": 5, "processed": 4})
        assert run("--skip-exit-code", "99") == (0, {"unchanged": 4, "processed": 5})
        assert run("--skip-exit-code", "99") == (99, {"unchanged": 9})
        (tmp_path / "c.csv").write_text("id,email,points\nK1,p1@example.com,2\n")
        assert run() == (6, {"not_sent": 1})
        emulator.switch_on({"fault": "400", "operations": ["UpdateProfilesBulk"]})
        assert run("--override", "rows")[1] == {"failed": 1}
        emulator.switch_off()
        assert run("--override", "rows") == (3, {"held": 1})
        assert run("--override", "rows", "--full-refresh") == (0, {"processed": 1})
