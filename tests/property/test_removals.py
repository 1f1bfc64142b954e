"""What a mirror removes is what a plain reading of the rules removes, whatever is in the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.identity_values import identifier_hash
from importer.core.snapshot import SNAPSHOT_SCHEMA
from importer.core.sync_gone import (
    APPLIED_AFTER,
    LOOK_AGAIN_AFTER,
    Elsewhere,
    Marks,
    Others,
    gone_keys,
    identifier_marks,
    known_fates,
    newly_gone,
    remaining_marks,
)
from importer.core.sync_removals import (
    DONE,
    HELD,
    REMOVALS_SCHEMA,
    Candidate,
    Profile,
    Removal,
    after_removals,
    candidates_of,
    removals_of,
)
from tests.support.removing import FakeProfiles, removed

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MIRRORED = ("Contact.email", "Account.points", "Loyalty.tier")

identifiers = st.tuples(st.sampled_from(["email", "phone"]), st.sampled_from("abcd"))
some = st.frozensets(identifiers, max_size=4)
traits = st.frozensets(st.sampled_from(MIRRORED))
ages = st.sampled_from([timedelta(0), APPLIED_AFTER, LOOK_AGAIN_AFTER, timedelta(days=9)])
times = ages.map(lambda age: NOW - age)


@st.composite
def stores(draw: st.DrawFn) -> dict[str, Profile]:
    """Draw a few profiles; a value may be in several."""
    found = draw(st.lists(st.tuples(some, traits), max_size=3))
    return {f"P{number}": Profile(f"P{number}", *one) for number, one in enumerate(found)}


@st.composite
def keys(draw: st.DrawFn) -> Candidate:
    """Draw a key that is gone."""
    own = draw(st.lists(identifiers, min_size=1, max_size=3, unique=True))
    return Candidate(0, tuple(own), draw(traits), draw(st.sampled_from([None, None, "P0", "P1"])), draw(st.booleans()))


def oracle(key: Candidate, store: dict[str, Profile], remaining: frozenset[tuple[str, str]]) -> Removal:
    """Say what the rules say."""
    own = set(key.identifiers)
    holders = [[one for one in store.values() if each in one.identifiers] for each in key.identifiers]
    named = next((found for found in holders if found), [])
    if not named:
        return Removal.GONE if key.is_settled else Removal.EARLY
    profile = named[0]
    # Where an idType need not be unique, others may have a value that its profile has as well: they are others.
    elsewhere = [
        one
        for each, found in zip(key.identifiers, holders, strict=True)
        for one in found
        if each not in profile.identifiers
    ]
    if len(named) > 1 or elsewhere:
        return Removal.MERGED
    if key.profile_id not in (None, profile.profile_id):
        return Removal.MERGED
    if remaining & (own | profile.identifiers):
        return Removal.SHARED
    if profile.identifiers <= own and profile.traits <= key.traits:
        return Removal.DELETED
    return Removal.FOREIGN


@settings(deadline=None)
@given(keys(), stores(), some)
def test_a_profile_goes_only_where_nothing_speaks_against_it(
    key: Candidate, store: dict[str, Profile], remaining: frozenset[tuple[str, str]]
) -> None:
    """The one that goes is the key's own, and all others stay."""
    expected = oracle(key, store, remaining)
    fake = FakeProfiles(dict(store))
    _, kept = removed(fake, [key], remaining)
    assert kept[-1][1] is expected
    gone = store.keys() - fake.profiles.keys()
    assert gone == ({kept[-1][2]} if expected is Removal.DELETED else set())


lines = st.fixed_dictionaries(
    {
        "key": st.sampled_from([f"K{number}" for number in range(8)]),
        "own": st.lists(identifiers, max_size=3, unique=True),
        "due": st.booleans(),
        "delivered_at": st.none() | times,
        "held": st.sampled_from([None, None, "shared", "foreign", "merged", "early", "delete"]),
        "held_at": times,
    }
)
snapshots = st.lists(lines, max_size=8, unique_by=lambda line: line["key"])


def frame_of(snapshot: list[dict[str, Any]]) -> pl.DataFrame:
    """Return a snapshot as it is on disk."""
    rows = [
        {
            "key": line["key"],
            "identifiers": [{"id_type": id_type, "value": value} for id_type, value in line["own"]],
            "traits": 0,
            "due": line["due"],
            "delivered_at": line["delivered_at"],
            "held": line["held"],
            "held_at": line["held_at"] if line["held"] is not None else None,
            "refused": 0,
            "seen": 1,
        }
        for line in sorted(snapshot, key=lambda line: line["key"])
    ]
    return pl.DataFrame(rows, schema=SNAPSHOT_SCHEMA)


def known(line: dict[str, Any], remaining: set[tuple[str, str]], *, again: bool) -> str | None:
    """Say what the rules say before the store is asked."""
    if not line["own"]:
        return "gone"
    if remaining & set(line["own"]):
        return "shared"
    is_held = line["held"] in ("foreign", "merged") and line["held_at"] > NOW - LOOK_AGAIN_AFTER
    return line["held"] if is_held and not again else None


@settings(deadline=None)
@given(snapshots, st.frozensets(st.sampled_from([f"K{number}" for number in range(8)])), some, st.booleans())
def test_keys_that_are_gone_are_found_and_judged(
    snapshot: list[dict[str, Any]], present: frozenset[str], read: frozenset[tuple[str, str]], again: bool
) -> None:
    """Pieces of a snapshot and the keys read say the same as a plain look at all of it."""
    frame = frame_of(snapshot)
    pieces = [frame.slice(start, 3) for start in range(0, frame.height, 3)]
    gone = gone_keys(pieces, Marks([identifier_hash(pl.Series([key])) for key in present]))
    expected = {line["key"]: line for line in snapshot if line["key"] not in present}
    assert set(gone["key"]) == expected.keys()
    assert gone["key"].to_list() == frame["key"].gather(gone["line"]).to_list()

    remaining = {pair for line in snapshot if line["key"] in present for pair in line["own"]} | read
    marks = identifier_marks(*(pl.Series([pair[at] for pair in read], dtype=pl.String) for at in (0, 1)))
    elsewhere = Elsewhere([*remaining_marks(pieces, gone["line"]), marks])
    fates = known_fates(gone, Others(remaining=elsewhere), NOW, again=again)
    assert newly_gone(fates) == sum(line["held"] is None for line in expected.values())
    assert dict(fates.select("key", "removal").iter_rows()) == {
        key: known(line, remaining, again=again) for key, line in expected.items()
    }
    for key, is_settled in fates.select("key", "is_settled").iter_rows():
        line = expected[key]
        sent = not line["due"] and line["delivered_at"] is not None and line["delivered_at"] <= NOW - APPLIED_AFTER
        missed = line["held"] == "early" and line["held_at"] <= NOW - APPLIED_AFTER
        assert is_settled == (sent or missed or line["held"] == "delete")
    asked = [frame["key"][candidate.line] for candidate in candidates_of(fates, [MIRRORED], ["phone", "email"])]
    assert asked == fates.filter(pl.col("removal").is_null())["key"].to_list()


@settings(deadline=None)
@given(snapshots, st.lists(st.tuples(st.sampled_from("01234567"), st.sampled_from(list(Removal)))))
def test_a_snapshot_moves_by_what_came_of_removals(
    snapshot: list[dict[str, Any]], said: list[tuple[str, Removal]]
) -> None:
    """Keys whose profile is gone leave it, others say why they stay; one of which nobody knows is due."""
    fates = {f"K{number}": removal for number, removal in said}
    frame = frame_of(snapshot)
    removals = [(f"K{number}", removal.value, None) for number, removal in said]
    after = after_removals(frame, pl.DataFrame(removals, schema=REMOVALS_SCHEMA, orient="row"), NOW)
    expected = {}
    for line in snapshot:
        fate = fates.get(line["key"])
        if fate in DONE:
            continue
        due = line["due"] or fate is Removal.DELETE
        held, at = line["held"], line["held_at"] if line["held"] is not None else None
        if fate in (*HELD, Removal.EARLY, Removal.DELETE):
            held, at = fate.value, at if fate is Removal.EARLY and held == "early" else NOW
        expected[line["key"]] = (due, held, at)
    assert {key: tuple(rest) for key, *rest in after.select("key", "due", "held", "held_at").iter_rows()} == expected
    removed = pl.Series("removal", [removal.value for removal in fates.values()], dtype=pl.String)
    counts = removals_of(removed.to_frame().with_columns(is_gone=pl.lit(value=True)))
    total = counts.deleted + counts.gone + sum(counts.held.values()) + counts.failed + counts.open
    assert total == counts.candidates == sum(fate is not Removal.KEPT for fate in fates.values())
