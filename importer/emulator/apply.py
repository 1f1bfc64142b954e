"""Applying accepted work: each piece becomes one transaction that also ends its operation."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any

import orjson

from importer.emulator import import_rows, import_tasks, operations
from importer.emulator.backlog import Backlog, Kind, Work
from importer.emulator.catalogue import Catalogue
from importer.emulator.database import Database
from importer.emulator.identity import Identifier
from importer.emulator.ids import profile_id
from importer.emulator.operations import Event, Tally
from importer.emulator.problems import Code
from importer.emulator.writing import Session, Writer

NOTHING_WRONG = Tally()
# Requests are served by another thread of this process: without a pause now and then each of its turns would wait
# for the interpreter's switch interval, and an answer would take a tenth of a second.
BREATH_PROFILES = 32
BREATH_S = 2e-5


class Applier:
    """Applies one piece of work at a time, on the worker's connection."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        writer: Writer,
        backlog: Backlog,
        drop_every: int | None = None,
    ) -> None:
        self._drop_every = drop_every
        self._written = 0
        self._database = database
        self._catalogue = catalogue
        self._writer = writer
        self._backlog = backlog
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
                self._apply_import(work, stopping)
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
        dropped = frozenset(orjson.loads(work.subject or "[]"))
        events = [
            Event(Code.BULK_UPSERT_FAILED, "the profile is not valid", work.request_id, None, [f"/profiles/{position}"])
            for position in sorted(dropped)
        ]
        traits = [entry["traits"] for position, entry in enumerate(entries) if position not in dropped]
        with self._writer.session() as session:
            skips = self._write_all(session, traits, work)
            with self._closing(work, session, Tally(len(dropped), len(skips))) as connection:
                operations.write_events(connection, [*events, *skips])

    def _write_all(self, session: Session, traits: list[dict[str, Any]], work: Work) -> list[Event]:
        traits = self._without_dropped(traits)
        schema = self._catalogue.schema
        identified = [(schema.read_identifiers(entry)[0], entry) for entry in traits]
        session.prefetch(identifier for identifiers, _ in identified for identifier in identifiers)
        skips: list[Event] = []
        for position, (identifiers, entry) in enumerate(identified):
            if position % BREATH_PROFILES == 0:
                time.sleep(BREATH_S)
            number, skipped = session.join(identifiers, entry, None)
            if skipped:
                skips.append(_skip_event(number, skipped, work))
        return skips

    def _without_dropped(self, traits: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Lose a profile now and then, as a service may that answers 202 and says no more."""
        first, self._written = self._written + 1, self._written + len(traits)
        every = self._drop_every
        return traits if every is None else [entry for at, entry in enumerate(traits, first) if at % every]

    def _apply_traits(self, work: Work) -> None:
        traits = orjson.loads(work.payload or b"{}")
        with self._writer.session() as session:
            number = session.find(int(work.subject or 0))
            if number is None:
                self._close_unfound(work)
                return
            target, skipped = session.write(traits, number)
            with self._closing(work, session, Tally(0, len(skipped))) as connection:
                operations.write_events(connection, [_skip_event(target, skipped, work)] if skipped else [])

    def _close_unfound(self, work: Work) -> None:
        """The profile went away between the 202 and now: the service's log is the only trace."""
        event = Event(Code.NOT_FOUND, "the profile does not exist any more", work.request_id)
        with self._database.writing_back() as connection:
            operations.write_events(connection, [event])
            operations.complete_operation(connection, work.operation_id, Tally(errors=1))
            self._backlog.close(connection, work)

    def _delete_profile(self, work: Work) -> None:
        with self._writer.session() as session:
            number = session.find(int(work.subject or 0))
            if number is None:
                self._close_unfound(work)
                return
            session.delete(number)
            with self._closing(work, session):
                pass

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
                operations.write_events(connection, [_skip_event(number, skipped, work)] if skipped else [])

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

    def _apply_import(self, work: Work, stopping: Flag) -> None:
        import_id = str(work.subject)
        path = import_tasks.upload_path(self._database, import_id)
        with self._database.writing_back() as connection:
            mappings = import_tasks.start(connection, import_id)
        errors = warnings = 0
        failure = ""
        try:
            for parsed in import_tasks.read_upload(path, mappings, self._catalogue.schema):
                with self._writer.session() as session:
                    skips = self._write_all(session, parsed.traits, work)
                    with self._database.writing_back() as connection:
                        session.flush(connection)
                        operations.write_events(connection, skips)
                errors += parsed.failed
                warnings += len(skips)
                if stopping.is_set():
                    return
        except import_rows.ImportFailedError as error:
            failure = str(error)
            errors = errors or 1
        if errors >= import_rows.MAX_FAILED_ROWS:
            failure = failure or "too many rows failed"
        tally = Tally(errors, warnings)
        with self._database.writing_back() as connection:
            import_tasks.finish(connection, import_id, failed=bool(failure), tally=tally)
            if failure:
                operations.write_events(
                    connection, [Event(Code.BULK_UPSERT_FAILED, failure, work.request_id, import_id)]
                )
                operations.fail_operation(connection, work.operation_id, Code.BULK_UPSERT_FAILED, failure)
            else:
                operations.complete_operation(connection, work.operation_id, tally)
            self._backlog.close(connection, work)
        path.unlink(missing_ok=True)


def _skip_event(number: int, skipped: tuple[Identifier, ...], work: Work) -> Event:
    types = [identifier.id_type for identifier in skipped]
    return Event(Code.IDENTIFIER_SKIPPED, "an identifier clashes", work.request_id, profile_id(number), types)
