"""Keys that are to begin anew: their profiles go only where something can be sent in their place."""

from __future__ import annotations

import pytest

from importer.core.report import Report
from importer.core.sync_handed import Decision
from importer.reports.summary import summary_lines
from importer.wiring.sync_handed import Choice, sync_decide
from importer.wiring.sync_standing import sync_status
from tests.support.mirrors import MIRROR, deleted, fates, is_mirror, mirrored, swapped
from tests.support.runs import Workbench, bench_of
from tests.support.strict_store import POINTERS
from tests.support.syncs import MAPPING, Synced

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a mirror that was not run yet."""
    return Synced(bench, MIRROR)


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
    """The row of the one waits for the profile of the other, so nothing could be sent for it; none is called gone."""
    rows = swapped(synced)
    assert synced.run().exit_code == 3
    sync_decide(synced.file, Choice(Decision.ANEW, ("K3",)))
    assert is_kept(synced, "K3")
    sync_decide(synced.file, Choice(Decision.ANEW, ("K4",)))
    dry = synced.run(dry_run=True)
    assert any(note.startswith("2 keys to begin anew: 2 profiles to be looked up") for note in dry.notes)
    reports: list[Report] = []
    assert len(deleted(synced, lambda: reports.extend([synced.run(), synced.run()]))) == 2
    assert "2 keys to begin anew: 2 deleted" in [line.text for line in summary_lines(reports[0])]
    assert is_mirror(synced, rows)


@pytest.mark.parametrize("is_mistake", [True, False])
def test_a_profile_stays_while_its_row_is_held_with_the_one_that_waits(synced: Synced, *, is_mistake: bool) -> None:
    """Nobody would be left in the store; whichever of the two rows is mended in the source, it is a mirror again."""
    rows = mirrored(synced)
    new = {"NEW": ("new@example.com", rows["K3"][1], 1)}
    synced.write(rows | new)
    assert synced.run().exit_code == 3
    sync_decide(synced.file, Choice(Decision.ANEW, ("K3",)))
    assert is_kept(synced, "K3")
    mended = rows if is_mistake else rows | new | {"K3": (rows["K3"][0], "+12065559999", 1)}
    synced.write(mended)
    synced.run()
    if not is_mistake:  # its row was sent to the old profile: only a person knows that this one still is to go
        sync_decide(synced.file, Choice(Decision.ANEW, ("K3",)))
    asked = deleted(synced, lambda: (synced.run(), synced.run()))
    assert (len(asked), synced.run().exit_code) == (0 if is_mistake else 1, 0)
    assert is_mirror(synced, mended)
