"""Reading rows back from the store: for `verify`, and for settling rows of which nobody knows what became."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.lifecycle import FinishReason
from importer.core.manifest import RunManifest
from importer.core.pacing import Pacer
from importer.core.read_back import Verified, sample_positions
from importer.core.report import ExitCode, FinalState, Report
from importer.core.report_parts import ErrorReport
from importer.core.suggested import run_command
from importer.errors import ConfigError, RetryableApiError
from importer.pipeline.read_back import ReadBack
from importer.settings import Settings
from importer.state.lock import RunLock
from importer.wiring.asking import agreed
from importer.wiring.at_work import at_work
from importer.wiring.clock import CLOCK
from importer.wiring.finding import Found, find_sent_run, with_package
from importer.wiring.finishing import Ending, finish
from importer.wiring.reading_back import Reading, add_requests, reads_text
from importer.wiring.reopening import load_run, open_store
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.run import Run
from importer.wiring.targets import OpenTarget

SAMPLE: Final = 100
"""Rows that `verify` reads back where nothing else is said."""

_FIRST_PAUSE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 30.0
"""Between two looks at rows that are not there yet."""


@dataclass(frozen=True)
class VerifyRequest:
    """Which rows of a run are read back.

    Attributes:
        run: Its id, the beginning of it, or ``last``.
        settings: Credentials and runs folder; the store is the run's own.
        sample: So many of the delivered rows, chosen by the run's id: the same each time; None for all.
        everything: All of them, whatever `sample` says.
        rest: Leave out rows that an earlier reading back confirmed.
        wait_s: Look again, for so long, at rows that are missing or differ: what was accepted may be applied late.
        show_values: Write what was sent and what is stored into `mismatches.csv`; masked otherwise.
    """

    run: str
    settings: Settings
    sample: int | None = SAMPLE
    everything: bool = False
    rest: bool = False
    wait_s: float = 0.0
    show_values: bool = False


def verify(request: VerifyRequest, hooks: Hooks | None = None, options: SendOptions | None = None) -> Report:
    """Read delivered rows back from the store and compare them, trait by trait, with what was sent.

    Args:
        request: Which run, and how many of its rows.
        hooks: Progress, stopping, and a question: reads of a live store are billable.
        options: How hard to read; the defaults if None.

    Raises:
        ConfigError: there is nothing to compare, or nobody agreed to the cost.
        LockedError: another process works on the run.
        StateError: the run is damaged.
        ApiError: the store could not be opened.
    """
    hooks, options = hooks or Hooks(), options or SendOptions()
    started_at = CLOCK.utc_now_iso()
    found = find_sent_run(request.settings, request.run)
    with RunLock(found.folder.path), open_store(request.settings, _comparable(found), hooks) as store:
        reading = Reading.of(load_run(found.folder), store, hooks, options, show_values=request.show_values)
        delivered = reading.sent.delivered_positions()
        chosen = _chosen(request, reading, delivered)
        cost = _cost(reading, len(chosen), len(delivered))
        if not store.target.emulator and len(chosen):
            _ask(reading, cost, _asked_for(request))
        hooks = at_work(hooks, found.folder)
        reading = replace(reading, hooks=hooks)
        result = _look_again(request, reading, chosen, reading.read(chosen))
        end = Ending(
            "verify",
            CLOCK.utc_now_iso(),
            FinalState.NOT_SENT,
            delivered=reading.delivered,
            requests=add_requests(reading.run, result.requests),
            exit_codes=_exit_codes(result, hooks),
            error=_error(result, found.folder.path),
            notes=(cost, *_notes(reading)),
            started_at=started_at,
        )
        hooks.progress.finish()
        return finish(reading.run, end)


def read_back(
    run: Run,
    store: OpenTarget,
    hooks: Hooks,
    lines: pl.Series,
    options: SendOptions,
    known: Pacer | None = None,
) -> Counter[str]:
    """Read rows of a run back and keep what was found, for its next report.

    Args:
        run: Packaged; this process has its lock.
        store: Where its rows went.
        hooks: Progress and stopping; nobody is asked.
        lines: Lines of the index. A row that another one carries is judged by that one.
        options: How hard to read.
        known: What requests before these learned of the service's patience.

    Returns:
        Rows of the send order by what is known of them now. Rows that could not be read, now or earlier, or not before
        somebody asked to stop, are not in it.

    Raises:
        ApiError: the service refuses to be read, or does not answer; what was read by then is kept.
    """
    reading = Reading.of(run, store, hooks, options, show_values=False)
    positions = reading.sent.positions_of(lines.cast(pl.Int64).to_numpy())
    result = reading.read(positions, known)
    add_requests(run, result.requests)
    if result.reason in (FinishReason.REFUSED, FinishReason.STALLED):
        raise result.error or RetryableApiError("the service could not be read", endpoint="POST /Profiles/Lookup")
    return Counter(reading.counts(positions))


def _comparable(found: Found) -> RunManifest:
    """Return the record of a run that was sent and still has its package.

    Raises:
        ConfigError: it was not, or has it no more.
    """
    with_package(
        found,
        unsent="there is nothing to read back",
        gone="nobody knows what its rows should be",
        instead="import the same source again and verify that run",
    )
    return found.folder.read_manifest()


def _chosen(request: VerifyRequest, reading: Reading, delivered: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if not len(delivered):
        raise ConfigError(
            f"no row of run {reading.run.folder.run_id} was delivered, so there is nothing to read back",
            hint=f"{run_command(reading.run.folder.path, 'status')} shows how the run stands",
        )
    if request.rest:
        known = reading.results(delivered).filter(pl.col("result") == Verified.CONFIRMED.value)
        delivered = np.setdiff1d(delivered, known["position"].to_numpy())
    if request.everything or request.sample is None:
        return delivered
    return sample_positions(delivered, request.sample, reading.run.folder.seed)


def _cost(reading: Reading, rows: int, delivered: int) -> str:
    cost = reads_text(reading.run, reading.store, rows)
    return f"reading back {rows:,} of {delivered:,} delivered rows costs {cost}"


def _asked_for(request: VerifyRequest) -> tuple[str, ...]:
    """Return the options that choose what is read back."""
    rest = ("--rest",) if request.rest else ()
    if request.everything or request.sample is None:
        return ("--all", *rest)
    return (*(("--sample", str(request.sample)) if request.sample != SAMPLE else ()), *rest)


def _ask(reading: Reading, cost: str, chosen: tuple[str, ...]) -> None:
    target, run = reading.store.target, reading.run.folder.path
    agreed(
        reading.hooks.confirm,
        f"Store {target.store_name} ({target.store_id}) on {target.host}: {cost}. Go on?",
        declined="not read back: nobody agreed to billable reads",
        go_on=f"{run_command(run, 'verify', *chosen, '--yes')} reads them; a smaller --sample costs less",
        again=f"{run_command(run, 'verify', *chosen)} asks again",
    )


def _look_again(request: VerifyRequest, reading: Reading, chosen: npt.NDArray[np.int64], result: ReadBack) -> ReadBack:
    """Read what is missing or differs again, ever more seldom, until it is there or the time is over."""
    until_s = CLOCK.monotonic_s() + request.wait_s
    pause_s = _FIRST_PAUSE_S
    while result.reason is FinishReason.COMPLETED:
        left_s = until_s - CLOCK.monotonic_s()
        results = reading.results(chosen)
        confirmed = results.filter(pl.col("result") == Verified.CONFIRMED.value)["position"].to_numpy()
        unlike = np.setdiff1d(chosen, confirmed)
        if left_s <= 0 or not len(unlike) or reading.hooks.stop.wait(min(pause_s, left_s)):
            break
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
        again = reading.read(unlike, result.pacer)
        requests = Counter(result.requests) + Counter(again.requests)
        result = replace(again, requests=dict(requests))
    return result


def _exit_codes(result: ReadBack, hooks: Hooks) -> tuple[ExitCode, ...]:
    match result.reason:
        case FinishReason.REFUSED:
            return (ExitCode.SERVICE,)
        case FinishReason.INTERRUPTED:
            return (hooks.stopped_code(),)
        case FinishReason.COMPLETED if not result.unread:
            return ()
        case _:
            return (ExitCode.STOPPED,)


def _error(result: ReadBack, run: Path) -> ErrorReport | None:
    hint = f"what was read is kept; {run_command(run, 'verify', '--rest')} reads what is not confirmed"
    match result.reason:
        case FinishReason.REFUSED:
            said = f": {result.error.message}" if result.error is not None else ""
            own = result.error.hint if result.error is not None else ""
            return ErrorReport(message=f"the service refuses to be read{said}", hint=own or hint)
        case FinishReason.STALLED:
            said = f": {result.error.message}" if result.error is not None else ""
            return ErrorReport(message=f"the service cannot be read{said}", hint=hint)
        case FinishReason.INTERRUPTED:
            return ErrorReport(message="stopped by a signal while reading back", hint=hint)
        case _ if result.unread:
            return ErrorReport(message=f"{result.unread:,} rows could not be read back", hint=hint)
        case _:
            return None


def _notes(reading: Reading) -> tuple[str, ...]:
    manifest, schema = reading.run.manifest, reading.store.schema
    if schema.fingerprint_of(trait.ref for trait in manifest.traits) == manifest.schema_fingerprint:
        return ()
    return ("the store's traits or identity settings changed since the run; differences may come of that",)
