"""The emulator as a command of its own: faults and the event log by options, and what it refuses."""

from __future__ import annotations

import json
import signal
import stat
from pathlib import Path

import httpx

from tests.support.cli import CUSTOMERS_MAPPING, new_shell

CALL_S = 20.0


def test_faults_and_the_event_log_are_options(tmp_path: Path) -> None:
    """It answers as its options say, keeps the log for its owner alone, and ends with a signal."""
    shell = new_shell(tmp_path)
    options = ("--fault", "503,count=1,operations=UpdateProfilesBulk", "--max-rps", "0.01", "--burst", "2")
    process = shell.start(
        "emulator", "--db", ":memory:", "--mapping", CUSTOMERS_MAPPING, "--events", "log.ndjson", *options
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        url = f"{ready['api_url']}/v1/Stores/{ready['store_id']}/Profiles/Bulk"
        body = {"profiles": [{"traits": {"Contact": {"email": "a@example.com", "firstName": "A"}}}]}
        with httpx.Client(auth=("key", "secret"), timeout=CALL_S, trust_env=False) as client:
            statuses = [client.put(url, json=body).status_code for _ in range(4)]
            (fault,) = client.get(f"{ready['api_url']}/_emulator/faults").json()["faults"]
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=CALL_S)
    assert statuses == [503, 202, 202, 429], "a fault takes no token"
    assert fault["hits"] == 1
    assert (process.returncode, errors) == (0, "")
    log = tmp_path / "log.ndjson"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert log.read_text(encoding="utf-8").count('"com.twilio.memory.profile.created"') == 2, "type and eventType"


def test_what_is_no_fault_is_refused_with_its_place(tmp_path: Path) -> None:
    """Exit 2 before anything is served; the message names the option and the member."""
    ended = new_shell(tmp_path).run("emulator", "--db", ":memory:", "--fault", "429,coun=3")
    assert ended.code == 2
    assert "--fault 429,coun=3" in ended.stderr
    assert "'coun'" in ended.stderr
