"""The command line as a subprocess, the way people and schedulers meet it."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Final

import polars as pl

from importer.core.mapping_seed import seed_for
from importer.emulator import Emulator, EmulatorSettings
from importer.wiring.opening import read_mapping

ROOT: Final = Path(__file__).parents[2]
SAMPLES: Final = ROOT / "samples"
MAPPINGS: Final = ROOT / "mappings"
CUSTOMERS: Final = SAMPLES / "customers.csv"
CUSTOMERS_MAPPING: Final = MAPPINGS / "customers.yaml"
CUSTOMERS_RUN: Final = (CUSTOMERS, "--mapping", CUSTOMERS_MAPPING)

TRACE: Final = Path(__file__).parent / "trace"
LIMIT_S: Final = 120
"""A command that takes longer hangs."""

CREDENTIALS: Final = {"TWILIO_API_KEY": "key", "TWILIO_API_SECRET": "secret"}

Argument = str | Path


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """Standard output as one JSON document."""
        loaded: dict[str, Any] = json.loads(self.stdout)
        return loaded


@dataclass(frozen=True)
class Shell:
    """A working folder with its own runs folder, in which commands are run."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs_dir(self) -> Path:
        """The runs folder; `./runs`, unless somebody asks for another."""
        return self.folder / "runs"

    @property
    def trace(self) -> Path:
        """One line a connection that a command opened."""
        return self.folder / "connections.txt"

    def _environment(self) -> dict[str, str]:
        mine = {"PYTHONPATH": str(TRACE), "SOCKET_TRACE": str(self.trace)}
        return {**os.environ, **mine, **self.environment}

    def run(self, *arguments: Argument, text: str | None = None) -> Ended:
        """Run a command to its end."""
        ended = subprocess.run(
            command_line(arguments),
            cwd=self.folder,
            env=self._environment(),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *arguments: Argument, **options: Any) -> subprocess.Popen[str]:
        """Start a command and return while it runs."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        environment = self._environment()
        return subprocess.Popen(command_line(arguments), cwd=self.folder, env=environment, text=True, **pipes)

    def runs(self) -> list[Path]:
        """Return the run folders, oldest first."""
        return sorted(self.runs_dir.glob("2*"))

    def profiles(self) -> list[dict[str, Any]]:
        """Return the profiles that `--emulator` holds after the commands so far."""
        (database,) = (self.runs_dir / "emulator").glob("*.db")
        settings = EmulatorSettings(store_id=database.stem)
        with Emulator(database, settings) as emulator:
            return emulator.profiles()


def command_line(arguments: Sequence[Argument]) -> list[str]:
    """Return how the command is called; the console script is one line that does the same."""
    return [sys.executable, "-m", "importer", *map(str, arguments)]


def run_all(commands: Mapping[str, Callable[[], Ended]]) -> dict[str, Ended]:
    """Run commands side by side, as many as there are processors: most of their time is starting up."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(commands, pool.map(lambda command: command(), commands.values()), strict=True))


def new_shell(folder: Path, **environment: str) -> Shell:
    """Return a shell in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return Shell(folder, environment)


@contextmanager
def served(folder: Path, mapping: Path = CUSTOMERS_MAPPING, **settings: Any) -> Iterator[tuple[Emulator, Shell]]:
    """Run the local service beside the commands, which take it for the live one."""
    seed = seed_for(read_mapping(mapping))
    with Emulator(":memory:", EmulatorSettings(**settings), seed) as emulator:
        yield (
            emulator,
            new_shell(folder, MEMORY_API_URL=emulator.api_url, MEMORY_STORE_ID=emulator.store_id, **CREDENTIALS),
        )


def outcomes(run: Path) -> pl.DataFrame:
    """Return the outcome of every row of a run."""
    return pl.read_parquet(run / "outcomes.parquet")


def states(run: Path) -> dict[int, str]:
    """Return the state of every row by row number."""
    return dict(outcomes(run).select("row_number", "state").iter_rows())


def report_of(run: Path) -> dict[str, Any]:
    """Return a run's report.json."""
    loaded: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return loaded


def truth_of(name: str) -> list[dict[str, str]]:
    """Return the seeded problems of a sample."""
    with (SAMPLES / f"{name}.truth.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[str], *, tries: int = 600) -> None:
    """Look again and again until something is so, at most a minute, while a process runs."""
    pause = Event()
    for _ in range(tries):
        if is_so():
            return
        assert process.poll() is None, process.communicate()
        pause.wait(0.1)
    raise AssertionError("it did not come to that")


def batches_in(run: Path, *wanted: str) -> int:
    """Return how many batches of a run are in one of these states, 0 while there is no ledger."""
    ledger = run / "ledger.db"
    if not ledger.exists():
        return 0
    connection = sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        found = [state for (state,) in connection.execute("SELECT state FROM batches")]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
    return sum(state in wanted for state in found)
