"""A delivery with real threads and a real ledger, and the fake service it talks to."""

# ruff: noqa: ARG002 - fakes have the signatures of their ports
from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from importer.core import limits
from importer.core.delivery import EngineOptions
from importer.errors import (
    ApiError,
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
