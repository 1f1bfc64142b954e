"""Whole runs by both routes: what leaves, what arrives, what waits, and what is refused before it leaves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import polars as pl
import pytest

from importer.core.mapping_seed import seed_for
from importer.core.report import Report
from importer.emulator import Emulator
from importer.errors import GuardError
from importer.reports.report_file import read_report
from importer.wiring.opening import read_mapping
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan, validate
from tests.support.runs import Workbench, outcomes_of, workbench

ROOT: Final = Path(__file__).parents[2]
MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "note": {"to": "Account.note", "on_missing": "keep"}, "city": "Contact.city"},
    "routing": {"import_min_rows": 40, "part_rows": 25},
}


@contextmanager
def sample_bench(folder: Path) -> Iterator[Workbench]:
    """Start a local service for the sample and its own mapping."""
    folder.mkdir(exist_ok=True)
    mapping = Path(shutil.copy(ROOT / "mappings" / "customers.yaml", folder / "mapping.yaml"))
    with Emulator(":memory:") as emulator:
        emulator.seed(seed_for(read_mapping(mapping)))
        yield Workbench(folder, mapping, emulator)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A local service for `MAPPING`."""
    with workbench(tmp_path, MAPPING) as made:
        yield made


def write_rows(bench: Workbench, count: int, bad: int = 0) -> Path:
    """Write rows of which two in three fill the same columns; the first `bad` have no usable address."""
    source = bench.folder / "source.csv"
    lines = [
        f"K{number},{'nobody' if number < bad else f'p{number}@example.com'},{f'note {number}' if number % 3 else ''},X"
        for number in range(count)
    ]
    source.write_text("\n".join(["id,email,note,city", *lines, ""]), encoding="utf-8")
    return source


def sent_profiles(bench: Workbench) -> int:
    """Count the profiles of all Bulk bodies that were taken."""
    return sum(e["profile_count"] for e in bench.writes() if e["path"].endswith("/Bulk") and e["status"] == 202)


def uploads(bench: Workbench) -> list[dict[str, Any]]:
    """Return the uploads of import files."""
    return [entry for entry in bench.writes() if entry["path"].endswith(".csv")]


def imports(bench: Workbench) -> list[dict[str, Any]]:
    """Return what the service says of all its imports."""
    root = f"{bench.emulator.api_url}/v1/Stores/{bench.emulator.store_id}/Profiles/Imports"
    with httpx.Client(auth=("key", "secret"), trust_env=False) as client:
        names = client.get(root).json()["imports"]
        return [client.get(f"{root}/{name}").json() for name in names]


def check_traffic(bench: Workbench, report: Report) -> None:
    """The journal, the service's own records, the report and the rows' outcomes tell the same story."""
    frame = outcomes_of(report).filter(pl.col("state") == "processed")
    by_import = frame.filter(pl.col("route") == "import")
    assert sent_profiles(bench) == frame.height - by_import.height
    assert max(entry["profile_count"] for entry in bench.writes()) <= 1000
    done = imports(bench)
    assert {entry["status"] for entry in done} == {"COMPLETED"}
    assert {(entry["summary"]["errors"], entry["summary"]["warnings"]) for entry in done} == {(0, 0)}
    assert sorted(entry["fileSize"] for entry in done) == sorted(entry["size_bytes"] for entry in uploads(bench))
    assert all(report.run_id in entry["filename"] for entry in done)
    assert by_import["import_id"].n_unique() == len(done) == report.routes["import"].parts
    assert report.requests["upload"] == report.requests["create-import"] == len(done)
    assert sum(route.rows for route in report.routes.values()) == frame.height
    assert frame["batch_id"].null_count() == 0
    assert frame.filter(pl.col("route") != "import")["request_id"].null_count() == 0


def test_the_sample_goes_by_both_routes_and_twice_is_once(tmp_path: Path) -> None:
    """The sample shows both routes; importing it again leaves the same profiles."""
    with sample_bench(tmp_path / "bench") as bench:
        first = bench.deliver(ROOT / "samples" / "customers.csv", max_rejected_percent=10.0)
        assert first.exit_code == 3, first.error
        assert {"bulk", "import"} <= set(first.routes)
        assert first.rows_read == sum(first.outcomes.values()) == outcomes_of(first).height
        assert read_report(Path(first.folder or "")) == first
        check_traffic(bench, first)
        before = bench.stored()
        second = bench.deliver(ROOT / "samples" / "customers.csv", max_rejected_percent=10.0)
        removed = second.requests["patch"]
        assert second.outcomes == first.outcomes | {
            "processed": first.outcomes["processed"] - removed,
            "accepted": removed,
        }
        assert bench.stored() == before


def test_looking_changes_nothing(bench: Workbench) -> None:
    """Validate and plan read the store's schema, and that is all they ask of it."""
    source = write_rows(bench, 90)
    for command in (validate, plan):
        report = command(bench.request(source), Hooks())
        assert report.outcomes["planned"] == 90
    assert {entry["method"] for entry in bench.emulator.journal()} == {"GET"}


def test_a_plan_is_sent_as_it_is(bench: Workbench) -> None:
    """Sending needs neither the source nor the mapping, and keeps to what was planned."""
    source = write_rows(bench, 90)
    planned = plan(bench.request(source), Hooks())
    source.unlink()
    bench.mapping.unlink()
    report = bench.go_on(planned)
    assert report.exit_code == 0
    made = {"sent_rows", "sent_requests"}
    planned_routes = {name: route.model_dump(exclude=made) for name, route in planned.routes.items()}
    assert {name: route.model_dump(exclude=made) for name, route in report.routes.items()} == planned_routes
    assert all(route.sent_rows == route.rows for route in report.routes.values())
    assert {name: route.rows for name, route in report.routes.items()} == {"import": 60, "bulk": 30}
    check_traffic(bench, report)
    notes = {p["identifiers"]["email"][0]: p["traits"].get("Account", {}).get("note") for p in bench.stored()}
    assert notes == {f"p{n}@example.com": f"note {n}" if n % 3 else None for n in range(90)}


def test_a_canary_and_then_the_rest_send_each_row_once(bench: Workbench) -> None:
    """`--limit` sends the first rows; `--all` sends the others by the routes they now have."""
    source = write_rows(bench, 90)
    canary = bench.deliver(source, limit=10)
    assert (canary.exit_code, canary.outcomes["processed"], canary.skipped) == (0, 10, {"limit": 80})
    assert len(bench.stored()) == sent_profiles(bench) == 10
    again = bench.go_on(canary)
    assert again.outcomes == canary.outcomes
    assert sent_profiles(bench) == 10
    rest = bench.go_on(canary, rest=True)
    assert (rest.exit_code, rest.outcomes["processed"], rest.skipped) == (0, 90, {})
    assert len(bench.stored()) == 90
    check_traffic(bench, rest)


def test_a_run_that_is_over_sends_nothing_more(bench: Workbench) -> None:
    """Resuming a finished run reports again."""
    report = bench.deliver(write_rows(bench, 60))
    writes = len(bench.writes())
    again = bench.go_on(report)
    assert again.outcomes == report.outcomes
    assert again.requests == report.requests
    assert len(bench.writes()) == writes


def test_too_many_rejected_rows_stop_a_run_before_it_sends(bench: Workbench) -> None:
    """A wrong mapping is caught; whoever knows better sends the good rows all the same."""
    source = write_rows(bench, 90, bad=10)
    stopped = bench.deliver(source, max_rejected_percent=10.0)
    assert (stopped.exit_code, stopped.outcomes["rejected"], stopped.outcomes["not_sent"]) == (6, 10, 80)
    assert bench.writes() == []
    sent = bench.go_on(stopped, max_rejected_percent=20.0)
    assert (sent.exit_code, sent.outcomes["processed"]) == (3, 80)


def test_a_store_that_changed_since_the_plan_stops_it(bench: Workbench) -> None:
    """Rows were checked against a schema that is no more; what another mapping needs changes nothing for them."""
    planned = plan(bench.request(write_rows(bench, 30)), Hooks())
    bench.emulator.seed({"traitGroups": [{"displayName": "Late", "traits": {"trait": {"dataType": "STRING"}}}]})
    group = f"{bench.emulator.api_url}/v1/ControlPlane/Stores/{bench.emulator.store_id}/TraitGroups/Contact"
    rule = {"ruleType": "STRING", "maxLength": 5}
    traits = {"email": {"dataType": "STRING", "idTypePromotion": "email", "validationRule": rule}}
    with httpx.Client(auth=("any", "one"), trust_env=False) as client:
        assert client.patch(group, json={"traits": traits}).status_code == 202
    bench.emulator.wait_idle(10)
    with pytest.raises(GuardError):
        bench.go_on(planned)
    assert not any(entry["path"].endswith("/Bulk") for entry in bench.writes())


def test_a_store_that_gained_what_another_mapping_needs_is_the_same_store(bench: Workbench) -> None:
    """Held rows of one run can be released after another mapping was used on the store."""
    planned = plan(bench.request(write_rows(bench, 30)), Hooks())
    bench.emulator.seed({"traitGroups": [{"displayName": "Late", "traits": {"trait": {"dataType": "STRING"}}}]})
    assert bench.go_on(planned).exit_code == 0


def test_rows_that_share_a_value_that_need_not_be_unique_are_not_in_one_body(tmp_path: Path) -> None:
    """One such value merges nothing, yet two profiles of one body that share it may be refused."""
    columns = {"email": "Contact.email", "house": {"to": "Contact.house", "identifier": "house"}}
    mapping = {"version": 1, "source": {"key": ["id"]}, "columns": columns}
    seed = {"identifierConfigs": [{"idType": "house", "normalization": "trim", "enforceUnique": False}]}
    with workbench(tmp_path, mapping, store=seed) as bench:
        source = tmp_path / "source.csv"
        source.write_text("id,email,house\n1,a@example.com,H1\n2,b@example.com,H1\n3,c@example.com,H2\n")
        report = bench.deliver(source)
        assert (report.exit_code, report.outcomes["processed"]) == (0, 3)
        assert len(bench.stored()) == 3
        assert {entry["status"] for entry in bench.writes()} == {202}
