"""The working copy one step makes of the engine's state.

A `Turn` lives inside one call of `engine.step` and nowhere else, so that the answers' rules can be written as plain
changes while the function they belong to stays pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from importer.core import pacing
from importer.core.delivery import ApiFailure, Attempt, BatchEntry, Changes, RequestKind, RowResult, Tally, Trace
from importer.core.engine_messages import Command, Discard, Finish, Record, Request, WakeAt
from importer.core.engine_state import Batch, EngineState, Root, Task
from importer.core.lifecycle import FINAL, OUTCOME, ROW_OUTCOME, BatchState, FinishReason, moved
from importer.core.route import Route
from importer.core.waiting import put

DOUBTFUL: Final = frozenset({BatchState.ACCEPTED, BatchState.UNKNOWN})
"""States of batches that may be applied later, or never, and nobody will say so."""


class Turn:
    """The working copy of a state during one step.

    Attributes of the state that a step changes are plain attributes here; `end` freezes them again.
    """

    def __init__(self, state: EngineState, now_s: float) -> None:
        self._before = state
        self.now_s = now_s
        self.options = state.options
        self.pacer = state.pacer
        self.bulk_at, self.imports_at, self.wave = state.bulk_at, state.imports_at, state.wave
        self.open_sends, self.open_imports = state.open_sends, state.open_imports
        self.applying = state.applying
        self.stack = list(state.stack)
        self.rows_open = dict(state.rows_open)
        self.in_flight = dict(state.in_flight)
        self.waiting, self.polling = state.waiting, state.polling
        self.roots = dict(state.roots)
        self.next_batch_id, self.next_task_id = state.next_batch_id, state.next_task_id
        self.jitters = state.jitters
        self.next_poll_s = state.next_poll_s
        self.max_rows, self.refusals = state.max_rows, state.refusals
        self.alike, self.alike_rows = state.alike, state.alike_rows
        self.protocol_failures = state.protocol_failures
        self.uploaded_s, self.upload_failing_since_s = state.uploaded_s, state.upload_failing_since_s
        self.accepted_s, self.doubt_s = state.accepted_s, state.doubt_s
        self.left_behind, self.left_wave = state.left_behind, state.left_wave
        self.stopping, self.stop_failure = state.stopping, state.stop_failure
        self.drain_until_s = state.drain_until_s
        self.is_refused = False
        self.finish: Finish | None = None
        self.wake_at_s = float("inf")
        self.requests: list[Request] = []
        self._entries: dict[int, BatchEntry] = {}
        self._rows: list[RowResult] = []
        self._attempts: list[Attempt] = []
        self._discards: list[int] = []
        self._asked = dict(state.tally.requests)
        self._outcomes = dict(state.tally.rows)
        self.retries, self.throttled, self.split = state.tally.retries, state.tally.throttled, state.tally.split

    @property
    def is_bucket_down(self) -> bool:
        """Whether no file arrived for so long that no other is tried; the bucket is another service than the API."""
        return self.now_s >= self.upload_failing_since_s + self.options.stall_s

    @property
    def bulk(self) -> tuple[Batch, ...]:
        """Batches by Bulk, begun or not."""
        return self._before.bulk

    @property
    def imports(self) -> tuple[Batch, ...]:
        """Import parts, begun or not."""
        return self._before.imports

    def end(self) -> tuple[EngineState, tuple[Command, ...]]:
        """Freeze the copy: the new state and the commands, `Record` first."""
        state = replace(
            self._before,
            pacer=self.pacer,
            bulk_at=self.bulk_at,
            imports_at=self.imports_at,
            wave=self.wave,
            open_sends=self.open_sends,
            applying=self.applying,
            open_imports=self.open_imports,
            stack=tuple(self.stack),
            rows_open=self.rows_open,
            in_flight=self.in_flight,
            waiting=self.waiting,
            polling=self.polling,
            roots=self.roots,
            next_batch_id=self.next_batch_id,
            next_task_id=self.next_task_id,
            jitters=self.jitters,
            next_poll_s=self.next_poll_s,
            max_rows=self.max_rows,
            refusals=self.refusals,
            alike=self.alike,
            alike_rows=self.alike_rows,
            protocol_failures=self.protocol_failures,
            uploaded_s=self.uploaded_s,
            upload_failing_since_s=self.upload_failing_since_s,
            accepted_s=self.accepted_s,
            doubt_s=self.doubt_s,
            left_behind=self.left_behind,
            left_wave=self.left_wave,
            stopping=self.stopping,
            stop_failure=self.stop_failure,
            drain_until_s=self.drain_until_s,
            finished=self.finish is not None,
            tally=Tally(self._asked, self._outcomes, self.retries, self.throttled, self.split),
        )
        changes = Changes(tuple(self._entries.values()), tuple(self._rows), tuple(self._attempts))
        commands: list[Command] = [Record(changes)] if changes != Changes() else []
        commands += self.requests
        commands += [Discard(batch_id) for batch_id in self._discards]
        if self.finish is not None:
            commands.append(self.finish)
        elif self.wake_at_s < float("inf"):
            commands.append(WakeAt(self.wake_at_s))
        return state, tuple(commands)

    # --- what is written down ---

    def move(self, batch: Batch, following: BatchState, trace: Trace | None = None, attempts: int = 0) -> Batch:
        """Move a batch to another state and write it down.

        Args:
            batch: As it was.
            following: Its next state.
            trace: What the service said by now; None leaves it.
            attempts: How many attempts this adds.
        """
        batch = replace(
            batch,
            state=moved(batch.state, following),
            trace=trace or batch.trace,
            attempts=batch.attempts + attempts,
        )
        self.write(batch)
        if batch.spec.route is Route.IMPORT and following in FINAL:
            self._discards.append(batch.spec.batch_id)
        return batch

    def write(self, batch: Batch) -> None:
        """Write a batch down as it is."""
        self._entries[batch.spec.batch_id] = batch.entry()

    def row(self, result: RowResult) -> None:
        """Write a row's own result down."""
        self._rows.append(result)
        if result.state in ROW_OUTCOME:
            self.count(ROW_OUTCOME[result.state], 1)

    def attempt(
        self, task: Task, outcome: str, failure: ApiFailure | None = None, request_id: str | None = None
    ) -> None:
        """Write down how a request ended."""
        self._attempts.append(
            Attempt(
                batch_id=task.batch.spec.batch_id,
                kind=task.kind,
                outcome=outcome,
                position=task.position,
                http_status=failure.status if failure else None,
                service_code=failure.code if failure else None,
                request_id=failure.request_id if failure else request_id,
                import_id=task.batch.trace.import_id,
            )
        )

    def count(self, outcome: str, rows: int) -> None:
        """Count rows of an outcome; negative takes them back."""
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + rows

    def count_request(self, kind: RequestKind) -> None:
        """Count a request that leaves."""
        self._asked[kind] = self._asked.get(kind, 0) + 1

    def jitter(self) -> float:
        """Draw a number in [0, 1)."""
        self.jitters += 1
        return pacing.jitter_at(self.options.seed, self.jitters)

    # --- what happens next ---

    def send_next(self, task: Task) -> None:
        """Send this before anything else."""
        self.stack.append(task)

    def send_at(self, due_s: float, task: Task) -> None:
        """Send this when it is due."""
        self.waiting = put(self.waiting, due_s, task)

    def poll_in(self, batch: Batch, kind: RequestKind, wait_s: float = 0.0) -> None:
        """Poll a batch after its next interval, or after `wait_s` if that is longer."""
        due_s = self.now_s + max(pacing.poll_s(batch.polls, self.options.poll_first_s, self.jitter()), wait_s)
        self.polling = put(
            self.polling, min(due_s, batch.deadline_s), Task(kind, replace(batch, polls=batch.polls + 1), poll=True)
        )

    def stop(self, reason: FinishReason, failure: ApiFailure | None = None) -> None:
        """Begin no new work; a signal outranks what was the reason before."""
        if self.stopping is None:
            self.stopping, self.stop_failure = reason, failure
            self.drain_until_s = self.now_s + self.options.drain_s
        elif reason is FinishReason.INTERRUPTED:
            self.stopping = reason

    def answered(self, batch: Batch, *, accepted: bool) -> None:
        """Account for a Bulk batch the service has answered for good: the next wave may depend on it."""
        self._closed(batch, accepted=accepted)
        self.count(OUTCOME[batch.state], batch.live)
        self.doubt(batch)

    def doubt(self, batch: Batch) -> None:
        """Note that nobody says when rows that others follow are applied, if that is so."""
        if batch.spec.wave and batch.state in DOUBTFUL:
            self.accepted_s = self.now_s

    def left(self, batch: Batch) -> None:
        """Leave a Bulk batch as it is to a resume; what must follow it is left with it."""
        self._closed(batch, accepted=False)
        self.left_behind = True
        if batch.spec.wave:
            self.left_wave = min(self.left_wave, batch.spec.wave)

    def _closed(self, batch: Batch, *, accepted: bool) -> None:
        self.open_sends -= 1
        root = self.roots.get(batch.root_id)
        if root is not None:
            if root.open > 1:
                self.roots[batch.root_id] = Root(root.open - 1, root.accepted or accepted)
            else:
                del self.roots[batch.root_id]

    def settled(self, batch: Batch) -> None:
        """Account for an import part that is over."""
        self.open_imports -= 1
        self.count(OUTCOME[batch.state], batch.live)
