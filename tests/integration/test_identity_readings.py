"""The forecast of a real run, and what the local service made of its rows."""

from __future__ import annotations

import stat
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any, Final

import polars as pl
import pytest

from importer.emulator import EmulatorSettings
from importer.emulator.settings import Clash
from tests.support.runs import Workbench, outcomes_of, workbench

ROWS: Final = 40
MARKS: Final = tuple(f"r{number}" for number in range(1, ROWS + 1))
MAPPING: dict[str, Any] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"code": {"to": "Ids.code", "identifier": "code"}, "badge": {"to": "Ids.badge", "identifier": "badge"}}
    | {"device": {"to": "Ids.device", "identifier": "device"}, "note": "Account.note"},
}
MARKED: Final = MAPPING | {"columns": MAPPING["columns"] | {mark: f"Rows.{mark}" for mark in MARKS}}
"""Each row fills a trait of its own, so that a profile says which rows it is made of."""

POLICIES: Final[dict[str, dict[str, Any]]] = {
    "none": {},
    "every policy": {"deny": ["c3", "b4"], "on_shared": {"device": "drop-value", "badge": "allow"}},
    "all rows of a key": {"on_duplicate_key": "all", "on_shared": {"code": "allow"}},
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
    """Write a source of few values, so that all kinds of groups arise; now and then a key comes again."""
    dice = Random(seed)
    lines = []
    for number in range(1, ROWS + 1):
        key = number if dice.random() < 0.8 else dice.randrange(1, number + 1)
        marks = ["x" if mark == f"r{number}" else "" for mark in MARKS]
        cells = [key, cell(dice, "c", 20), cell(dice, "b", 20), f"d{dice.randrange(9)}", f"x{number}", *marks]
        lines.append(",".join(map(str, cells)))
    source = bench.folder / "source.csv"
    source.write_text("\n".join([",".join(["id,code,badge,device,note", *MARKS]), *lines, ""]), encoding="utf-8")
    return source


def cell(dice: Random, letter: str, width: int) -> str:
    """Draw a value, empty now and then."""
    return f"{letter}{dice.randrange(width)}" if dice.random() < 0.75 else ""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("clash", list(Clash))
def test_groups_become_the_profiles_that_were_forecast(tmp_path: Path, clash: Clash, policy: str) -> None:
    """All groups allowed: the profiles are made of the rows that the report says, by any policy for shared values."""
    mapping = MARKED | {"identity": POLICIES[policy]}
    with workbench(tmp_path / "bench", mapping, EmulatorSettings(clash=clash), store=STORE) as bench:
        report = bench.deliver(write(bench, 5), allow_merges=1000, reading=clash.value)
        groups = pl.read_parquet(Path(report.folder or "") / "groups.parquet")
        assert groups["reading"].unique().to_list() == [clash.value]
        assert report.merge_groups.profiles == groups.unique(["group", "profile"]).height
        rows = outcomes_of(report).join(groups.select("row_number", "profile"), on="row_number", how="left")
        assert rows.filter((pl.col("state") == "held") & pl.col("group").is_not_null()).is_empty()
        became = [{int(name[1:]) for name in profile["traits"]["Rows"]} for profile in bench.emulator.profiles()]
        assert sorted(became, key=min) == sorted(forecast(rows), key=min)
        assert report.merge_groups.profiles > report.merge_groups.groups or clash is Clash.MERGE


def forecast(rows: pl.DataFrame) -> list[set[int]]:
    """Return which rows are one profile by the report: a row of no group is alone, with the rows it carries."""
    made: dict[object, set[int]] = defaultdict(set)
    places = {
        row: (group, profile) for row, group, profile in rows.select("row_number", "group", "profile").iter_rows()
    }
    for row, state, carrier in rows.select("row_number", "state", "carried_by").iter_rows():
        assert state in {"processed", "combined", "unattributed", "held"}  # a withheld identifier is a warning
        if state == "held" and places[row][0] is None:
            continue
        head = carrier or row
        group, profile = places[head]
        made[head if group is None else (group, profile)].add(row)
    return list(made.values())


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
