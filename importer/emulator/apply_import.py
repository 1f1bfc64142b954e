"""Applying an uploaded file: chunk by chunk, each in a transaction of its own."""

from __future__ import annotations

from threading import Event as Flag
from typing import Any

from importer.emulator import import_rows, import_tasks, lineage, operations
from importer.emulator.backlog import Work
from importer.emulator.batches import BatchWriter, Parts
from importer.emulator.event_log import EventType
from importer.emulator.ids import new_id
from importer.emulator.import_rows import Parsed
from importer.emulator.operations import Event, Tally
from importer.emulator.problems import Code
from importer.emulator.switches import IMPORTS, UPLOAD, Effect, Switch

ROW_REFUSED = "the row is not valid"


def apply_import(parts: Parts, batches: BatchWriter, work: Work, stopping: Flag) -> None:
    """Apply a file and end its import; give up between chunks, to begin again after a restart, when stopping."""
    import_id = str(work.subject)
    switch = parts.switches.take(IMPORTS, UPLOAD)
    with parts.database.writing_back() as connection:
        mappings = import_tasks.start(connection, import_id)
    path = import_tasks.upload_path(parts.database, import_id)
    left_out = switch.errors if switch is not None and switch.effect is Effect.IMPORT_ERRORS else 0
    tally, failure = Tally(), ""
    try:
        if switch is None or switch.after or switch.effect is Effect.IMPORT_ERRORS:
            for parsed in import_tasks.read_upload(path, mappings, parts.catalogue.schema):
                kept = _leave_out(parsed, left_out - tally.errors)
                tally = _write(parts, batches, work, kept, tally)
                if stopping.is_set():
                    return
    except import_rows.ImportFailedError as error:
        failure = str(error)
        tally = Tally(tally.errors or 1, tally.warnings)
    if tally.errors >= import_rows.MAX_FAILED_ROWS:
        failure = failure or "too many rows failed"
    _end(parts, work, switch, tally, failure)
    path.unlink(missing_ok=True)


def _leave_out(parsed: Parsed, count: int) -> Parsed:
    """Fail good rows that a fault wants failed."""
    count = min(max(count, 0), len(parsed.traits))
    return Parsed(parsed.traits[count:], parsed.failed + count)


def _write(parts: Parts, batches: BatchWriter, work: Work, parsed: Parsed, so_far: Tally) -> Tally:
    """Write one chunk and tell of it; return the counts of the file with it."""
    request_id = new_id("RQ")
    with parts.writer.session() as session:
        skips = batches.write(session, parsed.traits, UPLOAD, request_id)
        with parts.database.writing_back() as connection:
            session.flush(connection)
            operations.write_events(connection, skips)
    tally = Tally(parsed.failed, len(skips))
    if parts.log.is_kept:
        cause = _cause(work)
        refused = Event(Code.BULK_UPSERT_FAILED, ROW_REFUSED, request_id)
        count = len(parsed.traits) + parsed.failed
        batch = {**cause, "request_id": request_id}
        parts.log.write(
            [
                *lineage.tell_profiles(session.steps, request_id, cause),
                *lineage.tell_refused([refused] * parsed.failed, cause),
                lineage.tell_batch(EventType.IMPORT_SUBMITTED, request_id, batch, tally, row_count=count),
            ]
        )
    return Tally(so_far.errors + tally.errors, so_far.warnings + tally.warnings)


def _end(parts: Parts, work: Work, switch: Switch | None, tally: Tally, failure: str) -> None:
    import_id = str(work.subject)
    is_stuck = switch is not None and switch.effect is Effect.IMPORT_STUCK
    if switch is not None and switch.effect is Effect.IMPORT_FAILED:
        tally, failure = Tally(switch.errors, switch.warnings), "internal error"
    elif switch is not None:
        tally = Tally(tally.errors, tally.warnings + switch.warnings)
    with parts.database.writing_back() as connection:
        if is_stuck:
            operations.leave_running(connection, work.operation_id)
            parts.backlog.close(connection, work)
            return
        import_tasks.finish(connection, import_id, failed=bool(failure), tally=tally)
        if failure:
            event = Event(Code.BULK_UPSERT_FAILED, failure, work.request_id, import_id)
            operations.write_events(connection, [event])
            operations.fail_operation(connection, work.operation_id, Code.BULK_UPSERT_FAILED, failure)
        else:
            operations.complete_operation(connection, work.operation_id, tally)
        parts.backlog.close(connection, work)
    body = {**_cause(work), "status": "FAILED" if failure else "COMPLETED"}
    parts.log.write([lineage.tell_import(work.request_id, body, tally, failure)])


def _cause(work: Work) -> dict[str, Any]:
    return {"import_id": work.subject, "operation_id": work.operation_id}
