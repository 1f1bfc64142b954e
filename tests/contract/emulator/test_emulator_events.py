"""The service's event log: what is told, in which envelope, in which order, and what never is."""

from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from importer.emulator import BadProfile, Clash, Emulator, EmulatorSettings

PREFIX: Final = "com.twilio.memory."
COLUMNS: Final = [
    {"columnName": "mail", "traitGroup": "Contact", "traitName": "email"},
    {"columnName": "first", "traitGroup": "Contact", "traitName": "firstName"},
]
BY_PHONE: Final = {"Contact": {"phone": "+13175551234", "firstName": "Ann"}}
BY_EMAIL: Final = {"Contact": {"email": "zqann@example.com", "lastName": "Lee"}}
BY_BOTH: Final = {"Contact": {"phone": "+13175551234", "email": "zqann@example.com"}}


@contextmanager
def logged(folder: Path, **settings: Any) -> Iterator[tuple[Emulator, httpx.Client, Path]]:
    """Run an emulator that keeps a log, with a client of its store."""
    path = folder / "events.ndjson"
    with Emulator(":memory:", EmulatorSettings(events=path, **settings)) as emulator:
        root = f"{emulator.api_url}/v1/Stores/{emulator.store_id}"
        with httpx.Client(base_url=root, auth=("key", "secret")) as client:
            yield emulator, client, path


def put(emulator: Emulator, client: httpx.Client, *people: Any) -> httpx.Response:
    """Send one batch and wait until it is applied."""
    answer = client.put("/Profiles/Bulk", json={"profiles": [{"traits": traits} for traits in people]})
    emulator.wait_idle()
    return answer


def send_import(emulator: Emulator, client: httpx.Client, content: bytes) -> tuple[str, str]:
    """Import a file to its end; return import ID and operation ID."""
    task = {"filename": "people.csv", "fileSize": len(content), "columnMappings": COLUMNS}
    made = client.post("/Profiles/Imports", json=task).json()
    assert httpx.put(made["url"], content=content).status_code == 200
    emulator.wait_idle()
    return made["importId"], made["operationId"]


def read(path: Path) -> list[dict[str, Any]]:
    """Return the log's entries, out of their envelopes; these are checked on the way."""
    entries = []
    for line in path.read_bytes().splitlines():
        envelope = json.loads(line)
        entry = envelope["data"]
        assert envelope["specversion"] == "1.0"
        assert envelope["datacontenttype"] == "application/json"
        assert (envelope["type"], envelope["id"]) == (entry["eventType"], entry["logId"])
        assert envelope["time"] == entry["eventTime"]
        assert datetime.fromisoformat(entry["eventTime"]).tzinfo is not None
        assert entry["source"] == "conversation-memory"
        assert (entry["level"] == "INFO") == (entry["errorCode"] == 0) == (entry["errorReason"] is None)
        assert ("error_list" in entry["body"]) == (entry["errorCode"] != 0)
        assert envelope["source"].endswith(entry["body"]["store_id"])
        entries.append(entry)
    assert len({entry["logId"] for entry in entries}) == len(entries)
    return entries


def names(entries: list[dict[str, Any]]) -> list[str]:
    """Return the types of entries, without their common beginning."""
    return [entry["eventType"].removeprefix(PREFIX) for entry in entries]


def test_an_import_is_told_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    """One event for the import, one a profile, one a batch of at most 1,000 rows with its own ID, one at the end."""
    rows = [b"p%d@example.com,P" % number for number in range(2050)] + [b"bad,cells,three", b"x;y,Z"]
    with logged(tmp_path) as (emulator, client, path):
        import_id, operation_id = send_import(emulator, client, b"\n".join([b"mail,first", *rows]))
    entries = read(path)
    counts = Counter(names(entries))
    assert counts == {
        "profiles.created-import": 1,
        "profile.created": 2050,
        "traits.upserted": 2,
        "profiles.submitted-import": 3,
        "profiles.finished-import": 1,
    }
    first, *_, last = entries
    assert (names([first]), names([last])) == (["profiles.created-import"], ["profiles.finished-import"])
    assert first["body"]["file_name"] == "people.csv"
    assert {(entry["body"]["import_id"], entry["body"]["operation_id"]) for entry in entries} == {
        (import_id, operation_id)
    }
    assert {entry["correlationId"] for entry in entries} == {import_id}
    batches = [entry for entry in entries if entry["eventType"].endswith("submitted-import")]
    assert [(entry["body"]["row_count"], entry["body"]["error_count"]) for entry in batches] == [
        (1000, 0),
        (1000, 0),
        (52, 2),
    ]
    assert [(entry["level"], entry["errorCode"]) for entry in batches] == [("INFO", 0)] * 2 + [("ERROR", 520010)]
    told = Counter(entry["requestId"] for entry in entries if "profile_id" in entry["body"])
    assert [told[entry["body"]["request_id"]] for entry in batches] == [1000, 1000, 50]
    refused = [entry for entry in entries if names([entry]) == ["traits.upserted"]]
    assert [(entry["errorCode"], entry["requestId"]) for entry in refused] == [(520010, batches[2]["requestId"])] * 2
    assert (last["level"], last["body"]["status"], last["body"]["errors"]) == ("ERROR", "COMPLETED", 2)


def test_a_batch_is_told_by_its_profiles_and_as_a_whole(tmp_path: Path) -> None:
    """New, known and merged profiles; the ID is that of the answer's header, the operation that of its body."""
    with logged(tmp_path) as (emulator, client, path):
        put(emulator, client, BY_EMAIL, BY_PHONE)
        answer = put(emulator, client, BY_BOTH, {"Contact": {"email": "new@example.com", "firstName": "N"}})
        gone = client.get("/Profiles/mem_profile_01000000000000000000000002")
        canonical = gone.headers["Canonical-Profile-Id"]
        entries = [entry for entry in read(path) if entry["requestId"] == answer.headers["twilio-request-id"]]
    assert names(entries) == ["profiles.merged", "traits.upserted", "profile.created", "traits.upserted.bulk"]
    merged, updated, _, batch = (entry["body"] for entry in entries)
    assert merged["profile_id"] == updated["profile_id"] == canonical
    assert merged["merged_profile_ids"] == ["mem_profile_01000000000000000000000002"]
    assert {entry["body"]["operation_id"] for entry in entries} == {answer.json()["operationId"]}
    assert (batch["profile_count"], batch["error_count"], batch["warning_count"]) == (2, 0, 0)


def test_a_skipped_identifier_is_a_warning(tmp_path: Path) -> None:
    """520034 at the profile that lacks it, with the type of the identifier and never its value."""
    with logged(tmp_path, clash=Clash.SKIP) as (emulator, client, path):
        put(emulator, client, BY_EMAIL, BY_PHONE)
        put(emulator, client, BY_BOTH)
        warning, batch = read(path)[-2:]
    assert (warning["level"], warning["errorCode"], warning["body"]["id_types"]) == ("WARNING", 520034, ["email"])
    assert (batch["level"], batch["errorCode"], batch["body"]["warning_count"]) == ("WARNING", 520034, 1)


def test_refused_profiles_have_no_id_and_a_place_only_where_that_is_told(tmp_path: Path) -> None:
    """Behind a 202 a profile is refused: which one is a secret of the service, unless error pointers are on."""
    bad = {"Contact": {"email": "zqbad@example.com", "firstName": 5}}
    for number, pointers in enumerate((False, True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        settings = {"bad_profile": BadProfile.ACCEPT_THEN_DROP, "error_pointers": pointers}
        with logged(folder, **settings) as (emulator, client, path):
            put(emulator, client, BY_EMAIL, bad)
            _, refused, batch = read(path)
        assert (refused["level"], refused["errorCode"]) == ("ERROR", 520010)
        assert "profile_id" not in refused["body"]
        assert refused["body"]["error_list"][0].get("pointer") == ("#/profiles/1" if pointers else None)
        assert (batch["level"], batch["body"]["error_count"]) == ("ERROR", 1)


def test_what_is_lost_silently_is_counted_as_if_it_were_there(tmp_path: Path) -> None:
    """No event of the profile, and a batch without an error."""
    with logged(tmp_path, drop_every=2) as (emulator, client, path):
        put(emulator, client, BY_EMAIL, BY_PHONE)
        entries = read(path)
    assert names(entries) == ["profile.created", "traits.upserted.bulk"]
    assert (entries[1]["level"], entries[1]["body"]["profile_count"]) == ("INFO", 2)


def test_single_changes_are_told_one_by_one(tmp_path: Path) -> None:
    """Create, patch, identifiers, schema, delete, and work on a profile that is gone."""
    with logged(tmp_path) as (emulator, client, path):
        name = client.post("/Profiles", json={"traits": BY_EMAIL}).json()["id"]
        client.patch(f"/Profiles/{name}", json={"traits": {"Contact": {"lastName": None}}})
        client.post(f"/Profiles/{name}/Identifiers", json={"idType": "chat", "value": "zqone"})
        emulator.wait_idle()
        change = {"idType": "chat", "oldValue": "zqone", "newValue": "zqtwo"}
        client.patch(f"/Profiles/{name}/Identifiers/chat", json=change)
        emulator.wait_idle()
        client.delete(f"/Profiles/{name}/Identifiers/chat")
        groups = f"{emulator.api_url}/v1/ControlPlane/Stores/{emulator.store_id}/TraitGroups"
        client.post(groups, json={"displayName": "Crm", "traits": {"key": {"dataType": "STRING"}}})
        emulator.wait_idle()
        client.patch(f"{groups}/Crm", json={"description": "d"})
        emulator.wait_idle()
        client.delete(f"/Profiles/{name}")
        emulator.wait_idle()
        entries = read(path)
    assert names(entries) == [
        "profile.created",
        "traits.upserted",
        "traits.upserted",
        "identity.added",
        "identity.updated",
        "identity.deleted",
        "traitgroups.created",
        "traitgroups.updated",
        "profile.deleted",
    ]
    assert {entry["body"]["profile_id"] for entry in entries if "profile_id" in entry["body"]} == {name}
    assert [entry["body"]["id_type"] for entry in entries[3:6]] == ["chat"] * 3
    assert [entry["body"]["trait_group"] for entry in entries[6:8]] == ["Crm"] * 2


def test_work_on_a_profile_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """The answer was 202; the log says 20404."""
    with logged(tmp_path, apply_delay_s=0.1) as (emulator, client, path):
        name = client.post("/Profiles", json={"traits": BY_EMAIL}).json()["id"]
        client.delete(f"/Profiles/{name}")
        client.patch(f"/Profiles/{name}", json={"traits": {}})
        emulator.wait_idle()
        last = read(path)[-1]
    assert (names([last]), last["level"], last["errorCode"]) == (["traits.upserted"], "ERROR", 20404)
    assert last["body"]["profile_id"] == name


def test_the_log_is_its_owners_alone_and_holds_no_value(tmp_path: Path) -> None:
    """Mode 0600, of a file that was there too; a later emulator appends; no trait and no identifier is in it."""
    path = tmp_path / "events.ndjson"
    path.touch(mode=0o644)
    for _ in range(2):
        with logged(tmp_path, clash=Clash.SKIP) as (emulator, client, _):
            put(emulator, client, BY_EMAIL, BY_PHONE)
            put(emulator, client, BY_BOTH)
            send_import(emulator, client, b"mail,first\nzqfile@example.com,zqfirst\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_text(encoding="utf-8")
    assert content.count("created-import") == 2 * 2, "type and eventType, of two emulators"
    assert not [word for word in ("zqann", "zqbad", "zqone", "zqtwo", "zqfile", "zqfirst") if word in content.lower()]
    assert "3175551234" not in content
