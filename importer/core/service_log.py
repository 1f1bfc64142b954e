"""Entries of the service's own log, and what those about one batch come to together.

Law: entries may come in any order, twice or not at all, and the result is the same for any order and any repetition.
Nothing of a message text is kept: it may quote values of a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PREFIX: Final = "com.twilio.memory."
"""Begins the type of every entry that the service's memory writes."""

BULK: Final = "traits.upserted.bulk"
IMPORT_ENDED: Final = "profiles.finished-import"
KINDS: Final = frozenset(
    {
        "profiles.created-import",
        "profiles.submitted-import",
        IMPORT_ENDED,
        BULK,
        "traits.upserted",
        "profile.created",
        "profile.deleted",
        "profiles.merged",
        "identity.added",
        "identity.updated",
        "identity.deleted",
        "traitgroups.created",
        "traitgroups.updated",
    }
)
"""Types of entries that are known, after `PREFIX`."""

IDENTIFIER_SKIPPED: Final = 520034
"""Code of a warning: an identifier was left out, everything else of the profile was applied."""

_PROFILE: Final = re.compile(r"#?/?profiles[/.\[](\d{1,7})(?:[/.\]]|$)")
_MOST_NAMED: Final = 1000
"""Profiles of one body."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry.

    Attributes:
        kind: Its type, after `PREFIX`; another type whole.
        request_id: ``twilio-request-id`` of the request that caused it.
        operation_id: Of the operation it belongs to.
        import_id: Of the import it belongs to.
        store_id: The store it speaks of.
        rows: Profiles that it speaks of, where it counts them.
        errors: Errors, where it counts them.
        warnings: Warnings, where it counts them.
        is_error: Something was not applied.
        is_warning: Something was applied otherwise than it was sent.
        named: Indices into the request's profiles that it says were refused, with the service's code.
    """

    kind: str
    request_id: str | None = None
    operation_id: str | None = None
    import_id: str | None = None
    store_id: str | None = None
    rows: int | None = None
    errors: int | None = None
    warnings: int | None = None
    is_error: bool = False
    is_warning: bool = False
    named: Mapping[int, int | None] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Tell whether its type is one that this version knows."""
        return self.kind in KINDS


def read_entries(parsed: object) -> Iterator[LogEntry | None]:
    """Read what a line of a log held: an event in its envelope, an entry without one, or a list of them.

    Yields:
        None for what is no entry of a log.
    """
    for event in parsed if isinstance(parsed, list) else [parsed]:
        yield _entry(event) if isinstance(event, dict) else None


def _entry(event: Mapping[str, Any]) -> LogEntry | None:
    data = event.get("data")
    entry: Mapping[str, Any] = data if isinstance(data, dict) else event
    kind = _text(entry, "eventType", "event_type", "type") or _text(event, "type")
    if kind is None:
        return None
    found = entry.get("body")
    body: Mapping[str, Any] = found if isinstance(found, dict) else {}
    level = (_text(entry, "level") or "").upper()
    code = _count(entry, "errorCode", "error_code") or 0
    skipped = code == IDENTIFIER_SKIPPED
    status = _text(body, "status") if kind.endswith(IMPORT_ENDED) else None
    listed = body.get("error_list")
    return LogEntry(
        kind=kind.removeprefix(PREFIX),
        request_id=_text(entry, "requestId", "request_id") or _text(body, "requestId", "request_id"),
        operation_id=_text(entry, "operationId") or _text(body, "operation_id", "operationId"),
        import_id=_text(entry, "importId") or _text(body, "import_id", "importId"),
        store_id=_text(body, "store_id", "storeId"),
        rows=_count(body, "profile_count", "profileCount"),
        errors=_count(body, "error_count", "errors", "errorCount"),
        warnings=_count(body, "warning_count", "warnings", "warningCount"),
        is_error=level in ("ERROR", "FATAL") or (code != 0 and not skipped) or status not in (None, "COMPLETED"),
        is_warning=level in ("WARNING", "WARN") or skipped,
        named=_named(listed) if isinstance(listed, list) and level != "WARNING" else {},
    )


def _named(listed: list[object]) -> dict[int, int | None]:
    named: dict[int, int | None] = {}
    for error in listed[:_MOST_NAMED]:
        if not isinstance(error, dict):
            continue
        code = _count(error, "error_code", "errorCode")
        found = _PROFILE.match(_text(error, "pointer") or "")
        if found is not None and code != IDENTIFIER_SKIPPED:
            named[int(found.group(1))] = code
    return named


def _text(entry: Mapping[str, Any], *names: str) -> str | None:
    return next((value for name in names if isinstance(value := entry.get(name), str) and value), None)


def _count(entry: Mapping[str, Any], *names: str) -> int | None:
    values = (entry.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), None)


@dataclass(slots=True)
class BatchLog:
    """What the log says of one batch; the worst of each where entries differ.

    Attributes:
        has_ended: The entry came that closes it: of its Bulk request, or of its import.
        rows: Profiles that the request had, where the log counts them.
        errors: Errors, None while no closing entry counted them.
        warnings: Warnings, likewise.
        has_errors: Some entry is an error.
        has_warnings: Some entry is a warning.
        named: Indices into the request's profiles that were refused, with the service's code.
    """

    has_ended: bool = False
    rows: int | None = None
    errors: int | None = None
    warnings: int | None = None
    has_errors: bool = False
    has_warnings: bool = False
    named: dict[int, int | None] = field(default_factory=dict)

    def add(self, entry: LogEntry) -> None:
        """Take an entry about this batch."""
        self.has_errors |= entry.is_error or bool(entry.errors)
        self.has_warnings |= entry.is_warning or bool(entry.warnings)
        for index, code in entry.named.items():
            known = self.named.get(index)
            self.named[index] = code if known is None else min(known, code or known)
        if entry.kind in (BULK, IMPORT_ENDED):
            self.has_ended = True
            self.rows = _most(self.rows, entry.rows)
            self.errors = _most(self.errors, entry.errors)
            self.warnings = _most(self.warnings, entry.warnings)

    def is_clean(self, sent: int) -> bool:
        """Tell whether the log says that all rows were applied without an error or a warning.

        Args:
            sent: Rows that the request had.
        """
        counted = self.has_ended and self.errors == 0 and self.warnings == 0 and self.rows in (None, sent)
        return counted and not (self.has_errors or self.has_warnings)

    def names_all(self, sent: int) -> bool:
        """Tell whether the log names every row that was refused, so that all others were applied.

        Args:
            sent: Rows that the request had.
        """
        whole = self.has_ended and self.warnings == 0 and not self.has_warnings and self.rows in (None, sent)
        return whole and bool(self.named) and self.errors == len(self.named) and max(self.named) < sent


def _most(one: int | None, other: int | None) -> int | None:
    known = [count for count in (one, other) if count is not None]
    return max(known, default=None)
