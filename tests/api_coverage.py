"""What there is of each operation of the contract: client, command, emulator, tests; makes `docs/api-coverage.md`.

A test fails where an operation of the contract has no line here, where a line names what is not there, or where a
documented failure has no test. `python -m tests.api_coverage` writes the page anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.operations import Documented, documented

PAGE: Final = Path(__file__).parents[1] / "docs" / "api-coverage.md"

CLIENT: Final = "tests/integration/test_api_operations.py"
HAND: Final = "tests/integration/test_by_hand.py"
DELETES: Final = "tests/integration/test_by_hand_deletes.py"
ASKED: Final = "tests/integration/test_by_hand_refusals.py::test_each_operation_has_a_command_that_asks_for_it"
DENIED: Final = "tests/integration/test_by_hand_refusals.py::test_each_command_says_what_the_service_refused"
SHAPES: Final = "tests/unit/memory_api/test_documented_failures.py::test_a_documented_failure_is_what_may_be_done_next"
MOVES: Final = (
    "tests/unit/memory_api/test_documented_failures.py::test_a_merged_profile_is_followed_where_the_contract_says_so"
)
MERGED: Final = f"{CLIENT}::test_what_was_merged_leads_to_the_canonical_profile"
REFUSED: Final = "tests/integration/test_api_refusals.py::test_the_service_refuses"


@dataclass(frozen=True)
class Line:
    """One operation.

    Attributes:
        operation_id: Its name in the contract.
        client: Method of `MemoryClient`.
        command: What is typed.
        route: Function of `importer.emulator` that answers it.
        tests: Of success: names of functions in the files above.
    """

    operation_id: str
    client: str
    command: str
    route: str
    tests: tuple[str, ...]

    def successes(self) -> tuple[str, ...]:
        """Return the tests of success, those of every operation included."""
        return (*self.tests, f"{ASKED}[{self.operation_id}]")

    def failures(self, status: int) -> tuple[str, ...]:
        """Return the tests of one documented failure."""
        case = f"{self.operation_id}-{status}"
        if status in (301, 308):
            return (f"{MOVES}[{case}]", f"{MERGED}[{case}]")
        found = [f"{SHAPES}[{case}]", f"{REFUSED}[{case}]"]
        if status == 401:
            found.append(f"{DENIED}[{self.operation_id}]")
        return tuple(found)


def _client(*names: str) -> tuple[str, ...]:
    return tuple(f"{CLIENT}::{name}" for name in names)


def _hand(*names: str) -> tuple[str, ...]:
    return tuple(f"{HAND}::{name}" for name in names)


_PROFILE: Final = (*_client("test_a_profile_is_created_read_and_changed"), *_hand("test_a_profile_by_hand"))
_IDENTIFIERS: Final = (
    *_client("test_identifiers_are_added_listed_replaced_and_removed"),
    *_hand("test_identifiers_by_hand"),
)
_IMPORTS: Final = (*_client("test_an_import_is_created_listed_and_read"), *_hand("test_an_import_by_hand"))
_STORES: Final = (*_client("test_stores_are_listed_and_read"), *_hand("test_stores_by_hand"))
_GROUPS: Final = (
    *_client("test_trait_groups_are_created_listed_read_and_patched"),
    *_hand("test_trait_groups_by_hand"),
)

LINES: Final = (
    Line("CreateProfile", "profiles.create", "profiles create", "data_plane.create_profile", _PROFILE),
    Line(
        "ListProfiles",
        "profiles.list",
        "profiles list",
        "data_plane.list_profiles",
        (*_client("test_profiles_are_listed_page_by_page"), *_hand("test_lists_are_cut_or_whole")),
    ),
    Line("FetchProfile", "profiles.get", "profiles get", "data_plane.fetch_profile", _PROFILE),
    Line("PatchProfileTraits", "profiles.patch", "profiles patch", "data_plane.patch_profile_traits", _PROFILE),
    Line(
        "DeleteProfile",
        "profiles.delete",
        "profiles delete",
        "data_plane.delete_profile",
        (
            *_client("test_a_profile_is_deleted"),
            f"{DELETES}::test_many_are_deleted_from_a_file_each_with_its_outcome",
        ),
    ),
    Line(
        "UpdateProfilesBulk",
        "profiles.put_bulk",
        "import",
        "data_plane.update_profiles_bulk",
        _client("test_many_profiles_are_put_at_once"),
    ),
    Line(
        "CreateProfilesLookup",
        "profiles.lookup",
        "profiles lookup",
        "data_plane.lookup_profiles",
        (*_client("test_a_lookup_tells_how_the_store_read_the_value"), *_hand("test_a_profile_by_hand")),
    ),
    Line(
        "ListProfileTraits",
        "profiles.traits",
        "profiles traits",
        "data_plane.list_profile_traits",
        (*_client("test_traits_are_listed_with_their_times"), *_hand("test_a_profile_by_hand")),
    ),
    Line(
        "CreateProfileIdentifier",
        "identifiers.add",
        "identifiers add",
        "identifier_plane.create_identifier",
        _IDENTIFIERS,
    ),
    Line(
        "ListProfileIdentifiers",
        "identifiers.list",
        "identifiers list",
        "identifier_plane.list_identifiers",
        _IDENTIFIERS,
    ),
    Line(
        "FetchProfileIdentifier",
        "identifiers.get",
        "identifiers get",
        "identifier_plane.fetch_identifier",
        _IDENTIFIERS,
    ),
    Line(
        "PatchProfileIdentifier",
        "identifiers.replace",
        "identifiers replace",
        "identifier_plane.patch_identifier",
        _IDENTIFIERS,
    ),
    Line(
        "DeleteProfileIdentifier",
        "identifiers.remove",
        "identifiers remove",
        "identifier_plane.delete_identifier",
        _IDENTIFIERS,
    ),
    Line("CreateProfilesImportV2", "imports.create", "imports create", "data_plane.create_import", _IMPORTS),
    Line("ListProfileImportsV2", "imports.list", "imports list", "data_plane.list_imports", _IMPORTS),
    Line("FetchProfileImportV2", "imports.get", "imports get", "data_plane.fetch_import", _IMPORTS),
    Line("ListStores", "stores.list", "stores list", "control_plane.list_stores", _STORES),
    Line("FetchStore", "stores.get", "stores get", "control_plane.fetch_store", _STORES),
    Line(
        "FetchIdentityResolutionSettings",
        "stores.identity",
        "stores identity",
        "control_plane.fetch_identity_settings",
        (*_client("test_identity_settings_are_read"), *_hand("test_stores_by_hand")),
    ),
    Line("ListTraitGroups", "trait_groups.list", "trait-groups list", "control_plane.list_trait_groups", _GROUPS),
    Line("FetchTraitGroup", "trait_groups.get", "trait-groups get", "control_plane.fetch_trait_group", _GROUPS),
    Line("CreateTraitGroup", "trait_groups.create", "trait-groups create", "control_plane.create_trait_group", _GROUPS),
    Line("PatchTraitGroup", "trait_groups.patch", "trait-groups patch", "control_plane.patch_trait_group", _GROUPS),
    Line(
        "FetchOperation",
        "operations.get",
        "operations get",
        "control_plane.fetch_operation",
        (*_client("test_many_profiles_are_put_at_once"), *_hand("test_trait_groups_by_hand")),
    ),
)

_HEAD: Final = """# Coverage of the API

Made by `python -m tests.api_coverage`; do not edit it by hand. A test fails where an operation of the contract
(`importer/emulator/openapi.yaml`) has no line, where a line names a method, a command, a route or a test that is not
there, and where a documented failure has no test. How the commands are used is described in [api.md](api.md).

| operation | HTTP | client: `MemoryClient.` | command: `memory-importer` | emulator: `importer.emulator.` |
|---|---|---|---|---|
"""

_FAILURES: Final = """
## Documented failures

**c**: the client is given that status in every documented shape of its body and turns it into the right class, with
status, code, request ID and wait, and nothing of the text. **e**: the emulator refuses so, by itself or by a fault that
is switched on. **h**: the command is refused so and exits with 4. For 301 and 308, **c**: the merge is followed within
host and store, three times at most; **e**: the emulator's merged profile leads to the canonical one. Deleting follows
only with `--follow-merged`.

"""

_TESTS: Final = """
## Tests of success

Beside these, every command is run and must ask the emulator for its operation
(`tests/integration/test_by_hand_refusals.py`).

| operation | tests |
|---|---|
"""


def page() -> str:
    """Return `docs/api-coverage.md`."""
    contract = {each.operation_id: each for each in documented()}
    statuses = sorted({status for each in contract.values() for status in each.statuses if status >= 300})
    head = f"| operation | {' | '.join(map(str, statuses))} |\n|---|{'---|' * len(statuses)}\n"
    return "".join(
        [
            _HEAD,
            *(_row(line, contract[line.operation_id]) for line in LINES),
            _FAILURES,
            head,
            *(_marks(line, contract[line.operation_id], statuses) for line in LINES),
            _TESTS,
            *(f"| {line.operation_id} | {_names(line.tests)} |\n" for line in LINES),
        ]
    )


def _row(line: Line, operation: Documented) -> str:
    path = operation.path.removeprefix("/v1")
    asked = f"{operation.method} {path}"
    return f"| {line.operation_id} | `{asked}` | `{line.client}` | `{line.command}` | `{line.route}` |\n"


def _marks(line: Line, operation: Documented, statuses: list[int]) -> str:
    marks = (_mark(line, status) if status in operation.statuses else "" for status in statuses)
    return f"| {line.operation_id} | {' | '.join(marks)} |\n"


def _mark(line: Line, status: int) -> str:
    letters = {SHAPES: "c", MOVES: "c", REFUSED: "e", MERGED: "e", DENIED: "h"}
    return " ".join(letters[test.partition("[")[0]] for test in line.failures(status))


def _names(tests: tuple[str, ...]) -> str:
    return "<br>".join(f"`{test.rpartition('/')[2].replace('::', '` `')}`" for test in tests)


def all_tests() -> Iterator[str]:
    """Yield every test that the table names."""
    contract = {each.operation_id: each for each in documented()}
    for line in LINES:
        yield from line.successes()
        for status in contract[line.operation_id].statuses:
            if status >= 300:
                yield from line.failures(status)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
