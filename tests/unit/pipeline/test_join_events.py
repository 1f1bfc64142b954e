"""A log as a stream of lines beside a ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import permutations
from threading import Event
from typing import Any

from importer.core.delivery import BatchEntry, BatchSpec, RowResult, Trace
from importer.core.lifecycle import BatchState, RowState
from importer.core.route import Route
from importer.pipeline.join_events import LINE_MAX_BYTES, EventJoin, Joined

STORE = "mem_store_00000000000000000000000000"


@dataclass
class _Ledger:
    """Two Bulk batches, one of them with a removal, and a part."""

    rows: list[RowResult] = field(default_factory=list)

    def entries(self) -> Iterator[BatchEntry]:
        traces = [
            (Route.BULK, Trace("RQ0")),
            (Route.BULK_PATCH, Trace("RQ1", operation_id="op1")),
            (Route.IMPORT, Trace("RQ2", import_id="mem_import_1")),
        ]
        for number, (route, trace) in enumerate(traces):
            spec = BatchSpec(number, route, number * 10, number * 10 + 10)
            yield BatchEntry(spec, BatchState.ACCEPTED, 1, trace)

    def results_within(self, start: int, stop: int) -> list[RowResult]:
        return [row for row in self.rows if start <= row.position < stop]

    def follow_ups(self) -> Iterator[tuple[str, int]]:
        return ((row.request_id, row.position) for row in self.rows if row.request_id is not None)


def _event(kind: str, request: str | None = None, level: str = "INFO", **body: Any) -> bytes:
    data = {"eventType": f"com.twilio.memory.{kind}", "requestId": request, "level": level, "body": body}
    return json.dumps({"type": data["eventType"], "data": data}).encode() + b"\n"


CLEAN: dict[str, Any] = {"profile_count": 10, "error_count": 0, "warning_count": 0}


def _joined(*lines: bytes, rows: list[RowResult] | None = None) -> Joined:
    join = EventJoin(_Ledger(rows or []), STORE)
    assert join.read(BytesIO(b"".join(lines)), Event(), lambda _: None)
    return join.joined()


def _states(joined: Joined) -> dict[int, str]:
    return {entry.spec.batch_id: entry.state.value for entry in joined.changes.batches}


def test_batches_are_found_by_request_operation_and_import() -> None:
    """Each of the three IDs leads to its batch; everything is counted once."""
    joined = _joined(
        _event("traits.upserted.bulk", "RQ0", **CLEAN),
        _event("traits.upserted.bulk", "another", operation_id="op1", **CLEAN),
        _event(
            "profiles.finished-import",
            "and another",
            import_id="mem_import_1",
            status="COMPLETED",
            errors=0,
            warnings=0,
        ),
    )
    assert _states(joined) == {0: "processed", 1: "processed", 2: "processed"}
    assert (joined.counts.joined, joined.batches) == (3, 3)


def test_what_is_not_of_this_run_is_counted_and_passed_over() -> None:
    """Other requests, another store, unknown types, blank lines, and lines that hold no event or too much."""
    joined = _joined(
        b"\xef\xbb\xbf" + _event("profile.created", "elsewhere"),
        _event("traits.upserted.bulk", "RQ0", store_id="mem_store_11111111111111111111111111", **CLEAN),
        _event("something.new", "elsewhere"),
        b"\n  \r\n",
        b"not json\n",
        b'{"x": "' + b"y" * (2 * LINE_MAX_BYTES) + b'"}\n',
        _event("traits.upserted.bulk", "RQ0", **CLEAN).rstrip(b"\n"),
    )
    counts = joined.counts
    assert (counts.joined, counts.others, counts.unknown, counts.unreadable) == (1, 2, 1, 2)
    assert _states(joined) == {0: "processed"}


def test_a_refused_patch_fails_its_row() -> None:
    """A patch has a request of its own, so the log names its row; the batch waits for what the log says of each."""
    rows = [RowResult(number, RowState.PATCHED, None, "mem_profile_1", request_id=f"P{number}") for number in (11, 12)]
    clean = _event("traits.upserted.bulk", "RQ1", **CLEAN)
    refused = _event("traits.upserted", "P12", "ERROR")
    assert _states(_joined(clean, rows=rows)) == {}
    joined = _joined(refused, _event("traits.upserted", "P11"), clean, _event("traits.upserted", "P12"), rows=rows)
    assert _states(joined) == {1: "processed"}
    assert [(row.position, row.state.value, row.request_id) for row in joined.changes.rows] == [(12, "failed", "P12")]


def test_order_and_repetition_change_nothing_about_single_rows() -> None:
    """Two refusals of one request that disagree about the code come to the same, whichever is read first."""
    rows = [RowResult(number, RowState.PATCHED, None, "mem_profile_1", request_id=f"P{number}") for number in (11, 12)]
    errors = [{"error_code": code, "pointer": "#/profiles/0"} for code in (520010, 520043)]
    lines = [_event("traits.upserted", "P12", "ERROR", error_list=[error]) for error in errors]
    lines += [_event("traits.upserted", "P11"), _event("traits.upserted.bulk", "RQ1", **CLEAN)]
    first, *others = [_joined(*order, *order[:2], rows=rows).changes for order in permutations(lines)]
    assert [(row.position, row.service_code) for row in first.rows] == [(12, 520010)]
    assert all(changes == first for changes in others)


def test_a_stop_ends_the_reading() -> None:
    """Whoever asks to stop does not wait for the end of a long log."""
    stop = Event()
    stop.set()
    join = EventJoin(_Ledger(), STORE)
    assert not join.read(BytesIO(_event("profile.created") * 10_001), stop, lambda _: None)
