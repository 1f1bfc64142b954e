"""Removals whose profiles are yet to come: they wait for what earlier rows make, and not for ever."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from importer.core.delivery import ApiFailure, BatchEntry, BatchSpec
from importer.core.engine_messages import (
    Answer,
    LookedUp,
    Lookup,
    OperationSeen,
    Patch,
    Patched,
    Request,
    SendBulk,
    WorkerFailed,
)
from importer.core.lifecycle import BatchState, FinishReason, RowState
from importer.core.route import Route
from tests.support.engine_driver import (
    ACCEPTED,
    Run,
    Serve,
    bulk,
    refusing,
    with_operation,
)


@dataclass
class Late:
    """A service that applies what it accepted after a while, and does not say when."""

    lag_s: float
    expected: bool = True
    accepted_s: float = float("inf")

    def __call__(self, request: Request, now_s: float) -> Answer | ApiFailure:
        """Answer a request."""
        match request:
            case Lookup():
                is_there = now_s >= self.accepted_s + self.lag_s
                return LookedUp(("p",)) if is_there else LookedUp((), expected=self.expected)
            case SendBulk():
                self.accepted_s = min(self.accepted_s, now_s)
                return ACCEPTED
        return Patched("RQ")


FOLLOWING = [*bulk(1, rows=1, wave=1), *bulk(1, rows=1, wave=2, route=Route.BULK_PATCH, first=1)]


def test_a_row_waits_for_the_profile_an_earlier_one_makes() -> None:
    """A removal is not dropped because the row before it was accepted and not applied yet."""
    run = Run(FOLLOWING, Late(20.0)).go()
    assert run.outcomes() == {0: "accepted", 1: "accepted"}
    assert run.rows[1].state is RowState.PATCHED
    assert 20 < run.now_s < 40
    assert len(run.sent(Lookup)) < 10


def test_a_removal_whose_profile_never_comes_is_not_passed_over_in_silence() -> None:
    """After a minute the values are sent, and the row says that its removal was not made."""
    run = Run(FOLLOWING, Late(1000.0)).go()
    assert run.reason is FinishReason.COMPLETED
    assert run.outcomes() == {0: "accepted", 1: "unknown"}
    assert run.rows[1].code == "removal-not-made"
    assert len(run.sent(SendBulk)) == 2
    assert run.sent(Patch) == []
    assert 60 <= run.sent(SendBulk)[1] < 61


def _applied(request: Request, now_s: float) -> Answer | ApiFailure:
    if isinstance(request, Lookup):
        return LookedUp((), expected=True)
    return with_operation(request) if isinstance(request, SendBulk) else OperationSeen("COMPLETED", 0, 0)


@pytest.mark.parametrize(
    ("specs", "serve"),
    [
        (bulk(1, wave=1, route=Route.BULK_PATCH), Late(1000.0)),
        (bulk(1, wave=0, route=Route.BULK_PATCH), Late(1000.0)),
        (FOLLOWING, Late(1000.0, expected=False)),
        (FOLLOWING, _applied),
        ([*bulk(1, rows=1), *bulk(1, rows=1, wave=2, route=Route.BULK_PATCH, first=1)], Late(1000.0)),
    ],
    ids=["first", "alone", "no identifier in common", "applied", "none before"],
)
def test_nobody_waits_for_a_profile_that_cannot_come(specs: list[BatchSpec], serve: Serve) -> None:
    """Where no earlier row could have made it, or all of them are applied, there is nothing to remove."""
    run = Run(specs, serve).go()
    assert set(run.rows_by_state()) <= {"accepted", "processed"}
    assert run.now_s < 10


def test_the_wait_is_counted_from_the_last_earlier_row() -> None:
    """What was accepted long ago keeps nobody waiting a minute more, and a resumed run counts from its beginning."""
    specs = [*bulk(1, rows=1, wave=1), *bulk(700, rows=1, wave=2, route=Route.BULK_PATCH, first=1)]
    run = Run(specs, Late(1000.0)).go(max_rps=5)
    assert run.rows_by_state() == {"accepted": 1, "unknown": 700}
    late = [at_s for at_s, request in run.log if isinstance(request, Lookup) and request.position == 700]
    assert len(late) == 1
    entry = BatchEntry(FOLLOWING[0], BatchState.ACCEPTED)
    again = Run((), Late(1000.0), batches={0: entry, 1: BatchEntry(FOLLOWING[1])}, now_s=5000.0).go(resumed=True)
    assert again.outcomes()[1] == "unknown"
    assert 5060 <= again.now_s < 5062


@pytest.mark.parametrize("stop_at_s", [30.0, 60.25])
def test_a_removal_not_made_is_remembered_over_a_resume(stop_at_s: float) -> None:
    """Whether the process ends while it waits or while the values are out: the row says what became of it."""
    late = Late(1000.0)
    run = Run(FOLLOWING, late, stop_at_s=stop_at_s).go(drain_s=0.0)
    assert run.reason is FinishReason.INTERRUPTED
    assert run.outcomes()[1] == ("not_sent" if stop_at_s < 60 else "unknown")
    again = Run((), late, batches=run.batches, rows=run.rows, now_s=run.now_s).go(resumed=True)
    assert again.outcomes() == {0: "accepted", 1: "unknown"}
    assert again.rows[1].code == "removal-not-made"


def test_halves_remember_the_removals_that_cannot_be_made() -> None:
    """A body that is refused and halved loses none of them."""
    specs = [*bulk(1, rows=4, wave=1), *bulk(1, rows=4, wave=2, route=Route.BULK_PATCH, first=1)]
    bad = refusing({6})

    def serve(request: Request, now_s: float) -> Answer | ApiFailure | WorkerFailed:
        return LookedUp((), expected=True) if isinstance(request, Lookup) else bad(request, now_s)

    run = Run(specs, serve).go()
    assert run.rows_by_state() == {"accepted": 4, "failed": 1, "unknown": 3}
