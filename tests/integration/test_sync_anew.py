"""Keys that are to begin anew: their profiles go only where something can be sent in their place."""

from __future__ import annotations

import pytest

from importer.core.report import Report
from importer.core.sync_handed import Decision
from importer.wiring.sync_handed import Choice, sync_decide
from importer.wiring.sync_standing import sync_status
from tests.support.mirrors import MIRROR, deleted, fates, is_mirror, mirrored
from tests.support.runs import Workbench, bench_of
from tests.support.strict_store import POINTERS
from tests.support.syncs import MAPPING, Row, Synced

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a mirror that was not run yet."""
    return Synced(bench, MIRROR)


def swapped(synced: Synced) -> dict[str, Row]:
    """Let two swap numbers; return the rows of the source."""
    rows = mirrored(synced)
    (a, phone_a, points), (b, phone_b, _) = rows["K3"], rows["K4"]
    now = rows | {"K3": (a, phone_b, points), "K4": (b, phone_a, points)}
    synced.write(now)
    assert synced.run().exit_code == 3
    return now


def is_kept(synced: Synced, *keys: str) -> bool:
    """Run once; tell whether nothing was deleted, these keys were kept, and what was decided stands."""
    reports: list[Report] = []
    asked = deleted(synced, lambda: reports.append(synced.run()))
    stands = {one.known: one.decided for one in sync_status(synced.file).handed_on}
    return not asked and all(fates(reports[0])[key] == "kept" and stands.get(key) == "anew" for key in keys)


def test_a_profile_stays_while_the_row_of_its_key_is_rejected(synced: Synced) -> None:
    """Nothing could be sent in its place; once the row is mended, what was decided is done."""
    rows = mirrored(synced)
    rows["K4"] = (rows["K4"][0], "+12065559999", 1)
    synced.write(rows)
    synced.run()
    rows["NEW"] = ("new@example.com", "+12065550004", 1)
    synced.write(rows)
    synced.run()
    sync_decide(synced.file, Choice(Decision.ANEW, ("K4",)))
    synced.write(rows | {"K4": ("no address", "no phone", 1)})
    assert is_kept(synced, "K4")
    synced.write(rows)
    assert len(deleted(synced, lambda: (synced.run(), synced.run()))) == 1
    assert is_mirror(synced, rows)


def test_of_two_who_swap_nobody_goes_before_both_are_decided(synced: Synced) -> None:
    """The row of the one waits for the profile of the other, so nothing could be sent for it."""
    rows = swapped(synced)
    sync_decide(synced.file, Choice(Decision.ANEW, ("K3",)))
    assert is_kept(synced, "K3")
    sync_decide(synced.file, Choice(Decision.ANEW, ("K4",)))
    assert len(deleted(synced, lambda: (synced.run(), synced.run()))) == 2
    assert is_mirror(synced, rows)
