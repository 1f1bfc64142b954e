"""Rows with removals: looked up before their body, patched after it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from importer.core.delivery import ApiFailure, BatchEntry, FailureKind, RowResult, Trace
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
    LOST,
    Run,
    Serve,
    always,
    bulk,
    refusing,
    with_operation,
)

LOOKUPS: dict[int, Answer | ApiFailure] = {
    0: LookedUp(()),
    1: LookedUp(("a", "b")),
    2: LookedUp((), expected=True),
    3: ApiFailure(FailureKind.REJECTED, 400, 520046),
    4: LOST,
}
PATCHES: dict[int, Answer | ApiFailure] = {
    6: ApiFailure(FailureKind.REJECTED, 404, 520009),
    7: LOST,
    8: ApiFailure(FailureKind.REJECTED, 403, 520008),
}


def _rows_service(request: Request, _now_s: float) -> Answer | ApiFailure:
    match request:
        case Lookup(position=position):
            return LOOKUPS.get(position, LookedUp((f"p{position}",)))
        case Patch(position=position):
            return PATCHES.get(position, Patched("RQ"))
        case SendBulk():
            assert request.skip <= {1, 3}
            assert not request.start <= 4 < request.stop
    return ACCEPTED


def test_removals_follow_the_values_row_by_row() -> None:
    """Looked up first: none is values only, one is patched after the 202, several is held and left out."""
    run = Run(bulk(1, route=Route.BULK_PATCH), _rows_service).go()
    assert run.reason is FinishReason.INCOMPLETE
    assert run.outcomes() == {
        0: "accepted",
        1: "held",
        2: "accepted",
        3: "failed",
        4: "not_sent",
        5: "accepted",
        6: "failed",
        7: "unknown",
        8: "failed",
        9: "accepted",
    }
    assert run.rows[1].code == "ambiguous-profile"
    assert run.rows[5].state is RowState.PATCHED
    bodies = {p: at_s for at_s, r in run.log if isinstance(r, SendBulk) for p in range(r.start, r.stop)}
    assert all(at_s > bodies[r.position] for at_s, r in run.log if isinstance(r, Patch))
    assert min(bodies.values()) > max(at_s for at_s, r in run.log if isinstance(r, Lookup) and r.position != 4)


def test_rows_held_all_send_nothing() -> None:
    """A batch whose rows all belong to several profiles sends no body."""
    run = Run(bulk(1, route=Route.BULK_PATCH), always(LookedUp(("a", "b")))).go()
    assert run.sent(SendBulk) == []
    assert run.state() is BatchState.EMPTIED
    assert run.rows_by_state() == {"held": 10}


@pytest.mark.parametrize("stop_at_s", [0.05, 0.15, 0.25, 0.35, 0.45])
def test_rows_are_looked_up_and_patched_once_over_a_resume(stop_at_s: float) -> None:
    """What was looked up or patched by an earlier process is neither again."""
    specs = bulk(1, route=Route.BULK_PATCH)

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        match request:
            case Lookup():
                return LookedUp((f"p{request.position}",))
            case SendBulk():
                return ACCEPTED
        return Patched("RQ")

    run = Run(specs, serve, stop_at_s=stop_at_s).go(concurrency=4)
    again = Run((), serve, batches=run.batches, rows=run.rows).go(concurrency=4)
    assert again.rows_by_state() == {"accepted": 10}
    for kind in (Lookup, Patch):
        assert len(run.sent(kind)) + len(again.sent(kind)) == 10


def test_what_was_left_out_of_a_body_stays_out_over_a_resume() -> None:
    """A body that was lost with its process goes again without the rows that are held, refused or not found."""
    entry = BatchEntry(bulk(1, route=Route.BULK_PATCH)[0], BatchState.SENT, 1)
    states = {1: RowState.HELD, 3: RowState.FAILED, 4: RowState.FOUND, 5: RowState.ABSENT}
    rows = {position: RowResult(position, state, profile_id="p") for position, state in states.items()}
    run = Run((), lambda r, _: ACCEPTED if isinstance(r, SendBulk) else Patched("RQ"), batches={0: entry}, rows=rows)
    assert run.go(resumed=True).rows_by_state() == {"accepted": 8, "held": 1, "failed": 1}
    assert [request.skip for _, request in run.log if isinstance(request, SendBulk)] == [{1, 3}]
    assert [request.position for _, request in run.log if isinstance(request, Patch)] == [4]


def test_halves_keep_what_their_rows_were_looked_up_for() -> None:
    """Children of a refused body with removals need no second lookup, and patch their own rows."""
    bad = refusing({4})

    def serve(request: Request, now_s: float) -> Answer | ApiFailure | WorkerFailed:
        match request:
            case Lookup():
                return LookedUp((f"p{request.position}",)) if request.position % 2 else LookedUp(())
            case SendBulk():
                return bad(request, now_s)
        return Patched("RQ")

    run = Run(bulk(1, route=Route.BULK_PATCH), serve).go()
    assert len(run.sent(Lookup)) == 10
    assert len(run.sent(Patch)) == 5
    assert run.rows_by_state() == {"failed": 1, "accepted": 9}


def test_a_batch_that_was_patched_to_its_last_row_is_followed() -> None:
    """A process that died after the last patch leaves nothing to send, and the operation to poll.

    What the operation says holds for the values alone: the removals are accepted, and nobody says when they are done.
    """
    entry = BatchEntry(
        bulk(1, route=Route.BULK_PATCH)[0], BatchState.PATCHING, 1, Trace(status_url="/v1/ControlPlane/Operations/op")
    )
    rows = {position: RowResult(position, RowState.PATCHED) for position in range(10)}
    run = Run((), always(OperationSeen("COMPLETED", 0, 0)), batches={0: entry}, rows=rows).go(resumed=True)
    assert run.state() is BatchState.ACCEPTED
    assert run.sent(Patch) == []


@pytest.mark.parametrize(("profiles", "state"), [((), BatchState.PROCESSED), (("p1",), BatchState.ACCEPTED)])
def test_rows_with_removals_are_no_more_than_accepted(profiles: tuple[str, ...], state: BatchState) -> None:
    """The operation of a body speaks of its values; a row of which something was removed is not called processed."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        match request:
            case Lookup():
                return LookedUp(profiles)
            case Patch():
                return Patched("RQ2")
            case _:
                return with_operation(request) if isinstance(request, SendBulk) else OperationSeen("COMPLETED", 0, 0)

    run = Run(bulk(1, route=Route.BULK_PATCH), serve).go()
    assert run.state() is state
    assert len(run.sent(Patch)) == 10 * len(profiles)


@pytest.mark.parametrize(("profiles", "state"), [((), BatchState.PROCESSED), (("p1",), BatchState.ACCEPTED)])
def test_what_was_looked_up_counts_over_a_stop_while_the_operation_is_polled(
    profiles: tuple[str, ...], state: BatchState
) -> None:
    """A resumed run knows which rows had nothing to remove: their batch is processed once its operation is over."""
    ended = False

    def serve(request: Request, _now_s: float) -> Answer | ApiFailure:
        match request:
            case Lookup():
                return LookedUp(profiles)
            case Patch():
                return Patched("RQ2")
            case SendBulk():
                return with_operation(request)
        return OperationSeen("COMPLETED", 0, 0) if ended else OperationSeen("RUNNING")

    run = Run(bulk(1, route=Route.BULK_PATCH), serve, stop_at_s=8.0).go()
    assert run.state() is BatchState.APPLYING
    ended = True
    again = Run((), serve, batches=run.batches, rows=run.rows).go(resumed=True)
    assert again.state() is state
    assert again.sent(SendBulk) == []


# --- lookups that are never answered ---------------------------------------------------------------------------------


def _deaf(deaf: set[int]) -> Serve:
    """Return a service that answers everything but the lookups of these rows."""

    def serve(request: Request, _now_s: float) -> Answer | ApiFailure:
        match request:
            case Lookup(position=position):
                return LOST if position in deaf else LookedUp((f"p{position}",))
            case SendBulk():
                return ACCEPTED
        return Patched("RQ")

    return serve


@pytest.mark.parametrize("deaf", [{0}, {9}, {3, 4, 7}])
def test_rows_whose_lookups_are_not_answered_are_left_to_a_resume(deaf: set[int]) -> None:
    """They alone are not sent, and the run says that it is not complete; a resume sends them, and no other again."""
    run = Run(bulk(1, route=Route.BULK_PATCH), _deaf(deaf)).go()
    assert run.reason is FinishReason.INCOMPLETE
    assert {p for p, state in run.outcomes().items() if state == "not_sent"} == deaf
    assert run.rows_by_state()["accepted"] == 10 - len(deaf)
    left = [entry for entry in run.batches.values() if entry.state is BatchState.OPENED]
    assert {entry.trace.code for entry in left} == {"lookup-unanswered"}
    again = Run((), _deaf(set()), batches=run.batches, rows=run.rows).go(resumed=True)
    assert again.reason is FinishReason.COMPLETED
    assert again.rows_by_state() == {"accepted": 10}
    assert {request.position for _, request in again.log if isinstance(request, Lookup)} == deaf
    assert not {entry.trace.code for entry in again.batches.values()} - {None}


def test_a_batch_none_of_whose_lookups_is_answered_is_left_whole() -> None:
    """There is nothing to cut off from it, and the rest of the run goes on without it."""
    run = Run([*bulk(1, rows=1, route=Route.BULK_PATCH), *bulk(20, first=1)], _deaf({0})).go()
    assert run.reason is FinishReason.INCOMPLETE
    assert run.state() is BatchState.OPENED
    assert run.rows_by_state() == {"not_sent": 1, "accepted": 200}


def test_what_follows_a_row_that_was_left_waits_for_it() -> None:
    """A later row of an identity does not overtake one that could not be looked up."""
    specs = [
        *bulk(1, wave=1, route=Route.BULK_PATCH),
        *bulk(1, wave=2, first=1),
        *bulk(1, wave=3, route=Route.BULK_PATCH, first=2),
    ]
    run = Run(specs, _deaf({4})).go()
    assert run.reason is FinishReason.INCOMPLETE
    assert run.rows_by_state() == {"accepted": 9, "not_sent": 21}
    again = Run((), _deaf(set()), batches=run.batches, rows=run.rows).go(resumed=True)
    bodies = [(request.start, request.stop) for _, request in again.log if isinstance(request, SendBulk)]
    assert bodies == [(4, 5), (10, 20), (20, 30)]


def test_what_stands_alone_waits_for_nobody() -> None:
    """Rows that follow each other are sent although one that has nothing to do with them was left."""
    run = Run([*bulk(1, route=Route.BULK_PATCH), *bulk(2, wave=1, first=1)], _deaf({4})).go()
    assert run.rows_by_state() == {"accepted": 29, "not_sent": 1}


# --- one identifier after the other ----------------------------------------------------------------------------------


def _identifiers(*found: LookedUp) -> Serve:
    """Return a service that finds this by each of a row's identifiers."""

    def serve(request: Request, _now_s: float) -> Answer | ApiFailure:
        match request:
            case Lookup(identifier=number):
                return replace(found[number], more=number + 1 < len(found))
            case SendBulk():
                return ACCEPTED
        return Patched("RQ")

    return serve


@pytest.mark.parametrize(
    ("found", "lookups", "patched", "state"),
    [
        ((LookedUp(("a",)), LookedUp(("a",))), 2, ["a"], "accepted"),
        ((LookedUp(()), LookedUp(("a",))), 2, ["a"], "accepted"),
        ((LookedUp(()), LookedUp(()), LookedUp(())), 3, [], "accepted"),
        ((LookedUp(("a",)), LookedUp(("b",)), LookedUp(("c",))), 2, [], "held"),
    ],
)
def test_each_identifier_is_a_request_of_its_own(
    found: tuple[LookedUp, ...], lookups: int, patched: list[str], state: str
) -> None:
    """All identifiers are looked up, in turn, until two profiles are found; one that is nowhere ends nothing."""
    run = Run(bulk(1, rows=1, route=Route.BULK_PATCH), _identifiers(*found)).go(max_rps=10)
    assert run.rows_by_state() == {state: 1}
    times = run.sent(Lookup)
    assert len(times) == lookups
    assert all(later - earlier >= 0.099 for earlier, later in pairwise(times))
    assert [request.profile_id for _, request in run.log if isinstance(request, Patch)] == patched
