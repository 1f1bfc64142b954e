"""Sending again what did not arrive: failed, unattributed and unknown rows of a run that is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from importer.core.cost import allowance_text, cost_text
from importer.core.manifest import Stage
from importer.core.read_back import Verified
from importer.core.report import FinalState, Report
from importer.core.suggested import run_command
from importer.errors import ConfigError, ImporterError, RunInterrupted
from importer.reports.wording import counted
from importer.settings import Settings
from importer.state.ledger import SqliteLedger
from importer.state.lock import RunLock, SendingLock
from importer.state.verified_file import read_verified
from importer.wiring.asking import agreed
from importer.wiring.at_work import at_work
from importer.wiring.clock import CLOCK
from importer.wiring.delivering import (
    Delivery,
    Earlier,
    Occasion,
    deliver_run,
    delivery_report,
    left_to_send,
    refusal_report,
    standing,
)
from importer.wiring.finding import Found, find_sent_run
from importer.wiring.month import allowance_now, refuse_too_dear
from importer.wiring.reopening import check_age, check_schema, load_run, open_store
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.run import Run, with_limits
from importer.wiring.sending_again import Chosen, choose_again, cost_of, put_in_order, refuse_changed_choice
from importer.wiring.settling import settle
from importer.wiring.sync_by_hand import by_hand
from importer.wiring.targets import OpenTarget

RETRIED: Final = (
    FinalState.FAILED.value,
    FinalState.UNATTRIBUTED.value,
    FinalState.UNKNOWN.value,
)
"""Final states of rows that are sent again where nothing else is said."""

UNLIKE: Final = (Verified.MISSING.value, Verified.MISMATCHED.value)
"""What reading back may have found of rows that can be sent again as well, whatever their state."""


@dataclass(frozen=True)
class RetryRequest:
    """Which rows of a run are sent again.

    Attributes:
        run: Its id, the beginning of it, or ``last``.
        settings: Credentials and runs folder; the store is the run's own.
        states: Which rows: final states of `RETRIED`, and results of reading back of `UNLIKE`.
        ignore_later: Also send rows that a later run may have delivered, and do not look for such runs.
        stale_ok: Send from a package older than 24 hours without asking.
        max_operations: Send nothing that may cost more; replaces the run's own limit.
        free_operations: Free operations of a month; replaces what the run says.
    """

    run: str
    settings: Settings
    states: Collection[str] = RETRIED
    ignore_later: bool = False
    stale_ok: bool = False
    max_operations: int | None = None
    free_operations: int | None = None


def retry(request: RetryRequest, hooks: Hooks | None = None, options: SendOptions | None = None) -> Report:
    """Send rows again, by Bulk, which names each bad row at once.

    Rows that a later run to the same store may have delivered are left as they are: it has newer values of them. Rows
    that reading back confirmed are left too. Later rows of a merge group follow the one that is sent again.

    Args:
        request: Which run, and which of its rows.
        hooks: Progress, questions, stopping; nothing of the kind if None.
        options: How hard to send; the defaults if None.

    Raises:
        ConfigError: there is no such run, it is not over, its package is gone, or nobody agreed to its age.
        GuardError: a later run cannot be compared, or the store's schema is not what it was.
        LockedError: another process works on the run, or sends to the store.
        StateError: the run is damaged.
        ApiError: the store could not be read.
    """
    return by_hand(request.settings, request.run, lambda: _retry(request, hooks or Hooks(), options or SendOptions()))


def _retry(request: RetryRequest, hooks: Hooks, options: SendOptions) -> Report:
    occasion = Occasion("retry", CLOCK.utc_now_iso())
    can_go = (*RETRIED, *UNLIKE)
    strange = sorted(set(request.states) - set(can_go))
    if strange:
        raise ConfigError(
            f"rows that are {', '.join(strange)} cannot be sent again", hint=f"these can: {', '.join(can_go)}"
        )
    found = find_sent_run(request.settings, request.run)
    with RunLock(found.folder.path):
        _refuse_unfinished(found)
        return _retried(request, found, at_work(hooks, found.folder), options, occasion)


def _refuse_unfinished(found: Found) -> None:
    run_id = found.folder.run_id
    if found.folder.read_manifest().stage is not Stage.FINISHED or left_to_send(found.folder):
        raise ConfigError(
            f"run {run_id} is not over: it was not sent to its end",
            hint=f"{run_command(found.folder.path, 'resume')} first",
        )
    if not found.folder.package.exists():
        raise ConfigError(
            f"run {run_id} has no package any more, so its rows cannot be sent again", hint="import the source anew"
        )


def _retried(request: RetryRequest, found: Found, hooks: Hooks, options: SendOptions, occasion: Occasion) -> Report:
    manifest = found.manifest
    run = load_run(found.folder)
    run.manifest = with_limits(run.manifest, request.max_operations, request.free_operations)
    lock = SendingLock(found.folder.path.parent, manifest.target.store_id)
    with lock:
        chosen = choose_again(run, request.states, ignore_later=request.ignore_later)
    if not chosen.rows and options.settle == "report":
        return delivery_report(run, hooks, occasion, _with_notes(standing(run), chosen.notes, _nothing(request, run)))
    with open_store(request.settings, manifest, hooks) as store:
        check_schema(store, manifest, found.folder)
        check_age(found, hooks, "retry", *_given(request), stale_ok=request.stale_ok)
        try:
            if chosen.rows:
                refuse_too_dear(run.manifest, cost_of(run, chosen), run.folder.path, "retry", *_given(request))
            _ask(request, run, store, hooks, chosen)
        except ImporterError as refusal:
            return refusal_report(run, hooks, occasion, refusal)
        with lock, SqliteLedger.open(found.folder.ledger) as ledger:
            _refuse_overtaken(request, run, chosen)
            if chosen.rows:
                put_in_order(run, ledger, chosen)
            delivery = deliver_run(run, store, ledger, hooks, options, Earlier())
        delivery = settle(run, store, delivery, hooks, options, ignore_later=request.ignore_later)
        return delivery_report(run, hooks, occasion, _with_notes(delivery, chosen.notes, _sent(request, run, chosen)))


def _ask(request: RetryRequest, run: Run, store: OpenTarget, hooks: Hooks, chosen: Chosen) -> None:
    if hooks.stop.is_set():
        raise RunInterrupted("stopped by a signal; nothing was sent again")
    if not chosen.rows or store.target.emulator:
        return
    target, cost = run.manifest.target, cost_of(run, chosen)
    billed = cost_text(cost)
    month = allowance_text(allowance_now(run.folder.path.parent, run.manifest.options.free_operations, cost))
    question = (
        f"Send {counted(chosen.rows, 'row')} of run {run.folder.run_id} again to store {target.store_name} "
        f"({target.store_id}) on {target.host}: {billed} billable operations. {month[:1].upper()}{month[1:]}. Go on?"
    )
    agreed(
        hooks.confirm,
        question,
        declined="not sent again: nobody agreed to write to the live store",
        go_on=f"{run_command(run.folder.path, 'retry', *_given(request), '--yes')} sends them without asking",
        again=f"{run_command(run.folder.path, 'retry', *_given(request))} asks again",
    )


def _given(request: RetryRequest) -> list[str]:
    """Return the options that choose the rows, as they are typed."""
    if tuple(request.states) == RETRIED:
        return []
    return [word for state in request.states for word in ("--state", state)]


def _refuse_overtaken(request: RetryRequest, run: Run, chosen: Chosen) -> None:
    """Look at later runs once more, now that none can send."""
    refuse_changed_choice(run, chosen, choose_again(run, request.states, ignore_later=request.ignore_later))


def _with_notes(delivery: Delivery, *notes: tuple[str, ...]) -> Delivery:
    return replace(delivery, notes=(*(note for some in notes for note in some), *delivery.notes))


def _nothing(request: RetryRequest, run: Run) -> tuple[str, ...]:
    said = f"nothing to send again: no row is left that is {', '.join(request.states)}"
    if set(request.states) & set(UNLIKE) and read_verified(run.folder.package).is_empty():
        said += f"; no row was read back yet, {run_command(run.folder.path, 'verify')} does so"
    return (said,)


def _sent(request: RetryRequest, run: Run, chosen: Chosen) -> tuple[str, ...]:
    if not chosen.rows:
        return _nothing(request, run)
    following = chosen.rows - chosen.asked
    behind = f", {following} of them only to stay behind an older row of their group" if following else ""
    return (f"chosen to be sent again, by Bulk: {counted(chosen.rows, 'row')}{behind}",)
