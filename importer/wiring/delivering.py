"""Delivering what has batches, under the lock of its store, and the report of how that ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Final

from importer.core.delivery import BatchSpec, EngineOptions
from importer.core.lifecycle import FINAL, BatchState, FinishReason
from importer.core.manifest import Stage
from importer.core.pacing import Pacer
from importer.core.report import ExitCode, FinalState, Report, highest_exit_code
from importer.core.report_parts import ErrorReport
from importer.errors import (
    ApiError,
    DiskError,
    GuardError,
    ImporterError,
    RejectedRequestError,
    RunInterrupted,
    StateError,
)
from importer.pipeline.deliver import DeliveryPorts, DeliveryProgress, DeliveryResult, deliver
from importer.pipeline.outcomes import Delivered
from importer.state.ledger import SqliteLedger
from importer.state.run_folder import RunFolder
from importer.state.verified_file import forget_verified
from importer.wiring.clock import CLOCK
from importer.wiring.disk import sending_from
from importer.wiring.finishing import Ending, delivered_by, error_report, finish
from importer.wiring.logged import logged_ledger
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.run import Run, set_stage
from importer.wiring.send_order import payloads_of
from importer.wiring.stopped import why_stopped
from importer.wiring.targets import OpenTarget

_REASON_CODES: Final = {
    FinishReason.COMPLETED: ExitCode.OK,
    FinishReason.REFUSED: ExitCode.SERVICE,
    FinishReason.STALLED: ExitCode.STOPPED,
    FinishReason.INCOMPLETE: ExitCode.STOPPED,
    FinishReason.FAULT: ExitCode.BUG,
}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a run is sent on behalf of.

    Attributes:
        command: Name for the report.
        started_at: When the command began.
        fresh: This very process packaged the rows, so nobody can have changed them since: their hash is not checked.
        after: What is done once all was sent, before it is reported; it returns the delivery with what it adds.
    """

    command: str
    started_at: str
    fresh: bool = False
    after: Callable[[Run, OpenTarget, Hooks, Delivery], Delivery] | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """What went before a delivery.

    Attributes:
        resumed: The batches come from an earlier process: it is checked that their rows are still the same.
        pacer: What requests of this process learned of the service's patience.
    """

    resumed: bool = False
    pacer: Pacer | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a delivery ended.

    Attributes:
        completed: Every batch is over.
        delivered: What the ledger knows now.
        requests: HTTP requests of all sessions so far, by kind.
        code: What it comes to, whatever the rows come to.
        error: What ended it early.
        notes: What else should be known.
        pacer: What is known of the service's patience, for requests that follow.
    """

    completed: bool
    delivered: Delivered
    requests: dict[str, int]
    code: ExitCode = ExitCode.OK
    error: ErrorReport | None = None
    notes: tuple[str, ...] = ()
    pacer: Pacer | None = None


def left_to_send(folder: RunFolder) -> int:
    """Count the rows in the send order whose batch is not over."""
    with SqliteLedger.open(folder.ledger, read_only=True) as ledger:
        return sum(entry.spec.rows for entry in ledger.entries() if entry.state not in FINAL)


def deliver_run(
    run: Run, store: OpenTarget, ledger: SqliteLedger, hooks: Hooks, options: SendOptions, earlier: Earlier
) -> Delivery:
    """Deliver every batch that is not over.

    Args:
        run: Planned.
        store: Where to; the caller holds its sending lock.
        ledger: Of the run.
        hooks: Progress and stopping.
        options: How hard.
        earlier: What went before it.
    """
    with sending_from(run.folder.path):
        set_stage(run, Stage.SENDING)
        result, error = _deliver(run, store, ledger, hooks, options, earlier)
    completed = result is not None and result.reason is FinishReason.COMPLETED
    requests = _requests_so_far(ledger, result)
    code = _exit_code(result, error, hooks)
    pacer = result.pacer if result is not None else earlier.pacer
    groups = dict.fromkeys(trait.group for trait in run.manifest.traits)
    why = why_stopped(run.folder.path, groups, result, error)
    return Delivery(completed, delivered_by(ledger), requests, code, why, pacer=pacer)


def delivery_report(run: Run, hooks: Hooks, occasion: Occasion, delivery: Delivery) -> Report:
    """Report a delivery."""
    end = Ending(
        occasion.command,
        CLOCK.utc_now_iso(),
        FinalState.NOT_SENT,
        delivered=delivery.delivered,
        requests=delivery.requests,
        exit_codes=(delivery.code,),
        error=delivery.error,
        notes=delivery.notes,
        started_at=occasion.started_at,
    )
    hooks.progress.finish()
    try:
        with sending_from(run.folder.path):
            report = finish(run, end)
            if delivery.completed:
                # After its report: killed before that, the run is unfinished, and nobody takes an older report for
                # this one.
                set_stage(run, Stage.FINISHED)
    except DiskError as error:
        error.context["exit_code"] = int(highest_exit_code([ExitCode.STOPPED, delivery.code]))
        if delivery.error is not None:
            error.message = f"{delivery.error.message}; its reports are missing as well: {error.message}"
        raise
    return report


def standing(run: Run, *, code: ExitCode = ExitCode.OK, error: ErrorReport | None = None) -> Delivery:
    """Return how a run stands without anything sent."""
    with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
        return Delivery(False, delivered_by(ledger), ledger.requests(), code, error)  # noqa: FBT003


def refusal_report(run: Run, hooks: Hooks, occasion: Occasion, refusal: ImporterError) -> Report:
    """Report a run that nothing is sent of, and why."""
    code = refusal_code(refusal, hooks)
    return delivery_report(run, hooks, occasion, standing(run, code=code, error=error_report(refusal)))


def _deliver(
    run: Run, store: OpenTarget, ledger: SqliteLedger, hooks: Hooks, options: SendOptions, earlier: Earlier
) -> tuple[DeliveryResult | None, StateError | None]:
    order = run.folder.read_order()
    payloads = payloads_of(run, order)
    payloads.drop_parts()  # a killed session left them, and nothing else would delete the cell values in them
    ports = DeliveryPorts(payloads, store.client, logged_ledger(ledger), CLOCK, hooks.stop)
    engine = EngineOptions(
        run_id=run.folder.run_id,
        seed=run.folder.seed,
        concurrency=options.concurrency,
        max_rps=options.max_rps,
        poll_first_s=min(options.poll_first_s, _EMULATOR_POLL_S) if store.target.emulator else options.poll_first_s,
        resumed=earlier.resumed,
    )
    # A batch that is only polled any more was counted when the service took it.
    over = (*FINAL, BatchState.APPLYING)
    coming = [entry.spec for entry in ledger.entries() if entry.state not in over]
    rows, in_turn = sum(spec.rows for spec in coming), in_turn_of(coming)[0]
    hooks.progress.stage("send", rows)
    try:
        with sending_from(run.folder.path):
            # What was read back before its batch was over is of a store that did not have its rows yet.
            open_places = [
                (entry.spec.start, entry.spec.stop) for entry in ledger.entries() if entry.state not in FINAL
            ]
            forget_verified(run.folder.package, open_places)
            return deliver(ports, engine, _advance(hooks, rows, in_turn), known=earlier.pacer), None
    except StateError as error:
        return None, error


def _requests_so_far(ledger: SqliteLedger, result: DeliveryResult | None) -> dict[str, int]:
    """Add this session's requests to those of earlier ones; a session that was killed is not in the sum."""
    total = ledger.requests()
    for kind, count in (result.requests if result is not None else {}).items():
        total[kind.value] = total.get(kind.value, 0) + count
    with suppress(DiskError):  # what stopped the delivery may keep this from being written as well; it only counts
        ledger.set_requests(total)
    return total


def in_turn_of(batches: Iterable[BatchSpec]) -> tuple[int, int]:
    """Count the rows that go one after the other with those of their group, and the steps that takes."""
    waves = [(spec.wave, spec.rows) for spec in batches if spec.wave]
    return sum(rows for _, rows in waves), len({wave for wave, _ in waves})


def _advance(hooks: Hooks, rows: int, in_turn: int) -> Callable[[DeliveryProgress], None]:
    done = 0

    def advance(progress: DeliveryProgress) -> None:
        nonlocal done
        settled = sum(progress.tally.rows.values())
        hooks.progress.advance(
            settled - done,
            retries=progress.tally.retries,
            throttled=progress.tally.throttled,
            in_flight=progress.in_flight,
            applying=progress.applying,
            wait_s=ceil(progress.waiting_s),
            one_at_a_time=min(in_turn, max(rows - settled, 0)),  # they go last
        )
        done = settled

    return advance


def _exit_code(result: DeliveryResult | None, error: StateError | None, hooks: Hooks) -> ExitCode:
    if error is not None:
        return ExitCode.STOPPED if isinstance(error, DiskError) else ExitCode.STATE
    if result is None:
        return ExitCode.STOPPED
    if result.reason is FinishReason.INTERRUPTED:
        return hooks.stopped_code()
    return _REASON_CODES[result.reason]


def refusal_code(refusal: ImporterError, hooks: Hooks) -> ExitCode:
    """Return the exit code of what kept a run from being sent."""
    if isinstance(refusal, RunInterrupted):
        return hooks.stopped_code()
    if isinstance(refusal, StateError):
        return ExitCode.STOPPED if isinstance(refusal, DiskError) else ExitCode.STATE
    if isinstance(refusal, ApiError):
        return ExitCode.SERVICE if isinstance(refusal, RejectedRequestError) else ExitCode.STOPPED
    return ExitCode.GUARD if isinstance(refusal, GuardError) else ExitCode.REFUSED


_EMULATOR_POLL_S: Final = 0.05
"""The local service has applied a small batch by then, and a person is waiting."""
