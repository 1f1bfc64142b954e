"""Giving a store what a mapping needs: what is made, what somebody else made meanwhile, what is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from importer.core.mapping import MappingFile
from importer.core.schema import StoreSchema
from importer.core.schema_needs import find_difference
from importer.errors import (
    AmbiguousRequestError,
    MappingError,
    RejectedRequestError,
    RetryableApiError,
    RunInterrupted,
)
from importer.pipeline.give_schema import Given, SchemaGiving
from importer.ports import Accepted, OperationStatus
from importer.ports.schema import EachRequest, at_once

MAPPING = MappingFile.model_validate(
    {
        "version": 1,
        "columns": {
            "mail": "Contact.email",
            "nick": "Contact.nick",
            "points": {"to": "Loyalty.points", "type": "number"},
            "tier": "Loyalty.tier",
        },
    }
)
EMAIL = {"dataType": "STRING", "idTypePromotion": "email"}


def _nothing(_: _Store) -> None:
    """Let a write take its course."""


@dataclass(frozen=True)
class _Read:
    etag: str | None


@dataclass
class _Store:
    """A store whose changes are applied when their operation is asked about.

    Attributes:
        groups: Definitions by group and trait.
        before_write: Called before the write of that number takes hold, with the store: somebody else, or a fault.
        after_write: The same, once it was accepted.
        looks: How often an operation is under way before it ends.
    """

    groups: dict[str, dict[str, Any]] = field(default_factory=lambda: {"Contact": {"email": EMAIL}})
    before_write: dict[int, Callable[[_Store], None]] = field(default_factory=dict)
    after_write: dict[int, Callable[[_Store], None]] = field(default_factory=dict)
    looks: int = 1
    versions: dict[str, int] = field(default_factory=dict)
    pending: dict[str, tuple[str, str, Mapping[str, Any], int]] = field(default_factory=dict)
    writes: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def trait_groups(self) -> _Store:
        return self

    def fetch_schema(self, each: EachRequest = at_once) -> StoreSchema:
        return each(self._schema)

    def _schema(self) -> StoreSchema:
        groups = [{"displayName": name, "version": 1, "traits": traits} for name, traits in self.groups.items()]
        identity = {"identifierConfigs": [{"idType": "email"}], "matchingRules": ["email"]}
        return StoreSchema.from_api(
            {"id": "mem_store_00000000000000000000000000", "displayName": "s"}, groups, identity
        )

    def get(self, name: str) -> _Read:
        return _Read(f'"{self.versions.get(name, 1)}"')

    def create(self, body: Mapping[str, Any]) -> Accepted:
        name = body["displayName"]
        return self._written("create", name, body["traits"], None, conflict=409 if name in self.groups else None)

    def patch(self, name: str, body: Mapping[str, Any], *, if_match: str | None = None) -> Accepted:
        return self._written("patch", name, body["traits"], if_match, conflict=None)

    def _written(
        self, kind: str, name: str, traits: Mapping[str, Any], if_match: str | None, *, conflict: int | None
    ) -> Accepted:
        number = len(self.writes)
        self.writes.append((kind, name, if_match))
        self.before_write.get(number, _nothing)(self)
        if kind == "create" and name in self.groups:
            conflict = 409
        if if_match is not None and if_match != self.get(name).etag:
            conflict = 412
        if conflict is not None:
            kind_of = RetryableApiError if conflict == 409 else RejectedRequestError
            raise kind_of(f"answered {conflict}", endpoint="TraitGroups", status=conflict)
        self.pending[f"op{number}"] = (kind, name, traits, self.looks)
        self.after_write.get(number, _nothing)(self)
        return Accepted("RQ1", f"op{number}", f"/v1/op{number}", retry_after_s=3.0)

    def get_operation(self, status_url_or_id: str) -> OperationStatus:
        operation_id = status_url_or_id.rpartition("/")[2]
        kind, name, traits, looks = self.pending[operation_id]
        if looks > 1:
            self.pending[operation_id] = (kind, name, traits, looks - 1)
            return OperationStatus("RUNNING")
        if kind == "create" and name in self.groups:
            return OperationStatus("FAILED")
        self.add(name, traits)
        return OperationStatus("COMPLETED")

    def add(self, name: str, traits: Mapping[str, Any]) -> None:
        """Apply a change."""
        self.groups[name] = {**self.groups.get(name, {}), **traits}
        self.versions[name] = self.versions.get(name, 1) + 1


def _give(store: _Store, wait: Callable[[float], bool] = lambda _: False) -> Given:
    schema = store.fetch_schema()
    return SchemaGiving(store, MAPPING, wait).give(find_difference(MAPPING, schema), schema)


def _fails(error: Exception) -> Callable[[_Store], None]:
    def fail(_: _Store) -> None:
        raise error

    return fail


def test_everything_lacking_is_made_and_waited_for() -> None:
    """Groups there are patched under their version, others created, and each operation is polled as the answer asks."""
    store, waits = _Store(looks=3), list[float]()

    def wait(wait_s: float) -> bool:
        waits.append(wait_s)
        return False

    given = _give(store, wait)
    assert given.difference.fits
    assert store.writes == [("patch", "Contact", '"1"'), ("create", "Loyalty", None)]
    assert [(made.change.group, made.operation_id) for made in given.made] == [("Contact", "op0"), ("Loyalty", "op1")]
    assert [wait_s for wait_s in waits if wait_s] == [3.0, 6.0, 12.0] * 2


def test_a_group_that_somebody_else_made_gets_what_it_still_lacks() -> None:
    """A 409 is read again: only what the other one left out is asked for, by a patch."""
    store = _Store(before_write={1: lambda s: s.add("Loyalty", {"tier": {"dataType": "STRING"}})})
    given = _give(store)
    assert store.writes[1:] == [("create", "Loyalty", None), ("patch", "Loyalty", '"2"')]
    assert given.difference.fits
    assert list(given.made[1].change.traits) == ["points"]


def test_a_group_that_is_complete_after_a_conflict_is_left_alone() -> None:
    """Where somebody else made all of it, nothing is sent again and nothing is said to be made."""
    whole = {"points": {"dataType": "NUMBER"}, "tier": {"dataType": "STRING"}}
    store = _Store(before_write={1: lambda s: s.add("Loyalty", whole)})
    given = _give(store)
    assert len(store.writes) == 2
    assert [made.change.group for made in given.made] == ["Contact"]


def test_a_version_that_moved_is_planned_anew_once() -> None:
    """A 412 reads the group and its version again; a second one ends it, and says how to go on."""
    store = _Store(before_write={0: lambda s: s.add("Contact", {"other": {"dataType": "STRING"}})})
    assert _give(store).difference.fits
    assert store.writes[:2] == [("patch", "Contact", '"1"'), ("patch", "Contact", '"2"')]
    stubborn = _Store(
        before_write={number: lambda s: s.add("Contact", {"x": {"dataType": "STRING"}}) for number in (0, 1)}
    )
    with pytest.raises(RejectedRequestError) as refused:
        _give(stubborn)
    assert refused.value.status == 412
    assert "somebody else is changing" in refused.value.hint
    assert "0 of 2 changes" in refused.value.hint


def test_a_type_that_came_to_differ_ends_it() -> None:
    """What somebody else created meanwhile with another type is refused, not overwritten."""
    store = _Store(before_write={1: lambda s: s.add("Loyalty", {"points": {"dataType": "STRING"}})})
    with pytest.raises(MappingError, match="is STRING in the store"):
        _give(store)
    assert store.groups["Loyalty"]["points"] == {"dataType": "STRING"}


def test_an_answer_that_was_lost_makes_nothing_twice() -> None:
    """A create that was applied though its answer was lost ends in a conflict, and then in what is there."""

    def applied_and_lost(store: _Store) -> None:
        store.add("Loyalty", store.pending.pop("op1")[2])
        raise AmbiguousRequestError("lost", endpoint="POST /TraitGroups")

    store = _Store(after_write={1: applied_and_lost})
    assert _give(store).difference.fits
    assert [kind for kind, _, _ in store.writes] == ["patch", "create", "create"]


def test_an_operation_that_failed_is_asked_for_once_more() -> None:
    """FAILED is read again as a conflict is: the store decides, and a second failure names the operation."""

    def taken(store: _Store) -> None:
        store.add("Loyalty", {"tier": {"dataType": "STRING"}})

    store = _Store(after_write={1: taken})
    assert _give(store).difference.fits
    assert store.writes[-1] == ("patch", "Loyalty", '"2"')

    class _Failing(_Store):
        def get_operation(self, status_url_or_id: str) -> OperationStatus:
            return replace(super().get_operation(status_url_or_id), status="CANCELLED")

        def add(self, name: str, traits: Mapping[str, Any]) -> None:
            """Apply nothing."""

    with pytest.raises(RejectedRequestError, match="operation op1 on trait group Contact ended as CANCELLED"):
        _give(_Failing())


def test_a_command_that_ended_half_way_is_gone_on_with() -> None:
    """After a stop, or a refusal, the next one makes the rest and nothing twice."""
    store = _Store(before_write={1: _fails(RejectedRequestError("no", endpoint="x", status=403))})
    with pytest.raises(RejectedRequestError) as refused:
        _give(store)
    assert "1 of 2 changes are known to be made; the same command makes the rest" in refused.value.hint
    store.before_write.clear()
    stops = iter([False])
    with pytest.raises(RunInterrupted) as stopped:
        _give(store, lambda _: next(stops, True))
    assert "the same command makes the rest" in stopped.value.hint
    given = _give(store)
    assert given.difference.fits
    assert [made.change.group for made in given.made] == ["Loyalty"]


def test_a_service_that_names_traits_otherwise_is_found_out() -> None:
    """What was made and is not there under its name is still lacking in the end."""

    class _Renaming(_Store):
        def add(self, name: str, traits: Mapping[str, Any]) -> None:
            super().add(name, {"nickName" if trait == "nick" else trait: d for trait, d in traits.items()})

    given = _give(_Renaming())
    assert [trait.ref for trait in given.difference.traits] == ["Contact.nick"]
    assert len(given.made) == 2


def test_an_operation_that_never_ends_is_given_up() -> None:
    """After ten minutes the command ends, and may be run again."""
    with pytest.raises(RetryableApiError, match="did not end within 10 minutes"):
        _give(_Store(looks=10_000))
