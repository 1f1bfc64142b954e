"""The delivery loop: real threads and a real ledger, a fake service."""

# ruff: noqa: ARG002 - fakes have the signatures of their ports
from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson
import pytest

from importer.core import limits
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
from importer.pipeline.deliver import DeliveryPorts, DeliveryProgress, DeliveryResult, deliver
from importer.ports import (
    Accepted,
    ColumnMapping,
    CreatedImport,
    ImportStatus,
    OperationStatus,
    PartFile,
    StoredProfile,
)
from importer.state.ledger import SqliteLedger


@dataclass
class QuickClock:
    """Real time, faster: so that waits of seconds are over at once."""

    speed: float = 1.0

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic() * self.speed

    def utc_now_iso(self) -> str:
        """Never asked for here."""
        raise NotImplementedError


@dataclass
class FakePayloads:
    """Bodies that hold positions; `wide` positions make a body larger than the limit."""

    folder: Path
    digests: str = "digest"
    wide: frozenset[int] = frozenset()
    fault: BaseException | None = None

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Encode positions as numbers."""
        if self.fault is not None:
            raise self.fault
        rows = [p for p in range(start, stop) if p not in skip]
        padding = "x" * limits.BULK_MAX_BODY_BYTES if self.wide & set(rows) else ""
        return orjson.dumps([rows, padding])

    def part(self, batch_id: int, start: int, stop: int) -> PartFile:
        """Write a file of positions."""
        content = "\n".join(map(str, range(start, stop))).encode()
        path = self.folder / f"part-{batch_id}"
        path.write_bytes(content)
        columns = (ColumnMapping("c001", "Contact", "email"),)
        return PartFile(str(path), len(content), columns, hashlib.sha256(content).hexdigest())

    def identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return two identifiers of a row."""
        return (("email", f"{position}@x"), ("phone", f"+{position}"))

    def further_identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return a further identifier of a row."""
        return (("phone", f"+9{position}"),)

    def follows(self, position: int) -> bool:
        """Nobody has an identifier of somebody else."""
        return False

    def patch_body(self, position: int) -> bytes:
        """Encode the position."""
        return orjson.dumps(position)

    def digest(self, start: int, stop: int) -> str:
        """Return the pinned hash."""
        return self.digests


@dataclass
class FakeWriter:
    """A service that keeps what it is sent; `failing` may raise before a request is taken."""

    failing: Callable[[str, int], ApiError | None] = lambda _name, _number: None
    status_url: bool = False
    rows: list[int] = field(default_factory=list)
    patched: list[int] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    uploads: dict[str, bytes] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _called(self, name: str) -> None:
        with self._lock:
            number = self.calls[name]
            self.calls[name] += 1
        error = self.failing(name, number)
        if error is not None:
            raise error

    def put_bulk(self, body: bytes) -> Accepted:
        """Keep the rows."""
        self._called("bulk")
        if self.gate is not None:
            self.gate.wait(30)
        with self._lock:
            self.rows += orjson.loads(body)[0]
        return Accepted("RQ", "op", "/v1/ControlPlane/Operations/op" if self.status_url else None)

    def add_identifier(self, profile_id: str, id_type: str, value: str) -> Accepted:
        """Keep the value."""
        self._called("add-identifier")
        assert (profile_id, id_type) == (f"p{value[2:]}", "phone")
        self.added.append(value)
        return Accepted("RQ")

    def patch_profile(self, profile_id: str, body: bytes) -> Accepted:
        """Keep the position."""
        self._called("patch")
        assert profile_id == f"p{orjson.loads(body)}"
        self.patched.append(orjson.loads(body))
        return Accepted("RQ")

    def create_import(self, filename: str, size_bytes: int, columns: Sequence[ColumnMapping]) -> CreatedImport:
        """Name an import."""
        self._called("create")
        import_id = f"imp{len(self.names)}"
        self.names[import_id] = filename
        return CreatedImport(import_id, f"https://bucket/{import_id}", "RQ")

    def upload(self, url: str, content: BinaryIO, size_bytes: int) -> None:
        """Keep the file."""
        self._called("upload")
        body = content.read()
        assert len(body) == size_bytes
        self.uploads[url.rsplit("/", 1)[1]] = body

    def get_import(self, import_id: str) -> ImportStatus:
        """Say it is done once its file came."""
        self._called("get_import")
        done = import_id in self.uploads
        return ImportStatus("COMPLETED" if done else "PENDING", self.names[import_id], None, 0, 0)

    def list_imports(self, page_token: str | None = None) -> tuple[tuple[str, ...], str | None]:
        """List all imports."""
        self._called("list")
        return tuple(reversed(self.names)), None

    def get_operation(self, status_url_or_id: str) -> OperationStatus:
        """Say it is applied."""
        self._called("operation")
        return OperationStatus("COMPLETED", 0, 0)

    def lookup(self, id_type: str, value: str) -> tuple[str, ...]:
        """Find one profile by e-mail, and the same by phone; rows whose number ends in 7 have two."""
        self._called("lookup")
        number = value.strip("+").split("@")[0]
        return (f"p{number}",) if id_type == "email" or not number.endswith("7") else (f"q{number}",)

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        """Never asked for here."""
        raise NotImplementedError


OPTIONS = EngineOptions("run", poll_first_s=0.01)


@dataclass
class Delivery:
    """A ledger and what a delivery of it needs."""

    folder: Path
    writer: FakeWriter = field(default_factory=FakeWriter)
    stop: threading.Event = field(default_factory=threading.Event)
    clock: QuickClock = field(default_factory=QuickClock)

    def __post_init__(self) -> None:
        self.payloads = FakePayloads(self.folder)
        self.ledger = SqliteLedger.create(self.folder / "ledger.db", {})

    def go(
        self, options: EngineOptions = OPTIONS, progress: Callable[[DeliveryProgress], None] = lambda _: None
    ) -> DeliveryResult:
        """Deliver."""
        ports = DeliveryPorts(self.payloads, self.writer, self.ledger, self.clock, self.stop)
        return deliver(ports, options, progress)

    def outcomes(self) -> Counter[str]:
        """Rows by state, overrides counted."""
        found: dict[int, str] = {}
        for outcome in self.ledger.outcomes():
            found |= dict.fromkeys(range(outcome.start, outcome.stop), outcome.state)
        found |= {row.position: row.state for row in self.ledger.row_outcomes()}
        return Counter(found.values())


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
