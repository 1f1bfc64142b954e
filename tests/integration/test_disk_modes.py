"""What a command leaves on disk is its owner's alone, whatever the umask says."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.support.cli import (
    CUSTOMERS,
    CUSTOMERS_MAPPING,
    CUSTOMERS_RUN,
    Ended,
    Shell,
    command_line,
    new_shell,
    run_all,
)
from tests.support.disks import bound_by_modes

UMASKS: Final = {"open": 0o000, "closed": 0o777}
COMMANDS: Final = (
    ("validate", "-", *CUSTOMERS_RUN[1:], "--emulator"),
    ("import", *CUSTOMERS_RUN, "--emulator", "--limit", "50", "--part-rows", "20"),
    ("resume", "last", "--all"),
)


def modes(folder: Path) -> dict[str, str]:
    """Return the modes of all files and folders below a folder that are not what they should be."""
    wrong = {}
    for path in folder.rglob("*"):
        found = stat.S_IMODE(path.lstat().st_mode)
        if found != (0o700 if path.is_dir() else 0o600):
            wrong[str(path.relative_to(folder))] = oct(found)
    return wrong


def chain(shell: Shell, umask: int) -> Callable[[], Ended]:
    """Return what runs the commands one after the other, as somebody for whom the modes of files count."""

    def call() -> Ended:
        for arguments in COMMANDS if umask else COMMANDS[1:2]:
            command = bound_by_modes(command_line(arguments))
            with CUSTOMERS.open("rb") as source:
                ended = subprocess.run(
                    command, cwd=shell.folder, umask=umask, stdin=source, capture_output=True, text=True, check=False
                )
            if ended.returncode != 3:
                break
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return call


def test_all_that_a_run_leaves_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """Files are 0600 and folders 0700: those of the runs, the runs folder itself, and those of the emulator."""
    shells = {name: new_shell(tmp_path / name) for name in UMASKS}
    endings = run_all({name: chain(shells[name], umask) for name, umask in UMASKS.items()})
    for name, ended in endings.items():
        assert ended.code == 3, (name, ended.stderr)
        assert modes(shells[name].folder) == {}, name
        found = {path.name for path in shells[name].runs_dir.rglob("*")}
        assert {".gitignore", "ledger.db", "valid.arrow", "report.json", "rejected.csv", "emulator"} <= found


def test_the_state_of_an_emulator_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """The database that `emulator --db` makes, what is beside it, and the folder it makes for it."""
    for name, umask in UMASKS.items():
        folder = tmp_path / name
        folder.mkdir(mode=0o700)
        command = bound_by_modes(command_line(["emulator", "--db", "kept/store.db", "-m", CUSTOMERS_MAPPING]))
        with subprocess.Popen(command, cwd=folder, umask=umask, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = modes(folder)
            process.terminate()
            assert process.wait(30) == 0
        assert "api_url" in line
        assert found == modes(folder) == {}, name
        assert (folder / "kept" / "store.db").exists()
