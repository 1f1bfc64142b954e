"""One emulated store with all its parts, and what an endpoint gets and gives."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from importer.emulator.apply import Applier
from importer.emulator.backlog import Backlog
from importer.emulator.batches import Parts
from importer.emulator.catalogue import Catalogue
from importer.emulator.database import Database
from importer.emulator.event_log import EventLog
from importer.emulator.paging import Pager
from importer.emulator.settings import EmulatorSettings
from importer.emulator.sigv4 import Signer
from importer.emulator.switches import Effect, Switchboard
from importer.emulator.worker import Worker
from importer.emulator.writing import Writer

JOURNAL_ENTRIES = 200_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request that satisfies the contract."""

    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any
    raw: bytes
    request_id: str
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Journal:
    """Every request served, for tests: no bodies, no query strings, no credentials."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=JOURNAL_ENTRIES)
        self._count = 0
        self._guard = threading.Lock()

    def add(self, method: str, path: str, status: int, size_bytes: int, profile_count: int) -> None:
        """Append one request."""
        with self._guard:
            self._count += 1
            self._entries.append(
                {
                    "sequence": self._count,
                    "method": method,
                    "path": path,
                    "status": status,
                    "size_bytes": size_bytes,
                    "profile_count": profile_count,
                }
            )

    def entries(self) -> list[dict[str, Any]]:
        """Return a copy, oldest first."""
        with self._guard:
            return [dict(entry) for entry in self._entries]


class Service:
    """The parts behind both ports; the URLs are known only when the sockets are bound."""

    def __init__(self, database: Database, settings: EmulatorSettings, api_url: str, bucket_host: str) -> None:
        self.settings = settings
        self.database = database
        self.api_url = api_url
        self.bucket_host = bucket_host
        secret = _read_secret(database)
        self.catalogue = Catalogue(database)
        self.writer = Writer(database, self.catalogue, settings.clash)
        self.backlog = Backlog(database, settings.apply_delay_s)
        self.switches = _switch_on(settings)
        self.log = EventLog(settings.events, settings.store_id, pointers=settings.error_pointers)
        parts = Parts(database, self.catalogue, self.writer, self.backlog, self.switches, self.log)
        self.worker = Worker(self.backlog, Applier(parts))
        self.pager = Pager(secret)
        self.signer = Signer("AKIA" + secret.hex()[:16].upper(), secret.hex())
        self.journal = Journal()
        # Each database is a store of its own, also under an ID that another one has.
        self.identity = f"emulator-{hashlib.sha256(b'identity:' + secret).hexdigest()[:26]}"


def _switch_on(settings: EmulatorSettings) -> Switchboard:
    switches = Switchboard()
    if settings.drop_every is not None:
        switches.add({"fault": Effect.DROP.value, "every": settings.drop_every})
    for specification in settings.faults:
        switches.add(specification)
    return switches


def _read_secret(database: Database) -> bytes:
    with database.writing_front() as connection:
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('secret', ?)", (secrets.token_bytes(32),))
    ((secret,),) = database.query("SELECT value FROM meta WHERE key = 'secret'")
    return bytes(secret)
