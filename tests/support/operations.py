"""Every operation of the contract as one call of the client, and what the contract documents of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from importer.emulator.contract import METHODS, load_document
from importer.memory_api.client import MemoryClient
from importer.ports import ColumnMapping
from tests.support.client import BODY, VALUE, profile

COLUMNS: Final = (ColumnMapping("c001", "Contact", "email"), ColumnMapping("c002", "Contact", "firstName"))
PATCH: Final = orjson.dumps({"traits": {"Contact": {"lastName": VALUE}}})


@dataclass(frozen=True)
class Ids:
    """What the calls are about.

    Attributes:
        profile: A profile.
        import_id: An import task.
        operation: An operation.
        group: A trait group.
    """

    profile: str = profile(1)
    import_id: str = "mem_import_00000000000000000000000000"
    operation: str = "mem_operation_00000000000000000000000000"
    group: str = "Contact"


Call = Callable[[MemoryClient, Ids], object]

CALLS: Final[dict[str, Call]] = {
    "ListProfiles": lambda client, _: client.profiles.list(),
    "CreateProfile": lambda client, _: client.profiles.create({"Contact": {"email": VALUE}}),
    "UpdateProfilesBulk": lambda client, _: client.profiles.put_bulk(BODY),
    "CreateProfilesLookup": lambda client, _: client.profiles.lookup("email", VALUE),
    "ListProfileImportsV2": lambda client, _: client.imports.list(),
    "CreateProfilesImportV2": lambda client, _: client.imports.create("f.csv", 9, COLUMNS),
    "FetchProfileImportV2": lambda client, ids: client.imports.get(ids.import_id),
    "FetchProfile": lambda client, ids: client.profiles.get(ids.profile),
    "PatchProfileTraits": lambda client, ids: client.profiles.patch(ids.profile, PATCH),
    "DeleteProfile": lambda client, ids: client.profiles.delete(ids.profile),
    "ListProfileTraits": lambda client, ids: client.profiles.traits(ids.profile),
    "ListProfileIdentifiers": lambda client, ids: client.identifiers.list(ids.profile),
    "CreateProfileIdentifier": lambda client, ids: client.identifiers.add(ids.profile, "email", VALUE),
    "FetchProfileIdentifier": lambda client, ids: client.identifiers.get(ids.profile, "email"),
    "PatchProfileIdentifier": lambda client, ids: client.identifiers.replace(ids.profile, "email", VALUE, "b@c.de"),
    "DeleteProfileIdentifier": lambda client, ids: client.identifiers.remove(ids.profile, "email"),
    "ListStores": lambda client, _: client.stores.list(),
    "FetchStore": lambda client, _: client.stores.get(),
    "ListTraitGroups": lambda client, _: client.trait_groups.list(),
    "CreateTraitGroup": lambda client, _: client.trait_groups.create({"displayName": "New"}),
    "FetchTraitGroup": lambda client, ids: client.trait_groups.get(ids.group),
    "PatchTraitGroup": lambda client, ids: client.trait_groups.patch(ids.group, {"description": "x"}, if_match='"1"'),
    "FetchIdentityResolutionSettings": lambda client, _: client.stores.identity(),
    "FetchOperation": lambda client, ids: client.operations.get(ids.operation),
}
"""By operation ID of the contract."""

FOLLOWING: Final[dict[str, Call]] = {
    "DeleteProfile": lambda client, ids: client.profiles.delete(ids.profile, follow_merged=True),
    "DeleteProfileIdentifier": lambda client, ids: client.identifiers.remove(
        ids.profile, "email", remove_all=True, follow_merged=True
    ),
}
"""Calls that go on to the profile another one was merged into, where they do not do so by themselves."""


@dataclass(frozen=True)
class Documented:
    """One operation as the contract has it.

    Attributes:
        operation_id: Its name.
        method: HTTP method.
        path: Template.
        statuses: Every status that is documented, successes included.
    """

    operation_id: str
    method: str
    path: str
    statuses: tuple[int, ...]


def documented() -> Iterator[Documented]:
    """Yield the operations of the contract, in its order."""
    document: dict[str, Any] = load_document()
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                statuses = tuple(int(status) for status in item[method]["responses"])
                yield Documented(item[method]["operationId"], method.upper(), path, statuses)


def cases(*statuses: int) -> list[str]:
    """Return ``Operation-status`` of what the contract documents, all failures or these statuses."""
    return [
        f"{each.operation_id}-{status}"
        for each in documented()
        for status in each.statuses
        if (status in statuses if statuses else status >= 400)
    ]


def split(case: str) -> tuple[str, int]:
    """Return operation and status of a case."""
    operation, _, status = case.rpartition("-")
    return operation, int(status)
