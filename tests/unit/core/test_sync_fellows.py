"""Keys that are gone together are told by the identifiers that they were delivered with."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from importer.core.snapshot import SNAPSHOT_SCHEMA
from importer.core.sync_fellows import Fellows, fellows_of
from importer.core.sync_removals import Answers, Candidate, Profile, Removal, judge

TRAITS = [frozenset({"A.a"}), frozenset({"B.b"})]


def keys(*identifiers: set[str]) -> pl.DataFrame:
    """Return keys with phone numbers; every other one has the second set of traits."""
    lists = [[{"id_type": "phone", "value": value} for value in sorted(values)] for values in identifiers]
    return pl.DataFrame(
        {"identifiers": lists, "traits": [place % 2 for place in range(len(lists))]},
        schema={name: SNAPSHOT_SCHEMA[name] for name in ("identifiers", "traits")},
    )


def test_a_chain_is_one() -> None:
    """What links the first to the second and the second to the third links all; others are alone."""
    found = fellows_of(keys({"1"}, {"1", "2"}, {"9"}, {"2", "3"}, set()), TRAITS)
    chain = Fellows(frozenset({("phone", "1"), ("phone", "2"), ("phone", "3")}), frozenset({"A.a", "B.b"}))
    assert found == [chain, chain, Fellows(), chain, Fellows()]


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=3), max_size=8))
def test_fellows_have_all_and_only_what_links_them(sets: list[set[str]]) -> None:
    """The same as growing a set until nothing touches it any more."""
    found = fellows_of(keys(*sets), TRAITS)
    for values, fellows in zip(sets, found, strict=True):
        grown, before = set(values), set[str]()
        while grown != before:
            before = set(grown)
            grown = grown.union(*(other for other in sets if other & grown))
        company = [other for other in sets if other & grown]
        assert {value for _, value in fellows.identifiers} == (grown if len(company) > 1 else set())


def test_what_nobody_of_them_was_delivered_with_is_foreign() -> None:
    """A profile that all of them became goes; one that has more stays, and so does one of a key that is not to go."""
    fellows = Fellows(frozenset({("phone", "1"), ("phone", "2")}), frozenset({"A.a", "B.b"}))
    one = Candidate(0, (("phone", "1"),), frozenset({"A.a"}), fellows=fellows)
    both = Profile("P", fellows.identifiers, fellows.traits)
    assert judge(one, Answers(frozenset({"P"}), both), ()) is Removal.DELETE
    assert judge(Candidate(0, one.identifiers, one.traits), Answers(frozenset({"P"}), both), ()) is Removal.FOREIGN
    for more in (
        Profile("P", both.identifiers | {("phone", "3")}, both.traits),
        Profile("P", both.identifiers, both.traits | {"C.c"}),
    ):
        assert judge(one, Answers(frozenset({"P"}), more), ()) is Removal.FOREIGN
    assert judge(one, Answers(frozenset({"P"}), both), {("phone", "2")}) is Removal.SHARED
