"""The simulated Memory API: reads what it is sent, checks it against the contract, and answers as documented.

It shares no code with the client's encoder: bodies are JSON and CSV to it.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tests.simulation.fate import Service as Nature
from tests.simulation.http import API_HOST, Asked, Reply, refusal
from tests.simulation.imports import Imports
from tests.simulation.operations import Operations
from tests.simulation.packaging import STORE_ID
from tests.simulation.profiles import Store, Write
from tests.simulation.rows import CANARY, REMOVABLE, row_of_ref
from tests.simulation.trace import VirtualClock, must

CREDENTIALS: Final = ("SK-key", f"{CANARY}-secret")
AUTHORIZATION: Final = f"Basic {base64.b64encode(':'.join(CREDENTIALS).encode()).decode()}"
STORE_PATH: Final = f"/v1/Stores/{STORE_ID}"
OPERATIONS_PATH: Final = "/v1/ControlPlane/Operations/"


@dataclass
class Api:
    """The service.

    Attributes:
        nature: What it is like.
        row_of: Source row of each position, for patches and further identifiers.
        unpatched: Source rows of which such a request was refused.
    """

    nature: Nature
    clock: VirtualClock
    rng: random.Random
    row_of: tuple[int, ...]
    unpatched: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        nature = self.nature
        self.store = Store(self.rng, in_order=nature.in_order, most_lag_s=nature.most_lag_s)
        self.operations = Operations(self.rng, self.clock)
        self.imports = Imports(self.rng, self.clock, self.store)

    @property
    def received(self) -> set[int]:
        """Source rows that were accepted at least once."""
        return self.store.received

    def answer(self, asked: Asked) -> Reply:
        """Take a request in."""
        self.store.settle(self.clock.now_s)
        check_headers(asked)
        if asked.is_upload:
            return self.imports.upload(asked.path, asked.query, asked.body)
        if asked.path.startswith(OPERATIONS_PATH):
            return self.operations.seen(asked.path.removeprefix(OPERATIONS_PATH))
        path = asked.path.removeprefix(f"{STORE_PATH}/Profiles/")
        match asked.method, path:
            case "PUT", "Bulk":
                return self._bulk(asked.body)
            case "POST", "Lookup":
                return self._lookup(asked.body)
            case "POST", "Imports":
                return Reply(201, self.imports.create(orjson.loads(asked.body)))
            case "GET", "Imports":
                return Reply(200, self.imports.listed(asked.query.get("pageToken")))
            case "GET", _:
                return self.imports.seen(path.removeprefix("Imports/"))
            case "PATCH" | "POST", _:
                profile_id, slash, below = path.partition("/")
                return self._about_row(profile_id, slash + below, asked)
        raise AssertionError(f"the service has no {asked.method} {asked.path}")

    def _bulk(self, body: bytes) -> Reply:
        profiles = [flat(profile) for profile in orjson.loads(body)["profiles"]]
        must(profiles, "contract", "an empty body was sent")
        for profile in profiles:
            must(None not in profile.values(), "I6", "a null in a Bulk body")
        rows = [row_of_ref(str(profile["Account.ref"])) for profile in profiles]
        must(len(set(rows)) == len(rows), "contract", "a row is twice in one body")
        if len(body) > self.nature.max_bytes and len(rows) > 1:
            return Reply(413, b"<html>too large</html>")
        wrong = tuple(index for index, row in enumerate(rows) if row in self.nature.bad)
        if wrong:
            return refusal(400, 520010, self.rng, wrong if self.nature.pointers else ())
        now_s = self.clock.now_s
        writes = [self.store.accept(now_s, Write(row, profile)) for row, profile in zip(rows, profiles, strict=True)]
        answer: dict[str, Any] = {"message": "accepted"}
        if self.nature.status_urls:
            operation_id = self.operations.begin(writes)
            answer |= {"operationId": operation_id, "statusUrl": f"{OPERATIONS_PATH}{operation_id}"}
        return Reply(202, answer)

    def _lookup(self, body: bytes) -> Reply:
        asked = orjson.loads(body)
        found = self.store.profiles.find((asked["idType"], asked["value"]))
        if found is None and self.rng.random() < 0.2:
            return refusal(404, 20404, self.rng)
        return Reply(200, {"normalizedValue": asked["value"], "profiles": [found] if found else []})

    def _about_row(self, profile_id: str, below: str, asked: Asked) -> Reply:
        """Take removals of a row, or a further identifier, for the profile that it was found on."""
        canonical = self.store.profiles.canonical(profile_id)
        if canonical != profile_id:
            location = f"{STORE_PATH}/Profiles/{canonical}{below}"
            return Reply(308, b"", {"location": location, "canonical-profile-id": canonical})
        row = self.row_of[asked.position]
        must(row in self.received, "order", f"row {row} has a request of its own before its values were accepted")
        write = _addition(row, profile_id, asked.body) if below else _removal(row, profile_id, asked.body)
        if self.rng.random() < self.nature.unpatchable:
            self.unpatched.add(row)
            return refusal(*self.rng.choice([(404, 520009), (403, 520008), (400, 520046)]), self.rng)
        self.store.accept(self.clock.now_s, write)
        return Reply(202, {"message": "accepted"})


def _removal(row: int, profile_id: str, body: bytes) -> Write:
    removed = flat(orjson.loads(body))
    must(removed and set(removed.values()) == {None}, "I6", "a patch holds more than removals")
    must(set(removed) <= REMOVABLE, "I6", "a patch removes what the mapping keeps")
    return Write(row, {}, tuple(removed), profile_id)


def _addition(row: int, profile_id: str, body: bytes) -> Write:
    asked = orjson.loads(body)
    return Write(row, {}, (), profile_id, frozenset({(str(asked["idType"]), str(asked["value"]))}))


def flat(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by ``Group.trait``."""
    return {f"{group}.{name}": value for group, traits in profile["traits"].items() for name, value in traits.items()}


def check_headers(asked: Asked) -> None:
    """Check what goes along with a request, and where to."""
    if asked.is_upload:
        must("authorization" not in asked.headers, "I7", "credentials went to the bucket")
        must("cookie" not in asked.headers, "I7", "a cookie went to the bucket")
    else:
        must(asked.host == API_HOST, "contract", f"a request went to {asked.host}")
        must(asked.headers.get("authorization") == AUTHORIZATION, "contract", "a request without credentials")
    must("transfer-encoding" not in asked.headers, "contract", "a chunked body")
    must(int(asked.headers.get("content-length", "0")) == len(asked.body), "contract", "a length that is not true")
