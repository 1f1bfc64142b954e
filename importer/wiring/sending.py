"""Sending a planned run: confirm, lock, deliver, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import orjson
import polars as pl

from importer.core.delivery import EngineOptions
from importer.core.lifecycle import FINAL, FinishReason
from importer.core.manifest import RunManifest, Stage
from importer.core.report import ErrorReport, ExitCode, FinalState, Report
from importer.errors import ConfigError, GuardError, ImporterError, LockedError, PackageChangedError, StateError
from importer.pipeline.deliver import DeliveryPorts, DeliveryProgress, DeliveryResult, deliver
from importer.settings import Settings
from importer.state.ledger import SqliteLedger
from importer.state.lock import SendingLock
from importer.state.run_folder import RunsFolder
from importer.wiring.finishing import Ending, delivered_by, error_report, finish
from importer.wiring.opening import opened
from importer.wiring.requests import Hooks, RunRequest, SendOptions
from importer.wiring.runs import CLOCK, Run, guard_trips, payloads_of, planned_run, set_stage
from importer.wiring.targets import OpenTarget

_REASON_CODES: Final = {
    FinishReason.COMPLETED: ExitCode.OK,
    FinishReason.REFUSED: ExitCode.SERVICE,
    FinishReason.STALLED: ExitCode.STOPPED,
    FinishReason.FAULT: ExitCode.BUG,
}
_REASON_TEXTS: Final = {
    FinishReason.REFUSED: "the service refused the run",
    FinishReason.STALLED: "the service accepted nothing for too long",
    FinishReason.INTERRUPTED: "stopped by a signal",
    FinishReason.FAULT: "a fault of this program stopped the run",
}


def run_import(request: RunRequest, hooks: Hooks | None = None, options: SendOptions | None = None) -> Report:
    """Check a source, then deliver it.

    Args:
        request: Source, mapping and store.
        hooks: Progress, questions and stopping. Without them nobody is asked before a live store is written to.
        options: How hard to send; the defaults if None.

    Raises:
        ConfigError, SourceError: refused before anything was sent.
        ApiError: the store could not be read.
        StateError: the ledger or the lock; a planned run is left that can be resumed.
        RunInterrupted: somebody asked to stop while the source was read.
    """
    hooks, options = hooks or Hooks(), options or SendOptions()
    with opened(request, hooks.stop.wait) as inputs:
        run = planned_run(request, hooks, inputs, "import")
        if inputs.store is None:
            raise ConfigError("an import needs a store", hint="leave --schema out")
        try:
            return send(run, inputs.store, hooks, options, Occasion("import", run.manifest.created_at, fresh=True))
        except LockedError as error:
            error.hint = f"wait for it to end; then `memory-importer resume {run.folder.run_id}` sends what was planned"
            raise


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a run is sent on behalf of.

    Attributes:
        command: Name for the report.
        started_at: When the command began.
        fresh: This very process packaged the rows, so nobody can have changed them since: their hash is not checked.
    """

    command: str
    started_at: str
    fresh: bool = False


def send(run: Run, store: OpenTarget, hooks: Hooks, options: SendOptions, occasion: Occasion) -> Report:
    """Deliver what is planned and not yet settled, and report.

    Args:
        run: Planned.
        store: Where to.
        hooks: Asked before the first write to a live store.
        options: How hard.
        occasion: On behalf of which command.
    """
    runs_dir = run.folder.path.parent
    left = _left(run)
    try:
        _guard(run)
        if left and not store.target.emulator and not hooks.confirm(question(run, runs_dir, left)):
            raise ConfigError(
                "not sent: nobody agreed to write to the live store",
                hint=f"`memory-importer resume {run.folder.run_id} --yes` sends it as planned",
            )
    except ImporterError as refusal:
        code = ExitCode.GUARD if isinstance(refusal, GuardError) else ExitCode.REFUSED
        end = _ending(occasion, error=error_report(refusal), codes=(code,))
        with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
            return _report(run, hooks, replace(end, delivered=delivered_by(ledger)))
    with SendingLock(runs_dir, store.target.store_id), SqliteLedger.open(run.folder.ledger) as ledger:
        set_stage(run, Stage.SENDING)
        result, error = _deliver(run, store, ledger, hooks, options, resumed=not occasion.fresh)
        if result is not None and result.reason is FinishReason.COMPLETED:
            set_stage(run, Stage.FINISHED)
        requests = _requests_so_far(ledger, result)
        delivered = delivered_by(ledger)
    code = _exit_code(result, error, hooks)
    end = _ending(occasion, error=_why(run, result, error), codes=(code,))
    notes = () if left else ("nothing was left to send; this is how the run stands",)
    return _report(run, hooks, replace(end, delivered=delivered, requests=requests, notes=notes))


def _left(run: Run) -> int:
    """Count the rows in the send order whose batch is not over."""
    with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
        return sum(entry.spec.rows for entry in ledger.entries() if entry.state not in FINAL)


def _guard(run: Run) -> None:
    """Stop a wrong mapping before it sends anything."""
    if run.manifest.stage is not Stage.PLANNED:
        return
    tripped = guard_trips(run)
    if tripped is not None:
        raise GuardError(
            f"{tripped}; nothing was sent",
            hint=f"mend the source or the mapping; or `memory-importer resume {run.folder.run_id} --max-rejected 100`",
        )


def question(run: Run, runs_dir: Path, rows: int) -> str:
    """Return the line that is shown before the first write to a live store; `rows` are left to send."""
    target = run.manifest.target
    merges = run.groups.filter((pl.col("kind") == "merge") & (pl.col("decision") != "held")).height
    before = delivered_before(runs_dir, run.manifest)
    again = f" The same source was delivered to this store by run {before}." if before is not None else ""
    return (
        f"Send {rows} rows to store {target.store_name} ({target.store_id}) on {target.host}: "
        f"at least {rows} billable operations, {merges} groups of rows may merge for ever.{again} Go on?"
    )


def delivered_before(runs_dir: Path, manifest: RunManifest) -> str | None:
    """Return the run that delivered the same source with the same mapping to the same store, None if there is none."""
    for folder in reversed(RunsFolder(runs_dir).all()):
        if folder.run_id == manifest.run_id:
            continue
        try:
            other = folder.read_manifest()
        except StateError:
            continue
        same = (
            other.source.fingerprint == manifest.source.fingerprint
            and other.mapping_fingerprint == manifest.mapping_fingerprint
            and other.target.store_id == manifest.target.store_id
            and other.target.host == manifest.target.host
        )
        if same and other.stage in (Stage.SENDING, Stage.FINISHED):
            return folder.run_id
    return None


def _deliver(
    run: Run, store: OpenTarget, ledger: SqliteLedger, hooks: Hooks, options: SendOptions, *, resumed: bool
) -> tuple[DeliveryResult | None, StateError | None]:
    order = run.folder.read_order()
    payloads = payloads_of(run, order)
    payloads.drop_parts()  # a killed session left them, and nothing else would delete the cell values in them
    ports = DeliveryPorts(payloads, store.client, ledger, CLOCK, hooks.stop)
    engine = EngineOptions(
        run_id=run.folder.run_id,
        seed=int(run.folder.run_id.rpartition("-")[2], 16),
        concurrency=options.concurrency,
        max_rps=options.max_rps,
        poll_first_s=min(options.poll_first_s, _EMULATOR_POLL_S) if store.target.emulator else options.poll_first_s,
        resumed=resumed,
    )
    hooks.progress.stage("send", order.height)
    try:
        return deliver(ports, engine, _advance(hooks)), None
    except StateError as error:
        return None, error


def _requests_so_far(ledger: SqliteLedger, result: DeliveryResult | None) -> dict[str, int]:
    """Add this session's requests to those of earlier ones; a session that was killed is not in the sum."""
    total = {name: int(count) for name, count in orjson.loads(ledger.meta().get("requests", "{}")).items()}
    for kind, count in (result.requests if result is not None else {}).items():
        total[kind.value] = total.get(kind.value, 0) + count
    ledger.set_meta("requests", orjson.dumps(total).decode())
    return total


def _advance(hooks: Hooks) -> Callable[[DeliveryProgress], None]:
    done = 0

    def advance(progress: DeliveryProgress) -> None:
        nonlocal done
        settled = sum(progress.tally.rows.values())
        hooks.progress.advance(
            settled - done, retries=progress.tally.retries, in_flight=progress.in_flight, wait_s=int(progress.waiting_s)
        )
        done = settled

    return advance


def _exit_code(result: DeliveryResult | None, error: StateError | None, hooks: Hooks) -> ExitCode:
    if isinstance(error, PackageChangedError):
        return ExitCode.STATE
    if error is not None or result is None:
        return ExitCode.STOPPED
    if result.reason is FinishReason.INTERRUPTED:
        return ExitCode.TERMINATED if hooks.stop_signal() == _SIGTERM else ExitCode.INTERRUPTED
    return _REASON_CODES[result.reason]


_SIGTERM: Final = 15
_EMULATOR_POLL_S: Final = 0.05
"""The local service has applied a small batch by then, and a person is waiting."""


def _why(run: Run, result: DeliveryResult | None, error: StateError | None) -> ErrorReport | None:
    if error is not None:
        return error_report(error)
    if result is None or result.reason is FinishReason.COMPLETED:
        return None
    failure = result.failure
    status = f" (HTTP {failure.status}, code {failure.code})" if failure is not None and failure.status else ""
    return ErrorReport(
        message=_REASON_TEXTS[result.reason] + status,
        hint=f"`memory-importer resume {run.folder.run_id}` goes on where it stopped",
    )


def _ending(occasion: Occasion, *, error: ErrorReport | None, codes: tuple[int, ...]) -> Ending:
    return Ending(
        occasion.command,
        CLOCK.utc_now_iso(),
        FinalState.NOT_SENT,
        exit_codes=codes,
        error=error,
        started_at=occasion.started_at,
    )


def _report(run: Run, hooks: Hooks, end: Ending) -> Report:
    hooks.progress.finish()
    return finish(run.folder, run.manifest, run.package, run.index, run.groups, end)


def loaded_settings(settings: Settings, manifest: RunManifest) -> Settings:
    """Return the settings for the store a run was planned for."""
    return settings.model_copy(update={"store_id": manifest.target.store_id, "api_url": manifest.target.api_url})
