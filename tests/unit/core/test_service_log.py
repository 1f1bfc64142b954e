"""Entries of the service's log, and what they make of a batch."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from importer.core.delivery import BatchEntry, BatchSpec, Changes, RowResult, Trace
from importer.core.lifecycle import (
    CODE_AMBIGUOUS_PROFILE,
    CODE_EVENT_ERRORS,
    CODE_EVENT_REFUSED,
    CODE_IMPORT_FAILED,
    CODE_IMPORT_NO_SUMMARY,
    CODE_OPERATION_ERRORS,
    CODE_OPERATION_FAILED,
    CODE_REFUSED,
    BatchState,
    RowState,
)
from importer.core.route import Route
from importer.core.service_log import BatchLog, LogEntry, read_entries
from importer.core.told_later import PatchLog, changes_told

S = BatchState


def _entry(kind: str = "traits.upserted.bulk", level: str = "INFO", code: int = 0, **body: Any) -> LogEntry:
    data = {"eventType": f"com.twilio.memory.{kind}", "level": level, "errorCode": code, "body": body}
    (entry,) = read_entries({"data": data})
    assert entry is not None
    return entry


def _log(*entries: LogEntry) -> BatchLog:
    log = BatchLog()
    for entry in entries:
        log.add(entry)
    return log


CLEAN = _entry(profile_count=4, error_count=0, warning_count=0)
ENDED = _entry("profiles.finished-import", status="COMPLETED", errors=0, warnings=0)
COUNTED = _entry(level="ERROR", code=520010, profile_count=4, error_count=2, warning_count=0)
SKIPPED = _entry("traits.upserted", "WARNING", 520034)
REFUSED = [
    _entry("traits.upserted", "ERROR", 520010, error_list=[{"error_code": 520010, "pointer": f"#/profiles/{index}"}])
    for index in (0, 2)
]


def _told(
    log: BatchLog, state: S = S.ACCEPTED, code: str | None = None, route: Route = Route.BULK, **given: Any
) -> str:
    """Return what a batch of positions 10 to 13 comes to: state, code and refused positions."""
    rows = given.pop("rows", ())
    entry = BatchEntry(BatchSpec(1, route, 10, given.pop("stop", 14)), state, 1, Trace("RQ1", code=code))
    changes = changes_told(entry, rows, log, **given)
    batch = changes.batches[0] if changes.batches else entry
    shown = "/".join(filter(None, (batch.state.value, batch.trace.code)))
    return " ".join([shown, *(str(row.position) for row in changes.rows)])


def test_an_entry_is_read_in_any_of_its_shapes() -> None:
    """With its envelope or without, with camel case or underscores, alone or in a list; anything else is none."""
    kind = "com.twilio.memory.traits.upserted.bulk"
    enveloped = {"type": kind, "data": {"requestId": "RQ1", "body": {"importId": "I"}}}
    bare = {"eventType": kind, "requestId": "RQ1", "body": {"import_id": "I"}}
    one, other, none = read_entries([enveloped, bare, 7])
    assert one == other
    assert one is not None
    assert (one.kind, one.request_id, one.import_id, one.is_known) == ("traits.upserted.bulk", "RQ1", "I", True)
    assert none is None
    assert list(read_entries({"no": "type"})) == [None]
    odd = _entry("something.new", "ERROR", profile_count=True, error_list=7)
    assert (odd.is_known, odd.is_error, odd.rows) == (False, True, None)


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (_log(CLEAN), "processed"),
        (_log(), "accepted"),
        (_log(_entry(profile_count=3, error_count=0, warning_count=0)), "accepted"),
        (_log(_entry(profile_count=4)), "accepted"),
        (_log(_entry("profile.created"), _entry("traits.upserted")), "accepted"),
        (_log(COUNTED), f"unattributed/{CODE_EVENT_ERRORS}"),
        (_log(CLEAN, SKIPPED), f"unattributed/{CODE_EVENT_ERRORS}"),
        (_log(CLEAN, _entry("something.new", "ERROR")), f"unattributed/{CODE_EVENT_ERRORS}"),
        (_log(COUNTED, *REFUSED), "processed 10 12"),
        (_log(COUNTED, REFUSED[0]), f"unattributed/{CODE_EVENT_ERRORS} 10"),
        (_log(COUNTED, *REFUSED, SKIPPED), f"unattributed/{CODE_EVENT_ERRORS} 10 12"),
        (_log(*REFUSED), f"unattributed/{CODE_EVENT_ERRORS} 10 12"),
    ],
)
def test_a_bulk_batch_is_told_no_more_than_the_log_says(log: BatchLog, told: str) -> None:
    """Processed only by a closing entry that counts no error and no warning for all rows, or names all that failed."""
    assert _told(log) == told


def test_order_and_repetition_change_nothing() -> None:
    """The log delivers at least once and in no order: every order, and everything twice, comes to the same."""
    for order in permutations([COUNTED, *REFUSED]):
        assert _told(_log(*order, *order)) == "processed 10 12"


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (_log(ENDED), "processed"),
        (_log(_entry("profiles.submitted-import", row_count=4, error_count=0, warning_count=0)), "accepted"),
        (_log(_entry("profiles.finished-import", status="FAILED")), f"unattributed/{CODE_EVENT_ERRORS}"),
        (_log(ENDED, _entry("profiles.submitted-import", error_count=1)), f"unattributed/{CODE_EVENT_ERRORS}"),
        (_log(_entry("profiles.finished-import", status="COMPLETED")), "accepted"),
        (_log(ENDED, *REFUSED), f"unattributed/{CODE_EVENT_ERRORS}"),
    ],
)
def test_a_part_is_told_by_the_entry_that_ends_its_import(log: BatchLog, told: str) -> None:
    """Rows of a part have no places in the log, so a part is processed as a whole or not at all."""
    assert _told(log, route=Route.IMPORT) == told


@pytest.mark.parametrize(
    ("state", "code", "log", "told"),
    [
        (S.PROCESSED, None, _log(COUNTED), f"unattributed/{CODE_EVENT_ERRORS}"),
        (S.UNATTRIBUTED, CODE_OPERATION_ERRORS, _log(COUNTED, *REFUSED), "processed 10 12"),
        (S.UNATTRIBUTED, CODE_OPERATION_ERRORS, _log(CLEAN), f"unattributed/{CODE_OPERATION_ERRORS}"),
        (S.UNATTRIBUTED, CODE_OPERATION_FAILED, _log(CLEAN), f"unattributed/{CODE_OPERATION_FAILED}"),
        (S.UNATTRIBUTED, CODE_IMPORT_NO_SUMMARY, _log(ENDED), "processed"),
        (S.UNATTRIBUTED, CODE_IMPORT_FAILED, _log(ENDED), f"unattributed/{CODE_IMPORT_FAILED}"),
        (S.UNKNOWN, "not-settled", _log(ENDED), "processed"),
        (S.FAILED, CODE_REFUSED, _log(CLEAN), f"failed/{CODE_REFUSED}"),
        (S.SENT, None, _log(CLEAN), "sent"),
    ],
)
def test_what_was_known_before_is_made_better_only_where_the_log_explains_it(
    state: S, code: str | None, log: BatchLog, told: str
) -> None:
    """A log that is silent about errors undoes none; a batch that is not over is left to its delivery."""
    assert _told(log, state, code) == told


def test_a_batch_of_one_row_names_it() -> None:
    """An error about a request with a single row is about that row, named or not."""
    error = _entry(level="ERROR", code=520010, profile_count=1, error_count=1, warning_count=0)
    assert _told(_log(error), stop=11) == f"failed/{CODE_EVENT_REFUSED}"


def test_places_are_those_of_the_rows_that_left() -> None:
    """Rows that were held, or refused at their lookup, had no place in the body; those whose patch failed had one."""
    rows = [
        RowResult(10, RowState.HELD, CODE_AMBIGUOUS_PROFILE),
        RowResult(11, RowState.FAILED, CODE_REFUSED, profile_id="mem_profile_1"),
    ]
    log = _log(_entry(level="ERROR", profile_count=3, error_count=2, warning_count=0), *REFUSED)
    assert _told(log, route=Route.BULK_PATCH, rows=rows) == "processed 13"


def test_joining_twice_is_joining_once() -> None:
    """What a first reading recorded is found as it is by a second, and the places it named have not moved."""
    entry = BatchEntry(BatchSpec(1, Route.BULK, 10, 14), S.ACCEPTED, 1, Trace("RQ1"))
    log = _log(COUNTED, *REFUSED)
    first = changes_told(entry, [], log)
    assert [row.service_code for row in first.rows] == [520010, 520010]
    assert changes_told(first.batches[0], first.rows, log) == Changes()
    assert changes_told(first.batches[0], first.rows, _log(COUNTED)) == Changes()


def test_removals_are_told_by_their_own_requests() -> None:
    """A batch with patches is processed once the log says so of each; a refused patch fails its row."""
    rows = [RowResult(number, RowState.PATCHED, None, "mem_profile_1", request_id=f"P{number}") for number in (11, 12)]
    given: dict[str, Any] = {"route": Route.BULK_PATCH, "rows": rows}
    assert _told(_log(CLEAN), **given) == "accepted"
    assert _told(_log(CLEAN), **given, patches=PatchLog({}, {11})) == "accepted"
    assert _told(_log(CLEAN), **given, patches=PatchLog({}, {11, 12})) == "processed"
    assert _told(_log(CLEAN), **given, patches=PatchLog({12: 520010}, {11})) == "processed 12"
    assert _told(_log(), **given, patches=PatchLog({12: 520010}, set())) == "accepted 12"
