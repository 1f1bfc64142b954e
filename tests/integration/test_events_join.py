"""`events join` with the log of the local service."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from importer.core.report import Report
from importer.emulator import EmulatorSettings
from importer.errors import ConfigError
from importer.wiring.event_joining import JoinRequest, join_events
from importer.wiring.requests import Hooks
from importer.wiring.verifying import VerifyRequest, verify
from tests.support.cli import CREDENTIALS, new_shell
from tests.support.runs import Workbench, outcomes_of, workbench

MAPPING = {"version": 1, "columns": {"mail": "Contact.email", "first": "Contact.firstName"}}
ROWS = 12


def _settings(folder: Path, **more: Any) -> EmulatorSettings:
    return EmulatorSettings(status_url=False, events=folder / "events.ndjson", **more)


def _deliver(bench: Workbench, name: str = "people") -> Report:
    path = bench.folder / f"{name}.csv"
    lines = ["mail,first", *(f"{name}{number}@example.com,Jo{number}" for number in range(ROWS))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return bench.deliver(path)


def _join(bench: Workbench, report: Report, log: Path | None = None) -> Report:
    path = log or bench.folder / "events.ndjson"
    return join_events(JoinRequest(report.run_id or "", str(path), bench.settings))


def _counts(outcomes: Mapping[str, int]) -> dict[str, int]:
    return {state: count for state, count in outcomes.items() if count}


def test_accepted_rows_become_what_the_log_says(tmp_path: Path) -> None:
    """A run whose batches were only accepted is processed after the join, and so it is for later commands."""
    with workbench(tmp_path, MAPPING, _settings(tmp_path)) as bench:
        other = _deliver(bench, "other")
        report = _deliver(bench)
        assert _counts(report.outcomes) == {"accepted": ROWS}
        joined = _join(bench, report)
        assert (_counts(joined.outcomes), joined.exit_code) == ({"processed": ROWS}, 0)
        assert any("states from the service's event log events.ndjson" in note for note in joined.notes)
        assert any(f"{ROWS + 1} of this run, {ROWS + 1} of others" in note for note in joined.notes)
        later = verify(VerifyRequest(report.run_id or "", bench.settings), Hooks())
        assert _counts(later.outcomes) == {"processed": ROWS}
        assert any("states from the service's event log" in note for note in later.notes)
        assert Counter(outcomes_of(other)["state"]) == {"accepted": ROWS}


def test_rows_that_the_log_names_failed(tmp_path: Path) -> None:
    """A late refusal with a pointer fails its row alone, with the service's code; joined twice it is the same."""
    faults = ({"fault": "late-refusal", "count": 2, "skip": 3},)
    with workbench(tmp_path, MAPPING, _settings(tmp_path, faults=faults, error_pointers=True)) as bench:
        report = _deliver(bench)
        joined = _join(bench, report)
        assert (_counts(joined.outcomes), joined.exit_code) == ({"failed": 2, "processed": ROWS - 2}, 3)
        before = outcomes_of(joined)
        failed = before.filter(before["state"] == "failed")
        assert set(failed["code"]) == {"event-refused"}
        assert failed["row_number"].to_list() == [4, 5]
        again = _join(bench, report)
        assert outcomes_of(again).equals(before)
        assert again.notes == joined.notes


def test_a_log_that_only_counts_leaves_rows_unattributed(tmp_path: Path) -> None:
    """Without pointers nobody knows which row was refused, so no row is said to be fine."""
    faults = ({"fault": "late-refusal", "count": 1},)
    with workbench(tmp_path, MAPPING, _settings(tmp_path, faults=faults)) as bench:
        joined = _join(bench, _deliver(bench))
        assert (_counts(joined.outcomes), joined.exit_code) == ({"unattributed": ROWS}, 3)
        assert set(outcomes_of(joined)["code"]) == {"event-errors"}


def test_a_part_of_the_log_claims_nothing(tmp_path: Path) -> None:
    """Entries of single profiles, without the one that closes their batch, leave it accepted."""
    with workbench(tmp_path, MAPPING, _settings(tmp_path)) as bench:
        report = _deliver(bench)
        lines = (tmp_path / "events.ndjson").read_text(encoding="utf-8").splitlines()
        part = [line for line in lines if json.loads(line)["type"] == "com.twilio.memory.profile.created"]
        assert len(part) == ROWS
        (tmp_path / "part.ndjson").write_text("\n".join(part), encoding="utf-8")
        assert _counts(_join(bench, report, tmp_path / "part.ndjson").outcomes) == {"accepted": ROWS}


def test_the_command_reads_standard_input_and_refuses_what_is_no_log(tmp_path: Path) -> None:
    """`-` is standard input; a file without a single event is refused, and changes nothing."""
    with workbench(tmp_path, MAPPING, _settings(tmp_path)) as bench:
        report = _deliver(bench)
        with pytest.raises(ConfigError, match="is an event"):
            _join(bench, report, tmp_path / "people.csv")
        shell = new_shell(tmp_path, **CREDENTIALS)
        text = (tmp_path / "events.ndjson").read_text(encoding="utf-8")
        ended = shell.run("events", "join", "last", "-", "--json", text=text)
        assert ended.code == 0, ended.stderr
        assert _counts(ended.report["outcomes"]) == {"processed": ROWS}
        assert ended.report["command"] == "events join"
