"""Reading back against a store in memory, on a virtual clock: whom it asks, how often, and when it stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import polars as pl
import pytest

from importer.core import pacing
from importer.core.filled import FilledSet
from importer.core.lifecycle import FinishReason
from importer.core.read_back import IdentifierTrait
from importer.core.schema import DataType, Normalization
from importer.core.wire import WireTrait
from importer.errors import ApiError, ProtocolError, RejectedRequestError, RetryableApiError
from importer.pipeline.paced_reads import READ_ATTEMPTS, Pace
from importer.pipeline.read_back import MOST_CANDIDATES, PIECE_ROWS, ReadBack, ReadingPorts, RowsToRead, read_back
from importer.ports import StoredProfile
from tests.support.fakes import FakePackage

EMAIL: Final = WireTrait("C.email", "C", "email", DataType.STRING, id_type="email")
PHONE: Final = WireTrait("C.phone", "C", "phone", DataType.STRING, id_type="phone")
TRAITS: Final = (EMAIL, PHONE)
IDENTIFIERS: Final = tuple(
    IdentifierTrait(trait.ref, trait.id_type or "", Normalization.NONE) for trait in (EMAIL, PHONE)
)

Answer = ApiError | None


class VirtualClock:
    """Time that goes on only where somebody waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.lock = threading.Lock()

    def monotonic_s(self) -> float:
        """Return the time."""
        return self.now_s

    def utc_now_iso(self) -> str:
        """Return a moment."""
        return "2026-01-01T00:00:00Z"

    def wait(self, seconds: float) -> bool:
        """Let time go on."""
        with self.lock:
            self.now_s += seconds
        return False


@dataclass
class FakeStore:
    """A store of profiles in memory that fails as it is told; `asked` keeps what it was asked, and when."""

    profiles: Mapping[str, Mapping[str, Any]]
    clock: VirtualClock
    holders: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    failing: Callable[[int], Answer] = lambda _: None
    asked: list[tuple[str, str, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _ask(self, kind: str, what: str) -> None:
        with self.lock:
            self.asked.append((kind, what, self.clock.now_s))
            error = self.failing(len(self.asked))
        if error is not None:
            raise error

    def lookup(self, id_type: str, value: str) -> tuple[str, ...]:
        """Return who holds a value."""
        self._ask("lookup", f"{id_type}={value}")
        found = (name for name, traits in self.profiles.items() if traits.get(id_type) == value)
        return self.holders.get((id_type, value), tuple(found))

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        """Return a profile."""
        self._ask("get", profile_id)
        traits = self.profiles.get(profile_id)
        return None if traits is None else StoredProfile(profile_id, {"C": traits})

    def identifiers_of(self, profile_id: str) -> Mapping[str, tuple[str, ...]]:
        """Never asked for here: no row has further values."""
        raise NotImplementedError


Row = tuple[str | None, str | None]


@dataclass
class Bench:
    """Rows, a store, and what came of reading them back."""

    rows: Sequence[Row]
    store: FakeStore
    stop: threading.Event = field(default_factory=threading.Event)
    results: list[pl.DataFrame] = field(default_factory=list)
    package: FakePackage = field(default_factory=FakePackage)
    told: list[int] = field(default_factory=list)

    def read(self, *, concurrency: int = 1, pace: Pace | None = None) -> ReadBack:
        """Read all rows back."""
        self.package.valid = [
            pl.DataFrame(self.rows, schema={"C.email": pl.String, "C.phone": pl.String}, orient="row")
        ]
        count = len(self.rows)
        clock = self.store.clock
        ports = ReadingPorts(
            self.package,
            self.store,
            clock,
            self.stop,
            clock.wait,
            self.results.append,
            lambda rows, *_: self.told.append(rows),
        )
        rows = RowsToRead(
            positions=np.arange(count, dtype=np.int64),
            slots=np.arange(count, dtype=np.int64),
            groups=np.full(count, -1, dtype=np.int64),
            linked=pl.DataFrame(schema={"group": pl.Int64, "position": pl.Int64, "set": pl.UInt32}),
            traits=TRAITS,
            sets=(FilledSet(("C.email", "C.phone"), ()),),
            identifiers=IDENTIFIERS,
        )
        return read_back(ports, rows, concurrency=concurrency, pace=pace)

    def found(self) -> dict[int, str]:
        """Return the result of each row that was read."""
        return {p: r for frame in self.results for p, r in frame.select("position", "result").iter_rows()}


def bench(rows: Sequence[Row], profiles: Mapping[str, Mapping[str, Any]] | None = None, **options: Any) -> Bench:
    """Make a bench whose store has every row, unless `profiles` says otherwise."""
    if profiles is None:
        profiles = {f"p{number}": {"email": email, "phone": phone} for number, (email, phone) in enumerate(rows)}
    return Bench(rows, FakeStore(profiles, VirtualClock(), **options))


ROWS: Final[tuple[Row, ...]] = tuple((f"e{number}", f"t{number}") for number in range(20))


def test_one_lookup_and_one_read_confirm_a_row() -> None:
    """An identifier that names a profile alone is enough."""
    one = bench(ROWS)
    result = one.read(concurrency=4)
    assert result == ReadBack(FinishReason.COMPLETED, 0, {"lookup": 20, "get-profile": 20})
    assert set(one.found().values()) == {"confirmed"}


def test_further_identifiers_are_tried_where_the_first_finds_nobody() -> None:
    """A row that none of them finds is missing, and costs no read."""
    one = bench([("e1", "t1"), (None, "t2"), ("e3", None)], {"a": {"email": "old", "phone": "t1"}})
    one.read()
    assert one.found() == {0: "mismatched", 1: "missing", 2: "missing"}
    assert [what for _, what, _ in one.store.asked] == ["email=e1", "phone=t1", "a", "phone=t2", "email=e3"]


def test_an_identifier_that_names_one_settles_what_another_leaves_open() -> None:
    """Where several hold the first, and one the second."""
    profiles = {"a": {"email": "e1", "phone": "t9"}, "b": {"email": "e1", "phone": "t1"}}
    one = bench([("e1", "t1")], profiles)
    one.read()
    assert one.found() == {0: "confirmed"}
    assert [what for kind, what, _ in one.store.asked if kind == "get"] == ["b"]


def test_of_many_holders_only_some_are_read() -> None:
    """Each costs: a row that none of these confirms is one that differs."""
    profiles = {f"p{number}": {"email": "e1", "phone": f"t{number}"} for number in range(50)}
    one = bench([("e1", None), ("e1", "t-1")], profiles)
    one.read()
    assert one.found() == {0: "confirmed", 1: "mismatched"}
    assert sum(kind == "get" for kind, *_ in one.store.asked) == 2 * MOST_CANDIDATES
    assert one.results[0]["code"].to_list() == [None, "ambiguous-profile"]


def test_a_profile_that_is_gone_by_then_is_not_there() -> None:
    """It was deleted between lookup and read."""
    one = bench([("e1", "t1")], {}, holders={("email", "e1"): ("gone",)})
    one.read()
    assert one.found() == {0: "missing"}


def refused(status: int, code: int | None = None) -> RejectedRequestError:
    """Return a refusal."""
    return RejectedRequestError("refused", endpoint="GET", status=status, code=code)


def test_a_wait_that_was_asked_for_before_holds() -> None:
    """Whatever the service was asked before: it is the same service, and what it bears is handed on once more."""
    one = bench(ROWS[:2])
    known = pacing.told_to_wait(pacing.begun(None, 1000.0), 1000.0, 50.0, 0.0)
    result = one.read(pace=Pace(known=replace(known, rate=0.5, ceiling=0.5)))
    times = [at_s for *_, at_s in one.store.asked]
    assert times[0] >= 1050.0
    assert times[1] - times[0] >= 1.0, "nor is the rate learned anew"
    assert result.pacer is not None
    assert result.pacer.rate is not None
    assert result.pacer.asked_until_s == 1050.0


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_lookup_that_is_refused_finds_nobody(status: int) -> None:
    """The value can be nobody's, or the service says so this way."""
    one = bench(ROWS[:1], failing=lambda number: refused(status) if number == 1 else None)
    one.read()
    assert one.found() == {0: "confirmed"}
    assert [what for _, what, _ in one.store.asked] == ["email=e0", "phone=t0", "p0"]


@pytest.mark.parametrize("error", [refused(401), refused(403), refused(404, 520041)])
def test_a_refusal_of_every_read_ends_them_and_judges_nobody(error: RejectedRequestError) -> None:
    """A row that could not be looked up is not missing."""
    one = bench(ROWS, failing=lambda number: error if number > 6 else None)
    result = one.read()
    assert (result.reason, result.error, result.unread) == (FinishReason.REFUSED, error, 0)
    assert one.found() == {0: "confirmed", 1: "confirmed", 2: "confirmed"}
    assert len(one.store.asked) == 7


@pytest.mark.parametrize("request_number", [1, 2])
def test_a_profile_that_may_not_be_read_is_left_out_alone(request_number: int) -> None:
    """A 403 that speaks of one profile, to a lookup or to a read."""
    one = bench(ROWS, failing=lambda number: refused(403, 520008) if number == request_number else None)
    result = one.read()
    assert (result.reason, result.unread) == (FinishReason.COMPLETED, 1)
    assert len(one.found()) == 19
    assert 0 not in one.found()


def busy(status: int, retry_after_s: float | None = None) -> RetryableApiError:
    """Return a failure that may pass."""
    return RetryableApiError("busy", endpoint="GET", status=status, retry_after_s=retry_after_s)


def test_nobody_reads_before_a_wait_that_was_asked_for_is_over() -> None:
    """Not one of the threads."""
    one = bench(ROWS, failing=lambda number: busy(429, 30.0) if number == 5 else None)
    result = one.read(concurrency=4)
    assert (result.reason, result.unread) == (FinishReason.COMPLETED, 0)
    assert set(one.found().values()) == {"confirmed"}
    refused_at_s = one.store.asked[4][2]
    # Three others may have left before the answer came.
    assert all(at_s >= refused_at_s + 30.0 for *_, at_s in one.store.asked[8:])


def test_a_429_is_no_attempt() -> None:
    """It was never looked at: so many of them in a row cost no row its result."""
    one = bench(ROWS[:1], failing=lambda number: busy(429) if number < 3 * READ_ATTEMPTS else None)
    assert one.read().unread == 0
    assert one.found() == {0: "confirmed"}


def test_a_read_is_tried_so_often_and_then_left() -> None:
    """The row has no result; the others are read."""
    one = bench(ROWS, failing=lambda number: busy(500) if number <= READ_ATTEMPTS else None)
    result = one.read()
    assert (result.reason, result.unread) == (FinishReason.COMPLETED, 1)
    assert sorted(one.found()) == list(range(1, 20))
    assert [what for _, what, _ in one.store.asked[: READ_ATTEMPTS + 1]] == [*["email=e0"] * READ_ATTEMPTS, "email=e1"]


def test_a_service_that_fails_for_too_long_is_left_alone() -> None:
    """With what it said last."""
    one = bench(ROWS, failing=lambda number: busy(503) if number > 4 else None)
    result = one.read(pace=Pace(stall_s=60.0))
    assert result.reason is FinishReason.STALLED
    assert isinstance(result.error, RetryableApiError)
    assert len(one.found()) == 2
    assert 60.0 <= one.store.clock.now_s - 1000.0 < 120.0


def test_a_wait_that_is_too_long_ends_the_reading() -> None:
    """Whoever started it decides."""
    one = bench(ROWS, failing=lambda _: busy(429, 86_400.0))
    assert one.read().reason is FinishReason.STALLED
    assert len(one.store.asked) == 1


def test_what_does_not_answer_like_the_service_is_not_asked_for_ever() -> None:
    """Eight answers in a row that break the contract are none of its."""
    one = bench(ROWS, failing=lambda _: ProtocolError("html", endpoint="GET", status=200))
    assert one.read().reason is FinishReason.STALLED
    assert len(one.store.asked) == 8


def test_a_rate_that_is_given_is_kept() -> None:
    """By all threads together."""
    one = bench(ROWS)
    one.read(concurrency=4, pace=Pace(max_rps=10.0))
    times = sorted(at_s for *_, at_s in one.store.asked)
    assert len(times) == 40
    assert times[-1] - times[0] == pytest.approx(3.9, abs=0.3)


def test_a_stop_keeps_what_was_read() -> None:
    """And asks nothing more, and says no more of it."""
    one = bench(ROWS)

    def stop_at(number: int) -> Answer:
        if number == 6:
            one.stop.set()
        return None

    one.store.failing = stop_at
    result = one.read()
    assert (result.reason, result.error, result.unread) == (FinishReason.INTERRUPTED, None, 0)
    assert one.found() == {0: "confirmed", 1: "confirmed", 2: "confirmed"}
    assert len(one.store.asked) == 6
    assert sum(one.told) == 3


class RunningClock(VirtualClock):
    """Time that also goes on where nobody waits."""

    def monotonic_s(self) -> float:
        """Return the time, four seconds later than the last."""
        self.now_s += 4.0
        return self.now_s


def test_a_read_that_hangs_does_not_hold_up_a_stop() -> None:
    """It is waited for, and then left."""
    one = bench(ROWS)
    one.store.clock = RunningClock()
    ended = threading.Event()

    def hang_at(number: int) -> Answer:
        if number == 3:
            one.stop.set()
            ended.wait(30)
        return None

    one.store.failing = hang_at
    result = one.read(concurrency=2)
    ended.set()
    assert result.reason is FinishReason.INTERRUPTED
    assert len(one.found()) < len(ROWS)


def test_nothing_is_read_after_a_stop() -> None:
    """Not even one row."""
    one = bench(ROWS)
    one.stop.set()
    assert one.read().reason is FinishReason.INTERRUPTED
    assert one.store.asked == []


def test_rows_are_taken_from_the_package_in_pieces() -> None:
    """However many there are."""
    rows = [(f"e{number}", None) for number in range(PIECE_ROWS + 3)]
    one = bench(rows, {})
    one.read(concurrency=8)
    assert one.package.takes == [PIECE_ROWS, 3]
    assert [frame.height for frame in one.results] == [PIECE_ROWS, 3]


def test_a_fault_of_ours_is_raised() -> None:
    """It does not look like a row that could not be read."""
    one = bench(ROWS)
    one.store.profiles = {"p0": None}  # type: ignore[dict-item]  # what no store has
    with pytest.raises(AttributeError):
        one.read()
