"""Whole runs against a local service in this process, and what to read of them afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import polars as pl
import pytest
from pydantic import SecretStr

from importer.core.ids import is_store_id
from importer.core.manifest import RunOptions
from importer.core.mapping_seed import seed_for
from importer.core.report import Report
from importer.emulator import Emulator, EmulatorSettings, StoreSeed
from importer.settings import Settings
from importer.state.run_folder import RunFolder
from importer.wiring.opening import read_mapping
from importer.wiring.requests import Hooks, RunRequest, SendOptions
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.sending import run_import

QUICK: Final = SendOptions(poll_first_s=0.02)
"""The local service is done at once, so nothing is gained by waiting for it."""

IDLE_S: Final = 30.0
DELIVERED: Final = ("accepted", "processed")

Profile = dict[str, Any]


@dataclass(frozen=True)
class Workbench:
    """A mapping, a running local service that has what the mapping needs, and a folder for runs."""

    folder: Path
    mapping: Path
    emulator: Emulator

    @property
    def settings(self) -> Settings:
        """Settings of a caller that speaks to the local service as if it were the live one."""
        assert is_store_id(self.emulator.store_id)
        return Settings(
            api_url=self.emulator.api_url,
            store_id=self.emulator.store_id,
            api_key="key",
            api_secret=SecretStr("secret"),
            runs_dir=str(self.folder / "runs"),
        )

    def request(self, *source: Path, **options: Any) -> RunRequest:
        """Return the request of a run over `source`; `options` are fields of `RunOptions`."""
        given = {"max_rejected_percent": 100.0} | options
        return RunRequest(
            source=tuple(map(str, source)), mapping=self.mapping, settings=self.settings, options=RunOptions(**given)
        )

    def deliver(self, *source: Path, **options: Any) -> Report:
        """Import a source, and wait until the service has applied all of it."""
        report = run_import(self.request(*source, **options), Hooks(), QUICK)
        self.emulator.wait_idle(IDLE_S)
        return report

    def go_on(self, report: Report, **options: Any) -> Report:
        """Resume a run; `options` are fields of `ResumeRequest`."""
        again = resume(ResumeRequest(report.run_id or "", self.settings, **options), Hooks(), QUICK)
        self.emulator.wait_idle(IDLE_S)
        return again

    def put(self, profiles: Sequence[Mapping[str, Any]]) -> None:
        """Write profiles as somebody else would have, one after the other."""
        for traits in profiles:
            url = f"{self.emulator.api_url}/v1/Stores/{self.emulator.store_id}/Profiles/Bulk"
            answer = httpx.put(url, json={"profiles": [{"traits": traits}]}, auth=("key", "secret"), trust_env=False)
            answer.raise_for_status()
        self.emulator.wait_idle(IDLE_S)

    def stored(self) -> list[Profile]:
        """Return traits and identifiers of all profiles, in an order that says nothing of who came first."""
        profiles = [{"traits": p["traits"], "identifiers": p["identifiers"]} for p in self.emulator.profiles()]
        for profile in profiles:
            profile["identifiers"] = {name: sorted(values) for name, values in profile["identifiers"].items()}
        return sorted(profiles, key=lambda profile: json.dumps(profile, sort_keys=True))

    def writes(self) -> list[dict[str, Any]]:
        """Return the journal's requests that change something."""
        return [entry for entry in self.emulator.journal() if is_write(entry)]


def is_write(entry: Mapping[str, Any]) -> bool:
    """Tell whether a request of the journal may change a profile; a lookup is a POST that does not."""
    return entry["method"] != "GET" and not str(entry["path"]).endswith("/Lookup")


@contextmanager
def workbench(
    folder: Path,
    mapping: Mapping[str, Any],
    settings: EmulatorSettings | None = None,
    *,
    store: StoreSeed | None = None,
) -> Iterator[Workbench]:
    """Start an empty local service that has what `mapping` needs, and before that what `store` says."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mapping.yaml"
    path.write_text(json.dumps(mapping, ensure_ascii=False), encoding="utf-8")
    with Emulator(":memory:", settings or EmulatorSettings(), store) as emulator:
        emulator.seed(seed_for(read_mapping(path)))
        yield Workbench(folder, path, emulator)


def bench_of(mapping: Mapping[str, Any], settings: EmulatorSettings | None = None) -> Any:
    """Return a fixture: an empty local service that has what a mapping needs."""

    @pytest.fixture
    def bench(tmp_path: Path) -> Iterator[Workbench]:
        with workbench(tmp_path / "bench", mapping, settings) as made:
            yield made

    return bench


def folder_of(report: Report) -> RunFolder:
    """Return a run's folder."""
    return RunFolder(Path(report.folder or ""))


def outcomes_of(report: Report) -> pl.DataFrame:
    """Read the outcome of every row of a run."""
    return pl.read_parquet(Path(report.folder or "") / "outcomes.parquet")
