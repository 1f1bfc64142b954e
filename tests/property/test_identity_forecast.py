"""The forecast of merge groups: against an independent union-find, and against what the local service does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import httpx
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from importer.core.forecast import Reading, StoreRules, replay
from importer.core.identity import KEY_COLUMN, IdentityResult, IdentityRows, identifier_hash, resolve_identity
from importer.core.schema import IdentifierConfig
from importer.core.transform import IdentityPolicy
from importer.emulator import Emulator, EmulatorSettings
from importer.emulator.settings import Clash

Row = Mapping[str, str]

TYPES: Final = ("code", "badge", "device")
COLUMNS: Final = {**{name: name for name in TYPES}, "code2": "code"}
"""idType of each column: a row may have two values of one."""

MOST_ROWS: Final = 12
CASES: Final = 100
"""Graphs of each store and reading: 500 of each reading, 1,500 in all."""


def forecast(rows: Sequence[Row], rules: StoreRules) -> IdentityResult:
    """Group rows, each with a key of its own."""
    texts = {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in COLUMNS}
    texts[KEY_COLUMN] = pl.Series([f"k{number}" for number in range(len(rows))])

    def read(column: str, positions: npt.NDArray[np.int64]) -> pl.Series:
        return texts[column].gather(positions)

    hashes = {name: identifier_hash(texts[name]) for name in COLUMNS}
    given = IdentityRows(len(rows), lambda: identifier_hash(texts[KEY_COLUMN]), hashes, COLUMNS)
    return resolve_identity(given, IdentityPolicy(), rules.configs, read, rules)


def united(rows: Sequence[Row]) -> list[set[int]]:
    """Join rows that share a value, as plainly as can be: a parent each, followed to the top."""
    parent = list(range(len(rows)))

    def top(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    first: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows):
        for column, value in row.items():
            parent[top(number)] = top(first.setdefault((COLUMNS[column], value), number))
    groups: dict[int, set[int]] = defaultdict(set)
    for number in range(len(rows)):
        groups[top(number)].add(number)
    return sorted(groups.values(), key=min)


def draw_rows(dice: Random, *, most: int, prefix: str = "", columns: Collection[str] = tuple(COLUMNS)) -> list[Row]:
    """Draw rows of few values, so that pairs, chains and hubs arise."""
    width = dice.choice([2, 3, 5, 9, 20, 60])
    rows: list[Row] = []
    for _ in range(dice.randint(1, most)):
        row = {name: f"{prefix}{COLUMNS[name]}{dice.randrange(width)}" for name in columns if dice.random() < 0.5}
        rows.append(row or {"code": f"{prefix}code{dice.randrange(width)}"})
    return rows


def test_groups_are_those_of_an_independent_union_find() -> None:
    """On 500 random graphs the same rows are together, every one of them is held, and each group is one profile."""
    for seed in range(500):
        rows = draw_rows(Random(seed), most=80)
        result = forecast(rows, StoreRules())
        groups = [group for group in united(rows) if len(group) > 1]
        assert result.groups["rows"].to_list() == [len(group) for group in groups], seed
        for number, group in enumerate(groups, 1):
            assert set(np.flatnonzero(result.group == number).tolist()) == group, seed
        assert set(result.groups["profiles"].to_list()) <= {1}
        assert (result.profile[result.group > 0] == 1).all()


def test_chains_and_hubs_are_told_by_the_values_that_link() -> None:
    """A hub has a value in three rows or more; in a chain no one value is in all rows. Each row names what links it."""
    for seed in range(200):
        rows = draw_rows(Random(seed), most=30, columns=TYPES)
        result = forecast(rows, StoreRules())
        for number, *_, hub, chain, values, most in result.groups.select(
            "group", "hub", "chain", "linking_values", "most_shared"
        ).iter_rows():
            members = np.flatnonzero(result.group == number).tolist()
            having: dict[tuple[str, str], set[int]] = defaultdict(set)
            for member in members:
                for value in rows[member].items():
                    having[value].add(member)
            linking = {value: found for value, found in having.items() if len(found) > 1}
            sizes = [len(found) for found in linking.values()]
            assert (hub, chain) == (max(sizes) >= 3, max(sizes) < len(members)), seed
            assert (values, most) == (len(linking), max(sizes)), seed
            links = result.links.filter(pl.col("group") == number).select("row", "id_type").rows()
            assert sorted(links) == sorted((row, name) for (name, _), found in linking.items() for row in found), seed


# --- the same reading as the local service ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """Identity settings of a store: priority, and by idType whether it is unique, its limit and policy."""

    priority: tuple[str, ...]
    configs: tuple[tuple[str, bool, int, str], ...]

    def seed(self) -> dict[str, Any]:
        """Return a store with these settings; each row says which one it is in a trait of its own."""
        ids = {name: {"dataType": "STRING", "idTypePromotion": id_type} for name, id_type in COLUMNS.items()}
        marks = {f"row{number}": {"dataType": "BOOLEAN"} for number in range(MOST_ROWS)}
        return {
            "traitGroups": [{"displayName": "Ids", "traits": ids}, {"displayName": "Rows", "traits": marks}],
            "identifierConfigs": [
                {
                    "idType": name,
                    "normalization": "trim",
                    "enforceUnique": unique,
                    "limit": limit,
                    "limitPolicy": policy,
                }
                for name, unique, limit, policy in self.configs
            ],
            "matchingRules": list(self.priority),
        }

    def rules(self, reading: Reading) -> StoreRules:
        """Return the same for the forecast."""
        configs = {
            name: IdentifierConfig(name, enforce_unique=unique, limit=limit, limit_policy=policy)
            for name, unique, limit, policy in self.configs
        }
        return StoreRules(configs, self.priority, reading)


STORES: Final = (
    Settings(("code", "badge", "device"), tuple((name, True, 100, "fifo") for name in TYPES)),
    Settings(
        ("device", "code", "badge"),
        (("code", True, 2, "fifo"), ("badge", True, 1, "lifo"), ("device", True, 2, "lifo")),
    ),
    Settings(
        ("badge", "device", "code"),
        (("code", True, 100, "fifo"), ("badge", False, 100, "fifo"), ("device", False, 100, "fifo")),
    ),
    Settings(
        ("badge", "code", "device"),
        (("code", False, 2, "fifo"), ("badge", True, 2, "fifo"), ("device", False, 1, "lifo")),
    ),
    Settings(("device", "badge", "code"), tuple((name, False, 3, "fifo") for name in TYPES)),
)


def delivered(settings: Settings, clash: Clash, cases: Sequence[Sequence[Row]]) -> list[list[set[int]]]:
    """Send the n-th rows of all cases in one body each; return which rows of each case became one profile."""
    with Emulator(":memory:", EmulatorSettings(clash=clash), settings.seed()) as emulator:
        url = f"{emulator.api_url}/v1/Stores/{emulator.store_id}/Profiles/Bulk"
        with httpx.Client(auth=("key", "secret"), trust_env=False) as client:
            for place in range(MOST_ROWS):
                traits = [
                    {"Ids": dict(rows[place]), "Rows": {f"row{place}": True}} for rows in cases if place < len(rows)
                ]
                if traits:
                    client.put(url, json={"profiles": [{"traits": one} for one in traits]}).raise_for_status()
        emulator.wait_idle(30)
        profiles = emulator.profiles()
    found: list[list[set[int]]] = [[] for _ in cases]
    for profile in profiles:
        values = [value for held in profile["identifiers"].values() for value in held]
        values += [str(value) for value in profile["traits"].get("Ids", {}).values()]
        case = int(values[0].partition("-")[0])
        found[case].append({int(name.removeprefix("row")) for name in profile["traits"]["Rows"]})
    return [sorted(groups, key=min) for groups in found]


@pytest.mark.parametrize("clash", list(Clash))
@pytest.mark.parametrize("settings", STORES, ids=range(len(STORES)))
def test_each_reading_is_what_the_service_does(settings: Settings, clash: Clash) -> None:
    """Priority, unique and other idTypes, limits and eviction: rows become the profiles that were forecast.

    And whatever the reading, rows of one profile are in one group of the worst.
    """
    cases = [draw_rows(Random(seed), most=MOST_ROWS, prefix=f"{seed}-") for seed in range(CASES)]
    rules = settings.rules(Reading(clash.value))
    for case, (rows, became) in enumerate(zip(cases, delivered(settings, clash, cases), strict=True)):
        result = forecast(rows, rules)
        assert became == profiles_of(result), case
        for profile in became:
            groups = {int(result.group[number]) for number in profile}
            assert len(groups) == 1, "rows of one profile are in one group"
            assert groups != {-1} or len(profile) == 1, "and listed"


def profiles_of(result: IdentityResult) -> list[set[int]]:
    """Return which rows are one profile by the forecast; a row of no group is alone."""
    groups: dict[tuple[int, int], set[int]] = defaultdict(set)
    for number in range(result.group.size):
        group, profile = int(result.group[number]), int(result.profile[number])
        groups[(group, profile) if group > 0 else (-1, number)].add(number)
    return sorted(groups.values(), key=min)


def test_the_worst_reading_does_not_depend_on_the_one_that_is_asked_for() -> None:
    """What is held, and with whom, is the same under every reading, whatever the store's settings."""
    for seed in range(40):
        rows, store = draw_rows(Random(seed), most=40), STORES[seed % len(STORES)]
        worst = forecast(rows, store.rules(Reading.MERGE))
        for reading in (Reading.FIRST_MATCH, Reading.SKIP):
            other = forecast(rows, store.rules(reading))
            assert (other.state == worst.state).all()
            assert (other.group == worst.group).all()


def test_a_profile_forgets_the_value_beyond_its_limit() -> None:
    """By fifo the oldest value goes, by lifo the newest; what is evicted links nobody any more."""
    rows = [[("code", 1), ("badge", 1)], [("code", 2), ("badge", 1)], [("code", 1)], [("code", 2)]]
    configs = {policy: {"code": IdentifierConfig("code", limit=1, limit_policy=policy)} for policy in ("fifo", "lifo")}
    assert replay(rows, StoreRules()) == [1, 1, 1, 1]
    assert replay(rows, StoreRules(configs["fifo"])) == [1, 1, 2, 1]
    assert replay(rows, StoreRules(configs["lifo"])) == [1, 1, 1, 2]
