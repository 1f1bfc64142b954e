"""What a snapshot learns of a run, and what it says of the next one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.snapshot import (
    RESULT_SCHEMA,
    SNAPSHOT_SCHEMA,
    Result,
    TraitSets,
    Verdict,
    advanced,
    empty_snapshot,
    judge_payloads,
)

AT: Final = datetime(2026, 1, 2, tzinfo=UTC)
EMAIL: Final = {"id_type": "email", "value": "a@example.com"}
OTHER: Final = {"id_type": "email", "value": "b@example.com"}


def print_of(text: str) -> bytes:
    """Return a fingerprint."""
    return text.encode().rjust(16, b".")


def result(key: str, kind: Result, said: str | None = None, *identifiers: dict[str, str], traits: int = 0) -> Any:
    """Return a line of `RESULT_SCHEMA`."""
    made = None if said is None else print_of(said)
    return {"key": key, "result": kind.value, "fingerprint": made, "identifiers": list(identifiers), "traits": traits}


def after(*runs: list[Any], sets: TraitSets | None = None) -> dict[str, dict[str, Any]]:
    """Return the lines of a snapshot after some runs, by key."""
    snapshot, sets = empty_snapshot(), sets or TraitSets([["Contact.email"], ["Account.points"]])
    for number, lines in enumerate(runs, start=1):
        snapshot = advanced(snapshot, pl.DataFrame(lines, schema=RESULT_SCHEMA), sets, run=number, at=AT)
        assert snapshot.schema == SNAPSHOT_SCHEMA
        assert snapshot["key"].is_sorted()
    return {line["key"]: line for line in snapshot.to_dicts()}


def verdict(line: dict[str, Any] | None, said: str) -> Verdict:
    """Judge a payload beside a line of a snapshot."""
    snapshot = pl.DataFrame([] if line is None else [line], schema=SNAPSHOT_SCHEMA)
    payload = pl.DataFrame({"key": ["K"], "fingerprint": [print_of(said)]})
    return Verdict(judge_payloads(payload, snapshot, refused_runs=2)[0])


def test_delivered_payloads_are_unchanged_until_they_change() -> None:
    """And whoever was never delivered is new."""
    line = after([result("K", Result.DELIVERED, "one", EMAIL)])["K"]
    assert (line["seen"], line["due"], line["delivered_at"]) == (1, False, AT)
    assert (verdict(line, "one"), verdict(line, "two"), verdict(None, "one")) == (
        Verdict.UNCHANGED,
        Verdict.CHANGED,
        Verdict.NEW,
    )


def test_refused_payloads_are_due_and_then_parked() -> None:
    """The same payload counts; another one begins anew, and what was delivered before is still known."""
    first = [result("K", Result.DELIVERED, "one", EMAIL)]
    again = [result("K", Result.REFUSED, "two", OTHER)]
    once, twice = after(first, again)["K"], after(first, again, again)["K"]
    assert (once["refused"], once["due"], once["fingerprint"]) == (1, True, print_of("one"))
    assert verdict(once, "two") is Verdict.DUE
    assert verdict(twice, "two") is Verdict.PARKED
    assert verdict(twice, "one") is verdict(twice, "three") is Verdict.DUE
    assert twice["identifiers"] == [EMAIL]
    changed = after(first, again, again, [result("K", Result.REFUSED, "three")])["K"]
    assert changed["refused"] == 1
    healed = after(first, again, again, [result("K", Result.DELIVERED, "three")])["K"]
    assert (healed["refused"], healed["due"], verdict(healed, "three")) == (0, False, Verdict.UNCHANGED)


def test_what_may_have_arrived_is_due_and_its_identifiers_count() -> None:
    """Nobody knows whether the profile has them now."""
    line = after([result("K", Result.DELIVERED, "one", EMAIL)], [result("K", Result.OPEN, "two", OTHER, traits=1)])["K"]
    assert line["identifiers"] == [EMAIL, OTHER]
    assert (line["due"], line["fingerprint"], verdict(line, "one")) == (True, print_of("one"), Verdict.DUE)
    sets = TraitSets([["Contact.email"], ["Account.points"]])
    runs = [[result("K", Result.DELIVERED, "a")], [result("K", Result.DELIVERED, "b", traits=1)]]
    number = after(*runs, sets=sets)["K"]["traits"]
    assert sets.sets()[number] == ["Account.points", "Contact.email"]


def test_keys_that_are_only_there_are_seen() -> None:
    """Rejected and held rows move nothing else; a key of which nothing ever went is not known."""
    lines = after(
        [result("K", Result.DELIVERED, "one", EMAIL), result("L", Result.DELIVERED, "one")],
        [result("K", Result.PRESENT), result("N", Result.PRESENT)],
    )
    assert {key: line["seen"] for key, line in lines.items()} == {"K": 2, "L": 1}
    assert verdict(lines["K"], "one") is Verdict.UNCHANGED


@pytest.mark.parametrize("kind", [Result.REFUSED, Result.OPEN])
def test_a_new_key_that_did_not_arrive_is_known_as_due(kind: Result) -> None:
    """It goes again although its payload is the same."""
    line = after([result("K", kind, "one", EMAIL)])["K"]
    assert (line["fingerprint"], line["delivered_at"], verdict(line, "one")) == (None, None, Verdict.DUE)


kinds = st.sampled_from(list(Result))
histories = st.lists(
    st.dictionaries(st.sampled_from("ABC"), st.tuples(kinds, st.sampled_from(["one", "two"]), st.sampled_from("xyz"))),
    max_size=6,
)


@settings(deadline=None)
@given(histories)
def test_a_snapshot_is_what_a_plain_history_says(history: list[dict[str, tuple[Result, str, str]]]) -> None:
    """Delivered payload, identifiers, refusals and what is due, key by key, run by run."""
    known: dict[str, dict[str, Any]] = {}
    for number, run in enumerate(history, start=1):
        for key, (kind, said, value) in run.items():
            line = known.setdefault(
                key, {"print": None, "ids": set(), "due": False, "refused": 0, "by": None, "seen": 0}
            )
            line["seen"] = number
            if kind in (Result.DELIVERED, Result.OPEN):
                line["ids"].add(value)
            if kind is Result.DELIVERED:
                line.update(print=said, due=False, refused=0, by=None)
            elif kind is Result.OPEN:
                line["due"] = True
            elif kind is Result.REFUSED:
                line.update(due=True, refused=line["refused"] + 1 if line["by"] == said else 1, by=said)
            if not line["due"] and line["print"] is None:
                del known[key]
    lines = after(
        *(
            [result(key, kind, said, {"id_type": "email", "value": value}) for key, (kind, said, value) in run.items()]
            for run in history
        )
    )
    assert {
        key: (
            line["fingerprint"],
            {one["value"] for one in line["identifiers"]},
            line["due"],
            line["refused"],
            line["seen"],
        )
        for key, line in lines.items()
    } == {
        key: (
            None if line["print"] is None else print_of(line["print"]),
            line["ids"],
            line["due"],
            line["refused"],
            line["seen"],
        )
        for key, line in known.items()
    }
