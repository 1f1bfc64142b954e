"""Who is who across the runs of a sync: no row joins two keys that were delivered apart, unless somebody says so."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from tests.support.runs import QUICK, Workbench, bench_of, outcomes_of
from tests.support.strict_store import POINTERS
from tests.support.syncs import LOOSE, MAPPING, Row, Synced, by_email, found, people, person

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return an upsert sync that delivered ten people."""
    sync = Synced(bench, {"mode": "upsert", "brakes": LOOSE})
    sync.write(people(10))
    assert sync.runs(first_run=True)[1] == 10
    return sync


def stranger(email: str, phone: str = "+12065559000") -> dict[str, Row]:
    """Return a person of a new key."""
    return {"X1": (email, phone, 1)}


def test_a_new_row_with_an_identifier_of_another_key_is_held(synced: Synced) -> None:
    """The row it would join is not even in the source of this run."""
    synced.write(stranger("p3@example.com"))
    report = synced.run()
    assert (found(report), report.exit_code) == ({"held": 1}, 3)
    assert report.issues["merge-with-stored"] == 1
    outcome = outcomes_of(report)
    assert outcome["code"].to_list() == ["merge-with-stored"]
    groups = pl.read_parquet(f"{report.folder}/groups.parquet")
    assert groups["linked_by"].to_list() == [["email"]]
    assert len(synced.bench.stored()) == 10


def test_a_changed_row_with_an_identifier_of_another_key_is_held(synced: Synced) -> None:
    """What it was before stays delivered, and it goes once it shares nothing any more."""
    synced.write({"K1": ("p1@example.com", person(2)[1], 5)})
    assert synced.runs() == ({"held": 1}, 0)
    synced.write({"K1": person(1, points=6)})
    assert synced.runs() == ({"accepted": 1}, 1)
    assert len(synced.bench.stored()) == 10


def test_identifiers_that_a_key_had_once_still_count(synced: Synced) -> None:
    """The service keeps them, so the snapshot does."""
    synced.write({"K1": ("moved@example.com", person(1)[1], 1)})
    assert synced.runs() == ({"accepted": 1}, 1)
    synced.write(stranger("p1@example.com"))
    assert synced.runs() == ({"held": 1}, 0)
    synced.write(stranger("moved@example.com"))
    assert synced.runs() == ({"held": 1}, 0)
    synced.write({"K1": ("p1@example.com", person(1)[1], 1)})
    assert synced.runs() == ({"accepted": 1}, 1)


def test_unchanged_rows_stay_unchanged_beside_one_that_is_held(synced: Synced) -> None:
    """All of them are in the run, so they are one group; only the new row needs a decision."""
    synced.write(people(10) | stranger("p3@example.com"))
    report = synced.run()
    assert found(report) == {"unchanged": 10, "held": 1}
    assert report.merge_groups.held == 1
    synced.write(people(10))
    report = synced.run()
    assert (found(report), report.merge_groups.groups) == ({"unchanged": 10}, 0)


def test_new_rows_that_meet_in_one_key_are_one_group(synced: Synced) -> None:
    """Whoever lets one go lets both go."""
    synced.write({"X1": ("p3@example.com", "+12065559001", 1), "X2": ("x2@example.com", person(3)[1], 1)})
    report = synced.run()
    assert found(report) == {"held": 2}
    assert report.merge_groups.held == 1


def test_a_decision_is_kept_for_later_runs(synced: Synced) -> None:
    """A released row is sent once, and later runs of the sync know of the decision."""
    synced.write(stranger("p3@example.com"))
    report = synced.run()
    settings = synced.bench.settings.model_copy(update={"runs_dir": str(synced.folder.runs)})
    again = resume(ResumeRequest(report.run_id or "", settings, release=frozenset()), Hooks(), QUICK)
    assert found(again) == {"accepted": 1}
    assert synced.runs() == ({"unchanged": 1}, 0)
    assert len(synced.bench.stored()) == 10
    synced.write({"X1": ("p3@example.com", "+12065559000", 7)})
    assert synced.runs() == ({"accepted": 1}, 1)


@pytest.mark.parametrize(("decided", "note"), [("release", "that go by"), ("hold", "that stay held by")])
def test_a_decision_about_a_group_with_an_unchanged_row_is_kept(synced: Synced, decided: str, note: str) -> None:
    """It is of the whole group, though the run sends a part of it: the same group is told again, a part is not."""
    both = people(10) | {"N1": ("n1@example.com", person(1)[1], 1)}
    synced.write(both)
    report = synced.run()
    assert report.outcomes["held"] == 1
    settings = synced.bench.settings.model_copy(update={"runs_dir": str(synced.folder.runs)})
    chosen: dict[str, Any] = {decided: frozenset()}
    resume(ResumeRequest(report.run_id or "", settings, stale_ok=True, **chosen), Hooks(), QUICK)
    synced.write(both | {"N1": ("n1@example.com", person(1)[1], 2)})
    again = synced.run()
    assert [text for text in again.notes if "earlier run: 1" in text and note in text]


def test_shared_identifiers_that_the_mapping_allows_go(synced: Synced) -> None:
    """A family has one phone; an e-mail address is still one person's."""
    mapping = MAPPING | {"identity": {"on_shared": {"phone": "allow"}}}
    synced.bench.mapping.write_text(json.dumps(mapping), encoding="utf-8")
    synced.write(stranger("x1@example.com", person(3)[1]))
    assert synced.runs() == ({"accepted": 1}, 1)
    synced.write(stranger("p4@example.com", person(3)[1]))
    assert synced.runs() == ({"held": 1}, 0)


def test_a_group_that_may_go_is_held_where_it_would_join_another_key(synced: Synced) -> None:
    """The mapping allows what links its rows, not what links one of them to somebody else."""
    mapping = MAPPING | {"identity": {"on_shared": {"phone": "allow"}}}
    synced.bench.mapping.write_text(json.dumps(mapping), encoding="utf-8")
    family = {"X1": ("x1@example.com", "+12065559000", 1), "X2": ("p3@example.com", "+12065559000", 1)}
    synced.write(family)
    report = synced.run()
    assert (found(report), report.merge_groups.held) == ({"held": 2}, 1)
    synced.write(family | {"X2": ("x2@example.com", "+12065559000", 1)})
    assert synced.runs() == ({"accepted": 2}, 2)


def test_a_row_that_was_never_delivered_owns_nothing(synced: Synced) -> None:
    """A held row's identifiers are nobody's yet."""
    synced.write({"X1": ("p3@example.com", "+12065559001", 1)})
    assert synced.runs() == ({"held": 1}, 0)
    synced.write({"X2": ("x2@example.com", "+12065559001", 1)})
    assert synced.runs() == ({"accepted": 1}, 1)
    assert by_email({"X2": ("x2@example.com", "+12065559001", 1)}).items() <= synced.stored().items()
