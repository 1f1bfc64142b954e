"""Runs that are killed at random moments and gone on with, and what ledger, journal and source say afterwards."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Final

import polars as pl

from tests.support.cli import Argument, Shell, new_shell, outcomes
from tests.support.journals import Journal, JournalServer

LOOK_S: Final = 0.005
PATIENCE_S: Final = 120.0

COLUMNS: Final[dict[str, Any]] = {
    "email": "Contact.email",
    "note": "Account.note",
    "points": {"to": "Account.points", "type": "number"},
}

ANSWERED: Final = frozenset({"accepted", "applying", "processed", "importing", "patching"})
"""Ledger states of a batch whose rows the service was heard to have."""
OUT: Final = frozenset({"sent", "creating", "uploading"})
"""Ledger states of a batch that was under way: it may have arrived, or not."""


# --- what is imported ------------------------------------------------------------------------------------------------


def write_source(path: Path, rows: int) -> Path:
    """Write rows that all fill the same traits, one profile each."""
    with path.open("w", encoding="utf-8") as file:
        file.write("id,email,note,points\n")
        file.writelines(f"K{n},p{n}@example.com,note {n * 7919 % 100_003},{n}\n" for n in range(rows))
    return path


def write_mapping(path: Path, columns: Mapping[str, Any] = COLUMNS, **routing: int) -> Path:
    """Write the mapping of such rows."""
    mapping = {"version": 1, "source": {"key": ["id"]}, "columns": columns, "routing": routing}
    path.write_text(json.dumps(mapping), encoding="utf-8")
    return path


# --- killing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """When a process is killed.

    Attributes:
        share: Of the rows that had not been applied when it was started: this many must have been; at least one batch
            in a process that begins a run. None in one that goes on with a run: at once.
        delay_s: And so much later.
    """

    share: float | None
    delay_s: float


def random_moments(dice: random.Random, latency_s: float) -> tuple[Moment, ...]:
    """Return the kills of one run, one to three, spread over all of what a process does after its first batch."""
    count = dice.choices((1, 2, 3), (5, 3, 2))[0]
    return tuple(_random_moment(dice, latency_s, first=number == 0) for number in range(count))


def _random_moment(dice: random.Random, latency_s: float, *, first: bool) -> Moment:
    where = dice.random()
    if where < 0.2:  # while operations and imports are polled, and the report is written
        return Moment(1.0, dice.uniform(0.0, 2.5))
    if where < 0.5 and not first:  # while the run is opened, or soon after
        return Moment(None, dice.uniform(0.2, 2.0))
    return Moment(dice.random(), dice.uniform(0.0, latency_s))


@dataclass(frozen=True)
class Kill:
    """How things stood when a process was killed.

    Attributes:
        answered: Batches the ledger has as heard of by the service.
        out: Rows of each batch that was under way.
        journal_bytes: How long the journal was, read after the kill.
    """

    answered: frozenset[int]
    out: Mapping[int, int]
    journal_bytes: int


@dataclass
class Crash:
    """One run with its kills.

    Attributes:
        shell: Where its commands run.
        journal: What the service was sent.
        source: Its rows.
        kills: So far.
    """

    shell: Shell
    journal: Journal
    source: Path
    kills: list[Kill] = field(default_factory=list)

    @property
    def run(self) -> Path:
        """The run's folder."""
        (manifest,) = self.shell.runs_dir.glob("*/run.json")
        return manifest.parent

    def go(self, first: Sequence[Argument], moments: Sequence[Moment]) -> None:
        """Run a command, kill it, resume and kill that, and so on, until one ends; it must end with exit code 0."""
        arguments = [*first]
        for moment in moments:
            if not self.killed(arguments, self._reached(moment), moment.delay_s):
                return
            arguments = ["resume", "last"]
        self.ends(arguments)

    def killed(self, arguments: Sequence[Argument], reached: Callable[[], bool], delay_s: float = 0.0) -> bool:
        """Run a command and kill it when something is so, or a while after; false if it ended before that, well."""
        process = self.shell.start(*arguments, "--yes", "--json")
        pause = Event()
        for _ in range(int(PATIENCE_S / LOOK_S)):
            if process.poll() is not None or reached():
                break
            pause.wait(LOOK_S)
        else:
            raise AssertionError("nothing happens any more")
        pause.wait(delay_s)
        process.kill()
        _, said = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), (process.returncode, said)
        if process.returncode != 0:
            self.note_kill()
        return process.returncode != 0

    def ends(self, arguments: Sequence[Argument]) -> dict[str, Any]:
        """Run a command to its end, which must be exit code 0; return its report."""
        ended = self.shell.run(*arguments, "--yes", "--json")
        assert ended.code == 0, (ended.code, ended.stderr[-1000:], ended.stdout[-3000:])
        return ended.report

    def _reached(self, moment: Moment) -> Callable[[], bool]:
        rows = self.source.read_bytes().count(b"\n") - 1
        before = min(self.journal.applied(), rows)
        wanted = before + max(int((moment.share or 0) * (rows - before)), min(1, rows - before))
        return lambda: moment.share is None or self.journal.applied() >= wanted

    def note_kill(self) -> None:
        """Keep how things stand; the process was killed just now."""
        ledger = batches(self.run)
        self.kills.append(
            Kill(
                frozenset(number for number, (state, _) in ledger.items() if state in ANSWERED),
                {number: count for number, (state, count) in ledger.items() if state in OUT},
                self.journal.size(),
            )
        )


def crash_of(server: JournalServer, folder: Path, user: str, source: Path) -> Crash:
    """Return a run of a user, in a folder of its own."""
    shell = new_shell(folder, **server.environment(user, folder / "runs"))
    return Crash(shell, server.journal(user), source)


def batches(run: Path) -> dict[int, tuple[str, int]]:
    """Return state and rows of each batch of a run, as its ledger has them; the ledger is not touched."""
    if not (run / "ledger.db").exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for path in run.glob("ledger.db*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, folder)
        with sqlite3.connect(Path(folder) / "ledger.db") as connection:
            found = connection.execute("SELECT batch_id, state, stop - start FROM batches").fetchall()
        connection.close()
    return {number: (state, rows) for number, state, rows in found}


# --- what came of it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """What killing a run cost.

    Attributes:
        kills: How often it was killed.
        lost: Rows that the service never had, or not with the source's values.
        again: Rows sent once more than once, each time counted.
        out: Rows under way at the kills, at most what may be sent again.
    """

    kills: int
    lost: int
    again: int
    out: int


def figures_of(crash: Crash) -> Figures:
    """Compare journal and source."""
    sent = crash.journal.rows()
    values = ["email", "note", "points"]
    source = pl.read_csv(crash.source, columns=values)
    last = sent.group_by("email", maintain_order=True).last()
    return Figures(
        kills=len(crash.kills),
        lost=source.join(last, on=values, how="anti").height,
        again=sent.height - sent["email"].n_unique(),
        out=sum(sum(kill.out.values()) for kill in crash.kills),
    )


def check(crash: Crash, most_out: int) -> Figures:
    """Compare ledger, journal and source of a run that came to its end.

    Args:
        crash: The run.
        most_out: Rows that may be under way at once.
    """
    crash.journal.settle()
    figures = figures_of(crash)
    assert figures.lost == 0, "rows were lost"
    assert all(sum(kill.out.values()) <= most_out for kill in crash.kills), "more was under way than may be"
    assert figures.again <= figures.out, "more was sent again than was under way"
    assert not [entry.more for entry in crash.journal.entries() if entry.kind == "violation"]

    states = {state for state, _ in batches(crash.run).values()}
    assert states <= {"accepted", "processed"}, states
    source = pl.read_csv(crash.source).with_row_index("row_number", offset=1)
    told = outcomes(crash.run)
    assert told["row_number"].to_list() == source["row_number"].to_list()
    assert set(told["state"]) <= {"accepted", "processed"}
    report = json.loads((crash.run / "report.json").read_text(encoding="utf-8"))
    assert (report["exit_code"], report["rows_read"]) == (0, source.height)
    assert Counter(told["state"]) == {state: count for state, count in report["outcomes"].items() if count}
    assert not list(crash.run.glob("parts/*")), "cell values were left behind"

    _check_batches(crash, source.select("email", batch=told["batch_id"].cast(pl.Int64)))
    return figures


def _check_batches(crash: Crash, batch_of: pl.DataFrame) -> None:
    """What the ledger said at a kill was true then: what was answered had arrived, and is never sent again.

    Frame in: ``email``, ``batch``.
    """
    sent = crash.journal.rows().join(batch_of, on="email", how="left")
    rows = dict(batch_of.group_by("batch").len().iter_rows())
    for kill in crash.kills:
        arrived = sent.filter(pl.col("end") <= kill.journal_bytes).group_by("batch").agg(pl.col("email").n_unique())
        there = dict(arrived.iter_rows())
        assert all(there.get(number) == rows[number] for number in kill.answered), "answered, and not there"
    times = sent.group_by("batch").agg(pl.col("number").n_unique())
    may_be = Counter(number for kill in crash.kills for number in kill.out)
    for number, count in times.iter_rows():
        assert count - 1 <= may_be[number], f"batch {number} was sent {count} times"
