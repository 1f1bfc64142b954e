"""Keys whose rows the mapping let become one profile: it goes when all of them are gone, and not before."""

from __future__ import annotations

import pytest

from tests.support.mirrors import MIRROR, SHARING, age, deleted, fates, mirrored, profile_of, told, without
from tests.support.runs import Workbench, bench_of
from tests.support.strict_store import POINTERS
from tests.support.syncs import Row, Synced, people

bench = bench_of(SHARING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a mirror whose keys K3 and K4 are one profile."""
    sync = Synced(bench, MIRROR)
    rows = family(mirrored(sync))
    sync.write(rows)
    assert sync.run().exit_code == 0
    assert profile_of(sync, "p3@example.com") == profile_of(sync, "p4@example.com")
    age(sync)
    return sync


def family(rows: dict[str, Row]) -> dict[str, Row]:
    """Give K3 the phone of K4."""
    return rows | {"K3": ("p3@example.com", rows["K4"][1], 1)}


def test_one_profile_of_several_keys_goes_with_the_last_of_them(synced: Synced) -> None:
    """While one remains it is shared; once all are gone nobody has a part in it, and no key stays behind."""
    rows = family(people(20))
    synced.write(without(rows, "K3"))
    assert told(synced.run())["held"] == {"shared": 1}
    synced.write(without(rows, "K3", "K4"))
    profile = profile_of(synced, "p4@example.com")
    asked = deleted(synced, synced.run)
    assert set(asked) == {profile}
    age(synced)
    report = synced.run()
    assert report.exit_code == 0
    assert not {"K3", "K4"} & set(synced.snapshot()["key"])
    assert profile not in {str(one["id"]) for one in synced.bench.emulator.profiles()}


def test_what_somebody_else_wrote_to_stays_for_all_of_them(synced: Synced) -> None:
    """It has a trait that none of them was delivered with."""
    synced.bench.put([{"Contact": {"email": "p3@example.com", "firstName": "Ann"}}])
    synced.write(without(family(people(20)), "K3", "K4"))
    report = synced.run()
    assert fates(report) == {"K3": "foreign", "K4": "foreign"}
