"""The delivery loop: real threads and a real ledger, a fake service."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from importer.core.delivery import BatchSpec, Changes, EngineOptions, RequestKind
from importer.core.lifecycle import FinishReason
from importer.core.route import Route
from importer.errors import (
    AmbiguousRequestError,
    ApiError,
    ProtocolError,
    RejectedRequestError,
    RetryableApiError,
    StateError,
)
from importer.pipeline.deliver import DeliveryPorts, DeliveryProgress, deliver
from importer.ports import (
    ColumnMapping,
    CreatedImport,
)
from importer.state.ledger import SqliteLedger
from tests.support.deliveries import Delivery


@pytest.fixture
def delivery(tmp_path: Path) -> Iterator[Delivery]:
    """Return a delivery over an empty ledger."""
    made = Delivery(tmp_path)
    yield made
    made.ledger.close()


def mixed() -> list[BatchSpec]:
    """Return a part, bodies and a body with removals."""
    return [
        BatchSpec(0, Route.IMPORT, 0, 50, digest="digest"),
        *[BatchSpec(n, Route.BULK, n * 50, n * 50 + 50, digest="digest") for n in range(1, 20)],
        BatchSpec(20, Route.BULK_PATCH, 1000, 1010, digest="digest"),
    ]


def test_every_route_delivers(delivery: Delivery) -> None:
    """Part, bodies, lookups and patches arrive once, and the ledger says what came of each row."""
    delivery.ledger.add_batches(mixed())
    delivery.writer.status_url = True
    seen: list[DeliveryProgress] = []
    result = delivery.go(progress=seen.append)
    assert result.reason is FinishReason.COMPLETED
    assert delivery.outcomes() == {"processed": 1000, "accepted": 9, "held": 1}
    assert sorted(delivery.writer.rows) == [p for p in range(50, 1010) if p != 1007]
    assert sorted(delivery.writer.patched) == [p for p in range(1000, 1010) if p != 1007]
    assert delivery.writer.uploads["imp0"].splitlines() == [str(n).encode() for n in range(50)]
    assert not list(delivery.folder.glob("part-*"))
    assert result.requests[RequestKind.BULK] == 20
    assert seen[-1].tally.rows["processed"] == 1000
    assert result.retries == 0


@pytest.mark.parametrize(
    "error",
    [
        RetryableApiError("x", endpoint="e", status=503, retry_after_s=0.0),
        RetryableApiError("x", endpoint="e"),
        AmbiguousRequestError("x", endpoint="e"),
        ProtocolError("x", endpoint="e", status=200),
        RetryableApiError("x", endpoint="e", status=429, retry_after_s=0.01),
    ],
)
def test_single_failures_are_survived(delivery: Delivery, error: ApiError) -> None:
    """One failure of any kind of request costs a retry and nothing else."""
    delivery.ledger.add_batches(mixed())
    delivery.writer.status_url = True
    delivery.writer.failing = lambda name, number: error if number == 0 and name != "list" else None
    delivery.clock.speed = 200.0
    result = delivery.go()
    assert result.reason is FinishReason.COMPLETED
    assert delivery.outcomes() == {"processed": 1000, "accepted": 9, "held": 1}


def test_refused_rows_are_named(delivery: Delivery) -> None:
    """Row indices of an error become positions, a 413 becomes halves."""
    delivery.ledger.add_batches(mixed()[1:3])
    rows = RejectedRequestError("x", endpoint="e", status=400, code=520010, request_id="RQ400")
    rows.context["rows"] = (3, 5)
    large = RejectedRequestError("x", endpoint="e", status=413)
    delivery.writer.failing = lambda _name, number: {0: rows, 1: large}.get(number)
    delivery.go(EngineOptions("run", concurrency=1))
    assert delivery.outcomes() == {"accepted": 98, "failed": 2}
    (first, second) = delivery.ledger.row_outcomes()
    assert (first.position, second.position) == (53, 55)
    assert (first.code, first.http_status, first.service_code, first.request_id) == (
        "refused-by-service",
        400,
        520010,
        "RQ400",
    )


def test_a_body_over_the_limit_is_halved_unsent(delivery: Delivery) -> None:
    """A body that came out too large is never sent; its single wide row is, alone."""
    delivery.ledger.add_batches([BatchSpec(0, Route.BULK, 0, 4)])
    delivery.payloads.wide = frozenset({2})
    delivery.go()
    assert sorted(delivery.writer.rows) == [0, 1, 2, 3]
    assert delivery.writer.calls["bulk"] == 3


def test_401_stops_all_and_a_resume_finishes(delivery: Delivery) -> None:
    """A refused key ends the run with what is in flight; with a new one the rest goes out, none twice."""
    delivery.ledger.add_batches(mixed()[1:])
    refused = RejectedRequestError("x", endpoint="e", status=401, code=20003)
    delivery.writer.failing = lambda _name, number: refused if number >= 5 else None
    result = delivery.go(EngineOptions("run", concurrency=2))
    assert result.reason is FinishReason.REFUSED
    assert result.failure is not None
    assert result.failure.status == 401
    assert delivery.writer.calls["bulk"] <= 7
    delivery.writer.failing = lambda _name, _number: None
    assert delivery.go(EngineOptions("run", resumed=True)).reason is FinishReason.COMPLETED
    assert len(delivery.writer.rows) == len(set(delivery.writer.rows))
    assert delivery.outcomes()["accepted"] == 959


def test_a_stop_keeps_what_was_answered(delivery: Delivery) -> None:
    """A stop signal ends the run as interrupted; a resume sends the rest."""
    delivery.ledger.add_batches(mixed()[1:])
    delivery.writer.failing = lambda _name, number: delivery.stop.set() if number == 4 else None
    result = delivery.go(EngineOptions("run", concurrency=2))
    assert result.reason is FinishReason.INTERRUPTED
    assert set(delivery.outcomes()) == {"accepted", "not_sent"}
    delivery.stop.clear()
    delivery.writer.failing = lambda _name, _number: None
    delivery.go(EngineOptions("run", resumed=True))
    assert delivery.outcomes() == {"accepted": 959, "held": 1}


def test_a_stop_does_not_wait_for_a_stuck_request(delivery: Delivery) -> None:
    """What does not answer within the time for draining is left: unknown until it is resumed."""
    delivery.ledger.add_batches(mixed()[1:3])
    delivery.writer.gate = threading.Event()
    delivery.stop.set()
    began = time.monotonic()
    threading.Timer(0.05, delivery.stop.set).start()
    delivery.stop.clear()
    result = delivery.go(EngineOptions("run", drain_s=0.1))
    assert result.reason is FinishReason.INTERRUPTED
    assert time.monotonic() - began < 5
    assert delivery.outcomes() == {"unknown": 100}
    delivery.writer.gate.set()


def test_nothing_leaves_that_could_not_be_written_down(delivery: Delivery) -> None:
    """A ledger that cannot be written ends the delivery before the requests of that step."""
    delivery.ledger.add_batches(mixed()[1:])
    real = delivery.ledger.apply
    commits = 0

    class Full(SqliteLedger):
        def apply(self, changes: Changes) -> None:
            nonlocal commits
            commits += 1
            if commits > 3:
                raise StateError("the ledger cannot be written: SQLITE_FULL")
            real(changes)

    ports = DeliveryPorts(
        delivery.payloads,
        delivery.writer,
        Full(delivery.ledger.path, delivery.ledger._connection),
        delivery.clock,
        delivery.stop,
    )
    with pytest.raises(StateError, match="SQLITE_FULL"):
        deliver(ports, EngineOptions("run", concurrency=1))
    assert delivery.writer.calls["bulk"] <= 3
    assert delivery.go(EngineOptions("run", resumed=True)).reason is FinishReason.COMPLETED
    assert delivery.outcomes()["accepted"] == 959


def test_a_package_that_changed_is_not_sent(delivery: Delivery) -> None:
    """On a resume rows must still have the hash they were planned with."""
    delivery.ledger.add_batches(mixed())
    delivery.payloads.digests = "something else"
    with pytest.raises(StateError, match="does not hold what was planned"):
        delivery.go(EngineOptions("run", resumed=True))
    assert delivery.writer.rows == []
    assert delivery.writer.names == {}


def test_a_bug_while_encoding_is_raised_where_it_can_be_seen(delivery: Delivery) -> None:
    """What a thread raises ends the delivery and comes out of it; nothing is lost."""
    delivery.ledger.add_batches(mixed()[1:])
    delivery.payloads.fault = KeyError("bug")
    with pytest.raises(KeyError, match="bug"):
        delivery.go()
    delivery.payloads.fault = None
    delivery.go(EngineOptions("run", resumed=True))
    assert delivery.outcomes()["accepted"] == 959


def test_a_lost_creation_is_found_by_its_name(delivery: Delivery) -> None:
    """The import of a lost 201 is PENDING: it is left behind and another made."""
    delivery.ledger.add_batches(mixed()[:1])
    delivery.clock.speed = 200.0
    created: list[str] = []
    usual = delivery.writer.create_import

    def lose_first(filename: str, size_bytes: int, columns: Sequence[ColumnMapping]) -> CreatedImport:
        created.append(filename)
        answer = usual(filename, size_bytes, columns)
        if len(created) == 1:
            raise AmbiguousRequestError("x", endpoint="e")
        return answer

    delivery.writer.create_import = lose_first  # type: ignore[method-assign]
    assert delivery.go().reason is FinishReason.COMPLETED
    assert delivery.outcomes() == {"processed": 50}
    assert [name.split(".")[3] for name in created] == ["attempt1", "attempt2"]
