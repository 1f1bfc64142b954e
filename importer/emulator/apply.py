"""Applying accepted work: each piece becomes one transaction that also ends its operation."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag

import orjson

from importer.emulator import import_tasks, lineage, operations
from importer.emulator.apply_import import apply_import
from importer.emulator.backlog import Kind, Work
from importer.emulator.batches import BatchWriter, Parts, skip_event
from importer.emulator.event_log import EventType, Told
from importer.emulator.identity import Identifier
from importer.emulator.ids import profile_id
from importer.emulator.operations import Event, Tally
from importer.emulator.problems import Code
from importer.emulator.switches import BULK
from importer.emulator.writing import Session

NOTHING_WRONG = Tally()
WRITTEN = {
    Kind.TRAITS: EventType.TRAITS_UPSERTED,
    Kind.DELETE_PROFILE: EventType.PROFILE_DELETED,
    Kind.ADD_IDENTIFIER: EventType.IDENTIFIER_ADDED,
    Kind.REPLACE_IDENTIFIER: EventType.IDENTIFIER_UPDATED,
    Kind.REMOVE_IDENTIFIERS: EventType.IDENTIFIER_DELETED,
    Kind.CREATE_GROUP: EventType.TRAIT_GROUP_CREATED,
    Kind.PATCH_GROUP: EventType.TRAIT_GROUP_UPDATED,
}
"""What the log tells of work on one thing."""


class Applier:
    """Applies one piece of work at a time, on the worker's connection."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database
        self._catalogue = parts.catalogue
        self._writer = parts.writer
        self._backlog = parts.backlog
        self._log = parts.log
        self._batches = BatchWriter(parts)
        self._actions: dict[Kind, Callable[[Work], None]] = {
            Kind.BULK: self._apply_bulk,
            Kind.TRAITS: self._apply_traits,
            Kind.DELETE_PROFILE: self._delete_profile,
            Kind.ADD_IDENTIFIER: self._add_identifier,
            Kind.REPLACE_IDENTIFIER: self._replace_identifier,
            Kind.REMOVE_IDENTIFIERS: self._remove_identifiers,
            Kind.CREATE_GROUP: self._change_group,
            Kind.PATCH_GROUP: self._change_group,
        }

    def apply(self, work: Work, stopping: Flag) -> None:
        """Apply and close one piece of work; an import gives up between chunks when stopping."""
        try:
            if work.kind is Kind.IMPORT:
                apply_import(self._parts, self._batches, work, stopping)
            else:
                self._actions[work.kind](work)
        except (sqlite3.Error, ValueError, KeyError, TypeError, OSError) as error:
            # Work that cannot be applied must not block all that comes after it.
            with self._database.writing_back() as connection:
                detail = f"internal error ({type(error).__name__})"
                operations.fail_operation(connection, work.operation_id, Code.INTERNAL, detail)
                if work.kind is Kind.IMPORT:
                    import_tasks.finish(connection, str(work.subject), failed=True, tally=Tally(errors=1))
                self._backlog.close(connection, work)

    @contextmanager
    def _closing(self, work: Work, session: Session, tally: Tally = NOTHING_WRONG) -> Iterator[sqlite3.Connection]:
        """Store a session and the end of its work together; the body may add statements."""
        with self._database.writing_back() as connection:
            session.flush(connection)
            yield connection
            operations.complete_operation(connection, work.operation_id, tally)
            self._backlog.close(connection, work)

    def _apply_bulk(self, work: Work) -> None:
        entries = orjson.loads(work.payload or b"{}")["profiles"]
        refused = dict.fromkeys(orjson.loads(work.subject or "[]"), int(Code.BULK_UPSERT_FAILED))
        refused |= self._batches.refuse_late(len(entries))
        events = [
            Event(code, "the profile is not valid", work.request_id, None, [f"/profiles/{position}"])
            for position, code in sorted(refused.items())
        ]
        traits = [entry["traits"] for position, entry in enumerate(entries) if position not in refused]
        with self._writer.session() as session:
            skips = self._batches.write(session, traits, BULK, work.request_id)
            tally = Tally(len(refused), len(skips))
            with self._closing(work, session, tally) as connection:
                operations.write_events(connection, [*events, *skips])
        if self._log.is_kept:
            self._tell_bulk(work, session, events, tally, len(entries))

    def _tell_bulk(self, work: Work, session: Session, refused: list[Event], tally: Tally, profile_count: int) -> None:
        cause = {"operation_id": work.operation_id}
        batch = lineage.tell_batch(EventType.BULK_UPSERTED, work.request_id, cause, tally, profile_count=profile_count)
        told = lineage.tell_profiles(session.steps, work.request_id, cause)
        self._log.write([*told, *lineage.tell_refused(refused, cause), batch])

    def _apply_traits(self, work: Work) -> None:
        traits = orjson.loads(work.payload or b"{}")
        with self._writer.session() as session:
            number = session.find(int(work.subject or 0))
            if number is None:
                self._close_unfound(work)
                return
            target, skipped = session.write(traits, number)
            with self._closing(work, session, Tally(0, len(skipped))) as connection:
                operations.write_events(connection, [skip_event(target, skipped, work.request_id)] if skipped else [])
        self._log.write(lineage.tell_profiles(session.steps, work.request_id, {}))

    def _close_unfound(self, work: Work) -> None:
        """The profile went away between the 202 and now: the service's log is the only trace."""
        event = Event(Code.NOT_FOUND, "the profile does not exist any more", work.request_id)
        with self._database.writing_back() as connection:
            operations.write_events(connection, [event])
            operations.complete_operation(connection, work.operation_id, Tally(errors=1))
            self._backlog.close(connection, work)
        body = {"profile_id": profile_id(int(work.subject or 0))}
        self._log.write([Told(WRITTEN[work.kind], work.request_id, body, event.code, event.reason)])

    def _delete_profile(self, work: Work) -> None:
        with self._writer.session() as session:
            number = session.find(int(work.subject or 0))
            if number is None:
                self._close_unfound(work)
                return
            session.delete(number)
            with self._closing(work, session):
                pass
        self._log.write([Told(EventType.PROFILE_DELETED, work.request_id, {"profile_id": profile_id(number)})])

    def _add_identifier(self, work: Work) -> None:
        body = orjson.loads(work.payload or b"{}")
        self._change_identifiers(work, remove=[], add=body)

    def _replace_identifier(self, work: Work) -> None:
        body = orjson.loads(work.payload or b"{}")
        add = {"idType": body["idType"], "value": body["newValue"]}
        self._change_identifiers(work, remove=[body["oldValue"]], add=add)

    def _remove_identifiers(self, work: Work) -> None:
        self._change_identifiers(work, remove=None, add=None)

    def _change_identifiers(self, work: Work, remove: list[str] | None, add: dict[str, str] | None) -> None:
        id_type = orjson.loads(work.payload or b"{}")["idType"]
        with self._writer.session() as session:
            number = session.find(int(work.subject or 0))
            if number is None:
                self._close_unfound(work)
                return
            values = [entry[0] for entry in session.document(number)["i"].get(id_type, ())]
            for value in values if remove is None else remove:
                session.remove_identifier(number, id_type, value)
            skipped: tuple[Identifier, ...] = ()
            if add is not None:
                identifier = Identifier(id_type, add["value"], self._catalogue.schema.rules[id_type].unique)
                number, skipped = session.join([identifier], {}, number)
            with self._closing(work, session, Tally(0, len(skipped))) as connection:
                operations.write_events(connection, [skip_event(number, skipped, work.request_id)] if skipped else [])
        steps = session.steps or [lineage.Step(number)]
        cause = {"id_type": id_type}
        self._log.write(lineage.tell_profiles(steps, work.request_id, cause, WRITTEN[work.kind]))

    def _change_group(self, work: Work) -> None:
        body = orjson.loads(work.payload or b"{}")
        with self._database.writing_back() as connection:
            if work.kind is Kind.CREATE_GROUP:
                self._catalogue.create_group(connection, body)
            else:
                self._catalogue.patch_group(connection, str(work.subject), body)
            operations.complete_operation(connection, work.operation_id, Tally())
            self._backlog.close(connection, work)
        self._catalogue.reload()
        group = work.subject or body["displayName"]
        told = {"trait_group": group, "operation_id": work.operation_id}
        self._log.write([Told(WRITTEN[work.kind], work.request_id, told)])
