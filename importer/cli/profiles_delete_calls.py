"""What `profiles delete` does. Imported only once it really runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import rich_click as click
from rich.console import Console

from importer.cli.asking import ask
from importer.cli.by_hand import emit, explain, opened
from importer.cli.exits import exit_code_for, show_error
from importer.cli.signals import Signals
from importer.core.report_parts import ErrorReport
from importer.errors import ConfigError, SettingsError
from importer.files import open_private
from importer.reports.progress import NoProgress, ProgressSink, open_progress
from importer.reports.wording import counted
from importer.wiring.by_hand import ByHand
from importer.wiring.clock import SystemClock
from importer.wiring.deleting import (
    Condemned,
    Deleted,
    Deletion,
    Outcome,
    check_count,
    delete_profiles,
    look_at,
    read_ids,
)

_LOOKED_AT: Final = 10
"""Profiles that are read to show what they hold; each costs."""

_MEANINGS: Final = {
    Outcome.ACCEPTED: "deleted a little later",
    Outcome.NOT_FOUND: "there is none, or no longer",
    Outcome.MERGED: "merged into another one; --follow-merged deletes that",
    Outcome.FAILED: "refused by the service",
    Outcome.UNKNOWN: "no answer; do it again",
    Outcome.NOT_SENT: "stopped before them; do it again",
}


def delete(given: Mapping[str, Any]) -> int:
    """Show what goes, ask, delete, and say what became of each; return the exit code."""
    ids = _named(given)
    check_count(ids, given["max_deletes"])
    with opened(given) as (hand, signals):
        _agree(hand, ids, given)
        with _results(given["results"]) as write, _progress(len(ids)) as progress:
            signals.begun()

            def told(done: Deletion) -> None:
                write(done)
                progress.advance(1)
                _tell(done, as_json=given["as_json"])

            deleted = delete_profiles(
                hand, ids, told, follow_merged=given["follow_merged"], is_stopped=signals.stop.is_set
            )
    return _ended(deleted, signals)


def _named(given: Mapping[str, Any]) -> tuple[str, ...]:
    name = given["from_file"]
    if name is None:
        return tuple(dict.fromkeys(given["profile_ids"]))
    if given["profile_ids"]:
        raise ConfigError("name profiles, or give --from; not both", hint="put all IDs into the file")
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{name}: cannot be read as text", hint="check --from") from None
    return read_ids(text.splitlines())


def _agree(hand: ByHand, ids: Sequence[str], given: Mapping[str, Any]) -> None:
    if given["yes"]:
        return
    for profile_id in ids[:_LOOKED_AT]:
        click.echo(_shown(look_at(hand, profile_id), follows=given["follow_merged"]), err=True)
    if len(ids) > _LOOKED_AT:
        click.echo(f"and {len(ids) - _LOOKED_AT:,} more", err=True)
    question = f"Delete {counted(len(ids), 'profile')} of {hand.store_id} on {hand.host} for good?"
    if not ask(question, NoProgress(), "--yes", yes=False):
        raise ConfigError("nothing was deleted: nobody agreed", hint="give --yes to not be asked")


def _shown(condemned: Condemned, *, follows: bool) -> str:
    name, profile = condemned.profile_id, condemned.profile
    if profile is None:
        return f"{name}: not found"
    into = ""
    if profile.profile_id != name:
        into = f"merged into {profile.profile_id}, which {'goes' if follows else 'stays'}: "
    traits, identifiers = (
        ", ".join(f"{key} {count}" for key, count in counts.items())
        for counts in (condemned.traits, condemned.identifiers)
    )
    total = counted(sum(condemned.traits.values()), "trait")
    held = counted(sum(condemned.identifiers.values()), "identifier")
    return (
        f"{name}: {into}{total}{f' ({traits})' if traits else ''}, {held}{f' ({identifiers})' if identifiers else ''}"
    )


@contextmanager
def _results(name: str | None) -> Iterator[Callable[[Deletion], None]]:
    """Write outcomes to a file that was not there, each at once."""
    if name is None:
        yield lambda _: None
        return
    try:
        descriptor = open_private(Path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except OSError as exc:
        raise SettingsError(
            f"{name}: cannot be made ({exc.strerror}); nothing was deleted", hint="--results takes a new file"
        ) from None
    with os.fdopen(descriptor, "wb") as file:

        def write(done: Deletion) -> None:
            file.write(orjson.dumps(document_of(done)) + b"\n")
            file.flush()

        yield write


@contextmanager
def _progress(total: int) -> Iterator[ProgressSink]:
    """Show how far it is, where the outcomes themselves do not go by on the same screen."""
    shows = total > 1 and not sys.stdout.isatty()
    progress = open_progress(Console(stderr=True), SystemClock().monotonic_s) if shows else NoProgress()
    progress.stage("delete", total)
    try:
        yield progress
    finally:
        progress.finish()


def document_of(done: Deletion) -> dict[str, object]:
    """Return an outcome as JSON, without what is empty."""
    members = {
        "profile_id": done.profile_id,
        "outcome": done.outcome.value,
        "canonical_id": done.canonical_id,
        "status": done.status,
        "code": done.code,
        "request_id": done.request_id,
    }
    return {name: value for name, value in members.items() if value is not None}


def _tell(done: Deletion, *, as_json: bool) -> None:
    if as_json:
        emit(document_of(done))
        return
    about = [f"into {done.canonical_id}"] if done.canonical_id else []
    about += [f"status {done.status}"] if done.status not in (None, 202) else []
    about += [f"code {done.code}"] if done.code else []
    about += [f"request {done.request_id}"] if done.request_id else []
    click.echo(f"{done.profile_id}  {done.outcome.value:<9}" + (f"  {', '.join(about)}" if about else ""))


def _ended(deleted: Deleted, signals: Signals) -> int:
    for outcome in Outcome:
        if deleted.counts[outcome]:
            click.echo(f"{deleted.counts[outcome]:,} {outcome.value}: {_MEANINGS[outcome]}", err=True)
    if deleted.error is not None:
        explain(deleted.error)
        show_error(ErrorReport(message=deleted.error.message, hint=deleted.error.hint))
        return exit_code_for(deleted.error)
    if signals.stop.is_set() and deleted.counts[Outcome.NOT_SENT]:
        return signals.exit_code
    return 0 if deleted.is_whole else 3
