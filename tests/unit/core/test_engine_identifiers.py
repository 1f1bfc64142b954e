"""Rows with further identifiers: looked up after their body, and then given them one by one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.delivery import ApiFailure, FailureKind
from importer.core.engine_messages import (
    Added,
    AddIdentifier,
    Answer,
    LookedUp,
    Lookup,
    OperationSeen,
    Request,
    SendBulk,
)
from importer.core.lifecycle import BatchState, FinishReason, RowState
from importer.core.route import Route
from tests.support.engine_driver import ACCEPTED, DOWN, LOST, THROTTLED, Run, bulk, with_operation

REFUSED = ApiFailure(FailureKind.REJECTED, 400, 520046)
ROUTE = Route.BULK_IDENTIFIERS


@dataclass
class _Service:
    """Finds profiles so long after their rows were accepted, and takes identifiers.

    Attributes:
        lookups: Answers by position where they are not the row's own profile.
        additions: Answers by position.
        late_s: How late the service applies what it accepted.
    """

    lookups: dict[int, Answer | ApiFailure] = field(default_factory=dict)
    additions: dict[int, Answer | ApiFailure] = field(default_factory=dict)
    late_s: float = 0.0
    accepted_s: float = float("inf")

    def __call__(self, request: Request, now_s: float) -> Answer | ApiFailure:
        match request:
            case SendBulk():
                self.accepted_s = min(self.accepted_s, now_s)
                return ACCEPTED
            case Lookup(position=position):
                assert request.is_sent
                there = now_s >= self.accepted_s + self.late_s
                return self.lookups.get(position, LookedUp((f"p{position}",) if there else (), more=True))
            case AddIdentifier(position=position, profile_id=profile_id, identifier=number):
                assert profile_id == f"p{position}"
                return self.additions.get(position, Added("RQ", more=number == 0 and position == 9))
        raise AssertionError(request)


def test_further_identifiers_follow_the_values() -> None:
    """Bodies first; then each row's profile is found by its first identifier, and given what the row has beside it."""
    run = Run(bulk(1, route=ROUTE), _Service()).go()
    assert run.reason is FinishReason.COMPLETED
    assert run.rows_by_state() == {"accepted": 10}
    assert {row.state for row in run.rows.values()} == {RowState.ADDED}
    body = run.sent(SendBulk)[0]
    assert min(run.sent(Lookup)) > body
    additions = [(r.position, r.identifier) for _, r in run.log if isinstance(r, AddIdentifier)]
    assert sorted(additions) == [*((position, 0) for position in range(10)), (9, 1)]
    for position in range(10):
        at = [at_s for at_s, r in run.log if isinstance(r, Lookup | AddIdentifier) and r.position == position]
        assert all(one < other for one, other in pairwise(at))


def test_the_state_of_a_row_is_the_worse_of_the_two() -> None:
    """Refused, lost, ambiguous or never found: the values are accepted, and the row says what became of the rest."""
    service = _Service(
        lookups={0: LookedUp(("a", "b")), 1: REFUSED, 2: LOST, 3: LookedUp(())},
        additions={4: REFUSED, 5: LOST},
    )
    run = Run(bulk(1, route=ROUTE), service).go()
    assert run.reason is FinishReason.COMPLETED
    found = {position: (run.outcomes()[position], run.rows[position].code) for position in range(6)}
    lost = ("unknown", "identifier-not-added")
    assert found == {
        0: lost,
        1: lost,
        2: lost,
        3: lost,
        4: ("failed", "refused-by-service"),
        5: ("unknown", "no-answer"),
    }
    assert run.rows_by_state() == {"unknown": 5, "failed": 1, "accepted": 4}


@pytest.mark.parametrize(("late_s", "state"), [(30.0, "accepted"), (90.0, "unknown")])
def test_a_profile_that_is_yet_to_come_is_waited_for(late_s: float, state: str) -> None:
    """The service applies later what it accepted: rows are looked up again for a minute, ever more seldom."""
    run = Run(bulk(1, rows=1, route=ROUTE), _Service(late_s=late_s)).go()
    assert run.rows_by_state() == {state: 1}
    waits = [later - earlier for earlier, later in pairwise(run.sent(Lookup))]
    assert 1 < len(waits) < 30
    assert run.now_s < 62


def test_an_operation_says_nothing_of_further_identifiers() -> None:
    """Its body is processed, the identifiers are only accepted; so is the row."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        match request:
            case SendBulk():
                return with_operation(request)
            case Lookup():
                return LookedUp((f"p{request.position}",))
            case AddIdentifier():
                return Added("RQ")
        return OperationSeen("COMPLETED", 0, 0)

    assert Run(bulk(1, route=ROUTE), serve).go().state() is BatchState.ACCEPTED


@pytest.mark.parametrize("stop_at_s", [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65])
def test_what_was_added_is_not_added_again_over_a_resume(stop_at_s: float) -> None:
    """A row is due until its last identifier is accepted; a resumed run goes on with those that are due."""
    run = Run(bulk(1, rows=9, route=ROUTE), _Service(), stop_at_s=stop_at_s).go(concurrency=3)
    again = Run((), _Service(accepted_s=0.0), batches=run.batches, rows=run.rows).go(concurrency=3)
    assert again.reason is FinishReason.COMPLETED
    assert again.rows_by_state() == {"accepted": 9}
    assert len(run.sent(AddIdentifier)) + len(again.sent(AddIdentifier)) == 9
    assert len(run.sent(SendBulk)) + len(again.sent(SendBulk)) == 1


def test_halves_of_a_refused_body_keep_their_route() -> None:
    """A row that is refused is brought down to itself; the others are accepted and get what is theirs."""
    service = _Service()

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        if isinstance(request, SendBulk) and request.start <= 4 < request.stop:
            return REFUSED
        return service(request, now_s)

    run = Run(bulk(1, route=ROUTE), serve).go()
    assert run.rows_by_state() == {"failed": 1, "accepted": 9}
    assert {r.position for _, r in run.log if isinstance(r, AddIdentifier)} == set(range(10)) - {4}


# --- killed at any moment, whatever the network does -----------------------------------------------------------------


class _KilledError(Exception):
    """The process is gone: what was recorded stands, what was out is not known."""


@dataclass
class _Shaky:
    """A service that applies what reaches it, over a network that loses requests and answers as a script says."""

    script: list[str]
    sent: frozenset[int] = frozenset()
    added: set[tuple[int, int]] = field(default_factory=set)
    asked: int = 0
    killed_at: int = -1

    def __call__(self, request: Request, _now_s: float) -> Answer | ApiFailure:
        self.asked += 1
        if self.asked == self.killed_at:
            raise _KilledError
        fate = self.script[self.asked % len(self.script)]
        if fate in ("down", "throttled"):
            return DOWN if fate == "down" else THROTTLED
        answer = self._applied(request)
        return LOST if fate == "lost" else answer

    def _applied(self, request: Request) -> Answer:
        match request:
            case SendBulk(start=start, stop=stop, skip=skip):
                self.sent |= frozenset(range(start, stop)) - skip
                return ACCEPTED
            case Lookup(position=position):
                assert position in self.sent
                return LookedUp((f"p{position}",))
            case AddIdentifier(position=position, profile_id=profile_id, identifier=number):
                assert profile_id == f"p{position}"
                self.added.add((position, number))
                return Added("RQ", more=number == 0 and position % 2 == 0)
        raise AssertionError(request)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["ok", "ok", "ok", "lost", "down", "throttled"]), min_size=7, max_size=11),
    st.lists(st.integers(1, 25), max_size=4),
)
def test_a_row_that_is_accepted_has_all_of_its_identifiers(script: list[str], kills: list[int]) -> None:
    """Killed again and again, in any weather: no addition goes before its body, none that is owed is forgotten."""
    service = _Shaky(script)
    run = Run(bulk(2, rows=4, route=ROUTE), service)
    for further in kills:
        service.killed_at = service.asked + further
        with suppress(_KilledError):
            run.go(resumed=True)
        run = Run((), service, batches=run.batches, rows=run.rows, now_s=run.now_s)
    service.killed_at = -1
    run.go(resumed=True)
    if "ok" not in script:
        return  # nothing is ever answered, and the run stops for want of success
    assert run.reason is FinishReason.COMPLETED
    for position, state in run.outcomes().items():
        assert state in ("accepted", "unknown")
        if state == "accepted":
            owed = {(position, 0), (position, 1)} if position % 2 == 0 else {(position, 0)}
            assert run.rows[position].state is RowState.ADDED
            assert owed <= service.added
