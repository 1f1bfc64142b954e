"""A run goes to the host it was made for: another one must be a mistake, and a new port need not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.core.mapping_seed import seed_for
from importer.emulator import Emulator, EmulatorSettings
from importer.errors import SettingsError
from importer.settings import Settings
from importer.state.run_folder import RunFolder
from importer.wiring.opening import read_mapping
from importer.wiring.reopening import loaded_settings
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.runs import plan
from tests.support.runs import IDLE_S, QUICK, Workbench, bench_of, workbench
from tests.support.strict_store import MAPPING, people, write_source

CREDENTIALS = {"TWILIO_API_KEY": "key", "TWILIO_API_SECRET": "secret"}


bench = bench_of(MAPPING)


def settings(bench: Workbench, **environment: str) -> Settings:
    """Return settings of an environment."""
    return Settings.from_env(CREDENTIALS | environment, runs_dir=bench.settings.runs_dir)


def test_a_run_finds_its_own_way(bench: Workbench) -> None:
    """Where nobody names an address, it is the run's own, and not the usual one."""
    planned = plan(bench.request(write_source(bench, *people(3))), Hooks())
    done = resume(ResumeRequest(planned.run_id, settings(bench)), Hooks(), QUICK)
    assert done.outcomes["processed"] == 3


@pytest.mark.parametrize("address", ["https://memory.example.com", "http://localhost:1"])
def test_another_host_is_refused(bench: Workbench, address: str) -> None:
    """Rows and credentials must not go elsewhere because of a variable that was left behind: nothing is sent."""
    planned = plan(bench.request(write_source(bench, *people(3))), Hooks())
    before = len(bench.emulator.journal())
    with pytest.raises(SettingsError) as refused:
        resume(ResumeRequest(planned.run_id, settings(bench, MEMORY_API_URL=address)), Hooks(), QUICK)
    assert "127.0.0.1" in refused.value.message
    assert "MEMORY_API_URL" in refused.value.message
    assert len(bench.emulator.journal()) == before


def test_another_port_of_the_same_host_is_taken(tmp_path: Path) -> None:
    """A service that was started again may answer at another one; store and schema are compared as ever."""
    with workbench(tmp_path / "bench", MAPPING) as bench:
        planned = plan(bench.request(write_source(bench, *people(3))), Hooks())
        with Emulator(":memory:", EmulatorSettings(store_id=bench.emulator.store_id)) as moved:
            moved.seed(seed_for(read_mapping(bench.mapping)))
            done = resume(ResumeRequest(planned.run_id, settings(bench, MEMORY_API_URL=moved.api_url)), Hooks(), QUICK)
            moved.wait_idle(IDLE_S)
            assert done.outcomes["processed"] == len(moved.profiles()) == 3
        assert bench.stored() == []


def test_a_run_of_the_local_emulator_needs_no_address(bench: Workbench) -> None:
    """It opens the emulator's own state, whatever the environment says about the live service."""
    planned = plan(bench.request(write_source(bench, *people(1))), Hooks())
    manifest = RunFolder(Path(planned.folder or "")).read_manifest()
    local = manifest.model_copy(update={"target": manifest.target.model_copy(update={"emulator": True})})
    given = settings(bench, MEMORY_API_URL="https://memory.example.com")
    assert loaded_settings(given, local).store_id == manifest.target.store_id
