"""Settling: what is done about rows of which nobody knows what became, once everything was sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from importer.core.read_back import Verified
from importer.core.report import FinalState
from importer.errors import ConfigError, ImporterError, RunInterrupted
from importer.state.ledger import SqliteLedger
from importer.wiring.delivering import Delivery, deliver_run, recorded_requests, refusal_code
from importer.wiring.finishing import error_report
from importer.wiring.month import refuse_too_dear
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.runs import Run
from importer.wiring.sending_again import choose_again, cost_of, put_in_order
from importer.wiring.targets import OpenTarget
from importer.wiring.verifying import read_back

OPEN_STATES: Final = (FinalState.UNATTRIBUTED.value, FinalState.UNKNOWN.value)
"""States of rows that may be with the service or not."""


def deliver_and_settle(
    run: Run, store: OpenTarget, ledger: SqliteLedger, hooks: Hooks, options: SendOptions, *, resumed: bool
) -> Delivery:
    """Deliver every batch that is not over, then settle what became of nobody knows which rows, as `options` say.

    Args:
        run: Planned.
        store: Where to; the caller holds its sending lock.
        ledger: Of the run.
        hooks: Progress, stopping, and the question what settling may cost.
        options: How hard to send, and how to settle.
        resumed: The batches come from an earlier process.
    """
    delivery = deliver_run(run, store, ledger, hooks, options, resumed=resumed)
    if not delivery.completed or options.settle == "report" or hooks.stop.is_set():
        return delivery
    try:
        if options.settle == "lookup":
            return _look_up(run, store, ledger, hooks, options, delivery)
        return _redeliver(run, store, ledger, hooks, options, delivery)
    except ImporterError as error:
        # What was delivered is delivered, and its report must not be lost for this.
        requests = recorded_requests(ledger)
        return replace(delivery, requests=requests, code=refusal_code(error, hooks), error=error_report(error))


def _look_up(
    run: Run, store: OpenTarget, ledger: SqliteLedger, hooks: Hooks, options: SendOptions, delivery: Delivery
) -> Delivery:
    lines = choose_again(run, OPEN_STATES, ignore_later=True).selection.asked
    if not len(lines):
        return delivery
    question = (
        f"{len(lines)} rows are unattributed or unknown: reading them back costs up to {len(lines)} billable profile"
        " reads. Go on?"
    )
    if not _agreed(store, hooks, question):
        return _declined(delivery, "read back")
    results = read_back(run, store, hooks, pl.Series(lines), options)
    told = ", ".join(f"{results[result.value]} {result.value}" for result in Verified if results[result.value])
    delivery = replace(
        delivery, requests=recorded_requests(ledger), notes=(*delivery.notes, f"rows read back: {told or 'none'}")
    )
    if not hooks.stop.is_set():
        return delivery
    stopped = RunInterrupted("stopped by a signal while rows were read back", hint="what was read is kept")
    return replace(delivery, code=refusal_code(stopped, hooks), error=error_report(stopped))


def _redeliver(
    run: Run, store: OpenTarget, ledger: SqliteLedger, hooks: Hooks, options: SendOptions, delivery: Delivery
) -> Delivery:
    chosen = choose_again(run, OPEN_STATES)
    notes = (*delivery.notes, *chosen.notes)
    if not chosen.rows:
        return replace(delivery, notes=notes)
    # Too dear is a reason to send nothing more, not to lose the report of what was sent.
    command = f"memory-importer resume {run.folder.run_id} --settle redeliver"
    refuse_too_dear(run.manifest, cost_of(run, chosen), command)
    question = (
        f"{chosen.asked} rows are unattributed or unknown: sending them again costs at least"
        f" {cost_of(run, chosen).at_least} operations. Go on?"
    )
    if not _agreed(store, hooks, question):
        return _declined(replace(delivery, notes=notes), "sent again")
    put_in_order(run, ledger, chosen)
    # Once, whatever comes of it: a row that is refused or lost every time would be sent for ever.
    again = deliver_run(run, store, ledger, hooks, options, resumed=False)
    return replace(again, notes=(*notes, f"chosen to be sent again, by Bulk: {chosen.rows} rows"))


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
