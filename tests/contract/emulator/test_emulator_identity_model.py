"""Thousands of random profiles: the store they end in is the one that an independent model foretells."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import httpx
import pytest

from importer.emulator import Clash, Emulator, EmulatorSettings
from tests.support.identity_model import IdentityModel, Kind, find_groups

Row = tuple[Mapping[str, str], Mapping[str, str]]
"""Normalised identifiers by type, and traits by name."""

MANY: Final = 10_000
KINDS: Final = (Kind("mobile"), Kind("mail"), Kind("account"))
READINGS: Final = [clash.value for clash in Clash]


def make_seed(kinds: Sequence[Kind]) -> dict[str, Any]:
    """Return a store in which each type's identifiers are a trait of the type's name, beside a plain trait."""
    traits = {kind.name: {"dataType": "STRING", "idTypePromotion": kind.name} for kind in kinds}
    known = {"mobile": "phone", "mail": "email"}
    configs = [
        {
            "idType": kind.name,
            "normalization": known.get(kind.name, "trim"),
            "enforceUnique": kind.is_unique,
            "limit": kind.limit,
            "limitPolicy": "lifo" if kind.keeps_oldest else "fifo",
        }
        for kind in kinds
    ]
    groups = [{"displayName": "Ids", "traits": traits | {"row": {"dataType": "STRING"}, "tag": {"dataType": "STRING"}}}]
    return {"traitGroups": groups, "identifierConfigs": configs, "matchingRules": [kind.name for kind in kinds]}


def draw_rows(dice: random.Random, count: int, pools: Mapping[str, int]) -> list[Row]:
    """Draw rows that share identifiers: of each type a value of its pool, or none."""
    formats = {"mobile": "+1317555{:04d}", "mail": "u{}@example.com"}
    rows: list[Row] = []
    while len(rows) < count:
        values = {
            name: formats.get(name, name + "-{}").format(dice.randrange(pool))
            for name, pool in pools.items()
            if dice.random() < 0.6
        }
        if values:
            tag = {"tag": f"t{dice.randrange(9)}"} if dice.random() < 0.5 else {}
            rows.append((values, {"row": str(len(rows))} | tag))
    return rows


def spell(dice: random.Random, name: str, value: str) -> str:
    """Write a value as people do; the service must read it as the same."""
    if name == "mail":
        return dice.choice([value, value.upper(), f" {value.replace('@', ' @')} ", value.title()])
    if name == "mobile":
        area, first, last = value[2:5], value[5:8], value[8:]
        return dice.choice([value, value[2:], value[1:], f"({area}) {first}-{last}", f"+1 {area}.{first}.{last}"])
    return dice.choice([value, f" {value}", f"{value}\t"])


def send(emulator: Emulator, rows: Sequence[Row], dice: random.Random, *, most: int = 1000) -> None:
    """Send rows in order, as many a body as share nothing."""
    bodies: list[list[dict[str, Any]]] = [[]]
    taken: set[tuple[str, str]] = set()
    for values, traits in rows:
        if taken & set(values.items()) or len(bodies[-1]) == most:
            bodies.append([])
            taken = set()
        taken |= set(values.items())
        written = {name: spell(dice, name, value) for name, value in values.items()}
        bodies[-1].append({"traits": {"Ids": {**written, **traits}}})
    with httpx.Client(auth=("key", "secret"), timeout=60) as client:
        for body in bodies:
            url = f"{emulator.api_url}/v1/Stores/{emulator.store_id}/Profiles/Bulk"
            client.put(url, json={"profiles": body}).raise_for_status()
    emulator.wait_idle(120)


def show(emulator: Emulator) -> Iterator[tuple[str, dict[str, list[str]], dict[str, str]]]:
    """Yield ID, identifiers and traits of each profile; identifying traits as their types normalise them."""
    for profile in emulator.profiles():
        traits = {name: clean(name, value) for name, value in profile["traits"]["Ids"].items()}
        yield profile["id"], profile["identifiers"], traits


def clean(name: str, value: str) -> str:
    """Undo `spell`."""
    if name == "mail":
        return "".join(value.split()).lower()
    if name == "mobile":
        return "+1" + "".join(filter(str.isdigit, value))[-10:]
    return value.strip()


def model_of(rows: Sequence[Row], kinds: Sequence[Kind], reading: str) -> IdentityModel:
    """Return the store that the rows should end in."""
    model = IdentityModel(kinds, reading)
    for values, traits in rows:
        model.write(values, traits)
    return model


def test_ten_thousand_profiles_end_in_the_groups_of_a_union_find() -> None:
    """Reading "merge": one profile a group, with all its identifiers and the newest traits; earliest ID; redirects."""
    dice = random.Random(1)
    rows = draw_rows(dice, MANY, {"mobile": 9000, "mail": 9000, "account": 9000})
    roots = find_groups([values for values, _ in rows])
    model = model_of(rows, KINDS, "merge")
    with Emulator(":memory:", schema=make_seed(KINDS)) as emulator:
        send(emulator, rows, dice)
        stored = list(show(emulator))
        owners = {(t, value): name for name, values, _ in stored for t, found in values.items() for value in found}
        groups: dict[int, set[str]] = {}
        for (values, _), root in zip(rows, roots, strict=True):
            groups.setdefault(root, set()).update(owners[key] for key in values.items())
        assert {len(ids) for ids in groups.values()} == {1}
        assert len(set().union(*groups.values())) == len(groups) == len(stored)
        newest = {owners[next(iter(values.items()))]: traits["row"] for values, traits in rows}
        assert {name: traits["row"] for name, _, traits in stored} == newest
        names = {number: f"{stored[0][0][:-8]}{_base32(number)}" for number in [*model.profiles, *model.moved]}
        assert {names[number]: shown for number, shown in model.show().items()} == {
            name: (values, traits) for name, values, traits in stored
        }
        with httpx.Client(base_url=f"{emulator.api_url}/v1/Stores/{emulator.store_id}", auth=("a", "b")) as client:
            for gone in dice.sample(sorted(model.moved), 100):
                answer = client.get(f"/Profiles/{names[gone]}")
                assert (answer.status_code, answer.headers["Canonical-Profile-Id"]) == (301, names[model.moved[gone]])


def _base32(number: int) -> str:
    """Return the last eight characters of the ID of the n-th profile made."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    return "".join(digits[number >> 5 * place & 31] for place in reversed(range(8)))


@pytest.mark.parametrize("reading", ["first-match", "skip"])
def test_ten_thousand_profiles_without_merging_are_as_documented(reading: str) -> None:
    """The strongest match takes the row; what others hold stays theirs, and under "skip" is not even a trait."""
    dice = random.Random(2)
    rows = draw_rows(dice, MANY, {"mobile": 4000, "mail": 4000, "account": 4000})
    with Emulator(":memory:", EmulatorSettings(clash=Clash(reading)), make_seed(KINDS)) as emulator:
        send(emulator, rows, dice)
        stored = list(show(emulator))
        events = emulator.events()
    expected = model_of(rows, KINDS, reading)
    assert [(values, traits) for _, values, traits in stored] == [shown for _, shown in sorted(expected.show().items())]
    assert expected.moved == {}
    assert {event["errorCode"] for event in events} == ({520034} if reading == "skip" else set())


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("seed", range(5))
def test_random_settings_end_in_the_store_of_the_model(reading: str, seed: int) -> None:
    """Priority, uniqueness, limits from both ends, all at once: the whole store is the model's."""
    dice = random.Random(seed)
    names = dice.sample(["mobile", "mail", "account", "device"], 4)
    kinds = [
        Kind(name, dice.random() < 0.6, dice.choice([1, 2, 3, 100]), keeps_oldest=dice.random() < 0.5) for name in names
    ]
    rows = draw_rows(dice, 300, dict.fromkeys(names, dice.choice([40, 80, 160])))
    with Emulator(":memory:", EmulatorSettings(clash=Clash(reading)), make_seed(kinds)) as emulator:
        send(emulator, rows, dice, most=dice.choice([2, 10, 1000]))
        stored = [(values, traits) for _, values, traits in show(emulator)]
    assert stored == [shown for _, shown in sorted(model_of(rows, kinds, reading).show().items())]
