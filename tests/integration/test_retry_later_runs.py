"""`retry` beside later runs: what one of them may have delivered is newer, and stays."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from importer.core.manifest import Stage
from importer.core.report import Report
from importer.errors import GuardError
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan
from importer.wiring.sending import run_import
from tests.support.runs import QUICK, Workbench, bench_of, folder_of, workbench
from tests.support.strict_store import (
    MAPPING,
    POINTERS,
    bodies,
    deliver_strictly,
    found,
    notes_in,
    people,
    send_again,
    write_source,
)

WITHOUT_KEY: Final[dict[str, Any]] = {name: value for name, value in MAPPING.items() if name != "source"}
"""The `id` column is read and not used."""


bench = bench_of(MAPPING, POINTERS)


def refused(bench: Workbench, *rows: tuple[str, str, str, int]) -> Report:
    """Import rows of which those with more than ten points are refused."""
    return deliver_strictly(bench, write_source(bench, *rows), 10)


@pytest.mark.parametrize("package", ["there", "dropped"])
def test_rows_that_a_later_run_delivered_stay(bench: Workbench, package: str) -> None:
    """They are known by their key, also after the later run's package is gone; the others go."""
    report = refused(bench, *people([1, 50, 60, 70], "old"))
    newer = [("K1", "new1@example.com", "new", 5), ("K3", "p3@example.com", "new", 7), ("K7", "x@example.com", "x", 1)]
    later = bench.deliver(write_source(bench, *newer, name="later.csv"))
    if package == "dropped":
        folder_of(later).drop_package()
    again = send_again(bench, report)
    assert (found(again), again.exit_code) == ({"accepted": 2, "failed": 2}, 3)
    assert notes_in(bench)["p3@example.com"] == "new"
    assert "p1@example.com" not in notes_in(bench)
    assert any(f"2 rows are left as they are: run {later.run_id}" in note for note in again.notes)
    forced = send_again(bench, report, ignore_later=True)
    assert (found(forced), forced.exit_code) == ({"accepted": 4}, 0)
    assert notes_in(bench)["p3@example.com"] == "old 3"


def test_a_later_run_that_was_refused_as_well_is_no_reason(bench: Workbench) -> None:
    """Only what may be with the service counts: rows that failed, were rejected or never sent are not newer there."""
    report = refused(bench, *people([1, 50, 60], "old"))
    rows = [("K1", "p1@example.com", "new", 90), ("K2", "nobody", "new", 1)]
    deliver_strictly(bench, write_source(bench, *rows, name="later.csv"), 10)
    plan(bench.request(write_source(bench, *people(3, "planned"), name="planned.csv")), Hooks())
    assert found(send_again(bench, report)) == {"accepted": 3}


def test_an_earlier_run_and_a_run_to_another_store_are_no_reason(bench: Workbench) -> None:
    """Nothing they delivered is newer."""
    bench.deliver(write_source(bench, *people(3, "early"), name="early.csv"))
    report = refused(bench, *people([1, 50, 60], "old"))
    elsewhere = bench.deliver(write_source(bench, *people(3, "elsewhere"), name="later.csv"))
    folder = folder_of(elsewhere)
    manifest = folder.read_manifest()
    other = manifest.target.model_copy(update={"host": "memory.twilio.com"})
    folder.write_manifest(manifest.model_copy(update={"target": other}))
    assert found(send_again(bench, report)) == {"accepted": 3}


def test_runs_with_other_keys_are_compared_by_identifiers(tmp_path: Path) -> None:
    """As the service will: the same address is the same person, whatever a source calls them."""
    with workbench(tmp_path / "bench", MAPPING, POINTERS) as bench:
        report = refused(bench, *people([1, 50, 60], "old"))
        mapping = bench.mapping.read_text(encoding="utf-8")
        bench.mapping.write_text(mapping.replace('"key": ["id"]', '"key": ["email"]'), encoding="utf-8")
        rows = [("other", " P1@Example.com", "new", 2), ("K2", "somebody@example.com", "new", 2)]
        later = bench.deliver(write_source(bench, *rows, name="later.csv"))
        assert later.outcomes["accepted"] == 2
        again = send_again(bench, report)
        assert found(again) == {"accepted": 2, "failed": 1}
        assert notes_in(bench)["p1@example.com"] == "new"
        assert notes_in(bench)["p2@example.com"] == "old 2"


def test_a_source_without_a_key_is_compared_by_identifiers(tmp_path: Path) -> None:
    """There is nothing else to go by."""
    with workbench(tmp_path / "bench", WITHOUT_KEY, POINTERS) as bench:
        report = refused(bench, *people([1, 50, 60], "old"))
        bench.deliver(write_source(bench, ("K2", "p1@example.com", "new", 2), name="later.csv"))
        assert found(send_again(bench, report)) == {"accepted": 2, "failed": 1}


def test_a_row_without_a_key_is_known_by_its_identifiers(bench: Workbench) -> None:
    """Also where the source has a key: an empty one is nobody's."""
    report = refused(bench, ("", "a@example.com", "old", 50), ("K1", "b@example.com", "old", 60), *people([1]))
    rows = [("K8", "a@example.com", "new", 1), ("", "b@example.com", "new", 2)]
    bench.deliver(write_source(bench, *rows, name="later.csv"))
    assert found(send_again(bench, report)) == {"accepted": 1, "failed": 2}


def lose_the_package(report: Report) -> None:
    """Delete what a later run could be compared by; its outcomes have no key columns."""
    folder_of(report).drop_package()


def lose_the_outcomes(report: Report) -> None:
    """Delete all that a run of which nobody knows how it ended could be compared by."""
    folder = folder_of(report)
    folder.drop_package()
    folder.write_manifest(folder.read_manifest().model_copy(update={"stage": Stage.SENDING}))


def lose_the_record(report: Report) -> None:
    """Leave a run of which not even the store is known."""
    (folder_of(report).path / "run.json").write_text("{", encoding="utf-8")


def damage_the_outcomes(report: Report) -> None:
    """Leave outcomes that cannot be read."""
    (folder_of(report).path / "outcomes.parquet").write_bytes(b"PAR1")


def damage_the_package(report: Report) -> None:
    """Leave rows that cannot be read, of a run that has no keys to go by."""
    (folder_of(report).package / "valid.arrow").write_bytes(b"ARROW1")


@pytest.mark.parametrize(
    "lose", [lose_the_package, lose_the_outcomes, lose_the_record, damage_the_outcomes, damage_the_package]
)
def test_what_cannot_be_compared_is_not_guessed(tmp_path: Path, lose: Any) -> None:
    """The whole retry is refused, naming the run; `--ignore-later` is somebody's own word."""
    mapping = WITHOUT_KEY if lose in (lose_the_package, damage_the_package) else MAPPING
    with workbench(tmp_path / "bench", mapping, POINTERS) as bench:
        report = refused(bench, *people([1, 50, 60], "old"))
        later = bench.deliver(write_source(bench, ("K9", "p9@example.com", "new", 2), name="later.csv"))
        lose(later)
        before = bodies(bench)
        with pytest.raises(GuardError) as guard:
            send_again(bench, report)
        assert later.run_id in guard.value.message
        assert f"retry {report.run_id} --ignore-later" in guard.value.hint
        assert bodies(bench) == before
        assert found(send_again(bench, report, ignore_later=True)) == {"accepted": 3}


def test_a_later_run_that_was_stopped_is_judged_by_its_ledger(bench: Workbench) -> None:
    """Its outcomes are those of its plan, or of nothing: what left is newer all the same."""
    report = refused(bench, *people([1, 50, 60], "old"))
    later = plan(bench.request(write_source(bench, *people([1, 2], "new"), name="later.csv")), Hooks())
    folder = folder_of(later)
    outcomes = folder.path / "outcomes.parquet"
    kept = outcomes.with_name("kept.parquet")
    shutil.copy(outcomes, kept)
    bench.go_on(later)
    kept.replace(outcomes)  # as if it had been killed before it could write them
    folder.write_manifest(folder.read_manifest().model_copy(update={"stage": Stage.SENDING}))
    again = send_again(bench, report)
    assert found(again) == {"accepted": 2, "failed": 1}
    assert notes_in(bench)["p1@example.com"] == "new 1"


def test_a_group_that_was_overtaken_stays_as_a_whole(tmp_path: Path) -> None:
    """Its rows are one profile, so a newer value of one of them is newer than all of them."""
    mapping = MAPPING | {"identity": {"on_shared": {"email": "allow"}}}
    with workbench(tmp_path / "bench", mapping, POINTERS) as bench:
        shared = "one@example.com"
        rows = [("A", shared, "a", 1), ("B", shared, "b", 50), ("D", "d@example.com", "d", 60)]
        report = refused(bench, *rows)
        bench.deliver(write_source(bench, ("A", shared, "new", 2), name="later.csv"))
        again = send_again(bench, report)
        assert found(again) == {"accepted": 2, "failed": 1}
        assert notes_in(bench) == {shared: "new", "d@example.com": "d"}


def test_a_run_that_is_sent_while_the_question_stands_is_seen(bench: Workbench) -> None:
    """The answer was to another question: nothing is sent, and the next retry leaves those rows out."""
    report = refused(bench, *people([1, 50, 60], "old"))
    source = write_source(bench, ("K1", "p1@example.com", "new", 5), name="later.csv")

    def slowly(question: str) -> bool:
        run_import(bench.request(source), Hooks(), QUICK)
        return True

    with pytest.raises(GuardError, match="meanwhile"):
        send_again(bench, report, Hooks(confirm=slowly))
    assert found(send_again(bench, report)) == {"accepted": 2, "failed": 1}
    assert notes_in(bench)["p1@example.com"] == "new"
