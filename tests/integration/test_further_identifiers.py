"""Second values of an identifier type (`also`), from a file to the profiles of the local service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from importer.core.report import Report
from importer.emulator import EmulatorSettings
from importer.reports.progress import NoProgress
from importer.wiring.event_joining import JoinRequest, join_events
from importer.wiring.requests import Hooks
from importer.wiring.retrying import RetryRequest, retry
from importer.wiring.runs import plan
from importer.wiring.sending import run_import
from importer.wiring.verifying import VerifyRequest, verify
from tests.support.runs import IDLE_S, QUICK, Workbench, outcomes_of, workbench

MAPPING: dict[str, Any] = {
    "version": 1,
    "defaults": {"region": "US"},
    "source": {"key": ["id"]},
    "columns": {
        "mail": "Contact.email",
        "mobile": "Contact.phone",
        "landline": {"also": "Contact.phone"},
        "first": "Contact.firstName",
    },
}
ROWS = 12
WITH = 4


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """Return an empty local service that has what the mapping needs."""
    with workbench(tmp_path, MAPPING) as made:
        yield made


def _source(bench: Workbench, *more: str) -> Path:
    """Write people of whom every third has a landline too."""
    path = bench.folder / "people.csv"
    landlines = [f"(212) 555-{1000 + number}" if number % 3 == 0 else "" for number in range(ROWS)]
    lines = [f"{number},p{number}@example.com,415555{2000 + number},{landlines[number]},P" for number in range(ROWS)]
    path.write_text("\n".join(["id,mail,mobile,landline,first", *lines, *more]) + "\n", encoding="utf-8")
    return path


def _phones(bench: Workbench) -> dict[str, list[str]]:
    return {p["identifiers"]["email"][0]: p["identifiers"]["phone"] for p in bench.stored()}


def _expected() -> dict[str, list[str]]:
    return {
        f"p{number}@example.com": sorted(
            [f"+1415555{2000 + number}", *([f"+1212555{1000 + number}"] if number % 3 == 0 else [])]
        )
        for number in range(ROWS)
    }


def _sent(bench: Workbench, what: str) -> int:
    return sum(str(entry["path"]).endswith(what) and entry["method"] == "POST" for entry in bench.emulator.journal())


def test_second_values_reach_their_profiles(bench: Workbench) -> None:
    """Each profile has both numbers, the trait the first; the plan said what that takes."""
    source = _source(bench)
    planned = plan(bench.request(source), Hooks())
    assert planned.requests == {"bulk": 2, "lookup": WITH, "add-identifier": WITH}
    assert planned.operations is not None
    assert (planned.operations.at_least, planned.operations.at_most) == (ROWS, ROWS + WITH)
    assert planned.operations.reads_at_most == WITH
    report = bench.deliver(source)
    assert _phones(bench) == _expected()
    assert {profile["traits"]["Contact"]["phone"][:5] for profile in bench.stored()} == {"+1415"}
    assert report.outcomes["accepted"] == WITH
    assert report.outcomes["processed"] == ROWS - WITH
    assert report.routes["bulk+identifiers"].rows == WITH
    assert set(outcomes_of(report).filter(row_number=1)["route"]) == {"bulk+identifiers"}
    assert verify(VerifyRequest(report.run_id, bench.settings, everything=True), Hooks()).verified["confirmed"] == ROWS


def test_a_second_value_that_is_not_there_is_named(bench: Workbench) -> None:
    """Reading back looks for further values among the identifiers of the profile; no value is in the file."""
    report = bench.deliver(_source(bench))
    mail = ["p3@example.com"]
    (lost,) = [each["id"] for each in bench.emulator.profiles() if each["identifiers"]["email"] == mail]
    path = f"{bench.emulator.api_url}/v1/Stores/{bench.emulator.store_id}/Profiles/{lost}/Identifiers/phone"
    params = {"removeAll": "true"}
    httpx.delete(path, params=params, auth=("any", "any"), trust_env=False).raise_for_status()
    bench.emulator.wait_idle(IDLE_S)
    read = verify(VerifyRequest(report.run_id, bench.settings, everything=True), Hooks())
    assert (read.verified["confirmed"], read.verified["mismatched"]) == (ROWS - 1, 1)
    assert read.requests["get-identifiers"] == WITH
    written = (Path(report.folder or "") / "mismatches.csv").read_text(encoding="utf-8-sig")
    assert [line.split(",")[1::6] for line in written.splitlines()[1:]] == [["3", "Contact.phone+2"]]
    assert "555" not in written


def test_both_values_count_as_identifiers_of_the_row(bench: Workbench) -> None:
    """A landline that is somebody else's mobile would merge two people: both rows are held."""
    report = bench.deliver(_source(bench, "90,q@example.com,4155559999,4155552001,Q"))
    held = outcomes_of(report).filter(state="held")
    assert held["row_number"].to_list() == [2, ROWS + 1]
    assert "q@example.com" not in _phones(bench)


class _Stopping(NoProgress):
    """Asks to stop once the service was asked to add an identifier."""

    def __init__(self, bench: Workbench, stop: Event) -> None:
        self._bench = bench
        self._stop = stop

    def advance(self, rows: int, **fields: int | str) -> None:  # noqa: ARG002 - the port's signature
        """Look whether it was."""
        if _sent(self._bench, "/Identifiers"):
            self._stop.set()


def test_a_stopped_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Stopped between values and second values, their rows are unknown; resumed, nobody lacks a number."""
    faults = ({"fault": "503", "operations": ["CreateProfileIdentifier"]},)
    with workbench(tmp_path, MAPPING, EmulatorSettings(faults=faults)) as bench:
        stop = Event()
        report = run_import(bench.request(_source(bench)), Hooks(progress=_Stopping(bench, stop), stop=stop), QUICK)
        assert report.exit_code == 130
        assert report.outcomes["unknown"] == WITH
        bench.emulator.wait_idle(IDLE_S)
        httpx.delete(f"{bench.emulator.api_url}/_emulator/faults", trust_env=False).raise_for_status()
        again = bench.go_on(report)
        assert again.exit_code == 0
        assert _phones(bench) == _expected()
        assert sum(entry["path"].endswith("/Bulk") for entry in bench.writes()) == len(report.routes)


def test_a_second_value_that_is_refused_fails_its_row_and_a_retry_adds_it(tmp_path: Path) -> None:
    """The state of a row is the worse of the two; sent again, both are there."""
    faults = ({"fault": "400", "operations": ["CreateProfileIdentifier"], "count": 1},)
    with workbench(tmp_path, MAPPING, EmulatorSettings(faults=faults)) as bench:
        report: Report = bench.deliver(_source(bench))
        assert (report.outcomes["failed"], report.outcomes["accepted"]) == (1, WITH - 1)
        assert _phones(bench) != _expected()
        again = retry(RetryRequest(report.run_id, bench.settings), Hooks(), QUICK)
        bench.emulator.wait_idle(IDLE_S)
        assert again.outcomes["failed"] == 0
        assert _phones(bench) == _expected()


def test_the_log_tells_of_second_values_by_their_own_requests(tmp_path: Path) -> None:
    """Rows with second values are processed once the log says so of the body and of each addition."""
    log = tmp_path / "events.ndjson"
    with workbench(tmp_path, MAPPING, EmulatorSettings(events=log, status_url=False)) as bench:
        report = bench.deliver(_source(bench))
        lines = log.read_text(encoding="utf-8").splitlines()
        part = [line for line in lines if ".identity." not in json.loads(line)["type"]]
        assert len(lines) - len(part) == WITH
        (tmp_path / "part.ndjson").write_text("\n".join(part), encoding="utf-8")
        for name, accepted in (("part", WITH), ("events", 0)):
            request = JoinRequest(report.run_id, str(tmp_path / f"{name}.ndjson"), bench.settings)
            joined = join_events(request)
            assert joined.outcomes["accepted"] == accepted
            assert joined.outcomes["processed"] == ROWS - accepted
