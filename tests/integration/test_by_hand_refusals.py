"""One command for every operation of the contract: it asks for that operation, and says what went wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

import orjson
import pytest

from importer.core.mapping_seed import seed_for
from importer.emulator import EmulatorSettings
from importer.wiring.opening import read_mapping
from tests.support.by_hand import COMMANDS, Desk, desk
from tests.support.cli import CREDENTIALS, CUSTOMERS_MAPPING
from tests.support.client import STORE
from tests.support.here import run_here
from tests.support.loopback import LoopbackServer, Reply
from tests.support.operations import Documented, Ids, documented

OPERATIONS: Final = {each.operation_id: each for each in documented()}


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Run a store that takes everything."""
    with desk(tmp_path_factory.mktemp("open")) as made:
        made.emulator.seed(seed_for(read_mapping(CUSTOMERS_MAPPING)))
        yield made


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Run a store that knows nobody."""
    with desk(tmp_path_factory.mktemp("locked"), EmulatorSettings(api_key="another")) as made:
        yield made


def ids_for(at: Desk, operation: str) -> Ids:
    """Make what a command is about."""
    profile_id = at.profile(
        "canary@a.de" if operation == "PatchProfileIdentifier" else f"{operation.lower()}@example.com"
    )
    import_id = at.document(*COMMANDS["CreateProfilesImportV2"](Ids()))["import_id"]
    changed = at.document("trait-groups", "patch", "Loyalty", "--description", operation)
    return Ids(profile_id, import_id, changed["operation_id"])


def asked_for(at: Desk, operation: Documented) -> int:
    """Count the requests for an operation that the store had and took."""
    path = re.compile(re.sub(r"\{\w+\}", "[^/]+", operation.path))
    return sum(
        entry["method"] == operation.method and path.fullmatch(str(entry["path"])) is not None and entry["status"] < 300
        for entry in at.emulator.journal()
    )


@pytest.mark.parametrize("operation", COMMANDS)
def test_each_operation_has_a_command_that_asks_for_it(at: Desk, operation: str) -> None:
    """And the service takes it; the import of the samples has rows that are rejected."""
    ids = ids_for(at, operation)
    before = asked_for(at, OPERATIONS[operation])
    ended = at.run(*COMMANDS[operation](ids))
    assert ended.code == (3 if operation == "UpdateProfilesBulk" else 0), ended.stderr
    assert asked_for(at, OPERATIONS[operation]) > before


@pytest.mark.parametrize("operation", COMMANDS)
def test_each_command_says_what_the_service_refused(locked: Desk, operation: str) -> None:
    """Exit code 4 with endpoint, status, code and request, and the same as JSON; never a value."""
    for more in ((), ("--json",)):
        ended = locked.run(*COMMANDS[operation](Ids()), *more)
        assert ended.code == 4
        assert "answered 401 (code 20003)" in ended.stderr
        assert "TWILIO_API_KEY" in ended.stderr
        assert "canary" not in ended.stdout + ended.stderr
    if operation not in ("UpdateProfilesBulk", "DeleteProfile"):
        (line,) = ended.stdout.splitlines()
        error = json.loads(line)["error"]
        assert (error["status"], error["code"]) == (401, 20003)
        assert error["request_id"].startswith("RQ")
        assert error["request_id"] in ended.stderr
    if operation != "UpdateProfilesBulk":
        assert re.search(r"request RQ\w+", ended.stderr)


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [("COMPLETED", 0, "COMPLETED"), ("FAILED", 3, "520043"), ("CANCELLED", 3, "CANCELLED"), ("RUNNING", 5, "RUNNING")],
)
def test_waiting_ends_with_a_code_that_says_how(at: Desk, status: str, code: int, shown: str) -> None:
    """A failed operation shows its code, and nothing else of what the service says; without --wait all is well."""
    error = {"code": 520043, "title": "canary", "detail": "canary"} if status == "FAILED" else None
    with LoopbackServer() as server:
        server.replies = [Reply(200, orjson.dumps({"operationId": "op", "status": status, "error": error}))]
        environment = {"MEMORY_API_URL": server.url, "MEMORY_STORE_ID": STORE, **CREDENTIALS}
        for more, expected in (
            (("--wait", "--timeout", "0"), code),
            ((), 0),
            (("--wait", "--timeout", "0", "--json"), code),
        ):
            ended = run_here(at.folder, "operations", "get", "op", *more, environment=environment)
            assert (ended.code, shown in ended.stdout, "canary" in ended.stdout) == (expected, True, False)


def test_ids_are_checked_before_anything_is_asked(at: Desk) -> None:
    """Exit code 2; what was given is not quoted."""
    before = len(at.emulator.journal())
    for arguments in (
        ("profiles", "get", "canary"),
        ("imports", "get", "canary"),
        ("stores", "get", "canary"),
        ("operations", "get", "canary/../x"),
        ("identifiers", "get", "mem_profile_01000000000000000000000001", "c"),
        ("profiles", "list", "--store", "canary"),
        ("stores", "get", "--store", "canary"),
    ):
        ended = at.run(*arguments)
        assert (ended.code, "canary" in ended.stderr) == (2, False), arguments
    assert len(at.emulator.journal()) == before


def test_a_write_whose_answer_is_lost_says_to_look_first(at: Desk) -> None:
    """It is not sent again by itself: it was done, this time."""
    profile_id = at.profile("lost@example.com")
    at.emulator.switch_on({"fault": "reset", "operations": ["PatchProfileTraits"], "after": True, "count": 1})
    ended = at.run("profiles", "patch", profile_id, "Contact.firstName=Ann")
    assert (ended.code, "look before you do it again" in ended.stderr) == (5, True)
    assert at.document("profiles", "get", profile_id)["traits"]["Contact"]["firstName"] == "Ann"


def test_a_busy_service_is_waited_for(at: Desk) -> None:
    """A write that was turned away was not done, so it is sent again."""
    profile_id = at.profile("busy@example.com")
    at.emulator.switch_on({"fault": "429", "operations": ["DeleteProfile"], "count": 2, "retry_after": "0"})
    assert json.loads(at.done("profiles", "delete", profile_id, "--yes", "--json"))["outcome"] == "accepted"


def test_a_page_of_a_proxy_is_no_answer(at: Desk) -> None:
    """The hint says what may stand between; nothing of the page is shown."""
    at.emulator.switch_on({"fault": "html", "status": 200, "operations": ["ListStores"], "count": 1})
    ended = at.run("stores", "list")
    assert (ended.code, "captive portal" in ended.stderr, "<" in ended.stderr) == (5, True, False)


def test_a_file_that_did_not_arrive_leaves_the_name_of_its_import(at: Desk) -> None:
    """Which nothing comes of; the URL, which is a secret, is nowhere."""
    at.emulator.switch_on({"fault": "expired-url", "count": 1})
    ended = at.run(*COMMANDS["CreateProfilesImportV2"](Ids()))
    assert ended.code == 5
    assert re.search(r"mem_import_\w+ was made and waits for its file in vain", ended.stderr)
    assert "X-Amz" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("profiles", "get"), 2),
        (("profiles", "get", "canary"), 2),
        (("profiles", "list", "--nonsense"), 2),
        (("profiles", "patch", "mem_profile_01000000000000000000000001"), 2),
        (("profiles", "patch", "mem_profile_01000000000000000000000001", "Contact.firstName"), 2),
        (("profiles", "delete", "--from", "nowhere.txt", "--yes"), 2),
        (("profiles", "get", "mem_profile_01000000000000000000000001", "--api-url", "http://127.0.0.1:9"), 5),
        (("trait-groups", "get", "Nowhere"), 4),
    ],
)
def test_every_error_is_one_line_of_json_for_programs(at: Desk, arguments: Sequence[str], code: int) -> None:
    """A wrong option as much as a refusal: message, hint and exit code, and only what is known beside them."""
    ended = at.run(*arguments, "--json")
    document = json.loads(ended.stdout)
    assert (len(ended.stdout.splitlines()), set(document), document["exit_code"]) == (1, {"error", "exit_code"}, code)
    assert {"message", "hint"} <= set(document["error"]) <= {"message", "hint", "status", "code", "request_id"}
    assert None not in document["error"].values()
    assert (ended.code, document["error"]["message"] in ended.stderr.replace("\n", " ")) == (code, True)


def test_that_nobody_holds_a_value_is_an_answer(at: Desk) -> None:
    """Scripts see it by what is printed: nothing, or an empty list."""
    ended = at.run("profiles", "lookup", "email", "nobody@example.com")
    assert (ended.code, ended.stdout, "nobody@" in ended.stderr) == (0, "", False)
    assert at.document("profiles", "lookup", "email", "nobody@example.com")["profile_ids"] == []
