"""Commands that hints and questions suggest: written here alone, so that each can be copied and run as it stands."""

from __future__ import annotations

import shlex
from typing import Final, Protocol

_USUAL: Final = "runs"
"""Where a command looks for runs that is told of no other folder."""

_OF_SYNC: Final = ".state/runs"
"""How the runs folder of a sync ends; the sync file's name stands before it."""


class Place(Protocol):
    """A path."""

    def __fspath__(self) -> str:
        """Return it as text."""
        ...


def run_command(run: str | Place, verb: str, *options: str) -> str:
    """Return a command about a run, between backticks.

    Args:
        run: The run's folder, as it was named.
        verb: Words that stand before the run, such as ``resume`` or ``import --plan``. A run of a sync that is only to
            be gone on with is left to the sync.
        options: Words that stand behind it, not quoted.

    Example:
        >>> run_command("my runs/20261122-1", "resume", "--all")
        "`memory-importer resume 20261122-1 --all --runs-dir 'my runs'`"
        >>> run_command("crm.yaml.state/runs/20261122-1", "resume")
        '`memory-importer sync run crm.yaml`'
    """
    by_sync = sync_command(run)
    if by_sync is not None and verb == "resume" and not options:
        return by_sync
    runs_dir, slash, run_id = _text(run).rstrip("/").rpartition("/")
    return _command(runs_dir or slash or ".", verb, run_id, *options)


def sync_command(run: str | Place, *options: str, verb: str = "run") -> str | None:
    """Return the command that goes on with a run of a sync, between backticks; None for a run of no sync.

    What it cannot go on with it reads again.

    Args:
        run: The run's folder, as it was named.
        options: Words that stand behind the sync file, not quoted.
        verb: Another command about the sync than the one that runs it.
    """
    runs_dir = _text(run).rstrip("/").rpartition("/")[0]
    file = runs_dir.removesuffix(_OF_SYNC)
    if not file or file == runs_dir:
        return None
    return f"`memory-importer sync {verb} {' '.join(map(shlex.quote, (file, *options)))}`"


def runs_command(runs_dir: str | Place, verb: str, *options: str) -> str:
    """Return a command about the runs of a folder, between backticks.

    Args:
        runs_dir: The runs folder, as it was named.
        verb: Its first words, such as ``status``.
        options: The words behind them, not quoted.
    """
    return _command(_text(runs_dir), verb, *options)


def is_usual(runs_dir: str) -> bool:
    """Tell whether a runs folder is the one that suggested commands leave out."""
    return runs_dir.removeprefix("./").rstrip("/") == _USUAL


def _command(runs_dir: str, verb: str, *words: str) -> str:
    # Named wherever it is not the usual one, so that the command also works where MEMORY_RUNS_DIR says another.
    where = () if is_usual(runs_dir) else ("--runs-dir", runs_dir)
    return f"`memory-importer {' '.join([verb, *map(shlex.quote, (*words, *where))])}`"


def _text(place: str | Place) -> str:
    return place if isinstance(place, str) else place.__fspath__()
