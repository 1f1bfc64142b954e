"""Profiles of keys that are gone stay where somebody else has a part of them, and where nobody knows."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from importer.core.report import Report
from importer.core.sync_gone import Elsewhere
from importer.core.sync_removals import Candidate, Removal
from importer.memory_api.client import MemoryClient
from importer.pipeline.remove_profiles import RemovingPorts, remove_profiles
from importer.wiring.clock import CLOCK
from importer.wiring.requests import Hooks
from importer.wiring.sync_standing import sync_status
from tests.support.mirrors import (
    MIRROR,
    SHARING,
    age,
    ask,
    deleted,
    fates,
    is_mirror,
    mirrored,
    profile_of,
    removals,
    requests_of,
    told,
    without,
)
from tests.support.runs import IDLE_S, Workbench, bench_of
from tests.support.strict_store import POINTERS
from tests.support.syncs import MAPPING, At, Synced, person

bench = bench_of(MAPPING, POINTERS)
sharing_bench = bench_of(SHARING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a mirror that was not run yet."""
    return Synced(bench, MIRROR)


def run(synced: Synced, **options: Any) -> tuple[Report, list[str]]:
    """Run a mirror; return its report, and which profiles it asked to delete."""
    reports: list[Report] = []
    asked = deleted(synced, lambda: reports.append(synced.run(**options)))
    return reports[0], asked


def test_a_profile_of_a_remaining_key_stays_and_costs_no_request(sharing_bench: Workbench) -> None:
    """Two keys that share a phone may be one profile; when both are gone, what they were delivered with goes."""
    synced = Synced(sharing_bench, MIRROR)
    rows = mirrored(synced)
    rows["K3"] = ("p3@example.com", "+12065550004", 1)  # the phone of K4
    synced.write(rows)
    synced.run()
    synced.write(without(rows, "K3"))
    reports: list[Report] = []
    assert requests_of(synced, lambda: reports.append(synced.run())) == 0
    assert (reports[0].exit_code, told(reports[0])) == (3, {"candidates": 1, "held": {"shared": 1}})
    assert any("1 profile stays" in hint for hint in reports[0].hints)
    assert (sync_status(synced.file).keys, sync_status(synced.file).held) == (20, 1)


def test_a_key_that_was_renamed_keeps_its_profile(synced: Synced) -> None:
    """The row is there under another key, held as it would join two; its identifiers are present."""
    rows = mirrored(synced)
    synced.write(without(rows, "K3") | {"NEW": rows["K3"]})
    report, asked = run(synced)
    assert asked == []
    assert (report.outcomes["held"], told(report)) == (1, {"candidates": 1, "held": {"handed-on": 1}})
    assert fates(report) == {"K3": "handed-on"}


@pytest.mark.parametrize(
    "traits",
    [
        {"Contact": {"email": "p3@example.com", "firstName": "Ann"}},
        {"Contact": {"email": "p3@example.com"}, "Loyalty": {"tier": "gold"}},
        {"Contact": {"email": "p3@example.com", "phone": "+12065559999"}},
    ],
    ids=["a trait", "a group", "an identifier"],
)
def test_what_somebody_else_wrote_to_stays(synced: Synced, traits: dict[str, dict[str, str]]) -> None:
    """It has a trait, a group or an identifier that was never delivered under the key; the others go."""
    rows = mirrored(synced)
    synced.bench.emulator.seed(
        {"traitGroups": [{"displayName": "Loyalty", "traits": {"tier": {"dataType": "STRING"}}}]}
    )
    synced.bench.put([traits])
    kept = profile_of(synced, "p3@example.com")
    synced.write(without(rows, "K3", "K4"))
    report, asked = run(synced)
    assert (report.exit_code, told(report)) == (3, {"candidates": 2, "deleted": 1, "held": {"foreign": 1}})
    assert fates(report) == {"K3": "foreign", "K4": "deleted"}
    assert kept not in asked
    assert profile_of(synced, "p3@example.com") == kept


def test_a_held_profile_is_reported_each_run_and_looked_at_once_a_day(synced: Synced) -> None:
    """Looks are billed; `--full-refresh` looks at once, and what nobody else has a part in any more goes."""
    rows = mirrored(synced)
    synced.bench.put([{"Contact": {"email": "p3@example.com", "firstName": "Ann"}}])
    kept = profile_of(synced, "p3@example.com")
    synced.write(without(rows, "K3"))
    run(synced)
    braked = synced.but(removal={"max": 0, "max_percent": 0})
    assert requests_of(synced, lambda: told(braked.run())) == 0
    report, _ = run(braked)
    assert (report.exit_code, told(report)) == (3, {"candidates": 1, "held": {"foreign": 1}})
    ask(synced, "PATCH", f"/{kept}", {"traits": {"Contact": {"firstName": None}}})
    assert run(synced)[1] == []
    assert run(synced, full_refresh=True)[1] == [kept]
    assert is_mirror(synced, without(rows, "K3"))


def test_a_look_that_is_a_day_old_is_repeated(synced: Synced) -> None:
    """Somebody deleted the profile by hand meanwhile: its key is let go."""
    rows = mirrored(synced)
    synced.bench.put([{"Contact": {"email": "p3@example.com", "firstName": "Ann"}}])
    synced.write(without(rows, "K3"))
    run(synced)
    ask(synced, "DELETE", f"/{profile_of(synced, 'p3@example.com')}")
    age(synced)
    assert told(run(synced)[0]) == {"candidates": 1, "gone": 1}
    assert is_mirror(synced, without(rows, "K3"))


def test_a_profile_that_was_merged_with_another_stays(synced: Synced) -> None:
    """Its identifiers name a profile that has somebody else's, too."""
    rows = mirrored(synced)
    synced.bench.put([{"Contact": {"email": "p3@example.com", "phone": rows["K5"][1]}}])
    synced.write(without(rows, "K3"))
    report, asked = run(synced)
    assert (asked, told(report)) == ([], {"candidates": 1, "held": {"shared": 1}})


def test_identifiers_that_name_two_profiles_hold_both(synced: Synced) -> None:
    """Somebody took the phone away from the one and gave it to another."""
    rows = mirrored(synced)
    profile = profile_of(synced, "p3@example.com")
    ask(synced, "DELETE", f"/{profile}/Identifiers/phone")
    synced.bench.put([{"Contact": {"email": "other@example.com", "phone": rows["K3"][1]}}])
    synced.write(without(rows, "K3"))
    report, asked = run(synced)
    assert (asked, told(report)) == ([], {"candidates": 1, "held": {"merged": 1}})


def test_a_308_is_never_followed(synced: Synced) -> None:
    """A profile that is merged between the look and the deletion is not deleted, nor is the one it became part of."""
    rows = mirrored(synced)
    canonical, merged = profile_of(synced, "p3@example.com"), profile_of(synced, "p9@example.com")
    emulator = synced.bench.emulator
    kept: list[tuple[int, Removal, str | None]] = []

    class Meddled(MemoryClient):
        """Somebody merges the profile once it was read."""

        def identifiers_of(self, profile_id: str) -> dict[str, tuple[str, ...]]:
            found = super().identifiers_of(profile_id)
            synced.bench.put([{"Contact": {"email": "p3@example.com", "phone": rows["K9"][1]}}])
            return found

    candidate = Candidate(
        0,
        (("email", "p9@example.com"), ("phone", rows["K9"][1])),
        frozenset({"Contact.email", "Contact.phone", "Account.points"}),
    )
    with Meddled(emulator.api_url, emulator.store_id, ("key", "secret")) as store:
        ports = RemovingPorts(store, CLOCK, Event(), Event().wait, lambda *entry: kept.append(entry))
        asked = deleted(synced, lambda: remove_profiles(ports, [candidate], Elsewhere(), concurrency=1))
    assert asked == [merged]
    assert emulator.journal()[-1]["status"] == 308
    assert kept == [(0, Removal.DELETE, merged), (0, Removal.MERGED, merged)]
    assert profile_of(synced, "p9@example.com") == canonical


def test_nobody_there_yet_is_not_nobody_there(synced: Synced) -> None:
    """What was sent a moment ago may still be applied: its key stays for an hour, and then it goes."""
    rows = mirrored(synced)
    ask(synced, "DELETE", f"/{profile_of(synced, 'p3@example.com')}")
    synced.write(without(rows, "K3"))
    report, _ = run(synced)
    assert (report.exit_code, told(report)) == (0, {"candidates": 1, "open": 1})
    assert fates(report) == {"K3": "early"}
    age(synced)
    report, _ = run(synced)
    assert (told(report), fates(report)) == ({"candidates": 1, "gone": 1}, {"K3": "gone"})


def test_what_the_service_does_not_delete_is_told(synced: Synced) -> None:
    """It is asked again by the next run."""
    rows = mirrored(synced)
    synced.write(without(rows, "K3"))
    synced.bench.emulator.switch_on({"fault": "400", "operations": ["DeleteProfile"], "count": 1})
    report, _ = run(synced)
    assert (report.exit_code, told(report)) == (3, {"candidates": 1, "failed": 1})
    assert told(run(synced)[0]) == {"candidates": 1, "deleted": 1}
    synced.bench.emulator.wait_idle(IDLE_S)
    assert is_mirror(synced, without(rows, "K3"))


def test_a_lost_answer_is_asked_for_again(synced: Synced) -> None:
    """Deleting twice is deleting once."""
    rows = mirrored(synced)
    synced.write(without(rows, "K3", "K4"))
    fault = {"fault": "reset", "operations": ["DeleteProfile"], "after": True, "count": 1}
    synced.bench.emulator.switch_on(fault)
    report, asked = run(synced)
    assert (report.exit_code, len(asked)) == (0, 3)
    assert removals(report).deleted + removals(report).gone == 2
    assert is_mirror(synced, without(rows, "K3", "K4"))


def test_a_service_that_refuses_everything_ends_it(synced: Synced) -> None:
    """What was delivered stays delivered, and the keys are looked at again; the exit code is 4."""
    rows = mirrored(synced)
    rows["K5"] = person(5, points=9)
    synced.write(without(rows, "K3"))
    synced.bench.emulator.switch_on({"fault": "401", "operations": ["CreateProfilesLookup"]})
    report, asked = run(synced)
    assert (report.exit_code, asked, told(report)) == (4, [], {"candidates": 1, "open": 1})
    assert report.outcomes["accepted"] == 1
    synced.bench.emulator.switch_off()
    assert synced.runs()[0] == {"unchanged": 19}
    assert is_mirror(synced, without(rows, "K3"))


def test_a_stop_ends_it_and_the_next_run_goes_on(synced: Synced) -> None:
    """Nothing that was not asked for is taken for removed."""
    rows = mirrored(synced)
    synced.write(without(rows, "K3"))
    hooks = Hooks()
    stopping = Hooks(progress=At("remove", hooks.stop.set), stop=hooks.stop)
    reports: list[Report] = []
    assert deleted(synced, lambda: reports.append(synced.run(stopping))) == []
    assert (reports[0].exit_code, told(reports[0])) == (130, {"candidates": 1, "open": 1})
    assert told(run(synced)[0]) == {"candidates": 1, "deleted": 1}
    assert is_mirror(synced, without(rows, "K3"))
