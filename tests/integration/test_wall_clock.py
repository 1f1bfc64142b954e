"""The wall clock is for showing: nothing waits by it, and nothing is lost when somebody sets it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import Event
from typing import Any, Final

import httpx

from importer.core.delivery import EngineOptions
from importer.core.lifecycle import FinishReason
from importer.emulator import Emulator, EmulatorSettings
from importer.memory_api.client import MemoryClient
from importer.pipeline.deliver import DeliveryPorts, deliver
from importer.state.run_folder import RunFolder
from importer.wiring.clock import SystemClock
from importer.wiring.reopening import load_run
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan
from importer.wiring.send_order import payloads_of
from tests.support.runs import workbench

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "note": "Account.note"},
}


class OnlyMonotonic:
    """A clock whose wall-clock half nobody may ask."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start."""
        return SystemClock().monotonic_s()

    def utc_now_iso(self) -> str:
        """Fail the test."""
        raise AssertionError("a delivery asked for the wall clock")


def test_a_delivery_never_asks_for_the_wall_clock(tmp_path: Path) -> None:
    """Pacing, waiting as the service asks, backoff and polling go by monotonic time, so no jump can matter to them."""
    settings = EmulatorSettings(max_requests_per_s=20.0, apply_delay_s=0.1)
    with workbench(tmp_path / "bench", MAPPING, settings) as bench:
        source = bench.folder / "source.csv"
        rows = "".join(f"{n},p{n}@example.com,note {n}\n" for n in range(30))
        group = "".join(f"g{n},group@example.com,note {n}\n" for n in range(8))
        source.write_text(f"id,email,note\n{rows}{group}", encoding="utf-8")
        folder = RunFolder(Path(plan(bench.request(source, allow_merges=1), Hooks()).folder or ""))
        run = load_run(folder)
        payloads = payloads_of(run, folder.read_order())
        with (
            MemoryClient(bench.emulator.api_url, bench.emulator.store_id, ("key", "secret")) as client,
            folder.open_ledger(run.manifest) as ledger,
        ):
            ports = DeliveryPorts(payloads, client, ledger, OnlyMonotonic(), Event())
            result = deliver(ports, EngineOptions(folder.run_id, resumed=True, poll_first_s=0.02))
            assert result.reason is FinishReason.COMPLETED
            assert result.rows["processed"] == 38


def test_work_of_the_emulator_is_not_held_up_by_a_clock_that_was_put_back(tmp_path: Path) -> None:
    """What it accepted before, in what is now the future, is applied all the same."""
    database = tmp_path / "store.db"
    seed = {"traitGroups": [{"displayName": "Account", "traits": {"note": {"dataType": "STRING"}}}]}
    with Emulator(database, EmulatorSettings(apply_delay_s=3600), seed) as emulator:
        url = f"{emulator.api_url}/v1/Stores/{emulator.store_id}/Profiles/Bulk"
        traits = {"Contact": {"email": "a@example.com"}, "Account": {"note": "x"}}
        answer = httpx.put(url, json={"profiles": [{"traits": traits}]}, auth=("key", "secret"), trust_env=False)
        assert answer.status_code == 202
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE work SET accepted_at = accepted_at + 1000000")
    connection.close()
    with Emulator(database, EmulatorSettings(apply_delay_s=3600)) as emulator:
        emulator.wait_idle(10)
        assert len(emulator.profiles()) == 1
