"""What survives: restarts, kills, other processes; and how the emulator starts and stops."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from importer.emulator import DatabaseFormatError, Emulator, EmulatorInUseError, EmulatorSettings

LATER = EmulatorSettings(apply_delay_s=3600)
SERVE = """
import json, sys
from importer.emulator import EmulatorSettings, serve
settings = EmulatorSettings(apply_delay_s=float(sys.argv[2]))
serve(sys.argv[1], settings, lambda ready: print(json.dumps(ready), flush=True))
"""


def put(api_url: str, store_id: str, email: str) -> httpx.Response:
    """Send one profile."""
    body = {"profiles": [{"traits": {"Contact": {"email": email, "firstName": "Ann"}}}]}
    return httpx.put(f"{api_url}/v1/Stores/{store_id}/Profiles/Bulk", json=body, auth=("a", "b"))


def start_process(db: Path, delay_s: float) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start `serve` in a process of its own; return it with what it said when ready."""
    command = [sys.executable, "-c", SERVE, str(db), str(delay_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready: dict[str, Any] = json.loads(process.stdout.readline())
    return process, ready


def test_profiles_and_schema_survive_a_restart(tmp_path: Path) -> None:
    """The same IDs, the same groups; the next profile has a later ID."""
    db = tmp_path / "deep" / "store.db"
    with Emulator(db, schema={"traitGroups": [{"displayName": "Crm"}]}) as emulator:
        put(emulator.api_url, emulator.store_id, "a@b.c")
        emulator.wait_idle(10)
        before = emulator.profiles()
    with Emulator(db) as emulator:
        assert emulator.profiles() == before
        assert emulator.seed({"traitGroups": [{"displayName": "Crm"}]}) == []
        put(emulator.api_url, emulator.store_id, "d@e.f")
        emulator.wait_idle(10)
        assert emulator.profiles()[1]["id"] > before[0]["id"]


def test_accepted_work_is_applied_after_a_restart(tmp_path: Path) -> None:
    """Stopping loses nothing that was answered with 202; its operation ends in the next life."""
    with Emulator(tmp_path / "store.db", LATER) as emulator:
        operation_id = put(emulator.api_url, emulator.store_id, "a@b.c").json()["operationId"]
        assert emulator.profiles() == []
    with Emulator(tmp_path / "store.db") as emulator:
        emulator.wait_idle(10)
        assert len(emulator.profiles()) == 1
        url = f"{emulator.api_url}/v1/ControlPlane/Operations/{operation_id}"
        assert httpx.get(url, auth=("a", "b")).json()["status"] == "COMPLETED"


def test_accepted_work_survives_a_kill(tmp_path: Path) -> None:
    """SIGKILL between the 202 and its application, an upload included."""
    db = tmp_path / "store.db"
    process, ready = start_process(db, 3600)
    try:
        root = f"{ready['api_url']}/v1/Stores/{ready['store_id']}/Profiles"
        for number in range(20):
            assert put(ready["api_url"], ready["store_id"], f"u{number}@b.c").status_code == 202
        content = "c1,c2\nimported@b.c,Ann\n"
        mappings = [
            {"columnName": column, "traitGroup": "Contact", "traitName": trait}
            for column, trait in (("c1", "email"), ("c2", "firstName"))
        ]
        body = {"filename": "f.csv", "fileSize": len(content), "columnMappings": mappings}
        created = httpx.post(f"{root}/Imports", json=body, auth=("a", "b")).json()
        assert httpx.put(created["url"], content=content).status_code == 200
    finally:
        process.kill()
        process.communicate()
    with Emulator(db) as emulator:
        emulator.wait_idle(10)
        assert len(emulator.profiles()) == 21
        assert not list((tmp_path / "store.db-uploads").iterdir())


def test_an_import_goes_on_after_a_stop_in_its_middle(tmp_path: Path) -> None:
    """A stop waits for a chunk, not for the file; the next start applies all of it."""
    rows = 20_000
    content = ("c1,c2\n" + "".join(f"u{number}@b.c,Ann\n" for number in range(rows))).encode()
    mappings = [
        {"columnName": column, "traitGroup": "Contact", "traitName": trait}
        for column, trait in (("c1", "email"), ("c2", "firstName"))
    ]
    body = {"filename": "f.csv", "fileSize": len(content), "columnMappings": mappings}
    with Emulator(tmp_path / "store.db") as emulator:
        root = f"{emulator.api_url}/v1/Stores/{emulator.store_id}/Profiles"
        created = httpx.post(f"{root}/Imports", json=body, auth=("a", "b")).json()
        assert httpx.put(created["url"], content=content).status_code == 200
    with Emulator(tmp_path / "store.db") as emulator:
        emulator.wait_idle(20)
        root = f"{emulator.api_url}/v1/Stores/{emulator.store_id}/Profiles"
        state = httpx.get(f"{root}/Imports/{created['importId']}", auth=("a", "b")).json()
        assert (state["status"], state["summary"]) == ("COMPLETED", {"errors": 0, "warnings": 0})
        assert len(emulator.profiles()) == rows


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_with_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """One line when ready, exit code 0 after SIGINT or SIGTERM, nothing else on stdout."""
    process, ready = start_process(tmp_path / "store.db", 0)
    assert ready.keys() == {"api_url", "bucket_url", "store_id", "pid"}
    assert ready["pid"] == process.pid
    assert put(ready["api_url"], ready["store_id"], "a@b.c").status_code == 202
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, "")


def test_a_file_has_one_emulator(tmp_path: Path) -> None:
    """A second one is refused, in this process and in another; afterwards the file is free."""
    db = tmp_path / "store.db"
    with Emulator(db), pytest.raises(EmulatorInUseError, match=r"store\.db"):
        Emulator(db).start()
    process, _ = start_process(db, 0)
    try:
        with pytest.raises(EmulatorInUseError):
            Emulator(db).start()
    finally:
        process.kill()
        process.communicate()
    with Emulator(db):
        pass


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """The database and what SQLite and uploads put beside it."""
    previous = os.umask(0)
    try:
        with Emulator(tmp_path / "store.db") as emulator:
            put(emulator.api_url, emulator.store_id, "a@b.c")
            emulator.wait_idle(10)
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(previous)
    assert modes.pop("store.db-uploads") == 0o700
    assert {"store.db", "store.db-wal", "store.db.lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A text file, a database of somebody else, one of another format: each is left as it is."""
    text = tmp_path / "text.db"
    text.write_text("this is not a database, and long enough to be sure" * 10)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    for path in (text, other):
        path.chmod(0o644)
        before = (path.read_bytes(), path.stat().st_mode)
        with pytest.raises(DatabaseFormatError):
            Emulator(path).start()
        assert (path.read_bytes(), path.stat().st_mode) == before


def test_a_taken_port_is_an_error_and_frees_the_file(tmp_path: Path) -> None:
    """OSError from start; the database can be opened again at once."""
    with Emulator(":memory:") as taken:
        port = httpx.URL(taken.api_url).port
        with pytest.raises(OSError, match="in use"):
            Emulator(tmp_path / "store.db", EmulatorSettings(port=port or 0)).start()
    with Emulator(tmp_path / "store.db"):
        pass


def test_work_that_cannot_be_applied_fails_alone(tmp_path: Path) -> None:
    """Its operation ends FAILED with an error; what comes after it is applied."""
    db = tmp_path / "store.db"
    with Emulator(db, LATER) as emulator:
        operation_id = put(emulator.api_url, emulator.store_id, "a@b.c").json()["operationId"]
        put(emulator.api_url, emulator.store_id, "d@e.f")
    connection = sqlite3.connect(db)
    connection.execute("UPDATE work SET payload = x'7b' WHERE number = 1")
    connection.commit()
    connection.close()
    with Emulator(db) as emulator:
        emulator.wait_idle(10)
        assert len(emulator.profiles()) == 1
        url = f"{emulator.api_url}/v1/ControlPlane/Operations/{operation_id}"
        operation = httpx.get(url, auth=("a", "b")).json()
    assert operation["status"] == "FAILED"
    assert operation["error"]["code"] == 20500


def test_an_emulator_is_used_between_start_and_stop() -> None:
    """Everything else says so; stopping twice is harmless, and no thread stays behind."""
    emulator = Emulator(":memory:")
    with pytest.raises(RuntimeError, match="not started"):
        emulator.profiles()
    emulator.start()
    with pytest.raises(RuntimeError, match="started already"):
        emulator.start()
    emulator.stop()
    emulator.stop()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("emulator")]
    with pytest.raises(RuntimeError, match="not started"):
        _ = emulator.api_url


def test_a_bad_seed_at_the_start_leaves_nothing_running(tmp_path: Path) -> None:
    """The file is free again, and no thread stays behind."""
    with pytest.raises(ValueError, match="no member"):
        Emulator(tmp_path / "store.db", schema={"groups": []}).start()
    with Emulator(tmp_path / "store.db"):
        pass
