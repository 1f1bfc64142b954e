"""Deciding: identity groups become one decision a valid row, and payloads change by it."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import Any, Final

import numpy as np
import polars as pl
import pytest

from importer.core.index import INDEX_SCHEMA
from importer.core.schema import StoreSchema
from importer.core.transform import TransformPlan
from importer.pipeline.decide import Decided, Deciding, decide, identity_findings, read_values, write_changed
from importer.pipeline.poor_rows import poor_lines
from importer.pipeline.prepare import Prepared, Sinks, prepare
from tests.support.fakes import (
    FakeIssues,
    FakePackage,
    FakeProgress,
    FakeRejected,
    FakeSource,
    checks_of,
    chunk_of,
)

COLUMNS: Final = ("id", "email", "phone", "nick")
TARGETS: Final[dict[str, Any]] = {
    "email": "Contact.email",
    "phone": "Contact.phone",
    "nick": {"to": "Contact.nick", "on_missing": "remove"},
}
DROP: Final[dict[str, Any]] = {"on_shared": {"phone": "drop-value"}}
Cells = tuple[str | None, str | None, str | None, str | None]


@dataclass
class Bench:
    """Rows that were prepared, ready to be decided about."""

    prepared: Prepared
    plan: TransformPlan
    schema: StoreSchema
    package: FakePackage

    def decide(self, allow_merges: int = 0) -> Decided:
        """Decide about the rows."""
        return decide(self.prepared, self.plan, self.schema, self.package, Deciding(allow_merges))

    def changed(self, decided: Decided) -> Decided:
        """Write the payloads that changed."""
        return write_changed(decided, self.prepared.filled_sets, self.package)

    def payload(self, decided: Decided, line: int) -> dict[str, Any]:
        """Return what a line would send: its typed values without nulls."""
        row = self.package.take(decided.index["slot"].to_numpy()[line : line + 1]).row(0, named=True)
        names = ("Contact.email", "Contact.phone", "Contact.nick", "remove:Contact.nick")
        return {name: row[name] for name in names if row[name] not in (None, False)}


def bench_of(*rows: Cells, key: bool = True, targets: dict[str, Any] | None = None, **identity: Any) -> Bench:
    """Prepare rows of (id, e-mail, phone, nick), two a chunk; `targets` replace some of the mapping's."""
    columns = TARGETS | (targets or {})
    mapping = {"source": {"key": ["id"]} if key else {}, "columns": columns, "identity": identity}
    checks, schema = checks_of(mapping, COLUMNS)
    cells = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    chunks = [chunk_of(cells[at : at + 2], first=at + 1) for at in range(0, len(cells), 2)]
    package = FakePackage()
    sinks = Sinks(FakeIssues(), FakeRejected(), FakeProgress(), Event())
    prepared = prepare(FakeSource(chunks), checks, package, sinks)
    assert len(prepared.row) == len(rows)
    return Bench(prepared, checks.plan, schema, package)


def states(decided: Decided) -> list[str]:
    """Return the state of each line."""
    return [str(state) for state in decided.index["state"].to_list()]


A: Final = "a@example.com"
B: Final = "b@example.com"
PHONE: Final = "+13179580001"
OTHER: Final = "+13179580002"


def test_rows_that_nothing_links_are_sent_as_they_are() -> None:
    """An ordinary row's payload is its own line, and it has no place in the send order yet."""
    bench = bench_of(("1", A, None, "x"), ("2", B, None, "y"), ("3", None, PHONE, "z"))
    decided = bench.decide()
    assert decided.index.schema == INDEX_SCHEMA
    assert states(decided) == ["send"] * 3
    assert decided.index["slot"].to_list() == [0, 1, 2]
    assert set(decided.index["position"].to_list()) == {-1}
    assert bench.changed(decided).index.equals(decided.index)
    assert bench.package.extra == []


def test_rows_of_one_key_are_combined_in_the_newest_ones_place() -> None:
    """Later values win, a removal counts as one, and the carrying row has no code of its own."""
    bench = bench_of(("1", A, None, "old"), ("2", B, None, "y"), ("1", None, PHONE, "new"), ("1", A, PHONE, None))
    decided = bench.changed(bench.decide())
    assert states(decided) == ["combined", "send", "combined", "send"]
    assert decided.index["carried_by"].to_list() == [3, -1, 3, -1]
    assert decided.index["code"].to_list()[3] is None
    assert bench.payload(decided, 3) == {"Contact.email": A, "Contact.phone": PHONE, "remove:Contact.nick": True}
    assert bench.payload(decided, 1) == {"Contact.email": B, "Contact.nick": "y"}


def test_a_changed_payload_has_its_own_set_and_size() -> None:
    """Routes and batches are chosen by what is sent, not by what was read."""
    bench = bench_of(("1", A, PHONE, None), ("1", A, None, "y"))
    before = bench.decide()
    after = bench.changed(before)
    sets = bench.prepared.filled_sets.sets()
    chosen = sets[after.index["set"][1]]
    assert (chosen.filled, chosen.removed) == (("Contact.email", "Contact.phone", "Contact.nick"), ())
    assert after.index["size"][1] > before.index["size"][1]
    assert after.index["slot"].to_list() == [0, 2]
    assert after.index["size"][0] == before.index["size"][0]


def test_rows_of_two_keys_that_share_an_identifier_are_held() -> None:
    """They would merge for ever, so that somebody has to say so first."""
    decided = bench_of(("1", A, None, "x"), ("2", A, None, "y"), ("3", B, None, "z")).decide()
    assert states(decided) == ["held", "held", "send"]
    assert decided.index["code"].to_list() == ["merge-group", "merge-group", None]
    assert decided.index["group"].to_list() == [1, 1, -1]


@pytest.mark.parametrize(("allowed", "state"), [(0, "held"), (1, "held"), (2, "sequence"), (3, "sequence")])
def test_merge_groups_go_only_if_there_are_few_enough(allowed: int, state: str) -> None:
    """With more groups than allowed all are held: a wrong mapping merges many."""
    rows: tuple[Cells, ...] = (("1", A, None, "x"), ("2", A, None, "y"), ("3", B, None, "z"), ("4", B, None, "z"))
    decided = bench_of(*rows).decide(allow_merges=allowed)
    assert states(decided) == [state] * 4
    assert decided.index["wave"].to_list() == ([1, 2, 1, 2] if state == "sequence" else [0] * 4)


def test_a_row_that_dropping_leaves_too_poor_is_held() -> None:
    """A row needs an identifier and a second value; dropping a shared one may take either."""
    bench = bench_of(
        ("1", A, PHONE, None), ("2", B, PHONE, "y"), ("3", None, PHONE, "z"), on_shared={"phone": "drop-value"}
    )
    decided = bench.changed(bench.decide())
    assert states(decided) == ["held", "send", "held"]
    assert decided.index["code"].to_list() == ["shared-identifier", None, "shared-identifier"]
    assert bench.payload(decided, 1) == {"Contact.email": B, "Contact.nick": "y"}


REQUIRED: Final = {"phone": {"to": "Contact.phone", "required": True}}
CLEARED: Final = {"nick": {"to": "Contact.nick", "on_missing": "clear"}}


def test_a_row_that_loses_a_required_value_is_held() -> None:
    """The mapping says that it must not go without; the row says why it is held, once."""
    bench = bench_of(("1", A, PHONE, "x"), ("2", B, PHONE, "y"), ("3", "c@x.com", OTHER, "z"), targets=REQUIRED, **DROP)
    decided = bench.decide()
    assert states(decided) == ["held", "held", "send"]
    assert decided.index["code"].to_list() == ["shared-identifier", "shared-identifier", None]
    assert identity_findings(decided.identity, bench.plan).drop("group").rows() == [
        (0, "shared-identifier", "Contact.phone", False),
        (1, "shared-identifier", "Contact.phone", False),
    ]


def test_a_required_value_that_another_row_of_the_key_has_is_enough() -> None:
    """What counts is what would be sent: all rows of the key together."""
    rows: tuple[Cells, ...] = (("1", A, PHONE, "x"), ("2", B, PHONE, "y"), ("1", A, OTHER, "z"))
    decided = bench_of(*rows, targets=REQUIRED, **DROP).decide()
    assert states(decided) == ["combined", "held", "send"]


def test_a_cleared_trait_is_no_second_value() -> None:
    """Dropping leaves an identifier and an empty text: that says nothing about anybody."""
    bench = bench_of(
        ("1", A, PHONE, None), ("2", B, PHONE, "y"), ("3", "c@x.com", OTHER, None), targets=CLEARED, **DROP
    )
    decided = bench.decide()
    assert states(decided) == ["held", "send", "send"]
    assert decided.index["code"].to_list() == ["shared-identifier", None, None]


@pytest.mark.parametrize("targets", [CLEARED, {}], ids=["cleared", "removed"])
def test_a_value_that_a_later_row_takes_away_does_not_count(targets: dict[str, Any]) -> None:
    """Of the combined row nothing is left but its e-mail address."""
    rows: tuple[Cells, ...] = (("1", A, None, "old"), ("1", A, PHONE, None), ("2", B, PHONE, "y"))
    decided = bench_of(*rows, targets=targets, **DROP).decide()
    assert states(decided) == ["combined", "held", "send"]
    kept = bench_of(*rows[::-1], targets=targets, **DROP).decide()
    assert states(kept) == ["send", "combined", "send"]


def test_the_payload_of_a_held_row_stays_whole() -> None:
    """Whoever releases it decides with all of its values."""
    rows: tuple[Cells, ...] = (("1", A, PHONE, None), ("2", B, PHONE, "y"))
    bench = bench_of(*rows, on_shared={"phone": "drop-value"})
    decided = bench.changed(bench.decide())
    assert states(decided)[0] == "held"
    assert bench.payload(decided, 0)["Contact.phone"] == PHONE


def test_of_conflicting_identifiers_of_one_key_the_newest_stays() -> None:
    """The older row's identifier is dropped, its other values are carried."""
    bench = bench_of(("1", A, None, "old"), ("1", B, PHONE, None))
    decided = bench.changed(bench.decide())
    assert states(decided) == ["combined", "send"]
    assert bench.payload(decided, 1) == {"Contact.email": B, "Contact.phone": PHONE, "remove:Contact.nick": True}
    assert identity_findings(decided.identity, bench.plan).drop("group").rows() == [
        (0, "duplicate-key", "Contact.email", False)
    ]


@pytest.mark.parametrize(("policy", "state"), [("reject", "rejected"), ("all", "sequence")])
def test_rows_of_one_key_that_conflict_go_by_policy(policy: str, state: str) -> None:
    """They are rejected, or all sent one after the other."""
    decided = bench_of(("1", A, None, "x"), ("1", B, None, "y"), on_duplicate_key=policy).decide()
    assert states(decided) == [state] * 2
    assert decided.index["code"].to_list() == ["duplicate-key"] * 2


def test_findings_name_row_cause_and_trait() -> None:
    """Whole rows have no trait, dropped values have theirs; only rejected rows are errors."""
    bench = bench_of(
        ("1", A, PHONE, "x"), ("2", A, OTHER, "y"), ("3", B, PHONE, "z"), on_shared={"phone": "drop-value"}
    )
    findings = identity_findings(bench.decide().identity, bench.plan)
    assert findings["group"].to_list() == [1, 1, 1, -1]
    assert findings.drop("group").rows() == [
        (0, "merge-group", None, False),
        (0, "shared-identifier", "Contact.phone", False),
        (1, "merge-group", None, False),
        (2, "shared-identifier", "Contact.phone", False),
    ]
    rejected = bench_of(("1", A, None, "x"), ("1", B, None, "y"), on_duplicate_key="reject")
    assert identity_findings(rejected.decide().identity, rejected.plan)["rejected"].to_list() == [True, True]


def test_without_a_key_linked_rows_without_conflict_are_one_profile() -> None:
    """Rows that agree wherever both have an identifier are combined; rows that do not are a merge group."""
    agree = bench_of(("1", A, None, "x"), ("2", A, PHONE, "y"), key=False).decide()
    assert states(agree) == ["combined", "send"]
    differ = bench_of(("1", A, OTHER, "x"), ("2", A, PHONE, "y"), key=False).decide()
    assert states(differ) == ["held", "held"]


def test_texts_are_read_back_across_chunks_in_order() -> None:
    """Any ascending rows, of any chunk, in one pass; keys go by a name of their own."""
    bench = bench_of(("1", A, None, "x"), ("2", B, None, "y"), ("3", None, PHONE, "z"), ("4", "d@x.com", None, "w"))
    read = read_values(bench.package)
    assert read("Contact.email", np.array([0, 2, 3])).to_list() == [A, None, "d@x.com"]
    assert read("Contact.email", np.array([], dtype=np.int64)).to_list() == []
    assert pl.Series(read("Contact.phone", np.array([2]))).to_list() == [PHONE]


def test_rows_of_held_groups_lose_a_dropped_identifier_too() -> None:
    """Released later, two groups may not share an identifier that was to be dropped: they would merge after all."""
    rows: tuple[Cells, ...] = (("1", A, PHONE, "x"), ("2", A, None, "y"), ("3", B, PHONE, "x"), ("4", B, None, "y"))
    bench = bench_of(*rows, on_shared={"phone": "drop-value"})
    decided = bench.changed(bench.decide())
    assert states(decided) == ["held"] * 4
    assert decided.index["code"].to_list() == ["merge-group"] * 4
    for line in (0, 2):
        assert "Contact.phone" not in bench.payload(decided, line)


def test_rows_are_judged_the_same_in_stretches_of_any_length() -> None:
    """A value may stand in every row, so they are not looked at all at once; those of one key stay together."""
    rows: list[Cells] = [
        (str(n % 7), f"k{n % 7}@x.com" if n % 3 else None, PHONE if n % 2 else None, "x" if n % 5 else None)
        for n in range(40)
        if n % 3 or n % 2
    ]
    rows = [row for row in rows if sum(value is not None for value in row[1:]) > 1]
    bench = bench_of(*rows, *[("9", None, PHONE, "x"), ("8", "a@x.com", PHONE, None)], **DROP)
    identity = bench.decide().identity
    found = [poor_lines(bench.prepared, identity, bench.plan, length).tolist() for length in (1, 2, 3, 5, 100)]
    assert found[0]
    assert found == found[:1] * 5
