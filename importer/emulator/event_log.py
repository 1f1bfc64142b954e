"""The service's own log as a file: one event a line, in the envelope in which Event Streams delivers."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from importer.emulator.database import PRIVATE_FILE
from importer.emulator.operations import now_us, show_millis
from importer.emulator.problems import MORE_INFO, Code

_PREFIX = "com.twilio.memory."
_SCHEMA = "https://events-schemas.twilio.com/Memory.LogEntry/1"
_SOURCE = "conversation-memory"


class EventType(StrEnum):
    """What an event tells of; the names are the service's, after their common beginning."""

    IMPORT_CREATED = "profiles.created-import"
    IMPORT_SUBMITTED = "profiles.submitted-import"
    IMPORT_FINISHED = "profiles.finished-import"
    BULK_UPSERTED = "traits.upserted.bulk"
    PROFILE_CREATED = "profile.created"
    TRAITS_UPSERTED = "traits.upserted"
    PROFILES_MERGED = "profiles.merged"
    PROFILE_DELETED = "profile.deleted"
    IDENTIFIER_ADDED = "identity.added"
    IDENTIFIER_UPDATED = "identity.updated"
    IDENTIFIER_DELETED = "identity.deleted"
    TRAIT_GROUP_CREATED = "traitgroups.created"
    TRAIT_GROUP_UPDATED = "traitgroups.updated"


class Told(NamedTuple):
    """One event before it is written down. Nothing in it is a value of a trait or an identifier.

    Attributes:
        type: What it tells of.
        request_id: The request (an import's batch) that caused it.
        body: What belongs to its type; members that are None are left out.
        code: 0, or what went wrong.
        reason: What went wrong, in words.
        pointer: The profile of the request that it speaks of, where that may be told.
    """

    type: EventType
    request_id: str
    body: Mapping[str, Any]
    code: int = 0
    reason: str | None = None
    pointer: str | None = None


class EventLog:
    """Appends to a file of mode 0600; without one it does nothing.

    Args:
        path: The file; None keeps no log.
        store_id: The store all events belong to.
        pointers: Whether events name profiles of a request.
    """

    def __init__(self, path: Path | None, store_id: str, *, pointers: bool) -> None:
        self.is_kept = path is not None
        self._store_id = store_id
        self._pointers = pointers
        self._count = 0
        self._guard = threading.Lock()
        self._file = None if path is None else _open(path)

    def write(self, events: Iterable[Told]) -> None:
        """Append events; they are in the file when this returns."""
        if self._file is None:
            return
        with self._guard:
            lines = [orjson.dumps(self._build(event), option=orjson.OPT_APPEND_NEWLINE) for event in events]
            self._file.write(b"".join(lines))
            self._file.flush()

    def _build(self, event: Told) -> dict[str, Any]:
        self._count += 1
        at_us = now_us()
        name, time = f"{at_us // 1000}-{self._count:08x}", show_millis(at_us)
        body: dict[str, Any] = {"store_id": self._store_id, "interface_type": "API"}
        body |= {key: value for key, value in event.body.items() if value is not None}
        if event.code:
            body["error_list"] = [self._describe(event)]
        kind = _PREFIX + event.type
        data = {
            "logId": name,
            "eventTime": time,
            "source": _SOURCE,
            "eventType": kind,
            "level": _level(event.code),
            "errorCode": event.code,
            "errorReason": event.reason,
            "requestId": event.request_id,
            "correlationId": event.body.get("import_id") or event.request_id,
            "body": body,
        }
        return {
            "specversion": "1.0",
            "type": kind,
            "source": f"/v1/Stores/{self._store_id}",
            "id": name,
            "dataschema": _SCHEMA,
            "datacontenttype": "application/json",
            "time": time,
            "data": data,
        }

    def _describe(self, event: Told) -> dict[str, Any]:
        kind = "IdentityWarning" if event.code == Code.IDENTIFIER_SKIPPED else "IngestError"
        entry = {"error_code": event.code, "error_type": kind, "description": event.reason}
        entry["more_info"] = f"{MORE_INFO}{event.code}"
        if self._pointers and event.pointer is not None:
            entry["pointer"] = event.pointer
        return entry

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _level(code: int) -> str:
    if not code:
        return "INFO"
    return "WARNING" if code == Code.IDENTIFIER_SKIPPED else "ERROR"


def _open(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
    os.fchmod(descriptor, PRIVATE_FILE)  # a umask can take bits away, and a file that was there can have others
    return os.fdopen(descriptor, "ab")
