"""The forecast of a real run, and what the local service made of its rows."""

from __future__ import annotations

import stat
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from importer.emulator import EmulatorSettings
from importer.emulator.settings import Clash
from tests.support.runs import Workbench, outcomes_of, workbench

MAPPING: dict[str, Any] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"code": {"to": "Ids.code", "identifier": "code"}, "badge": {"to": "Ids.badge", "identifier": "badge"}}
    | {"device": {"to": "Ids.device", "identifier": "device"}, "note": "Account.note"},
}
STORE: dict[str, Any] = {
    "identifierConfigs": [
        {"idType": "code", "normalization": "trim", "limit": 2},
        {"idType": "badge", "normalization": "trim"},
        {"idType": "device", "normalization": "trim", "enforceUnique": False},
    ],
    "matchingRules": ["badge", "code", "device"],
}
"""Two codes a profile; devices link only in company."""


def write(bench: Workbench, seed: int) -> Path:
    """Write a source of few values, so that all kinds of groups arise."""
    dice = Random(seed)
    lines = [
        f"{number},{cell(dice, 'c', 25)},{cell(dice, 'b', 25)},d{dice.randrange(9)},x{number}" for number in range(40)
    ]
    source = bench.folder / "source.csv"
    source.write_text("\n".join(["id,code,badge,device,note", *lines, ""]), encoding="utf-8")
    return source


def cell(dice: Random, letter: str, width: int) -> str:
    """Draw a value, empty now and then."""
    return f"{letter}{dice.randrange(width)}" if dice.random() < 0.5 else ""


@pytest.mark.parametrize("clash", list(Clash))
def test_groups_become_the_profiles_that_were_forecast(tmp_path: Path, clash: Clash) -> None:
    """All groups allowed, every row delivered: there are as many profiles as the report says, rows alone included."""
    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(clash=clash), store=STORE) as bench:
        report = bench.deliver(write(bench, 5), allow_merges=1000, reading=clash.value)
        states = outcomes_of(report)["state"].to_list()
        assert set(states) <= {"processed", "unattributed"}  # a withheld identifier is a warning of the service
        groups = pl.read_parquet(Path(report.folder or "") / "groups.parquet")
        alone = len(states) - groups.height
        forecast = groups.unique(["group", "profile"]).height
        assert report.merge_groups.profiles == forecast
        assert groups["reading"].unique().to_list() == [clash.value]
        assert len(bench.emulator.profiles()) == forecast + alone
        assert forecast > report.merge_groups.groups or clash is Clash.MERGE


def test_groups_name_rows_and_what_links_them_without_a_value(tmp_path: Path) -> None:
    """Each row has the masked values that link it, the file is its owner's alone, and no value is in it."""
    with workbench(tmp_path / "bench", MAPPING, store=STORE) as bench:
        source = bench.folder / "source.csv"
        source.write_text(
            "id,code,badge,device,note\n1,alpha-one,badge-77,,x\n2,alpha-one,,,x\n3,,badge-77,,x\n3,gamma-three,,,x\n",
            encoding="utf-8",
        )
        report = bench.deliver(source)
        path = Path(report.folder or "") / "groups.parquet"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        groups = pl.read_parquet(path)
        assert groups["linked_by"].list.sort().to_list() == [["badge", "code"], ["code"], ["badge"], []]
        masked = ["a••• (9 chars)", "b••• (8 chars)"]
        assert groups["linking_value"].list.sort().to_list() == [masked, masked[:1], masked[1:], []]
        assert groups.select("shape", "rows", "keys", "linking_values", "most_shared").unique().rows() == [
            ("chain", 4, 3, 2, 2)
        ]
        assert (report.merge_groups.chains, report.merge_groups.hubs, report.merge_groups.largest) == (1, 0, (4,))
        assert groups["profile"].to_list() == [1, 1, 1, 2], "a key links nothing in the store"
        for name in ("groups.parquet", "report.json", "run.json"):
            content = (Path(report.folder or "") / name).read_bytes()
            assert b"alpha-one" not in content
            assert b"badge-77" not in content
