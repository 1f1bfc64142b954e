"""A mirror beside a running local service, and what it removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import httpx
import polars as pl

from importer.core.report import Report
from importer.core.sync_counts import Removals
from importer.emulator import EmulatorSettings
from importer.state.snapshot_file import SnapshotWriter
from tests.support.runs import IDLE_S, folder_of
from tests.support.syncs import LOOSE, MAPPING, Row, Synced, by_email, people

MIRROR: Final[dict[str, Any]] = {"mode": "mirror", "brakes": LOOSE, "removal": {"max": 1000}}

SHARING: Final[dict[str, Any]] = MAPPING | {"identity": {"on_shared": {"phone": "allow"}}}

NAMED: Final = EmulatorSettings(error_pointers=True, status_url=False)


def mirrored(synced: Synced, count: int = 20) -> dict[str, Row]:
    """Deliver some people; return them."""
    rows = people(count)
    synced.write(rows)
    assert synced.run(first_run=True).exit_code == 0
    return rows


def swapped(synced: Synced) -> dict[str, Row]:
    """Deliver some people, and let the source say that two of them swapped numbers; return its rows."""
    rows = mirrored(synced)
    (a, phone_a, points), (b, phone_b, _) = rows["K3"], rows["K4"]
    now = rows | {"K3": (a, phone_b, points), "K4": (b, phone_a, points)}
    synced.write(now)
    return now


def without(rows: Mapping[str, Row], *keys: str) -> dict[str, Row]:
    """Return rows without some keys."""
    return {key: row for key, row in rows.items() if key not in keys}


def removals(report: Report) -> Removals:
    """Return what a run says of removals."""
    assert report.removals is not None
    return report.removals


def told(report: Report) -> dict[str, Any]:
    """Return what is not zero of it."""
    return {name: value for name, value in removals(report).model_dump().items() if value}


def fates(report: Report) -> dict[str, str]:
    """Return what became of each key, as the file of the run has it."""
    frame = pl.read_parquet(folder_of(report).path / "removals.parquet")
    return dict(frame.select("key", "removal").iter_rows())


def deleted(synced: Synced, act: Callable[[], object]) -> list[str]:
    """Do something; return the profiles that the service was asked to delete meanwhile."""
    before = len(synced.bench.emulator.journal())
    act()
    entries = synced.bench.emulator.journal()[before:]
    return [str(entry["path"]).rsplit("/", 1)[-1] for entry in entries if entry["method"] == "DELETE"]


def requests_of(synced: Synced, act: Callable[[], object]) -> int:
    """Do something; return how many requests about profiles it made."""
    before = len(synced.bench.emulator.journal())
    act()
    return sum("/Profiles" in str(entry["path"]) for entry in synced.bench.emulator.journal()[before:])


def profile_of(synced: Synced, email: str) -> str:
    """Return the profile that has an e-mail address now."""
    (found,) = (
        str(profile["id"]) for profile in synced.bench.emulator.profiles() if email in profile["identifiers"]["email"]
    )
    return found


def ask(synced: Synced, method: str, path: str, body: object = None) -> None:
    """Do by hand what somebody else does to the store."""
    url = f"{synced.bench.emulator.api_url}/v1/Stores/{synced.bench.emulator.store_id}/Profiles{path}"
    httpx.request(method, url, json=body, auth=("key", "secret"), trust_env=False).raise_for_status()
    synced.bench.emulator.wait_idle(IDLE_S)


def age(synced: Synced, days: int = 2) -> None:
    """Let everything that the snapshot tells of be longer ago."""
    file = synced.folder.open_snapshot()
    assert file is not None
    earlier = pl.col("delivered_at", "held_at") - timedelta(days=days)
    lines = pl.concat(file.pieces()).with_columns(earlier)
    with SnapshotWriter(synced.folder.snapshot) as writer:
        writer.append(lines)
        writer.commit(file.meta)


def is_mirror(synced: Synced, rows: Mapping[str, Row]) -> bool:
    """Tell whether the store has what the source has, and the snapshot its keys."""
    known = synced.folder.open_snapshot()
    assert known is not None
    return synced.stored() == by_email(rows) and set(known.read(["key"])["key"]) == set(rows)
