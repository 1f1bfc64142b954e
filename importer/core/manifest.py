"""What a run was made from and of: everything that sending and reporting need once the source is packaged.

With this and the package, `resume`, `retry` and `verify` need neither the source nor the mapping.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from importer.core.filled import FilledSet
from importer.core.forecast import Reading
from importer.core.schema import DataType
from importer.core.stored_lookup import StoredLookup
from importer.core.sync_counts import Removals, SyncCounts
from importer.core.wire import WireTrait

MANIFEST_VERSION: Final = 1


class Stage(StrEnum):
    """How far a run has come."""

    PACKAGING = "packaging"
    PLANNED = "planned"
    SENDING = "sending"
    FINISHED = "finished"
    CHECKED = "checked"
    """A dry run: nothing can be sent from it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(_Frozen):
    """Where the rows go.

    Attributes:
        emulator: The local service in this process.
        database: Which database a local service keeps the store in: another one is another store, whatever its ID.
            Empty for the live service, whose IDs name one store each.
    """

    store_id: str
    store_name: str
    host: str
    api_url: str
    emulator: bool = False
    database: str = ""

    @property
    def identity(self) -> tuple[str, str, bool, str]:
        """What two runs to the same store have in common, whatever the port."""
        return self.store_id, self.host, self.emulator, self.database


class SourceRecord(_Frozen):
    """The source as it was read.

    Attributes:
        stamps: Size, time of change and inode of each file, to tell whether it is still the same.
        options: How it was read, by field name of `SourceOptions`.
        fingerprint: Hash over its content; empty until it was read, and of a run that sends nothing.
    """

    spec: tuple[str, ...]
    stamps: tuple[str, ...] = ()
    options: dict[str, str | int | bool | tuple[str, ...] | None] = Field(default_factory=dict)
    kind: str
    files: tuple[str, ...]
    columns: tuple[str, ...]
    fingerprint: str
    encoding: str | None = None
    delimiter: str | None = None
    notes: tuple[str, ...] = ()


class TraitRecord(_Frozen):
    """One trait as the encoder sees it."""

    ref: str
    group: str
    name: str
    data_type: DataType
    id_type: str | None = None
    removable: bool = False
    clears: bool = False
    further: bool = False

    @classmethod
    def of(cls, trait: WireTrait) -> Self:
        """Take a wire trait down."""
        return cls(
            ref=trait.ref,
            group=trait.group,
            name=trait.name,
            data_type=trait.data_type,
            id_type=trait.id_type,
            removable=trait.removable,
            clears=trait.clears,
            further=trait.further,
        )

    def wire(self) -> WireTrait:
        """Return the wire trait."""
        return WireTrait(
            self.ref,
            self.group,
            self.name,
            self.data_type,
            self.id_type,
            self.removable,
            self.clears,
            self.further,
        )


class RunOptions(_Frozen):
    """Options that decide what is sent; kept, so that a resumed run decides the same.

    Attributes:
        fixes: Arguments of ``--fix``.
        free_operations: Operations of a month that cost nothing.
        max_operations: Send nothing that may cost more billable operations than this; None for no such limit.
        reading: Under which the profiles of merge groups are forecast, a `Reading`; what is held does not depend on it.
        lookup: Look all rows up in the store before they are planned.
        lookup_sample: Look so many of them up instead.
    """

    via: str = "auto"
    part_rows: int = 50_000
    import_min_rows: int = 50_000
    limit: int | None = None
    allow_merges: int = 0
    max_rejected_percent: float = 10.0
    fixes: tuple[str, ...] = ()
    free_operations: int = 100_000
    max_operations: int | None = None
    reading: str = Reading.MERGE.value
    lookup: bool = False
    lookup_sample: int | None = None

    def forecast_reading(self) -> Reading:
        """Return the reading.

        Raises:
            ValueError: it is none.
        """
        return Reading(self.reading)


class RouteCounts(_Frozen):
    """What was put in the send order by one route.

    Attributes:
        rows: Rows.
        batches: Batches or parts.
        size_bytes: Upper bound of their size.
        reasons: Rows by reason.
    """

    rows: int = 0
    batches: int = 0
    size_bytes: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)

    def plus(self, other: RouteCounts) -> RouteCounts:
        """Add what a later round put in the order."""
        reasons = dict(self.reasons)
        for reason, count in other.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        return RouteCounts(
            rows=self.rows + other.rows,
            batches=self.batches + other.batches,
            size_bytes=self.size_bytes + other.size_bytes,
            reasons=reasons,
        )


class Counts(_Frozen):
    """What reading, deciding and routing counted.

    Attributes:
        early: Rows by the state in which reading them ended: rejected, skipped; None for a run of an older version.
    """

    rows_read: int = 0
    early: dict[str, int] | None = None
    issues: dict[str, int] = Field(default_factory=dict)
    warnings: dict[str, int] = Field(default_factory=dict)
    repairs: dict[str, int] = Field(default_factory=dict)
    cleared: dict[str, int] = Field(default_factory=dict)
    removed: dict[str, int] = Field(default_factory=dict)
    constant: dict[str, int] = Field(default_factory=dict)
    routes: dict[str, RouteCounts] = Field(default_factory=dict)


class RunManifest(_Frozen):
    """The record of one run, kept as ``run.json``.

    Attributes:
        sequence: Number among the runs of its folder, whatever the clock said; None for a run of an older version.
        working_folder: Where the command was given: source and mapping are named from there.
        sets: Filled sets by number: filled traits, removed traits.
        carried_sets: Numbers of those whose values the CSV flow carries; none where nobody looked.
        stored: What `--lookup` found; None where nothing was looked up.
        sync: What a sync found its keys to be; None in any other run.
        removals: What became of profiles whose keys are gone from the source; None where nothing is to be removed.
    """

    version: int = MANIFEST_VERSION
    run_id: str
    command: str
    created_at: str
    sequence: int | None = None
    working_folder: str = "."
    stage: Stage
    target: Target
    source: SourceRecord
    mapping_name: str
    mapping_fingerprint: str
    schema_fingerprint: str
    encoder_version: int
    key: tuple[str, ...]
    traits: tuple[TraitRecord, ...]
    sets: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    carried_sets: tuple[int, ...] = ()
    options: RunOptions = Field(default_factory=RunOptions)
    counts: Counts = Field(default_factory=Counts)
    stored: StoredLookup | None = None
    sync: SyncCounts | None = None
    removals: Removals | None = None
    notes: tuple[str, ...] = ()

    def filled_sets(self) -> tuple[FilledSet, ...]:
        """Return the filled sets by number."""
        carried = set(self.carried_sets)
        return tuple(FilledSet(*traits, number in carried) for number, traits in enumerate(self.sets))

    def wire_traits(self) -> tuple[WireTrait, ...]:
        """Return the traits as the encoder sees them."""
        return tuple(trait.wire() for trait in self.traits)

    def with_sets(self, sets: tuple[FilledSet, ...]) -> Self:
        """Return the manifest with its filled sets."""
        carried = tuple(number for number, entry in enumerate(sets) if entry.carried)
        return self.model_copy(
            update={"sets": tuple((entry.filled, entry.removed) for entry in sets), "carried_sets": carried}
        )
