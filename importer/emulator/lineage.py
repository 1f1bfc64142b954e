"""What the service's log tells of a piece of work: of each profile, and then of the batch.

Pure. A profile that was written has one event of its own, whatever else became of it; so has one that was refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from importer.emulator.event_log import EventType, Told
from importer.emulator.identity import Identifier
from importer.emulator.ids import profile_id
from importer.emulator.operations import Event, Tally
from importer.emulator.problems import Code

_SKIPPED = "an identifier clashes"


class Step(NamedTuple):
    """One write of a profile: its number, whether it is new, whom it took in, which identifiers stayed elsewhere."""

    number: int
    is_new: bool = False
    absorbed: Sequence[int] = ()
    skipped: Sequence[Identifier] = ()


def tell_profiles(
    steps: Iterable[Step],
    request_id: str,
    cause: Mapping[str, Any],
    written: EventType | None = EventType.TRAITS_UPSERTED,
) -> Iterator[Told]:
    """Yield the events of profiles that were written, merges first.

    Args:
        steps: The writes, in order.
        request_id: What they belong to.
        cause: `import_id`, `operation_id` and the like.
        written: What is told of a profile that existed; None where its own event is still to come.
    """
    for number, is_new, absorbed, skipped in steps:
        body = {"profile_id": profile_id(number), **cause}
        if absorbed:
            gone = [profile_id(other) for other in absorbed]
            yield Told(EventType.PROFILES_MERGED, request_id, body | {"merged_profile_ids": gone})
        kind = EventType.PROFILE_CREATED if is_new else written
        if kind is not None and skipped:
            types = [identifier.id_type for identifier in skipped]
            yield Told(kind, request_id, body | {"id_types": types}, Code.IDENTIFIER_SKIPPED, _SKIPPED)
        elif kind is not None:
            yield Told(kind, request_id, body)


def tell_refused(events: Iterable[Event], cause: Mapping[str, Any]) -> Iterator[Told]:
    """Yield the events of profiles that were refused behind a 202."""
    for event in events:
        pointer = f"#{event.places[0]}" if event.places else None
        yield Told(EventType.TRAITS_UPSERTED, event.request_id, cause, int(event.code), event.reason, pointer)


def tell_batch(kind: EventType, request_id: str, cause: Mapping[str, Any], tally: Tally, **counts: int) -> Told:
    """Return the event of a batch with its counts."""
    body = {**cause, **counts, "error_count": tally.errors, "warning_count": tally.warnings}
    code, reason = _judge(tally)
    return Told(kind, request_id, body, code, reason)


def tell_import(request_id: str, body: Mapping[str, Any], tally: Tally, failure: str) -> Told:
    """Return the event of an import's end; `failure` is empty where it completed."""
    code, reason = (int(Code.BULK_UPSERT_FAILED), failure) if failure else _judge(tally)
    return Told(EventType.IMPORT_FINISHED, request_id, {**body, **tally._asdict()}, code, reason)


def _judge(tally: Tally) -> tuple[int, str | None]:
    if tally.errors:
        return int(Code.BULK_UPSERT_FAILED), "profiles were refused"
    return (int(Code.IDENTIFIER_SKIPPED), "identifiers were skipped") if tally.warnings else (0, None)
