"""The command line in a process of its own, speaking to a local service in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.support.runs import Workbench

PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.005


def environment(bench: Workbench) -> dict[str, str]:
    """Return an environment in which the local service is the live one."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return kept | {
        "TWILIO_API_KEY": "key",
        "TWILIO_API_SECRET": "secret",
        "MEMORY_API_URL": bench.emulator.api_url,
        "MEMORY_STORE_ID": bench.emulator.store_id,
        "MEMORY_RUNS_DIR": str(bench.folder / "runs"),
    }


def start(bench: Workbench, *arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start a command in `folder`, the bench's own if None; `--json` is added."""
    return subprocess.Popen(
        [sys.executable, "-m", "importer", *arguments, "--json"],
        env=environment(bench),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder or bench.folder,
    )


def run(bench: Workbench, *arguments: str, folder: Path | None = None) -> tuple[int, dict[str, Any]]:
    """Run a command to its end; return exit code and report."""
    with start(bench, *arguments, folder=folder) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert out, err
    report: dict[str, Any] = json.loads(out)
    return process.returncode, report


def kill_when(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Send SIGKILL as soon as something is reached; the process must still be at work then."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / LOOK_S)):
        assert process.poll() is None, process.communicate()[1]
        if reached():
            break
        pause.wait(LOOK_S)
    else:
        raise AssertionError("it was never reached")
    process.kill()
    process.communicate()


def only_run(bench: Workbench) -> Path:
    """Return the folder of the one run there is."""
    (folder,) = [path.parent for path in (bench.folder / "runs").glob("*/run.json")]
    return folder
