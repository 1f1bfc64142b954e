"""What the local service refuses, by operation: bad requests, strangers, what is not there, too much at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from importer.emulator import Emulator, EmulatorSettings
from importer.errors import ApiError, RejectedRequestError, RetryableApiError
from importer.memory_api.client import MemoryClient
from importer.memory_api.paging import PageRequest
from tests.support.client import STORE, profile
from tests.support.operations import CALLS, Call, Ids, cases, split

BAD_TOKEN: Final = PageRequest("nonsense")
BAD: Final[dict[str, Call]] = {
    "ListProfiles": lambda client, _: client.profiles.list(BAD_TOKEN),
    "CreateProfile": lambda client, _: client.profiles.create({"Contact": {"firstName": "Ann"}}),
    "UpdateProfilesBulk": lambda client, _: client.profiles.put_bulk(b'{"profiles": []}'),
    "CreateProfilesLookup": lambda client, _: client.profiles.lookup("nonsense", "x"),
    "ListProfileImportsV2": lambda client, _: client.imports.list(BAD_TOKEN),
    "CreateProfilesImportV2": lambda client, _: client.imports.create("f.csv", 9, ()),
    "FetchProfileImportV2": lambda client, _: client.imports.get("nonsense"),
    "FetchProfile": lambda client, ids: client.profiles.get(ids.profile, ["Nonsense"]),
    "PatchProfileTraits": lambda client, ids: client.profiles.patch(ids.profile, b'{"traits": {"Nonsense": {"a": 1}}}'),
    "DeleteProfile": lambda client, _: client.profiles.delete("nonsense"),
    "ListProfileTraits": lambda client, ids: client.profiles.traits(ids.profile, BAD_TOKEN),
    "ListProfileIdentifiers": lambda client, _: client.identifiers.list("nonsense"),
    "CreateProfileIdentifier": lambda client, ids: client.identifiers.add(ids.profile, "email", ""),
    "FetchProfileIdentifier": lambda client, ids: client.identifiers.get(ids.profile, "x"),
    "PatchProfileIdentifier": lambda client, ids: client.identifiers.replace(ids.profile, "email", "a", ""),
    "DeleteProfileIdentifier": lambda client, ids: client.identifiers.remove(ids.profile, "x"),
    "ListStores": lambda client, _: client.stores.list(BAD_TOKEN),
    "FetchStore": lambda client, _: client.stores.get("nonsense"),
    "ListTraitGroups": lambda client, _: client.trait_groups.list(BAD_TOKEN),
    "CreateTraitGroup": lambda client, _: client.trait_groups.create({"displayName": "two words"}),
    "FetchTraitGroup": lambda client, _: client.trait_groups.get("x" * 65),
    "PatchTraitGroup": lambda client, ids: client.trait_groups.patch(ids.group, {"traits": {"a": {"dataType": "X"}}}),
}
"""Requests that break the contract, or name what the store does not have; the rest has a bad store ID."""

CLASHES: Final[dict[str, Call]] = {
    "PatchProfileIdentifier-409": lambda client, ids: client.identifiers.replace(
        ids.profile, "email", "p0@example.com", "p1@example.com"
    ),
    "CreateTraitGroup-409": lambda client, _: client.trait_groups.create({"displayName": "Contact"}),
    "PatchTraitGroup-412": lambda client, ids: client.trait_groups.patch(ids.group, {"description": "x"}, if_match="9"),
}

SWITCHED: Final = frozenset({403, 500, 503})
"""What the service does not do by itself."""

NEVER: Final = frozenset({"FetchOperation-400", "ListStores-404"})
"""Nor these: an operation ID too long to be asked for, an account without stores."""


class Stores:
    """Services that refuse, each in its way, and their clients.

    Attributes:
        ids: What is there, in the one that refuses nothing by itself.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        usual, locked, busy = (
            stack.enter_context(Emulator(":memory:", settings))
            for settings in (
                EmulatorSettings(),
                EmulatorSettings(api_key="another"),
                EmulatorSettings(max_requests_per_s=0.001),
            )
        )
        self._usual = usual
        self.client = self._client(usual, usual.store_id)
        self._locked = self._client(locked, locked.store_id)
        self._busy = self._client(busy, busy.store_id)
        self._busy.stores.list()  # the one request that is let through
        first, _ = (self.client.profiles.create({"Contact": {"email": f"p{n}@example.com"}}) for n in range(2))
        usual.wait_idle()
        self.ids = Ids(first.profile_id)

    def _client(self, emulator: Emulator, store_id: str) -> MemoryClient:
        return self._stack.enter_context(MemoryClient(emulator.api_url, store_id, ("key", "secret")))

    def refuse(self, operation: str, status: int) -> None:
        """Bring a refusal about.

        Raises:
            ApiError: that refusal.
        """
        if status in SWITCHED or f"{operation}-{status}" in NEVER:
            self._usual.switch_on({"fault": str(status), "operations": [operation], "count": 1})
            CALLS[operation](self.client, self.ids)
        elif status == 401:
            CALLS[operation](self._locked, self.ids)
        elif status == 429:
            CALLS[operation](self._busy, self.ids)
        elif status == 404 and operation == "FetchOperation":
            CALLS[operation](self.client, self.ids)
        elif status == 404:
            CALLS[operation](self._client(self._usual, STORE), self.ids)
        elif status == 400 and operation in BAD:
            BAD[operation](self.client, self.ids)
        elif status == 400:
            CALLS[operation](self._client(self._usual, "nonsense"), self.ids)
        else:
            CLASHES[f"{operation}-{status}"](self.client, self.ids)


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    """Run them."""
    with ExitStack() as stack:
        yield Stores(stack)


@pytest.mark.parametrize("case", cases())
def test_the_service_refuses(stores: Stores, case: str) -> None:
    """With the status, a code and the request's ID, as the class that says what may be done next."""
    operation, status = split(case)
    kind = RetryableApiError if status in (409, 429) or status >= 500 else RejectedRequestError
    with pytest.raises(ApiError) as caught:
        stores.refuse(operation, status)
    error = caught.value
    assert type(error) is kind
    assert error.status == status
    assert error.code is not None
    assert error.request_id is not None
    assert (error.retry_after_s is not None) == (status == 429)


@pytest.mark.parametrize(
    "operation",
    [
        name
        for name in CALLS
        if "Profile" in name and "Import" not in name and name.startswith(("Fetch", "Patch", "Delete"))
    ],
)
def test_what_is_not_there_is_not_found(stores: Stores, operation: str) -> None:
    """A profile that nobody made, in a store that is there."""
    with pytest.raises(RejectedRequestError) as caught:
        CALLS[operation](stores.client, Ids(profile(7)))
    assert (caught.value.status, caught.value.code) == (404, 20404)
    assert "by that ID" in caught.value.hint
