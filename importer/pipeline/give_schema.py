"""Gives a store what a mapping needs and it lacks: one trait group after the other, each waited for.

Every change is planned from a reading made just before it, so what somebody else did meanwhile is found, what is there
already is left alone, and a run of this that was killed half-way is gone on with by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from importer.core.mapping import MappingFile
from importer.core.schema import StoreSchema
from importer.core.schema_needs import GroupChange, SchemaDifference, find_difference, group_changes
from importer.errors import ApiError, MappingError, RejectedRequestError, RetryableApiError, RunInterrupted
from importer.pipeline.patience import each_patiently, patiently
from importer.ports import Accepted
from importer.ports.schema import SchemaWriter

_TRIES: Final = 2
"""Of one trait group: the second when the store turned out not to be what it was."""

_CONFLICTS: Final = frozenset({409, 412})
_FIRST_LOOK_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_LONGEST_OPERATION_S: Final = 600.0
_UNDER_WAY: Final = frozenset({"PENDING", "RUNNING"})
_LAST_READINGS: Final = 5
"""Readings at the end until what was made is seen: an operation may end before every reader sees its work."""


@dataclass(frozen=True, slots=True)
class Made:
    """One change that the service applied.

    Attributes:
        change: What was asked for.
        operation_id: Of its operation, when the service named one.
        request_id: ``twilio-request-id`` of the request.
    """

    change: GroupChange
    operation_id: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Given:
    """How a store stands in the end.

    Attributes:
        made: What was made, in order; what somebody else made meanwhile is not in it.
        schema: As read at the end.
        difference: What still does not fit; nothing, unless the service did otherwise than it was asked.
    """

    made: tuple[Made, ...]
    schema: StoreSchema
    difference: SchemaDifference


class _MovedError(Exception):
    """The store is not what the change was planned from."""


class SchemaGiving:
    """Makes the changes of one mapping.

    Args:
        store: Speaks to it.
        mapping: What is needed.
        wait: Waits so many seconds; true if somebody asked to stop meanwhile.
        told: Told of every change that was made.
    """

    def __init__(
        self,
        store: SchemaWriter,
        mapping: MappingFile,
        wait: Callable[[float], bool],
        told: Callable[[Made], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._mapping = mapping
        self._wait = wait
        self._told = told
        self._made: list[Made] = []
        self._groups: frozenset[str] = frozenset()

    def give(self, difference: SchemaDifference, schema: StoreSchema) -> Given:
        """Make all changes that a difference asks for, and read what came of them.

        Raises:
            MappingError: the store came to differ in what nothing here changes.
            ApiError: the service refused or did not answer; what was made stays.
            RunInterrupted: somebody asked to stop; likewise.
        """
        wanted = group_changes(difference, schema)
        self._groups = frozenset(schema.groups)
        try:
            for change in wanted:
                self._give_group(change.group)
            return self._read_at_the_end()
        except RunInterrupted as stopped:
            raise RunInterrupted("stopped by a signal", hint=self._going_on(len(wanted))) from stopped
        except ApiError as error:
            error.hint = "; ".join(filter(None, (error.hint, self._going_on(len(wanted)))))
            raise

    def _going_on(self, wanted: int) -> str:
        return f"{len(self._made)} of {wanted} changes are known to be made; the same command makes the rest"

    def _give_group(self, group: str) -> None:
        for is_last in [False] * (_TRIES - 1) + [True]:
            if self._wait(0):
                raise RunInterrupted("stopped")
            etag = self._etag(group)
            change = self._lacking(group)
            if change is None:
                return
            try:
                made = self._make(change, etag)
            except _MovedError as moved:
                if is_last:
                    raise _as_api_error(moved) from moved
                self._groups = frozenset(self._store.fetch_schema(each_patiently(self._wait)).groups)
                continue
            self._made.append(made)
            self._told(made)
            return

    def _etag(self, group: str) -> str | None:
        if group not in self._groups:
            return None
        return patiently(lambda: self._store.trait_groups.get(group), self._wait).etag

    def _lacking(self, group: str) -> GroupChange | None:
        """Return what a trait group lacks by now.

        The group's version was read before: had it changed since, the request would be refused, not the change lost.
        """
        schema = self._store.fetch_schema(each_patiently(self._wait))
        difference = find_difference(self._mapping, schema)
        if difference.differs:
            raise MappingError(difference.differs, name=self._mapping.name)
        return next((change for change in group_changes(difference, schema) if change.group == group), None)

    def _make(self, change: GroupChange, etag: str | None) -> Made:
        started = patiently(lambda: self._ask(change, etag), self._wait)
        self._await(started, change)
        return Made(change, started.operation_id, started.request_id)

    def _ask(self, change: GroupChange, etag: str | None) -> Accepted:
        try:
            if change.is_new:
                return self._store.trait_groups.create({"displayName": change.group, "traits": change.traits})
            return self._store.trait_groups.patch(change.group, {"traits": change.traits}, if_match=etag)
        except ApiError as error:
            if error.status in _CONFLICTS:
                raise _MovedError from error
            raise

    def _await(self, started: Accepted, change: GroupChange) -> None:
        """Wait until an operation is done; one that cannot be asked about is left to the reading at the end."""
        where = started.status_url or started.operation_id
        pause_s, waited_s = started.retry_after_s or _FIRST_LOOK_S, 0.0
        while where is not None:
            pause_s = min(pause_s, _LONGEST_PAUSE_S)
            if self._wait(pause_s):
                raise RunInterrupted("stopped")
            waited_s += pause_s
            state = patiently(lambda: self._store.get_operation(where), self._wait)
            if state.status == "COMPLETED":
                return
            if state.status not in _UNDER_WAY:
                raise _MovedError from _failed(change, started, state.status)
            if waited_s >= _LONGEST_OPERATION_S:
                raise _slow(change, started)
            pause_s = state.retry_after_s or pause_s * 2

    def _read_at_the_end(self) -> Given:
        for look in range(_LAST_READINGS):
            schema = self._store.fetch_schema(each_patiently(self._wait))
            difference = find_difference(self._mapping, schema)
            if not difference.lacks or (look + 1 < _LAST_READINGS and self._wait(_FIRST_LOOK_S)):
                break
        return Given(tuple(self._made), schema, difference)


_OPERATION: Final = "GET /ControlPlane/Operations/{operationId}"


def _failed(change: GroupChange, started: Accepted, status: str) -> ApiError:
    named = f" {started.operation_id}" if started.operation_id else ""
    return RejectedRequestError(
        f"the operation{named} on trait group {change.group} ended as {status}",
        endpoint=_OPERATION,
        request_id=started.request_id,
    )


def _slow(change: GroupChange, started: Accepted) -> ApiError:
    named = f" {started.operation_id}" if started.operation_id else ""
    minutes = _LONGEST_OPERATION_S / 60
    return RetryableApiError(
        f"the operation{named} on trait group {change.group} did not end within {minutes:.0f} minutes",
        endpoint=_OPERATION,
        request_id=started.request_id,
    )


def _as_api_error(moved: _MovedError) -> ApiError:
    cause = moved.__cause__
    if not isinstance(cause, ApiError):
        raise moved
    if cause.status in _CONFLICTS:
        cause.hint = "somebody else is changing the store's schema"
    return cause
