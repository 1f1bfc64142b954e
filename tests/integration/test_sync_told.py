"""What a run of a sync says: commands that work for a sync, and no more than is so."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from importer.core.report import Report
from importer.core.suggested import sync_command
from importer.reports.summary import summary_lines
from importer.state.run_folder import MANIFEST_FILE, RunsFolder
from importer.wiring.requests import Hooks
from importer.wiring.sync_standing import sync_status
from tests.support.runs import Workbench, bench_of
from tests.support.strict_store import POINTERS, set_rule
from tests.support.syncs import MAPPING, At, Synced, delivered_to, found, people, person

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a sync that delivered ten people."""
    return delivered_to(bench)


def said(report: Report) -> str:
    """Return all that a person reads of a report."""
    error = f"{report.error.message} {report.error.hint}" if report.error is not None else ""
    return " ".join([*(f"{line.label} {line.text}" for line in summary_lines(report)), error])


def test_a_refused_run_names_the_sync(synced: Synced) -> None:
    """The sync goes on with its run; `resume` is for runs that are nobody's."""
    synced.write({key: person(number, points=2) for number, key in enumerate(people(10))})
    synced.bench.emulator.switch_on({"fault": "400", "operations": ["UpdateProfilesBulk"]})
    report = synced.run()
    synced.bench.emulator.switch_off()
    assert report.exit_code == 4
    assert (sync_command(report.folder or "") or "-") in said(report)
    assert "resume" not in said(report)
    assert "goes on with this one first" not in said(report)
    assert synced.run().exit_code == 0


def test_an_interrupted_run_names_the_sync(synced: Synced) -> None:
    """The next run of the sync goes on with it."""
    synced.write({key: person(number, points=2) for number, key in enumerate(people(10))})
    hooks = Hooks()
    report = synced.run(replace(hooks, progress=At("send", hooks.stop.set)))
    assert report.exit_code == 130
    assert f"{sync_command(report.folder or '')} goes on" in said(report)
    assert "resume" not in said(report)


def test_a_dry_run_says_that_it_is_one_of_a_sync(synced: Synced) -> None:
    """It is no plan, which could be sent; held rows are let go after the run that holds them."""
    synced.write(people(10) | {"T1": ("t@example.com", "+12065559001", 1), "T2": ("t@example.com", "+12065559002", 1)})
    report = synced.run(dry_run=True)
    assert report.command == "sync --dry-run"
    assert said(report).split()[:2] == ["sync", "--dry-run"]
    assert "--allow-merges" not in said(report)
    assert "held rows would merge profiles" in said(report)


def test_every_report_counts_all_parked_keys(synced: Synced) -> None:
    """Also where a run does not read them; what is sent again is parked no more."""
    sync = synced.but(refused_runs=1, mode="upsert")
    sync.write({"K1": person(1, points=50), "K3": person(3, points=2)})
    strict = Hooks(progress=At("send", lambda: set_rule(sync.bench, 10)))
    assert found(sync.run(strict)) == {"failed": 1, "accepted": 1}
    set_rule(sync.bench, None)
    sync.write({"K2": person(2)})
    report = sync.run()
    assert (found(report), report.sync.parked_keys if report.sync else None) == ({"unchanged": 1}, 1)
    assert "parked 1 key in all" in said(report)
    assert f"{sync_command(report.folder or '', '--full-refresh')} sends them" in said(report)
    assert sync_status(sync.file).parked == 1
    sync.write({"K1": person(1, points=50)})
    report = sync.run()
    assert (found(report), report.sync.parked_keys if report.sync else None) == ({"held": 1}, 1)
    report = sync.run(full_refresh=True)
    assert (found(report), report.sync.parked_keys if report.sync else None) == ({"accepted": 1}, 0)
    assert sync_status(sync.file).parked == 0


def test_a_cursor_is_used_though_it_is_not_mapped(bench: Workbench) -> None:
    """Other columns that are not mapped are still named."""
    database = bench.folder / "crm.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE crm (id TEXT, email TEXT, phone TEXT, points TEXT, changed TEXT, colour TEXT)")
        connection.execute("INSERT INTO crm VALUES ('K1', 'p1@example.com', '+12065550001', '1', '5', 'red')")
        connection.commit()
    query = "SELECT * FROM crm WHERE CAST(changed AS INTEGER) >= CAST($cursor AS INTEGER)"
    sync = Synced(
        bench,
        {
            "source": f"sqlite:///{database}",
            "query": query,
            "mode": "upsert",
            "cursor": {"column": "changed", "start": "0"},
        },
    )
    notes = [note for note in sync.run(first_run=True).notes if "not mapped" in note]
    assert len(notes) == 1
    assert "colour" in notes[0]
    assert "changed" not in notes[0]


def test_runs_go_when_they_are_too_many(synced: Synced) -> None:
    """The newest stay, and with them the last one that was sent, from which held rows can be let go."""
    sync = synced.but(keep={"runs": 2}, brakes={"max_changed_percent": 0})
    sent = sync.run()
    for points in range(2, 6):
        sync.write({key: person(number, points=points) for number, key in enumerate(people(10))})
        braked = sync.run()
        assert braked.exit_code == 6
    left = [run.run_id for run in RunsFolder(sync.folder.runs).all()]
    assert (len(left), left[0], left[-1]) == (3, sent.run_id, braked.run_id)


def test_runs_go_when_they_are_too_old(synced: Synced) -> None:
    """What a dry run finds old stays: it moves nothing."""
    (old,) = sync_runs(synced)
    month_ago = datetime.now(UTC) - timedelta(days=40)
    older = rename(old, month_ago.strftime("%Y%m%d-%H%M%S-000-abcdef"))
    synced.run(dry_run=True)
    assert older.exists()
    last = synced.run()
    assert not older.exists()
    assert [run.name for run in sync_runs(synced)][-1] == last.run_id


def test_an_age_of_a_thousand_years_lets_no_run_go(synced: Synced) -> None:
    """Not even where the year that it reaches back to has three digits."""
    (old,) = sync_runs(synced)
    sync = synced.but(keep={"age": "99999d9999999h"})
    sync.run()
    assert old.exists()


def sync_runs(sync: Synced) -> list[Path]:
    """Return the run folders of a sync, oldest first."""
    return [run.path for run in RunsFolder(sync.folder.runs).all()]


def rename(run: Path, name: str) -> Path:
    """Give a run another name, and say so in its record."""
    moved = run.rename(run.with_name(name))
    manifest = moved / MANIFEST_FILE
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"run_id": name}))
    return moved
