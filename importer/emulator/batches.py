"""Writing the profiles of a batch, a Bulk body or some rows of an import, and what may befall them on the way."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from importer.emulator.backlog import Backlog
from importer.emulator.catalogue import Catalogue
from importer.emulator.database import Database
from importer.emulator.event_log import EventLog
from importer.emulator.identity import Identifier
from importer.emulator.ids import profile_id
from importer.emulator.operations import Event
from importer.emulator.problems import Code
from importer.emulator.switches import BULK, Effect, Switchboard
from importer.emulator.writing import Session, Writer

# Requests are served by another thread of this process: without a pause now and then each of its turns would wait
# for the interpreter's switch interval, and an answer would take a tenth of a second.
BREATH_PROFILES = 32
BREATH_S = 2e-5


@dataclass(frozen=True, slots=True)
class Parts:
    """What applying work needs."""

    database: Database
    catalogue: Catalogue
    writer: Writer
    backlog: Backlog
    switches: Switchboard
    log: EventLog


class BatchWriter:
    """Writes batches in a session; some of their profiles may be lost or refused, where a fault says so."""

    def __init__(self, parts: Parts) -> None:
        self._catalogue = parts.catalogue
        self._switches = parts.switches

    def write(self, session: Session, traits: list[dict[str, Any]], source: str, request_id: str) -> list[Event]:
        """Write profiles; return the warnings of identifiers that were skipped.

        Args:
            session: Where they are written.
            traits: One entry a profile.
            source: The operation that brought them.
            request_id: For the warnings.
        """
        kept = [entry for entry in traits if self._switches.take({Effect.DROP}, source) is None]
        schema = self._catalogue.schema
        identified = [(schema.read_identifiers(entry)[0], entry) for entry in kept]
        session.prefetch(identifier for identifiers, _ in identified for identifier in identifiers)
        skips: list[Event] = []
        for position, (identifiers, entry) in enumerate(identified):
            if position % BREATH_PROFILES == 0:
                time.sleep(BREATH_S)
            number, skipped = session.join(identifiers, entry, None)
            if skipped:
                skips.append(skip_event(number, skipped, request_id))
        return skips

    def refuse_late(self, profile_count: int) -> dict[int, int]:
        """Return the positions of a Bulk body that are refused although it was accepted, each with its error code."""
        taken = {position: self._switches.take({Effect.LATE_REFUSAL}, BULK) for position in range(profile_count)}
        return {at: int(switch.code or Code.BULK_UPSERT_FAILED) for at, switch in taken.items() if switch is not None}


def skip_event(number: int, skipped: tuple[Identifier, ...], request_id: str) -> Event:
    """Return the warning of identifiers that stay at another profile."""
    types = [identifier.id_type for identifier in skipped]
    return Event(Code.IDENTIFIER_SKIPPED, "an identifier clashes", request_id, profile_id(number), types)
