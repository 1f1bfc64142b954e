"""`--lookup`: what rows would do to profiles that the store has already, asked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.core.report import Report
from importer.errors import ConfigError
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan, validate
from tests.support.runs import Workbench, outcomes_of, workbench

MAPPING = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "phone": "Contact.phone", "note": "Account.note"},
}
STORED = (("ann@example.com", "+13175550001"), ("bob@example.com", "+13175550002"), ("cat@example.com", "+13175550003"))
ROWS = """\
id,email,phone,note
10,ann@example.com,+13175550002,joins ann and bob
11,cat@example.com,,meets 12
12,,+13175550003,meets 11
13,new@example.com,+13175550099,new
14,dan@example.com,+13175550004,
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """Start a store that has three profiles."""
    with workbench(tmp_path / "bench", MAPPING) as started:
        started.put([{"Contact": {"email": email, "phone": phone}} for email, phone in STORED])
        (started.folder / "source.csv").write_text(ROWS, encoding="utf-8")
        yield started


def lookups(bench: Workbench) -> int:
    """Count the lookups that the service was asked for."""
    return sum(str(entry["path"]).endswith("/Lookup") for entry in bench.emulator.journal())


def planned(bench: Workbench, hooks: Hooks | None = None, **options: Any) -> Report:
    """Plan the source."""
    return plan(bench.request(bench.folder / "source.csv", **options), hooks or Hooks())


def states(report: Report) -> list[str]:
    """Return the states of the rows in order."""
    return outcomes_of(report).sort("row_number")["state"].to_list()


def test_rows_that_would_merge_stored_profiles_are_held(bench: Workbench) -> None:
    """One row of two profiles, and two keys of one profile: named, grouped, and sent once they are released."""
    report = bench.deliver(bench.folder / "source.csv", lookup=True)
    assert states(report) == ["held", "held", "held", "processed", "processed"]
    assert report.issues["merge-with-stored"] == 3
    assert report.stored is not None
    assert report.stored.model_dump(include={"rows", "of_rows", "known_rows", "merging_rows", "meeting_rows"}) == {
        "rows": 5,
        "of_rows": 5,
        "known_rows": 3,
        "merging_rows": 1,
        "meeting_rows": 2,
    }
    assert report.stored.values == {"email": 4, "phone": 4}
    assert report.stored.known_values == {"email": 2, "phone": 2}
    assert report.stored.requests == lookups(bench) == 8
    groups = pl.read_parquet(Path(report.folder or "") / "groups.parquet")
    assert groups.select("group", "row_number").rows() == [("1", 1), ("2", 2), ("2", 3)]
    assert groups["linked_by"].list.sort().to_list() == [["email", "phone"], ["email"], ["phone"]]
    released = bench.go_on(report, release=())
    assert states(released) == ["processed"] * 5
    assert len(bench.emulator.profiles()) == 4


def test_without_the_option_nothing_is_asked_and_the_report_says_so(bench: Workbench) -> None:
    """No lookup is made, and that merges with stored profiles are not known stands in the notes."""
    report = planned(bench)
    assert states(report) == ["planned"] * 5
    assert lookups(bench) == 0
    assert report.stored is None
    assert any("not known without --lookup" in note for note in report.notes)


def test_the_cost_is_asked_about_first(bench: Workbench) -> None:
    """Nobody agreed: nothing is read, nothing is sent, no run is left. The question has the number of reads."""
    questions: list[str] = []

    def decline(question: str) -> bool:
        questions.append(question)
        return False

    with pytest.raises(ConfigError, match="nobody agreed to billable reads"):
        planned(bench, replace(Hooks(), confirm=decline), lookup=True)
    assert lookups(bench) == 0
    (question,) = questions
    assert "looking 5 of 5 rows up costs up to 8 billable profile reads" in question
    assert not list((bench.folder / "runs").glob("2*"))


def test_a_sample_estimates_and_holds_nothing(bench: Workbench) -> None:
    """Only the sample's identifiers are asked for; the note has its size and what it would be of all rows."""
    report = validate(bench.request(bench.folder / "source.csv", lookup_sample=2), Hooks())
    assert states(report) == ["planned"] * 5
    assert report.stored is not None
    assert (report.stored.rows, report.stored.of_rows) == (2, 5)
    assert report.stored.requests == sum(report.stored.values.values()) == lookups(bench) <= 4
    assert any("a sample of 2 of 5 rows" in note for note in report.notes)


def test_groups_of_the_run_are_looked_up_and_stay_as_they_are(bench: Workbench) -> None:
    """Rows that another group holds keep their group; a row that meets its profile is held as well."""
    source = bench.folder / "source.csv"
    source.write_text("id,email,phone,note\n1,ann@example.com,,a\n2,ann@example.com,,b\n3,,+13175550001,c\n")
    report = planned(bench, lookup=True)
    frame = outcomes_of(report).sort("row_number")
    assert frame["code"].to_list() == ["merge-group", "merge-group", "merge-with-stored"]
    assert frame["group"].to_list() == ["1", "1", "2"]


def test_types_that_the_mapping_allows_hold_nothing(tmp_path: Path) -> None:
    """`on_shared: allow` for all that a row matches by is a decision; it is counted all the same."""
    allowing = MAPPING | {"identity": {"on_shared": {"phone": "allow", "email": "allow"}}}
    with workbench(tmp_path / "allowing", allowing) as bench:
        bench.put([{"Contact": {"email": email, "phone": phone}} for email, phone in STORED])
        (bench.folder / "source.csv").write_text(ROWS, encoding="utf-8")
        report = planned(bench, lookup=True)
        assert states(report) == ["planned"] * 5
        assert report.stored is not None
        assert report.stored.merging_rows == 1


def test_allow_merges_counts_groups_by_stored_profiles_too(bench: Workbench) -> None:
    """Two groups are allowed by two, and held by one."""
    assert states(planned(bench, lookup=True, allow_merges=1))[:3] == ["held"] * 3
    assert states(planned(bench, lookup=True, allow_merges=2)) == ["planned"] * 5


def test_a_source_without_rows_to_send_asks_nothing(bench: Workbench) -> None:
    """There is no question about nothing."""
    (bench.folder / "source.csv").write_text("id,email,phone,note\n1,,,x\n", encoding="utf-8")
    report = planned(bench, replace(Hooks(), confirm=lambda _: False), lookup=True)
    assert states(report) == ["rejected"]
    assert report.stored is not None
    assert report.stored.requests == 0
