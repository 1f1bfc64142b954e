"""The sync file: what is kept in step with what, as a frozen value of what a person wrote."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from importer.core import mapping_checks as checks
from importer.core.sync_brakes import Brakes
from importer.core.yaml_model import FileFormat, find_line, ordered, read_model
from importer.errors import Problem, SyncFileError

SYNC_VERSION: Final = 1
"""The version of the file format that this program reads."""

CURSOR: Final = "$cursor"
"""Stands in a query for the value that the rows to be read begin with."""

_DURATION: Final = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,7})h)?(?:(\d{1,8})m)?(?:(\d{1,9})s)?")
"""So many digits that one can always be taken from a moment of today."""
_SECONDS: Final = (86_400, 3_600, 60, 1)


class Mode(StrEnum):
    """What a row that the source gives, or does not give any more, means."""

    FULL = "full"
    """The source gives all rows; what changed is sent, nothing is removed."""
    UPSERT = "upsert"
    """The source gives some rows; those it does not give say nothing."""
    MIRROR = "mirror"
    """The source gives all rows; what is gone from it goes from the store."""


class RemovalPolicy(StrEnum):
    """What becomes of a profile whose key is gone from the source."""

    DELETE = "delete"
    NONE = "none"


class HandedOn(StrEnum):
    """Who has an identifier now that was delivered under a key that is gone."""

    HOLD = "hold"
    """Nobody knows: somebody is asked (`sync decide`)."""
    REMOVED = "removed"
    """Always somebody else: the profile of the key that is gone goes, then the row is sent."""
    RENAMED = "renamed"
    """Always the same person under a new key, where only one has it and the key is new."""


_AT_ODDS: Final = (RemovalPolicy.NONE, HandedOn.REMOVED)


def _check_duration(text: str) -> str:
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise checks.refuse(f"{checks.quoted(text)} is not a time", "for example 90s, 10m, 2h or 1d12h")
    return text


def _seconds(text: str) -> int:
    found = _DURATION.fullmatch(text)
    parts = found.groups() if found is not None else ()
    return sum(int(part or 0) * unit for part, unit in zip(parts, _SECONDS, strict=True))


Text = Annotated[str, Field(min_length=1)]
Words = Annotated[
    tuple[Text, ...], Field(min_length=1), BeforeValidator(checks.as_tuple, json_schema_input_type=str | list[str])
]
Percent = Annotated[float, Field(ge=0, le=100)]
Duration = Annotated[str, AfterValidator(_check_duration)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CursorSection(_Section):
    """How a run asks only for rows that changed since the last one."""

    column: Text = Field(description="Column of the query by which rows are asked for: a moment or a number.")
    lag: Duration = Field(
        "0s", description="How much further back than the highest moment seen a run asks: 90s, 10m, 2h, 1d."
    )
    start: Text = Field(
        "0001-01-01T00:00:00+00:00", description="Bound to $cursor where everything is to be read; 0 for numbers."
    )

    @property
    def lag_s(self) -> int:
        """The lag in seconds."""
        return _seconds(self.lag)


class RemovalSection(_Section):
    """What mode mirror may remove."""

    policy: RemovalPolicy = Field(
        RemovalPolicy.DELETE, strict=False, description="Delete profiles of keys that are gone, or leave them."
    )
    handed_on: HandedOn = Field(
        HandedOn.HOLD,
        strict=False,
        description="A new row has an identifier of a key that is gone: hold both until somebody decides, or take the"
        " key to be another person who was removed, or the same one who was renamed.",
    )
    max: int = Field(100, ge=0, description="So many removals at most in one run; more than that, and it stops.")
    max_percent: Percent = Field(1, description="The same, of the keys delivered; whichever allows more counts.")


class BrakesSection(_Section):
    """When a run stops before it sends."""

    max_changed_percent: Percent = Field(50, description="Of the keys delivered before, so many may have changed.")
    max_row_drop_percent: Percent = Field(20, description="The source may have this much fewer rows than before.")
    max_operations: int = Field(200_000, ge=0, description="A run may cost so many billable operations and reads.")
    max_rejected_percent: Percent = Field(10, description="Of the rows read, so many may be rejected.")
    allow_empty: bool = Field(default=False, description="A source without rows is fine.")


class KeepSection(_Section):
    """How long runs stay on the disk: the reports of a sync that nobody looks after must not fill it."""

    runs: int = Field(300, ge=1, description="So many runs stay at most: their reports, rejected rows and ledgers.")
    age: Duration = Field("30d", description="Older ones go. The last run that was sent stays in any case.")

    @property
    def age_s(self) -> int:
        """The age in seconds."""
        return _seconds(self.age)


class SyncFile(_Section):
    """A whole sync file.

    Attributes:
        version: Of the file format.
        query: Or ``@FILE``.
        mapping: Its `source.key` is the key.
    """

    version: Literal[1] = Field(description="Version of the sync file format: 1.")
    source: Words = Field(description="Path, pattern, s3:// address, database address or env:NAME; or a list of files.")
    query: Text | None = Field(None, description="What is read of a database: SQL, or @FILE for a file that has it.")
    parameters: tuple[str, ...] = Field((), strict=False, description="Texts bound to the query's parameters.")
    mapping: Text = Field(description="Mapping file; it names the key columns (source.key).")
    store: Annotated[str, AfterValidator(checks.check_store_id)] | None = Field(
        None, description="The store; --store or MEMORY_STORE_ID if not given."
    )
    mode: Mode = Field(strict=False, description="full, upsert or mirror.")
    cursor: CursorSection | None = Field(None, description="Mode upsert: ask only for rows that changed.")
    removal: RemovalSection | None = Field(None, description="Mode mirror: what may be removed.")
    brakes: BrakesSection = Field(default_factory=BrakesSection, description="When a run stops before it sends.")
    refused_runs: int = Field(3, ge=1, description="A row that was refused in so many runs waits until it changes.")
    keep: KeepSection = Field(default_factory=KeepSection, description="How long runs stay on the disk.")

    def brakes_of(self) -> Brakes:
        """Return the brakes of the sync."""
        removal = self.removal or RemovalSection()
        return Brakes(
            max_row_drop_percent=self.brakes.max_row_drop_percent,
            max_changed_percent=self.brakes.max_changed_percent,
            max_rejected_percent=self.brakes.max_rejected_percent,
            max_removals=removal.max,
            max_removals_percent=removal.max_percent,
            max_operations=self.brakes.max_operations,
            allow_empty=self.brakes.allow_empty,
        )

    def reading(self, query: str, mapping: str) -> str:
        """Return a hash over what is read and what is made of it: where it moves, a cursor begins anew.

        Args:
            query: The query itself; empty without.
            mapping: Fingerprint of the mapping.
        """
        cursor = self.cursor.model_dump(exclude={"lag"}) if self.cursor is not None else None
        meaning = [self.source, query, self.parameters, cursor, mapping]
        return hashlib.blake2b(orjson.dumps(meaning), digest_size=16).hexdigest()


_FORMAT: Final = FileFormat(
    noun="sync file",
    model=SyncFile,
    version=SYNC_VERSION,
    sections={"cursor": CursorSection, "removal": RemovalSection, "brakes": BrakesSection, "keep": KeepSection},
    needed={
        "version": f"add `version: {SYNC_VERSION}` as the first line",
        "source": "add `source:` with a path, or a database and a `query:`",
        "mapping": "add `mapping:` with the path of a mapping file",
        "mode": "add `mode: full`, `upsert` or `mirror`",
        "column": "add `column:` with the column that says when a row changed",
    },
    keys="a sync file has keys: version, source, mapping, mode, ...",
    doubt="is this the source? a sync file names it",
    see="see docs/sync.md",
    error=SyncFileError,
)


def parse_sync_file(text: bytes, name: str) -> SyncFile:
    """Read a sync file.

    Args:
        text: The file's bytes.
        name: What the file is called in messages.

    Raises:
        SyncFileError: It is refused; ``problems`` has every fault found, in the order of their lines.
    """
    read = read_model(text, name, _FORMAT)
    conflicts = (Problem(find_line(read.lines, (key,)), cause, fix) for key, cause, fix in _conflicts(read.model))
    problems = [*read.problems, *conflicts]
    if problems:
        raise SyncFileError(ordered(problems), name=name)
    return read.model


def _conflicts(sync: SyncFile) -> Iterator[tuple[str, str, str]]:
    """Yield key, cause and fix of what does not go together."""
    mode = sync.mode.value
    if sync.cursor is not None and sync.mode is not Mode.UPSERT:
        why = ": it would take rows that did not change for rows that are gone" if sync.mode is Mode.MIRROR else ""
        yield "cursor", f"mode {mode} reads all rows and takes no `cursor`{why}", "take it out, or write `mode: upsert`"
    if sync.cursor is not None and sync.query is None:
        yield "cursor", "`cursor` needs a `query`", f"add a query with {CURSOR} in it, or take `cursor` out"
    if sync.removal is not None and sync.mode is not Mode.MIRROR:
        yield "removal", f"mode {mode} removes nothing", "take `removal` out, or write `mode: mirror`"
    elif sync.removal is not None and (sync.removal.policy, sync.removal.handed_on) == _AT_ODDS:
        yield "removal", "`policy: none` removes nothing, and `handed_on: removed` would", "take one of the two out"
    if sync.parameters and sync.query is None:
        yield "parameters", "`parameters` are those of a `query`", "add `query`, or take them out"
    if sync.query is not None and not sync.query.startswith("@"):
        fault = cursor_fault(sync, sync.query)
        if fault is not None:
            yield "query", *fault


def cursor_fault(sync: SyncFile, query: str) -> tuple[str, str] | None:
    """Return what is wrong between a query and the cursor, cause and fix; None where nothing is."""
    has = CURSOR in query
    if has and sync.cursor is None:
        return f"the query has {CURSOR}, and there is no `cursor`", "add `cursor: {column: ...}`"
    if not has and sync.cursor is not None:
        return f"the query has no {CURSOR}", f"add a condition such as `WHERE {sync.cursor.column} >= {CURSOR}`"
    return None


def sync_file_schema() -> dict[str, object]:
    """Return a JSON Schema of sync files, for editors."""
    schema = SyncFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "memory-importer sync file"} | schema
