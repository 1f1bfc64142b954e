"""Settling: what is done about rows of which nobody knows what became, once everything was sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from importer.core.read_back import Verified
from importer.core.report import FinalState
from importer.errors import ConfigError, ImporterError, RunInterrupted
from importer.reports.wording import counted
from importer.state.ledger import SqliteLedger
from importer.state.lock import SendingLock
from importer.wiring.delivering import Delivery, Earlier, deliver_run, refusal_code
from importer.wiring.finishing import error_report
from importer.wiring.month import refuse_too_dear
from importer.wiring.reading_back import places_to_read, reads_text
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.run import Run
from importer.wiring.sending_again import choose_again, cost_of, put_in_order, refuse_changed_choice
from importer.wiring.targets import OpenTarget
from importer.wiring.verifying import read_back

OPEN_STATES: Final = (FinalState.UNATTRIBUTED.value, FinalState.UNKNOWN.value)
"""States of rows that may be with the service or not."""


def settle(
    run: Run, store: OpenTarget, delivery: Delivery, hooks: Hooks, options: SendOptions, *, ignore_later: bool = False
) -> Delivery:
    """Settle what became of nobody knows which rows, as `options` say, once everything was sent.

    The caller has the run's lock, and not the sending lock of the store: a question that nobody answers must not keep
    other runs from sending. The lock is taken again for what is sent.

    Args:
        run: Delivered.
        store: Where to.
        delivery: How that ended.
        hooks: Progress, stopping, and the question what settling may cost.
        options: How hard to send, and how to settle.
        ignore_later: Also send rows again that a later run may have delivered.
    """
    if not delivery.completed or options.settle == "report" or hooks.stop.is_set():
        return delivery
    try:
        if options.settle == "lookup":
            return _look_up(run, store, hooks, options, delivery)
        return _redeliver(run, store, hooks, options, delivery, ignore_later=ignore_later)
    except ImporterError as error:
        # What was delivered is delivered, and its report must not be lost for this.
        requests = _requests_now(run)
        return replace(delivery, requests=requests, code=refusal_code(error, hooks), error=error_report(error))


def _requests_now(run: Run) -> dict[str, int]:
    with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
        return ledger.requests()


def _in_doubt(count: int) -> str:
    return f"{counted(count, 'row')} {'is' if count == 1 else 'are'} unattributed or unknown"


def _look_up(run: Run, store: OpenTarget, hooks: Hooks, options: SendOptions, delivery: Delivery) -> Delivery:
    lines = choose_again(run, OPEN_STATES, ignore_later=True).selection.asked
    if not len(lines):
        return delivery
    cost = reads_text(run, store, places_to_read(run, lines))
    if not _agreed(store, hooks, f"{_in_doubt(len(lines))}: reading back costs {cost}. Go on?"):
        return _declined(delivery, "read back")
    results = read_back(run, store, hooks, pl.Series(lines), options, delivery.pacer)
    told = ", ".join(f"{results[result.value]} {result.value}" for result in Verified if results[result.value])
    delivery = replace(
        delivery, requests=_requests_now(run), notes=(*delivery.notes, f"rows read back: {told or 'none'}")
    )
    if not hooks.stop.is_set():
        return delivery
    stopped = RunInterrupted("stopped by a signal while rows were read back", hint="what was read is kept")
    return replace(delivery, code=refusal_code(stopped, hooks), error=error_report(stopped))


def _redeliver(
    run: Run, store: OpenTarget, hooks: Hooks, options: SendOptions, delivery: Delivery, *, ignore_later: bool
) -> Delivery:
    chosen = choose_again(run, OPEN_STATES, ignore_later=ignore_later)
    notes = (*delivery.notes, *chosen.notes)
    if not chosen.rows:
        return replace(delivery, notes=notes)
    # Too dear is a reason to send nothing more, not to lose the report of what was sent.
    refuse_too_dear(run.manifest, cost_of(run, chosen), run.folder.path, "resume", "--settle", "redeliver")
    question = (
        f"{_in_doubt(chosen.asked)}: sending {'it' if chosen.asked == 1 else 'them'} again costs at least"
        f" {counted(cost_of(run, chosen).at_least, 'operation')}. Go on?"
    )
    if not _agreed(store, hooks, question):
        return _declined(replace(delivery, notes=notes), "sent again")
    with SendingLock(run.folder.path.parent, store.target.store_id), SqliteLedger.open(run.folder.ledger) as ledger:
        refuse_changed_choice(run, chosen, choose_again(run, OPEN_STATES, ignore_later=ignore_later))
        put_in_order(run, ledger, chosen)
        # Once, whatever comes of it: a row that is refused or lost every time would be sent for ever.
        again = deliver_run(run, store, ledger, hooks, options, Earlier(pacer=delivery.pacer))
    return replace(again, notes=(*notes, f"chosen to be sent again, by Bulk: {counted(chosen.rows, 'row')}"))


def _agreed(store: OpenTarget, hooks: Hooks, question: str) -> bool:
    if store.target.emulator:
        return True
    try:
        return hooks.confirm(question)
    except ConfigError:
        return False  # there is nobody to ask


def _declined(delivery: Delivery, what: str) -> Delivery:
    note = f"rows that are unattributed or unknown were not {what}: nobody agreed to what it costs (--yes agrees)"
    return replace(delivery, notes=(*delivery.notes, note))
