"""A store that commands are tried on one by one, and one command for every operation of the contract."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from importer.emulator import Emulator, EmulatorSettings
from tests.support.cli import CREDENTIALS, CUSTOMERS_RUN, Ended
from tests.support.here import run_here
from tests.support.operations import Ids

GROUPS: Final = {
    "traitGroups": [
        {
            "displayName": "Loyalty",
            "traits": {
                "points": {"dataType": "NUMBER"},
                "vip": {"dataType": "BOOLEAN"},
                "tags": {"dataType": "ARRAY"},
            },
        }
    ]
}

COMMANDS: Final[dict[str, Callable[[Ids], Sequence[str]]]] = {
    "ListProfiles": lambda _: ("profiles", "list"),
    "CreateProfile": lambda _: ("profiles", "create", "Contact.email=canary@example.com"),
    "UpdateProfilesBulk": lambda _: ("import", *map(str, CUSTOMERS_RUN), "--yes"),
    "CreateProfilesLookup": lambda _: ("profiles", "lookup", "email", "canary@example.com"),
    "ListProfileImportsV2": lambda _: ("imports", "list"),
    "CreateProfilesImportV2": lambda _: (
        *("imports", "create", "f.csv", "--yes"),
        *("--column", "mail=Contact.email", "--column", "name=Contact.firstName"),
    ),
    "FetchProfileImportV2": lambda ids: ("imports", "get", ids.import_id),
    "FetchProfile": lambda ids: ("profiles", "get", ids.profile),
    "PatchProfileTraits": lambda ids: ("profiles", "patch", ids.profile, "Contact.lastName=canary"),
    "DeleteProfile": lambda ids: ("profiles", "delete", ids.profile, "--yes"),
    "ListProfileTraits": lambda ids: ("profiles", "traits", ids.profile),
    "ListProfileIdentifiers": lambda ids: ("identifiers", "list", ids.profile),
    "CreateProfileIdentifier": lambda ids: ("identifiers", "add", ids.profile, "email", "canary@example.com"),
    "FetchProfileIdentifier": lambda ids: ("identifiers", "get", ids.profile, "email"),
    "PatchProfileIdentifier": lambda ids: (
        "identifiers",
        "replace",
        ids.profile,
        "email",
        "canary@a.de",
        "canary@b.de",
    ),
    "DeleteProfileIdentifier": lambda ids: ("identifiers", "remove", ids.profile, "email", "--yes"),
    "ListStores": lambda _: ("stores", "list"),
    "FetchStore": lambda _: ("stores", "get"),
    "ListTraitGroups": lambda _: ("trait-groups", "list"),
    "CreateTraitGroup": lambda _: ("trait-groups", "create", "New", "--trait", "a=STRING"),
    "FetchTraitGroup": lambda ids: ("trait-groups", "get", ids.group),
    "PatchTraitGroup": lambda ids: ("trait-groups", "patch", ids.group, "--trait", "nick=STRING"),
    "FetchIdentityResolutionSettings": lambda _: ("stores", "identity"),
    "FetchOperation": lambda ids: ("operations", "get", ids.operation),
}
"""By operation ID of the contract."""


@dataclass(frozen=True)
class Desk:
    """A running local service, and a folder from which commands take it for the live one."""

    emulator: Emulator
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the commands find."""
        return {"MEMORY_API_URL": self.emulator.api_url, "MEMORY_STORE_ID": self.emulator.store_id, **CREDENTIALS}

    def run(self, *arguments: str, text: str = "") -> Ended:
        """Run a command to its end, with this text on its standard input, and let the store apply what it took."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
            ended = run_here(self.folder, *arguments, environment=self.environment)
        self.emulator.wait_idle()
        return ended

    def done(self, *arguments: str, text: str = "") -> str:
        """Run a command that must end well, and return its standard output."""
        ended = self.run(*arguments, text=text)
        assert ended.code == 0, ended.stderr
        return ended.stdout

    def document(self, *arguments: str, text: str = "") -> Any:
        """Run a command that must end well with `--json`, and return its one document."""
        return json.loads(self.done(*arguments, "--json", text=text))

    def lines(self, *arguments: str) -> list[Any]:
        """Run a command that must end well with `--json`, and return a document for each line."""
        return [json.loads(line) for line in self.done(*arguments, "--json").splitlines()]

    def profile(self, address: str, **more: str) -> str:
        """Create a profile, and return its ID."""
        traits = [f"Contact.email={address}", *(f"Contact.{name}={value}" for name, value in more.items())]
        created = self.document("profiles", "create", *traits)
        return str(created["profile_id"])

    def merged(self, address: str, number: str) -> tuple[str, str]:
        """Return a canonical profile, and one that was merged into it."""
        canonical = self.profile(address)
        gone = str(self.document("profiles", "create", f"Contact.phone={number}")["profile_id"])
        self.done("identifiers", "add", gone, "email", address)
        return canonical, gone


@contextmanager
def desk(folder: Path, settings: EmulatorSettings | None = None) -> Iterator[Desk]:
    """Run a store with a trait of each type."""
    with Emulator(":memory:", settings or EmulatorSettings(), GROUPS) as emulator:
        (folder / "f.csv").write_text("mail,name\nzoe@example.com,Zoe\n", encoding="utf-8")
        yield Desk(emulator, folder)
