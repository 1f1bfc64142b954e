"""Looking rows up in the store before anything is sent: what it costs, what was found, and which rows are held."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from importer.core.forecast import StoreRules
from importer.core.identity import IdentityResult, RowState
from importer.core.identity_values import BoolArray
from importer.core.read_back import sample_positions
from importer.core.stored import Asked, StoredMatches, distinct_values, hits_of, hold_stored, match_stored, payloads
from importer.core.stored_lookup import StoredLookup
from importer.errors import ConfigError
from importer.pipeline.decide import read_values
from importer.pipeline.look_up import LookedUp, LookupPorts, look_up_values
from importer.pipeline.paced_reads import Pace
from importer.pipeline.prepare import Prepared
from importer.ports import Clock, PackageAccess
from importer.wiring.opening import Opened
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.targets import OpenTarget

_IDLE_S: Final = 60.0

UNKNOWN: Final = "merges with profiles that the store has already are not known without --lookup"


@dataclass(frozen=True)
class Lookup:
    """What looking up takes.

    Attributes:
        request: Says whether all rows or a sample, and how hard to read.
        inputs: The open store, its schema, and the mapping's policies.
        hooks: Progress, stopping, and the question what it may cost.
        clock: Of the pacer.
        seed: Chooses the sample.
    """

    request: RunRequest
    inputs: Opened
    hooks: Hooks
    clock: Clock
    seed: int


def look_up_rows(
    lookup: Lookup, identity: IdentityResult, prepared: Prepared, package: PackageAccess
) -> tuple[IdentityResult, StoredLookup]:
    """Ask the store for the identifiers of the rows that would go out, or of a sample of them.

    Where all rows were asked for, those are held that would merge stored profiles.

    Args:
        lookup: What it takes.
        identity: What was decided so far.
        prepared: The rows.
        package: Read for the values.

    Raises:
        ConfigError: there is no store to ask, or nobody agreed to the cost.
        ApiError: the service refuses to be read, or does not answer.
        RunInterrupted: somebody asked to stop.
    """
    store, sample = lookup.inputs.store, lookup.request.options.lookup_sample
    if store is None:
        raise ConfigError("--lookup needs a store, and --schema names none", hint="give --store, or --emulator")
    carrier = payloads(identity)
    going = np.flatnonzero(
        np.isin(identity.state, [RowState.SEND, RowState.SEQUENCE, RowState.HELD]) & (identity.carried_by < 0)
    )
    chosen = going if sample is None else sample_positions(going, sample, lookup.seed)
    rows: BoolArray = np.isin(carrier, chosen)
    id_types = {t.ref: t.id_type for t in lookup.inputs.plan.identifiers if t.id_type is not None}
    asked = distinct_values(prepared.hashes, id_types, rows, identity.drops)
    _agree(lookup, store, asked, len(chosen), len(going))
    answers = _ask(lookup, store, asked, package)
    lookup.hooks.progress.stage("identity", prepared.rows_read)
    hits = hits_of(prepared.hashes, id_types, rows, identity.drops, answers.found)
    schema = lookup.inputs.schema
    rules = StoreRules(schema.identifiers, schema.matching_rules, lookup.request.options.forecast_reading())
    found = match_stored(identity, hits, prepared.key_hash, rules)
    record = _record(asked, answers, found, looked_up=len(chosen), of=len(going))
    if sample is None:
        policy = lookup.inputs.plan.identity.on_shared
        identity = hold_stored(identity, found, hits, policy, prepared.key_hash, rules)
    return identity, record


def _agree(lookup: Lookup, store: OpenTarget, asked: Asked, rows: int, of: int) -> None:
    """Show what it costs, and ask; the local emulator asks nothing."""
    target = store.target
    if target.emulator or not len(asked.row):
        return
    question = (
        f"Store {target.store_name} ({target.store_id}) on {target.host}: looking {rows:,} of {of:,} rows up costs up"
        f" to {len(asked.row):,} billable profile reads, one a value (a profile looked up is billed once a day). Go on?"
    )
    if not lookup.hooks.confirm(question):
        raise ConfigError(
            "not looked up, and nothing was sent: nobody agreed to billable reads",
            hint="give --yes, or --lookup-sample N, or leave --lookup out",
        )


def _ask(lookup: Lookup, store: OpenTarget, asked: Asked, package: PackageAccess) -> LookedUp:
    if store.emulator is not None:
        with suppress(TimeoutError):  # what is not applied by then is not found, as with the live service
            store.emulator.wait_idle(_IDLE_S)
    hooks, reads = lookup.hooks, lookup.request.reads
    hooks.progress.stage("look up", len(asked.row))
    ports = LookupPorts(store.client, lookup.clock, hooks.stop, hooks.stop.wait, hooks.progress)
    pace = Pace(reads.max_rps, seed=lookup.seed)
    return look_up_values(ports, asked, read_values(package), concurrency=reads.concurrency, pace=pace)


def _record(asked: Asked, answers: LookedUp, found: StoredMatches, *, looked_up: int, of: int) -> StoredLookup:
    by_type = pl.DataFrame({"id_type": pl.Series(asked.id_type, dtype=pl.String)})
    known = answers.found.unique(["id_type", "hash"])["id_type"].value_counts()
    return StoredLookup(
        rows=looked_up,
        of_rows=of,
        values=dict(by_type["id_type"].value_counts(sort=True).iter_rows()),
        known_values=dict(known.sort("id_type").iter_rows()),
        profiles=answers.found["profile"].n_unique(),
        known_rows=found.matches["payload"].n_unique(),
        merging_rows=len(found.merging),
        meeting_rows=len(found.meeting),
        unread=answers.unread,
        requests=answers.requests,
    )


def told(record: StoredLookup | None) -> tuple[str, ...]:
    """Say what was found, for the notes of a report."""
    if record is None:
        return (UNKNOWN,)
    found = (record.known_rows, record.merging_rows, record.meeting_rows)
    rest = f"; {record.unread:,} values could not be read" if record.unread else ""
    if record.rows == record.of_rows:
        known, merging, meeting = (f"{count:,}" for count in found)
        return (
            f"looked up in the store, all {record.rows:,} rows: {known} match a profile, {merging} would merge"
            f" profiles, {meeting} of different keys meet in one{rest}",
        )
    scale = record.of_rows / max(record.rows, 1)
    known, merging, meeting = (f"{count:,} (of all about {round(count * scale):,})" for count in found)
    return (
        f"looked up in the store, a sample of {record.rows:,} of {record.of_rows:,} rows: {known} match a profile,"
        f" {merging} would merge profiles, at least {meeting} of different keys meet in one; none is held for it{rest}",
    )
