"""Removing what is gone from the source of a mirror: planned before anything is sent, done once all of it was."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import polars as pl

from importer.core.cost import Cost
from importer.core.forecast import StoreRules
from importer.core.lifecycle import FinishReason
from importer.core.report import ExitCode, highest_exit_code
from importer.core.report_parts import ErrorReport
from importer.core.schema import StoreSchema
from importer.core.sync_counts import Removals
from importer.core.sync_file import HandedOn, RemovalPolicy, SyncFile
from importer.core.sync_gone import (
    GONE_COLUMNS,
    Elsewhere,
    Others,
    gone_keys,
    kept_profiles,
    known_fates,
    newly_gone,
    remaining_marks,
    removal_cost,
)
from importer.core.sync_handed import met_keys
from importer.core.sync_removals import Removal, candidates_of, removals_of
from importer.errors import ImporterError
from importer.pipeline.paced_reads import Pace
from importer.pipeline.remove_profiles import Removed, RemovingPorts, remove_profiles
from importer.reports.removals_file import write_removals
from importer.reports.wording import counted, leaving_text
from importer.state.removal_log import RemovalLog, read_removals
from importer.state.snapshot_file import SnapshotFile
from importer.wiring.clock import CLOCK
from importer.wiring.delivering import Delivery, refusal_code
from importer.wiring.finishing import error_report
from importer.wiring.opening import Opened
from importer.wiring.reading_back import add_requests
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.run import Run
from importer.wiring.sync_rows import KeysRead, identifiers_of, ready_keys, waiting_identifiers
from importer.wiring.targets import OpenTarget

_IDLE_S: Final = 60.0
_CERTAIN: Final = [one.value for one in (Removal.GONE, Removal.SHARED, Removal.HANDED_ON, Removal.KEPT)]
"""What is known without a request."""


@dataclass(frozen=True)
class PlannedRemovals:
    """What a run of a mirror would remove.

    Attributes:
        fates: `importer.core.sync_gone.known_fates` of the keys that are gone.
        remaining: Identifiers of all who remain.
        sets: Sets of traits by number, as the snapshot has them.
        id_types: The order in which identifiers are looked up.
        off: Why nothing is removed; None where it is.
    """

    fates: pl.DataFrame
    remaining: Elsewhere
    sets: Sequence[Sequence[str]]
    id_types: Sequence[str]
    off: str | None = None

    @property
    def newly(self) -> int:
        """Keys that no run has judged yet."""
        return newly_gone(self.fates) if self.off is None else 0

    @property
    def cost(self) -> Cost:
        """What it costs."""
        return removal_cost(self.fates) if self.off is None else Cost()

    def counts(self) -> Removals:
        """Count what is known before the store is asked."""
        return removals_of(self.fates).model_copy(update={"off": self.off})

    def notes(self) -> tuple[str, ...]:
        """Say what is not removed and why, or what a run would ask."""
        if self.fates.is_empty():
            return ()
        if self.off is not None:
            keys = counted(self.fates.height, "key")
            return (f"nothing is removed: {self.off}; {keys} of earlier runs not seen in this one",)
        cost = self.cost
        if not cost.deletes:
            return ()
        lookups = f"{cost.lookups_at_least:,} to {cost.lookups_at_most:,} lookups"
        profiles = counted(cost.deletes, "profile")
        return (f"{leaving_text(self.counts())}: {profiles} to be looked up ({lookups}) and removed",)


def plan_removals(
    run: Run, inputs: Opened, snapshot: SnapshotFile, sync: SyncFile, read: KeysRead, *, again: bool
) -> PlannedRemovals:
    """Find the keys that are gone; nothing is asked of the store.

    Args:
        run: Planned.
        inputs: Schema of the store.
        snapshot: What was delivered before.
        sync: The sync file.
        read: Keys of the source.
        again: Look also at profiles that were held a short while ago.
    """
    off = _off(run, sync, read)
    gone = gone_keys(snapshot.pieces(GONE_COLUMNS), read.keys)
    if off is not None:
        gone = gone.filter("is_gone")
        fates = gone.with_columns(removal=pl.lit(None, dtype=pl.String), is_settled=pl.lit(value=False))
        return PlannedRemovals(fates, Elsewhere(), (), (), off)
    others = Others()
    if not gone.is_empty():
        going, waiting = identifiers_of(run, gone.filter(~pl.col("is_gone"))["key"])
        remaining = remaining_marks(snapshot.pieces(["identifiers"]), gone["line"])
        others = Others(Elsewhere([*remaining, *going]), Elsewhere(waiting))
    policy = sync.removal.handed_on if sync.removal is not None else HandedOn.HOLD
    fates = known_fates(gone, others, _now(), again=again, goes_first=policy is HandedOn.REMOVED)
    fates = fates.with_columns(is_put_off=pl.lit(value=False))
    anew = fates.filter(~pl.col("is_gone"))["key"]
    if len(anew):
        met = met_keys(snapshot.pieces(["key", "identifiers"]), waiting_identifiers(run))
        fates = kept_profiles(fates, ready_keys(run, anew), met)
    return PlannedRemovals(fates, others.remaining, snapshot.meta.traits, _in_order(inputs.schema))


def _off(run: Run, sync: SyncFile, read: KeysRead) -> str | None:
    """Say why a run removes nothing."""
    if sync.removal is not None and sync.removal.policy is RemovalPolicy.NONE:
        return "`removal: {policy: none}` says so"
    if run.manifest.options.limit is not None:
        return "--limit was given"
    if read.unreadable:
        return f"{counted(read.unreadable, 'row')} could not be read or had no key: nobody knows whose they are"
    if run.manifest.counts.rows_read and not read.keys:
        return "no row of the source has a key"
    return None


def _in_order(schema: StoreSchema) -> tuple[str, ...]:
    """Return idTypes, those in front of which one value names one profile, then those that decide first."""
    rules = StoreRules(schema.identifiers, schema.matching_rules)
    return tuple(
        sorted(rules.by_priority(list(schema.identifiers)), key=lambda name: not rules.config(name).enforce_unique)
    )


def _now() -> datetime:
    return datetime.fromisoformat(CLOCK.utc_now_iso())


@dataclass(frozen=True)
class Removing:
    """Removes what was planned: what is done once a run was sent (`importer.wiring.delivering.Occasion`).

    Attributes:
        planned: What to remove.
        options: How hard.
    """

    planned: PlannedRemovals
    options: SendOptions

    def __call__(self, run: Run, store: OpenTarget, hooks: Hooks, delivery: Delivery) -> Delivery:
        """Remove, and add to the delivery what came of it.

        Where not all of the run was delivered nothing is removed: the next run finds the same keys gone, or not.
        """
        is_delivered = delivery.completed and delivery.code is ExitCode.OK
        if self.planned.off is not None or self.planned.fates.is_empty() or not is_delivered:
            return delivery
        try:
            removed = self._remove(run, store, hooks, delivery)
        except ImporterError as error:
            # What was delivered is delivered, and its report must not be lost for this.
            return replace(delivery, code=refusal_code(error, hooks), error=error_report(error))
        counts = self._told(run)
        codes = [_code(removed, hooks)]
        if counts.held or counts.failed:
            codes.append(ExitCode.ROWS)
        return replace(
            delivery,
            requests=add_requests(run, removed.requests),
            code=highest_exit_code(codes),
            error=_error(removed),
        )

    def _remove(self, run: Run, store: OpenTarget, hooks: Hooks, delivery: Delivery) -> Removed:
        planned = self.planned
        asked = planned.cost.deletes
        if store.emulator is not None and asked:
            with suppress(TimeoutError):  # what is not applied by then is looked at again by the next run
                store.emulator.wait_idle(_IDLE_S)
        if asked:
            hooks.progress.stage("remove", asked)
        certain = planned.fates.filter(pl.col("removal").is_in(_CERTAIN), ~pl.col("is_put_off"))
        with RemovalLog(run.folder.path) as log:
            log.write((line, Removal(said), None) for line, said in certain.select("line", "removal").iter_rows())
            ports = RemovingPorts(
                store.client,
                CLOCK,
                hooks.stop,
                hooks.stop.wait,
                lambda line, removal, profile_id: log.write([(line, removal, profile_id)]),
                lambda done, retries, wait_s: hooks.progress.advance(done, retries=retries, wait_s=int(wait_s)),
            )
            return remove_profiles(
                ports,
                candidates_of(planned.fates, planned.sets, planned.id_types),
                planned.remaining,
                concurrency=self.options.concurrency,
                pace=Pace(self.options.max_rps, seed=run.folder.seed, known=delivery.pacer),
            )

    def _told(self, run: Run) -> Removals:
        """Write down what became of each key, and return how many there are of each kind."""
        known = self.planned.fates.select("line", "key", "removal", "profile_id", "is_gone")
        done = read_removals(run.folder.path).rename({"removal": "done", "profile_id": "found_id"})
        fates = known.join(done, on="line", how="left", maintain_order="left").select(
            "key",
            "is_gone",
            removal=pl.coalesce("done", "removal", pl.lit(Removal.UNREADABLE.value)),
            profile_id=pl.coalesce("found_id", "profile_id"),
        )
        write_removals(run.folder.path, fates.drop("is_gone"))
        counts = removals_of(fates)
        run.manifest = run.manifest.model_copy(update={"removals": counts})
        run.folder.write_manifest(run.manifest)
        return counts


def _code(removed: Removed, hooks: Hooks) -> ExitCode:
    match removed.reason:
        case FinishReason.COMPLETED if not removed.unread:
            return ExitCode.OK
        case FinishReason.REFUSED:
            return ExitCode.SERVICE
        case FinishReason.INTERRUPTED:
            return hooks.stopped_code()
        case _:
            return ExitCode.STOPPED


def _error(removed: Removed) -> ErrorReport | None:
    hint = "what was removed is known; the next run of the sync looks at the others again"
    said = f": {removed.error.message}" if removed.error is not None else ""
    match removed.reason:
        case FinishReason.REFUSED:
            own = removed.error.hint if removed.error is not None else ""
            return ErrorReport(message=f"the service refuses to remove profiles{said}", hint=own or hint)
        case FinishReason.INTERRUPTED:
            return ErrorReport(message="stopped by a signal while profiles were removed", hint=hint)
        case FinishReason.COMPLETED if not removed.unread:
            return None
        case FinishReason.COMPLETED:
            what = f"nobody knows what became of {counted(removed.unread, 'profile')} that were to be removed"
            return ErrorReport(message=what, hint=hint)
        case _:
            return ErrorReport(message=f"profiles could not be removed, the service does not answer{said}", hint=hint)
