"""One request at a time: what fails before it leaves, what may have left, and what a full disk does to a run."""

# ruff: noqa: ARG002 - fakes have the signatures of their ports
from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest

from importer.core.delivery import BatchSpec, EngineOptions, FailureKind, Pin
from importer.core.engine_messages import (
    AddIdentifier,
    Answered,
    CreateImport,
    LookedUp,
    Lookup,
    Patch,
    Refused,
    Request,
    SendBulk,
    Upload,
    WorkerFailed,
)
from importer.core.lifecycle import FinishReason
from importer.core.route import Route
from importer.errors import DiskError, PackageChangedError, RejectedRequestError, StateError
from importer.pipeline.carrier import Carrier
from importer.pipeline.deliver import DeliveryPorts, deliver
from importer.ports import Accepted, ColumnMapping, CreatedImport, PartFile
from importer.state.ledger import SqliteLedger


@dataclass
class Clock:
    """A clock that stands still for whoever looks twice."""

    now_s: float = 0.0

    def monotonic_s(self) -> float:
        """Seconds since the beginning."""
        self.now_s += 0.01
        return self.now_s

    def utc_now_iso(self) -> str:
        """Never asked for here."""
        raise NotImplementedError


@dataclass
class Payloads:
    """Payloads of positions; `fault` is raised instead of making any."""

    folder: Path
    fault: BaseException | None = None
    digests: str = "digest"
    is_after: bool = False

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Encode nothing."""
        self._fail()
        return b"{}"

    def part(self, batch_id: int, start: int, stop: int) -> PartFile:
        """Write a small file."""
        self._fail()
        path = self.folder / f"part-{batch_id}"
        path.write_bytes(b"part")
        return PartFile(str(path), 4, (ColumnMapping("c001", "Contact", "email"),), "")

    def identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return two identifiers."""
        self._fail()
        return (("email", "a@example.com"), ("phone", "+13179580000"))

    def further_identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return two further identifiers."""
        self._fail()
        return (("phone", "+13179580001"), ("phone", "+13179580002"))

    def follows(self, position: int) -> bool:
        """Say what the test says."""
        return self.is_after

    def patch_body(self, position: int) -> bytes:
        """Encode nothing."""
        self._fail()
        return b"{}"

    def digest(self, start: int, stop: int) -> str:
        """Return the pinned hash."""
        return self.digests


@dataclass
class Writer:
    """A service that takes everything, or raises `error` for it."""

    error: Exception | None = None
    calls: list[str] = field(default_factory=list)
    found: tuple[str, ...] = ()

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.error is not None:
            raise self.error

    def put_bulk(self, body: bytes) -> Accepted:
        """Take a body."""
        self._called("bulk")
        return Accepted("RQ")

    def patch_profile(self, profile_id: str, body: bytes) -> Accepted:
        """Take a patch."""
        self._called("patch")
        return Accepted("RQ")

    def add_identifier(self, profile_id: str, id_type: str, value: str) -> Accepted:
        """Take a further identifier."""
        self._called("add-identifier")
        return Accepted("RQ")

    def lookup(self, id_type: str, value: str) -> tuple[str, ...]:
        """Find what there is."""
        self._called(id_type)
        return self.found

    def create_import(self, filename: str, size_bytes: int, columns: Sequence[ColumnMapping]) -> CreatedImport:
        """Create an import."""
        self._called("create")
        return CreatedImport("imp", "https://bucket/imp")

    def upload(self, url: str, content: BinaryIO, size_bytes: int) -> None:
        """Take a file."""
        assert content.read() == b"part"
        self._called("upload")


BULK = SendBulk(1, 0, 0, 10, frozenset())
CREATE = CreateImport(1, 0, 0, 10, "name.csv")
ROWS: list[Request] = [Lookup(1, 3), Patch(1, 3, "p"), AddIdentifier(1, 3, "p", 1)]
REQUESTS: list[Request] = [BULK, CREATE, Upload(1, 0, 0, 10, "imp"), *ROWS]


def carrier(folder: Path, writer: Writer, fault: BaseException | None = None) -> Carrier:
    """Return a carrier whose imports were all created."""
    made = Carrier(Payloads(folder, fault), writer, Clock())  # type: ignore[arg-type]  # what is not here is not asked
    made._urls["imp"] = "https://bucket/imp"
    return made


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "full"), StateError("damaged"), KeyError("bug")])
def test_what_cannot_be_encoded_never_left(tmp_path: Path, request_: Request, fault: BaseException) -> None:
    """Whatever fails while a request is made says that nothing of it left, and nothing did."""
    writer = Writer()
    made = carrier(tmp_path, writer, fault)
    event = made.carry_out(request_)
    assert isinstance(event, WorkerFailed)
    assert not event.left
    assert writer.calls == []
    assert made.fault is fault


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_what_fails_on_the_way_may_have_left(tmp_path: Path, request_: Request) -> None:
    """A bug below the request cannot take it back."""
    event = carrier(tmp_path, Writer(KeyError("bug"))).carry_out(request_)
    assert isinstance(event, WorkerFailed)
    assert event.left


@pytest.mark.parametrize("kind", [BULK, CREATE], ids=["bulk", "create"])
def test_rows_that_are_not_what_was_planned_never_leave(tmp_path: Path, kind: SendBulk | CreateImport) -> None:
    """The hash that counts is that of the positions it was pinned over, which may be more than are sent."""
    for digest, holds in (("digest", True), ("other", False)):
        writer = Writer()
        made = carrier(tmp_path, writer)
        check = Pin(0, 100, digest)
        request = (
            SendBulk(1, 0, 0, 10, frozenset(), check)
            if isinstance(kind, SendBulk)
            else CreateImport(1, 0, 0, 10, "x", check)
        )
        event = made.carry_out(request)
        assert isinstance(event, Answered) is holds
        assert bool(writer.calls) is holds
        assert isinstance(made.fault, PackageChangedError) is not holds


def _lookup_refused(status: int, code: int | None) -> RejectedRequestError:
    return RejectedRequestError("x", endpoint="e", status=status, code=code)


def test_a_lookup_asks_for_one_identifier_and_says_if_there_are_more(tmp_path: Path) -> None:
    """A 404 that does not speak of the store means that nobody holds it, and the next one has its turn."""
    writer = Writer(found=("p",))
    made = carrier(tmp_path, writer)
    first, second = (made.carry_out(Lookup(1, 3, number)) for number in (0, 1))
    assert isinstance(first, Answered)
    assert isinstance(second, Answered)
    assert (first.answer, second.answer) == (LookedUp(("p",), more=True), LookedUp(("p",)))
    assert writer.calls == ["email", "phone"]
    writer.error = _lookup_refused(404, 20404)
    events = [made.carry_out(Lookup(1, 3, number)) for number in (0, 1)]
    assert [event.answer for event in events if isinstance(event, Answered)] == [LookedUp((), more=True), LookedUp(())]


@pytest.mark.parametrize("error", [_lookup_refused(404, 520041), _lookup_refused(400, 520046)])
def test_a_lookup_that_speaks_of_the_store_is_no_answer(tmp_path: Path, error: RejectedRequestError) -> None:
    """Nobody concludes from a missing store that there is nothing to remove."""
    event = carrier(tmp_path, Writer(error)).carry_out(Lookup(1, 3, 1))
    assert isinstance(event, Refused)
    assert event.failure.kind is FailureKind.REJECTED


@pytest.mark.parametrize(("found", "identifier", "expected"), [((), 1, True), ((), 0, False), (("p",), 1, False)])
def test_a_profile_is_expected_where_a_row_before_has_the_identifier(
    tmp_path: Path, found: tuple[str, ...], identifier: int, expected: bool
) -> None:
    """That is asked once all identifiers of a row were looked up, and in vain: it may take a while to find out."""
    payloads = Payloads(tmp_path, is_after=True)
    made = Carrier(payloads, Writer(found=found), Clock())  # type: ignore[arg-type]
    event = made.carry_out(Lookup(1, 3, identifier))
    assert isinstance(event, Answered)
    assert event.answer == LookedUp(found, more=identifier == 0, expected=expected)


def test_a_part_whose_file_is_gone_is_written_again(tmp_path: Path) -> None:
    """Somebody who tidies up between creation and upload costs nothing."""
    writer = Writer()
    made = carrier(tmp_path, writer)
    assert isinstance(made.carry_out(CREATE), Answered)
    (tmp_path / "part-0").unlink()
    assert isinstance(made.carry_out(Upload(2, 0, 0, 10, "imp")), Answered)
    assert writer.calls == ["create", "upload"]


def test_a_part_that_cannot_be_removed_hides_nothing(tmp_path: Path) -> None:
    """What ended the delivery is what is said; the next session removes the file."""
    made = carrier(tmp_path, Writer())
    assert isinstance(made.carry_out(CREATE), Answered)
    (tmp_path / "part-0").unlink()
    (tmp_path / "part-0").mkdir()  # which `unlink` refuses, as it does any file of a disk that is read-only
    made.discard(0)
    made.discard_all()
    assert (tmp_path / "part-0").exists()


@pytest.mark.parametrize("route", [Route.BULK, Route.IMPORT])
def test_a_full_disk_stops_the_run_and_keeps_it_resumable(tmp_path: Path, route: Route) -> None:
    """What cannot be written is an error that says so; nothing was sent, and the ledger knows it."""
    payloads = Payloads(tmp_path, OSError(errno.ENOSPC, "No space left on device", "/secret/path"))
    writer = Writer()
    with SqliteLedger.create(tmp_path / "ledger.db", {}) as ledger:
        ledger.add_batches([BatchSpec(0, route, 0, 10, digest="digest")])
        ports = DeliveryPorts(payloads, writer, ledger, Clock(), threading.Event())  # type: ignore[arg-type]
        with pytest.raises(DiskError, match="No space left on device") as raised:
            deliver(ports, EngineOptions("run"))
        assert "resume" in raised.value.hint
        assert Counter(outcome.state for outcome in ledger.outcomes()) == {"not_sent": 1}
        assert writer.calls == []
        if route is Route.BULK:
            payloads.fault = None
            assert deliver(ports, EngineOptions("run", resumed=True)).reason is FinishReason.COMPLETED
            assert Counter(outcome.state for outcome in ledger.outcomes()) == {"accepted": 1}
