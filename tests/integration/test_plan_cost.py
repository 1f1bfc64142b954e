"""What a plan says it will cost, the month it is laid beside, and the guard that keeps it from costing more."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Final

from importer.core.report import Report
from importer.core.report_parts import Allowance
from importer.emulator import EmulatorSettings
from importer.state.run_folder import RunFolder
from importer.wiring.month import keep_operations
from importer.wiring.requests import Hooks
from importer.wiring.retrying import RetryRequest, retry
from importer.wiring.runs import plan, validate
from importer.wiring.sending import run_import
from tests.support import strict_store
from tests.support.people_file import CLEARED_NICK, people_mapping, write_people
from tests.support.runs import QUICK, Workbench, bench_of, workbench
from tests.support.strict_store import deliver_strictly, write_source

MAPPING: Final = people_mapping(CLEARED_NICK, constants={"Account.origin": "crm"})

bench = bench_of(MAPPING)


def rows(count: int) -> list[str]:
    """Rows of different people that remove nothing."""
    return [f"{n},p{n}@x.org,,nick {n},{n}" for n in range(count)]


def month(report: Report) -> Allowance:
    """Return the allowance of a report."""
    assert report.allowance is not None
    return report.allowance


def test_a_plan_counts_lookups_and_removals(bench: Workbench) -> None:
    """A row that removes a trait costs a lookup an identifier before, and a patch after, at most."""
    planned = plan(bench.request(write_people(bench, *rows(3), "x,x@x.org,(202) 555-0147,nick x,")), Hooks())
    operations = planned.operations
    assert (operations.at_least, operations.at_most) == (4, 5)
    assert (operations.reads_at_least, operations.reads_at_most) == (1, 2)
    assert planned.requests == {"bulk": 2, "lookup": 1}
    assert (month(planned).coming_at_least, month(planned).coming_at_most) == (4, 7)
    sent = bench.go_on(planned)
    assert sent.requests["lookup"] == 2, "the plan's most: nobody had the first identifier"
    assert (sent.operations.at_least, sent.operations.reads_at_most) == (4, 2)
    assert (month(sent).coming_at_most, month(sent).used_at_least) == (0, 4)


def test_a_removal_by_import_needs_neither(tmp_path: Path) -> None:
    """A part removes by its cells, so the plan has no lookup and no patch for its rows."""
    mapping = MAPPING | {"routing": {"import_min_rows": 2}, "columns": MAPPING["columns"] | {"nick": "Contact.nick"}}
    with workbench(tmp_path / "bench", mapping) as bench:
        lines = [f"{n},p{n}@x.org,(202) 555-01{n:02},nick {n}," for n in range(3)]
        planned = plan(bench.request(write_people(bench, *lines)), Hooks())
    assert planned.routes["import"].rows == 3
    assert (planned.operations.at_most, planned.operations.reads_at_most) == (3, 0)
    assert planned.requests == {"create-import": 1, "upload": 1, "get-import": 1}


def test_the_month_counts_every_run_and_keeps_those_that_are_deleted(bench: Workbench) -> None:
    """Operations of earlier runs are in it, once, also when their folders are gone; a dry run costs nothing."""
    first = bench.deliver(write_people(bench, *rows(5)))
    assert (month(first).used_at_least, month(first).used_at_most, month(first).runs) == (5, 5, 1)
    assert bench.go_on(first).allowance == first.allowance
    bench.deliver(write_people(bench, *rows(3)))
    shutil.rmtree(first.folder or "")
    assert validate(bench.request(write_people(bench, *rows(3))), Hooks()).allowance is None
    request = bench.request(write_people(bench, *rows(4)), free_operations=10)
    said = month(plan(request, Hooks()))
    assert (said.used_at_least, said.coming_at_least, said.free, said.runs) == (8, 4, 10, 2)
    assert (said.beyond_at_least, said.beyond_at_most) == (2, 2)
    kept = sorted((bench.folder / "runs" / "operations").rglob("*.json"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert sorted(json.loads(path.read_bytes())["at_least"] for path in kept) == [0, 3, 5]


def test_a_run_that_ended_without_a_report_is_in_the_month(bench: Workbench) -> None:
    """What a killed process sent is read from its ledger at the next look, and at the latest before it is deleted."""
    first = bench.deliver(write_people(bench, *rows(5)))
    folder = RunFolder(Path(first.folder or ""))
    shutil.rmtree(bench.folder / "runs" / "operations")
    assert keep_operations(folder)
    folder.delete()
    assert month(plan(bench.request(write_people(bench, *rows(1))), Hooks())).used_at_least == 5


def test_a_damaged_ledger_is_said_to_be_missing(bench: Workbench) -> None:
    """A run of the month that cannot be read is counted as such, and keeps nobody from planning."""
    first = bench.deliver(write_people(bench, *rows(5)))
    shutil.rmtree(bench.folder / "runs" / "operations")
    RunFolder(Path(first.folder or "")).ledger.write_bytes(b"no ledger")
    said = month(plan(bench.request(write_people(bench, *rows(1))), Hooks()))
    assert (said.used_at_least, said.unread) == (0, 1)


def test_the_guard_compares_with_the_most(bench: Workbench) -> None:
    """More than `--max-operations` sends nothing, exit 6; the limit stays with the run until another one is given."""
    path = write_people(bench, *rows(3), "x,x@x.org,,nick x,")
    planned = plan(bench.request(path, max_operations=5), Hooks())
    assert any("exit code 6: it may cost 6 billable operations" in note for note in planned.notes)
    stopped = bench.go_on(planned)
    assert (stopped.exit_code, bench.writes()) == (6, [])
    assert stopped.error is not None
    assert stopped.error.message == (
        "it may cost 6 billable operations (at least 4), 1 of them reads, more than 5 (--max-operations); "
        "nothing was sent"
    )
    assert "--max-operations 6" in stopped.error.hint
    assert bench.go_on(planned).exit_code == 6
    sent = bench.go_on(planned, max_operations=6)
    assert (sent.exit_code, sent.outcomes["processed"] + sent.outcomes["accepted"]) == (0, 4)
    assert run_import(bench.request(path, max_operations=3), Hooks(), QUICK).exit_code == 6


def test_the_question_names_the_month(bench: Workbench) -> None:
    """Whoever is asked reads the range, the reads, and what of the free operations is left."""
    asked: list[str] = []
    bench.deliver(write_people(bench, *rows(5)))

    def no(question: str) -> bool:
        asked.append(question)
        return False

    run_import(
        bench.request(write_people(bench, *rows(3), "x,x@x.org,,n,"), free_operations=6), Hooks(confirm=no), QUICK
    )
    assert "at least 4, at most 5 billable operations and up to 1 profile reads" in asked[0]
    assert "5 of 6 free operations used in" in asked[0]
    assert "beyond them with this: at least 3, at most 5" in asked[0]


def test_retry_has_the_guard_too(tmp_path: Path) -> None:
    """Sending again costs again: more than the limit is refused before anything leaves, and the month has all of it."""
    with workbench(tmp_path / "bench", strict_store.MAPPING, EmulatorSettings(error_pointers=True)) as bench:
        path = write_source(bench, ("1", "a@x.org", "n", 50), ("2", "b@x.org", "n", 60), ("3", "c@x.org", "n", 1))
        report = deliver_strictly(bench, path, 10)
        assert report.outcomes["failed"] == 2
        before = len(bench.writes())
        stopped = retry(RetryRequest(report.run_id, bench.settings, max_operations=1), Hooks(), QUICK)
        assert (stopped.exit_code, len(bench.writes())) == (6, before)
        sent = retry(RetryRequest(report.run_id, bench.settings, max_operations=2), Hooks(), QUICK)
    assert sent.exit_code == 0
    assert (month(sent).used_at_least, month(sent).coming_at_most) == (3, 0)


def test_only_rows_that_go_overwrite_stored_values(bench: Workbench) -> None:
    """Held, carried and left out rows clear, remove and set nothing: they are not in the numbers."""
    lines = (
        "1,a@x.org,,,1",
        "1,a@x.org,(202) 555-0147,,",
        "2,b@x.org,,,2",
        "3,b@x.org,,,3",
        "4,d@x.org,(202) 555-0148,,",
        "5,e@x.org,,n,5",
        "6,f@x.org,(202) 555-0149,,",
    )
    planned = plan(bench.request(write_people(bench, *lines), limit=3), Hooks())
    assert {state: n for state, n in planned.outcomes.items() if n} == {
        "combined": 1,
        "held": 2,
        "planned": 3,
        "skipped": 1,
    }
    assert planned.cleared == {"Contact.nick": 2}
    assert planned.removed == {"Loyalty.points": 2}
    assert planned.constant == {"Account.origin": 3}
    assert bench.go_on(planned, rest=True).cleared == {"Contact.nick": 3}
