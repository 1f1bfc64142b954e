"""What is checked when a process has ended, and when a run is complete."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import polars as pl

from importer.core.lifecycle import FINAL, BatchState, FinishReason
from importer.core.report import FinalState
from importer.core.route import Route
from importer.pipeline.outcomes import outcome_frames
from importer.state.ledger import SqliteLedger
from importer.wiring.finishing import delivered_by
from tests.simulation.papers import SECRETS, check_papers, check_text
from tests.simulation.profiles import Identifier, Identities, Profiles, identifiers_of
from tests.simulation.trace import must

if TYPE_CHECKING:
    from tests.simulation.machine import Books, VirtualExecutor
    from tests.simulation.world import World

TAKEN: Final = frozenset({"accepted", "processed", "unattributed"})

Outcomes = dict[int, tuple[str, str | None]]


def outcomes_of(ledger: SqliteLedger) -> Outcomes:
    """Return state and code of each position, as the ledger tells it."""
    found: Outcomes = {}
    for batch in ledger.outcomes():
        for position in range(batch.start, batch.stop):
            must(position not in found, "I1", f"position {position} is in two batches")
            found[position] = batch.state, batch.code
    return found | {row.position: (row.state, row.code) for row in ledger.row_outcomes()}


def check_life(world: World, ledger: SqliteLedger, books: Books, executor: VirtualExecutor, reason: str) -> None:
    """Check what must hold whenever a process has ended."""
    entries = {entry.spec.batch_id: entry for entry in ledger.entries()}
    outcomes = outcomes_of(ledger)
    must(entries == books.batches, "ledger", "the ledger holds something else than was committed")
    must(sorted(outcomes) == list(range(len(world.fate.scenario.row_of))), "I1", "a position is in no batch")
    for position, (state, code) in outcomes.items():
        _check_truth(world, position, state, code)
    _check_in_flight(world, books, executor, reason)
    for entry in entries.values():
        is_given_up = entry.state is BatchState.UNKNOWN and entry.spec.route is not Route.IMPORT
        must(not is_given_up or entry.attempts >= world.fate.options(0).attempts, "I3", "a body was given up too soon")
    _check_silence(world)
    if reason == FinishReason.COMPLETED:
        _check_complete(world, books, outcomes)
    elif reason == FinishReason.INCOMPLETE:
        must("not_sent" in {state for state, _ in outcomes.values()}, "I3", "nothing was left behind")


def _check_truth(world: World, position: int, state: str, code: str | None) -> None:
    scenario = world.fate.scenario
    row = scenario.row_of[position]
    was_received = row in world.api.received
    if state in TAKEN:
        must(was_received, "I2", f"row {row} is {state}, and the service never had it")
        is_applied = state != "processed" or row in world.api.store.kept
        must(is_applied, "I2", f"row {row} is processed, and the service dropped it")
    elif state in ("not_sent", "held"):
        must(not was_received, "I2", f"row {row} is {state}, and the service has it")
    elif state == "failed":
        is_bad = row in world.fate.service.bad
        must(is_bad or row in world.api.unpatched, "I2", f"row {row} is failed, and nothing is wrong with it")
        must(not (is_bad and was_received), "I2", f"row {row} was refused, and accepted")
    else:
        must(state == "unknown", "I1", f"row {row} is {state}")
        if code == "removal-not-made":
            must(was_received and scenario.removing[position], "I2", f"row {row} has no removal to miss")
        if code == "identifier-not-added":
            must(was_received and scenario.adding[position], "I2", f"row {row} has no further identifier to miss")


def _check_in_flight(world: World, books: Books, executor: VirtualExecutor, reason: str) -> None:
    """Nothing is on record as sent that was not out, or might have been when the process was killed."""
    sent = {number: _line(books, number) for number, entry in books.batches.items() if entry.state is BatchState.SENT}
    if reason == "killed" or not executor.machine.is_writable:
        world.unsure |= books.unsent | executor.delivered
    if reason == "killed":
        out = executor.out | executor.delivered | books.unsent | books.started | world.lost
        more = [number for number, line in sent.items() if not line & out]
        must(not more, "I4", f"batches {more} will be sent again, and were not in flight")
    never = [number for number, line in sent.items() if not line & (world.left | world.unsure)]
    must(not never, "I4", f"batches {never} are on record as sent, and never left")


def _line(books: Books, number: int | None) -> set[int]:
    """Return a batch and those it was split from."""
    line: set[int] = set()
    while number is not None:
        line.add(number)
        number = books.batches[number].spec.parent_id
    return line


def _check_silence(world: World) -> None:
    """No cell, no credential, no presigned URL is anywhere it does not belong."""
    for text in world.told:
        check_text(text, "what was told")
    for path in world.path.parent.glob("ledger.db*"):
        content = path.read_bytes()
        for secret in SECRETS:
            must(secret.encode() not in content, "I7", f"a secret or a value in {path.name}")
    world.told.clear()


def _check_complete(world: World, books: Books, outcomes: Outcomes) -> None:
    must(all(entry.state in FINAL for entry in books.batches.values()), "I3", "a batch was left open")
    for position, (state, code) in outcomes.items():
        row = world.fate.scenario.row_of[position]
        must(state != "not_sent", "I3", f"row {row} was left behind")
        must(state != "unknown" or code is not None, "I3", f"row {row} is unknown and nobody knows why")


# --- the end of a run ------------------------------------------------------------------------------------------------


def check_end(world: World) -> None:
    """Check what must hold once a run is complete."""
    world.api.store.settle(float("inf"))
    with SqliteLedger.open(world.path, read_only=True) as ledger:
        outcomes = outcomes_of(ledger)
        delivered = delivered_by(ledger)
    scenario = world.fate.scenario
    run = scenario.run
    frames = outcome_frames(run.package, run.index, delivered, sending_state=FinalState.NOT_SENT)
    frame = pl.concat(list(frames))
    world.trace.met.update(f"row {state} {code or ''}" for state, code in frame.select("state", "code").iter_rows())
    _check_rows(world, frame)
    check_papers(world, delivered)
    _check_additions(world, outcomes)
    if world.fate.service.in_order:
        _check_store(world)
        _check_removals(world, outcomes)


def _check_rows(world: World, frame: pl.DataFrame) -> None:
    rows = world.fate.scenario.rows
    must(frame["row_number"].to_list() == list(range(1, rows.count + 1)), "I1", "rows were lost or added")
    counts = Counter(frame["state"].to_list())
    must(sum(counts[state.value] for state in FinalState) == rows.count, "I1", f"the states do not add up: {counts}")
    states = dict(zip(frame["row_number"].to_list(), frame["state"].to_list(), strict=True))
    carriers = dict(zip(frame["row_number"].to_list(), frame["carried_by"].to_list(), strict=True))
    for number, state in states.items():
        cells = rows.cells.get(number)
        if cells is None or (cells and (cells["points"] == "many" or not (cells["email"] or cells["phone"]))):
            must(state == "rejected", "I1", f"row {number} is {state}")
        elif not cells:
            must(state == "skipped", "I1", f"row {number} is {state}")
        carrier = carriers[number] if state == "combined" else number
        if state == "combined" or state in TAKEN:
            fine = carrier in world.api.received or states[carrier] in ("held", "failed", "unknown", "rejected")
            must(fine, "I3", f"row {number} is {state}, and nobody received it")
    if world.fate.service.is_only_down:
        lost = frame.filter((pl.col("state") == "unknown") & (pl.col("code") == "no-answer")).height
        must(not lost, "I3", f"{lost} rows were given up though the service was only down for a while")
    check_text(frame.drop("key:id", strict=False).write_csv(), "the outcomes")


def _check_store(world: World) -> None:
    """The store is what the rows it got come to, one after the other in the order of the source."""
    writes = sorted(world.api.store.writes, key=lambda write: (write.row, write.profile_id is not None, write.number))
    dropped = {write.row for write in writes if write.is_dropped}
    values = {write.row: write.values for write in writes if write.profile_id is None}
    lost = {world.checks.identities.root(i) for row in dropped for i in identifiers_of(values[row])}
    wanted = Profiles()
    for write in writes:
        if write.is_dropped:
            continue
        if write.profile_id is None:
            wanted.put(write)
            continue
        for profile in wanted.of(identifiers_of(values[write.row])):
            wanted.remove(profile.profile_id, write.removed)
            wanted.add(profile.profile_id, write.added)
    for row, known in values.items():
        identifiers = identifiers_of(known)
        if {world.checks.identities.root(identifier) for identifier in identifiers} & lost:
            continue
        shown, meant = (
            [({ref: value for ref, (value, _) in profile.traits.items()}, profile.identifiers) for profile in found]
            for found in (world.api.store.profiles.of(identifiers), wanted.of(identifiers))
        )
        must(shown == meant, "I5", f"the profile of row {row} is {shown}, not {meant}")


def _check_additions(world: World, outcomes: Outcomes) -> None:
    """A row that is said to be there has all its further identifiers, on the profile of its own."""
    scenario = world.fate.scenario
    added: dict[int, set[Identifier]] = {}
    for write in world.api.store.writes:
        added.setdefault(write.row, set()).update(write.added)
    dropped = {write.row for write in world.api.store.writes if write.is_dropped}
    for position, further in scenario.adding.items():
        row = scenario.row_of[position]
        if not further or outcomes[position][0] not in TAKEN:
            continue
        must(
            further <= added[row], "I2", f"row {row} is {outcomes[position][0]}, and a further identifier was not added"
        )
        holders = world.api.store.profiles.of(scenario.own[position] | further)
        must(row in dropped or len(holders) == 1, "I2", f"the identifiers of row {row} are on {len(holders)} profiles")


def _check_removals(world: World, outcomes: Outcomes) -> None:
    """What a row removed is gone, unless a newer row of its identity has it, or brought it from another identity."""
    scenario = world.fate.scenario
    writes = world.api.store.writes
    values = {write.row: write.values for write in writes if write.profile_id is None}
    dropped = {write.row for write in writes if write.is_dropped}
    for position, removed in scenario.removing.items():
        row = scenario.row_of[position]
        if not removed or outcomes[position][0] not in ("accepted", "processed") or row in dropped:
            continue
        mine = identifiers_of(values[row])
        by_then = Identities()
        for other in sorted(number for number in values if number <= row):
            by_then.joined(identifiers_of(values[other]))
        roots = {by_then.root(identifier) for identifier in mine}
        for profile in world.api.store.profiles.of(mine):
            for ref in removed & set(profile.traits):
                source = writes[profile.traits[ref][1] - 1].row
                theirs = {by_then.root(identifier) for identifier in identifiers_of(values[source])}
                is_left = source < row and bool(theirs & roots)
                must(
                    not is_left, "I5", f"row {row} is {outcomes[position][0]}, and {ref} of row {source} is still there"
                )
