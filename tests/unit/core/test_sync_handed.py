"""Who handed what on to whom, by what a snapshot and held rows say, and snapshots in which keys have new names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.snapshot import LEAVING, SNAPSHOT_SCHEMA, Decided, Result, TraitSets, advanced
from importer.core.sync_gone import GONE_SCHEMA, Elsewhere, Others, identifier_marks, known_fates, newly_gone
from importer.core.sync_handed import (
    HANDED_SCHEMA,
    WAITING_SCHEMA,
    meant_keys,
    met_keys,
    named_renames,
    renamed,
    renames,
    shown_key,
    without_leaving,
)
from tests.support.snapshots import snapshot

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def handed(*pairs: tuple[str, bool | None, str]) -> pl.DataFrame:
    """Return who waits for whom: the key that was delivered, whether it is gone, and the key of the row."""
    lines = [(known, is_gone, key, "c.csv", 1, ["phone"]) for known, is_gone, key in pairs]
    return pl.DataFrame(lines, schema=HANDED_SCHEMA, orient="row")


def test_a_key_is_met_by_type_and_value_and_never_by_itself() -> None:
    """One line a row and key, with all idTypes that they share."""
    known = snapshot({"A": {"phone": "1", "email": "a"}, "B": {"email": "1"}, "C": {"phone": "3"}})
    rows = [("NEW", 7, "phone", "1"), ("NEW", 7, "email", "a"), ("C", 8, "phone", "3"), ("D", 9, "phone", "4")]
    waiting = pl.DataFrame(rows, schema=WAITING_SCHEMA, orient="row")
    assert met_keys(known.iter_slices(2), waiting).rows() == [("A", "NEW", 7, ["email", "phone"])]


def test_only_what_can_be_read_in_one_way_is_taken_for_a_new_name() -> None:
    """Not where two have the identifiers of one, one those of two, the key is there, or the new one was delivered."""
    pairs = handed(
        ("A", True, "A2"),
        ("B", True, "B2"),
        ("B", True, "B3"),
        ("C", True, "CD"),
        ("D", True, "CD"),
        ("E", False, "E2"),
        ("F", None, "F2"),
        ("G", True, "OLD"),
    )
    assert renames(pairs, pl.Series(["OLD"])).rows() == [("A", "A2")]


@pytest.mark.parametrize(
    ("wanted", "to", "says"),
    [
        (["A"], None, {"A": "A2"}),
        (["B"], "B3", {"B": "B3"}),
        (["F"], None, {"F": "F2"}),
        (["B"], None, "several keys"),
        (["A"], "B3", "several keys"),
        (["E"], None, "still in the source"),
        (["G"], None, "a profile of its own"),
        (["A", "H"], None, "a profile of its own"),
        (["Z"], None, "was to be deleted"),
    ],
)
def test_a_name_that_a_person_gives_is_checked(
    wanted: list[str], to: str | None, says: Mapping[str, str] | str
) -> None:
    """It must be the only one or be named, its key new, and the old one gone as far as anybody knows."""
    pairs = handed(
        *[("A", True, "A2"), ("B", True, "B2"), ("B", True, "B3"), ("E", False, "E2")],
        *[("F", None, "F2"), ("G", True, "OLD"), ("H", True, "A2"), ("Z", True, "Z2")],
    )
    fault, names = named_renames(wanted, to, pairs, pl.Series(list("ABEFGH")), pl.Series(["OLD"]))
    cause = fault[0] if fault is not None else ""
    assert (says in cause and not names) if isinstance(says, str) else (names == says and not cause)


keys = st.text("abcde", min_size=1, max_size=2)


@given(st.sets(keys), st.data(), st.integers(1, 4))
def test_a_snapshot_with_new_names_is_sorted_and_says_the_same(known: set[str], data: Any, height: int) -> None:
    """Wherever the new names come to stand; what was known of a new name before is dropped."""
    olds = sorted(data.draw(st.sets(st.sampled_from(sorted(known))))) if known else []
    news = data.draw(st.lists(keys.filter(lambda key: key not in olds), min_size=len(olds), unique=True))
    names = dict(zip(olds, news, strict=False))
    before = snapshot({key: {"phone": key} for key in known}, decided=Decided.REMOVED, held="shared")
    pieces: Sequence[pl.DataFrame] = list(before.iter_slices(height)) if before.height else []
    after = pl.concat([before.clear(), *renamed(lambda: pieces, names)])
    kept = {key: key for key in known - set(names) - set(names.values())}
    values = {line["key"]: line["identifiers"][0]["value"] for line in after.iter_rows(named=True)}
    assert values == kept | {new: old for old, new in names.items()}
    assert after["key"].is_sorted()
    moved = after.filter(pl.col("key").is_in(list(names.values())))
    assert moved.select("held", "decided").null_count().rows() == [(moved.height,) * 2]


@pytest.mark.parametrize(("hours", "key"), [(0.5, "A\x1fleaving"), (1.5, "A")])
def test_a_profile_that_may_go_any_moment_is_nobodys(hours: float, key: str) -> None:
    """Until an hour has passed since it was asked to be deleted: then it stayed."""
    asked = snapshot({"A": {"phone": "1"}}, held=LEAVING, held_at=NOW - timedelta(hours=hours))
    kept = snapshot({"A": {"phone": "1"}}, held="foreign", held_at=NOW)
    now_ms = int(NOW.timestamp() * 1000)
    assert without_leaving(asked, now_ms)["key"].to_list() == [key]
    assert without_leaving(kept, now_ms)["key"].to_list() == ["A"]


@pytest.mark.parametrize(
    ("decided", "goes_first", "remaining", "waiting", "fate"),
    [
        (None, False, "", "1", "handed-on"),
        (Decided.REMOVED, False, "", "1", None),
        (Decided.ANEW, False, "", "1", None),
        (None, True, "", "1", None),
        (Decided.REMOVED, True, "1", "1", "shared"),
        (None, False, "1", "", "shared"),
        (None, False, "", "2", None),
    ],
)
def test_a_decision_speaks_against_rows_that_wait_alone(
    decided: Decided | None, goes_first: bool, remaining: str, waiting: str, fate: str | None
) -> None:
    """Not against somebody who was delivered with the identifier."""
    lines = snapshot({"A": {"phone": "1"}}, decided=decided).with_columns(line=0, is_gone=True)
    gone = lines.select(pl.col(name).cast(kind) for name, kind in GONE_SCHEMA.items())
    those = [Elsewhere([identifier_marks(pl.Series(["phone"]), pl.Series([one]))]) for one in (remaining, waiting)]
    assert known_fates(gone, Others(*those), NOW, goes_first=goes_first)["removal"].to_list() == [fate]


@pytest.mark.parametrize(("waiting", "held", "fate"), [("1", None, None), ("2", None, "kept"), ("2", LEAVING, None)])
def test_a_key_that_is_there_begins_anew_only_while_a_row_waits(
    waiting: str, held: str | None, fate: str | None
) -> None:
    """Nothing is removed for a row that is not held any more; what was asked to go is seen through."""
    lines = snapshot({"A": {"phone": "1"}}, decided=Decided.ANEW, held=held).with_columns(line=0, is_gone=False)
    there = lines.select(pl.col(name).cast(kind) for name, kind in GONE_SCHEMA.items())
    others = Others(waiting=Elsewhere([identifier_marks(pl.Series(["phone"]), pl.Series([waiting]))]))
    assert known_fates(there, others, NOW)["removal"].to_list() == [fate]


@pytest.mark.parametrize(
    ("held", "decided", "removal", "counts"),
    [
        (None, None, None, 1),
        ("handed-on", None, "handed-on", 0),
        ("handed-on", None, None, 1),
        ("handed-on", Decided.REMOVED, None, 1),
        ("foreign", Decided.REMOVED, None, 0),
        (None, Decided.ANEW, "kept", 0),
    ],
)
def test_the_brake_counts_a_key_once_it_may_go(
    held: str | None, decided: Decided | None, removal: str | None, counts: int
) -> None:
    """Once it is decided about, or nobody waits for it any more; what was judged since then counts no more."""
    gone = snapshot({"A": {"phone": "1"}}, decided=decided, held=held)
    fates = gone.with_columns(removal=pl.lit(removal, dtype=pl.String))
    assert newly_gone(fates) == counts


@pytest.mark.parametrize(
    ("decided", "result", "left"),
    [
        (Decided.REMOVED, Result.PRESENT, None),
        (Decided.ANEW, Result.PRESENT, "anew"),
        (Decided.ANEW, Result.DELIVERED, None),
        (Decided.REMOVED, None, "removed"),
    ],
)
def test_a_decision_lives_until_it_makes_no_sense(decided: Decided, result: Result | None, left: str | None) -> None:
    """A key that comes back was not removed; one that was sent is not to begin anew."""
    before = snapshot({"A": {"phone": "1"}}, decided=decided)
    read: list[tuple[object, ...]] = [] if result is None else [("A", result.value, b"x", [], None)]
    schema = {"key": pl.String, "result": pl.String, "fingerprint": pl.Binary}
    results = pl.DataFrame(
        read, schema={**schema, "identifiers": SNAPSHOT_SCHEMA["identifiers"], "traits": pl.UInt32}, orient="row"
    )
    assert advanced(before, results, TraitSets([()]), run=2, at=NOW)["decided"].to_list() == [left]


def test_a_profile_that_may_go_is_remembered_until_something_was_sent() -> None:
    """A key that comes back does not make one forget that its profile was to be deleted."""
    before = snapshot({"A": {"phone": "1"}}, held=LEAVING, held_at=NOW)
    columns = {"key": ["A"], "fingerprint": [b"x"], "identifiers": [[]], "traits": [None]}
    kinds = {"identifiers": SNAPSHOT_SCHEMA["identifiers"], "traits": pl.UInt32()}
    for result, held in ((Result.PRESENT, LEAVING), (Result.OPEN, None)):
        results = pl.DataFrame({**columns, "result": [result.value]}, schema_overrides=kinds)
        assert advanced(before, results, TraitSets([()]), run=2, at=NOW)["held"].to_list() == [held]


def test_parts_of_a_key_are_shown_apart() -> None:
    """As a person can type them."""
    assert shown_key("DE\x1f4711") == "DE|4711"


def test_what_a_person_types_may_mean_two_keys() -> None:
    """Nobody is decided about who was not meant."""
    keys = pl.Series(["DE\x1f4711", "A|B\x1fC", "A\x1fB|C"])
    assert meant_keys("DE|4711", keys) == ["DE\x1f4711"]
    assert meant_keys("A|B|C", keys) == ["A\x1fB|C", "A|B\x1fC"]
    assert meant_keys("A", keys) == []
