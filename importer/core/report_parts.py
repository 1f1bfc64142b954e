"""The parts of a run's report, counts and names alone: routes, merge groups, cost, source, mapping, store, error."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Counts = dict[str, Count]


def _legible(name: object) -> object:
    """Replace lone surrogates, which a file's name may hold and JSON may not."""
    return name.encode("utf-8", "replace").decode() if isinstance(name, str) else name


FileName = Annotated[str, BeforeValidator(_legible)]


class Part(BaseModel):
    """A part of `report.json`; not changed once it is made."""

    # Every key is always written, so the published schema may promise it.
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class RouteReport(Part):
    """What goes, or went, by one route (`bulk`, `import`, `bulk+patch`, `bulk+identifiers`).

    Attributes:
        rows: Rows sent or planned.
        requests: HTTP requests that carry them; retries not counted.
        parts: Import files; 0 for the other routes.
        bytes: Size of the bodies or files.
        reasons: Why the rows go this way, rows by reason.
        sent_rows: Rows that left so far; a row that is sent again counts again. None where that was not looked up.
        sent_requests: Batches and parts they left with, their pieces where the service wanted smaller ones.
    """

    rows: Count = 0
    requests: Count = 0
    parts: Count = 0
    bytes: Count = 0
    reasons: Counts = Field(default_factory=dict)
    sent_rows: Count | None = None
    sent_requests: Count | None = None


class DeliveryTimes(Part):
    """When rows were sent, by whatever commands; times of the service's answers, UTC, ISO 8601.

    Attributes:
        started_at: First answer to a request that carried or prepared rows.
        finished_at: The last one so far.
    """

    started_at: str
    finished_at: str


class MergeGroups(Part):
    """Groups of rows that the service may make into one profile.

    Attributes:
        groups: Number of groups.
        rows: Rows in them.
        single: Groups of one row, which would merge profiles of the store; the others merge rows.
        held: Groups held back.
        held_rows: Rows held with them; what else is held has no group, and nothing releases it.
        decided: Held groups that somebody decided to hold, now or in an earlier run; only its own number releases one.
        allowed: Groups allowed or released.
        chains: Groups in which no one value is in all of their keys (without key columns: rows).
        hubs: Groups in which one value is in three rows or more.
        largest: Rows of the five largest groups.
        reading: Of a clash, under which `profiles` is forecast: ``merge``, ``first-match`` or ``skip``.
        profiles: Profiles the groups would become; less than one each is never right, so a group counts at least once.
    """

    groups: Count = 0
    rows: Count = 0
    single: Count = 0
    held: Count = 0
    held_rows: Count = 0
    decided: Count = 0
    allowed: Count = 0
    chains: Count = 0
    hubs: Count = 0
    largest: tuple[Count, ...] = ()
    reading: str = "merge"
    profiles: Count = 0


class Operations(Part):
    """Billable operations, a range where the number is not known beforehand.

    At least: each row that was taken, or would be sent, once. At most: also rows of which nobody knows whether they
    were applied, a merge for each row of a merge group, and each removal that follows a row's values.

    Attributes:
        at_least: Operations at least.
        at_most: Operations at most.
        reads_at_least: Reads of profiles, which are billed apart, once a profile and day: `--lookup`, lookups before
            removals, and reading back.
        reads_at_most: The same, where every identifier of a row is asked for.
    """

    at_least: Count = 0
    at_most: Count = 0
    reads_at_least: Count = 0
    reads_at_most: Count = 0


class Allowance(Part):
    """The free operations of a month, what of them is used, and what a run still adds.

    "Used" is what the ledgers of this runs folder tell of live stores, whatever the store; other tools and other
    folders are not in it. "At most" takes reads in: whether they count toward the free operations is not documented.

    Attributes:
        month: Calendar month, ``YYYY-MM``, UTC.
        free: Free operations of a month (``--free-operations``).
        used_at_least: Operations of this month so far, those of this run among them.
        used_at_most: The same at most, with reads.
        coming_at_least: Operations of what the run has not sent yet.
        coming_at_most: The same at most, with reads.
        beyond_at_least: Used and coming beyond the free ones.
        beyond_at_most: The same at most.
        runs: Runs that used some.
        unread: Runs of the month whose ledger could not be read: they are not in it.
    """

    month: str
    free: Count
    used_at_least: Count = 0
    used_at_most: Count = 0
    coming_at_least: Count = 0
    coming_at_most: Count = 0
    beyond_at_least: Count = 0
    beyond_at_most: Count = 0
    runs: Count = 0
    unread: Count = 0


class Target(Part):
    """The store that rows go to; `emulator` when it is the local service."""

    store_id: str | None
    store_name: str | None = None
    host: str | None = None
    emulator: bool = False


class SourceReport(Part):
    """What was read, and what was sniffed about it.

    Attributes:
        files: Names, in reading order.
        kind: See `importer.ports.SourceDescription`.
        encoding: Of a text source.
        delimiter: Of a text source.
        columns: Names of the columns read.
        notes: What was sniffed or left out.
    """

    files: tuple[FileName, ...]
    kind: str
    encoding: str | None = None
    delimiter: str | None = None
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class MappingReport(Part):
    """The mapping that was used; `fingerprint` is a hash over its content."""

    name: FileName
    fingerprint: str | None = None


class ErrorReport(Part):
    """Why a run ended early: what happened, what to do, and the list where there are several problems."""

    message: str
    hint: str = ""
    problems: tuple[str, ...] = ()
