"""Rows that `verify` did not find as they were sent: they can be sent again, and the report says how."""

from __future__ import annotations

import httpx
import pytest

from importer.core.report import Report
from importer.errors import ConfigError
from importer.wiring.verifying import VerifyRequest, verify
from tests.support.runs import IDLE_S, Workbench, bench_of, outcomes_of
from tests.support.strict_store import MAPPING, SILENT, bodies, found, notes_in, people, send_again, write_source

bench = bench_of(MAPPING, SILENT)


def look(bench: Workbench, report: Report) -> Report:
    """Read all rows of a run back."""
    return verify(VerifyRequest(report.run_id, bench.settings, everything=True))


def delete(bench: Workbench, email: str) -> None:
    """Delete a profile as somebody else would."""
    (profile,) = [p for p in bench.emulator.profiles() if p["identifiers"]["email"] == [email]]
    url = f"{bench.emulator.api_url}/v1/Stores/{bench.emulator.store_id}/Profiles/{profile['id']}"
    httpx.delete(url, auth=("key", "secret"), trust_env=False).raise_for_status()
    bench.emulator.wait_idle(IDLE_S)


@pytest.fixture
def unlike(bench: Workbench) -> Report:
    """A run of four rows, of which the first is missing in the store by now and the second is another."""
    report = bench.deliver(write_source(bench, *people(4)))
    delete(bench, "p0@example.com")
    bench.put([{"Contact": {"email": "p1@example.com"}, "Account": {"note": "theirs"}}])
    return look(bench, report)


def test_missing_and_mismatched_rows_go_again(bench: Workbench, unlike: Report) -> None:
    """These alone, as the hint of `verify` says; read back once more, all is as it was sent."""
    assert unlike.verified == {"confirmed": 2, "mismatched": 1, "missing": 1}
    assert any(f"retry {unlike.run_id} --state missing --state mismatched" in hint for hint in unlike.hints)
    again = send_again(bench, unlike, states=("missing", "mismatched"))
    assert (found(again), again.routes["bulk"].rows) == ({"accepted": 4}, 6)
    assert notes_in(bench) == {f"p{at}@example.com": f"old {at}" for at in range(4)}
    assert outcomes_of(again)["verified"].to_list() == [None, None, "confirmed", "confirmed"]
    seen = look(bench, unlike)
    assert (seen.verified["confirmed"], seen.exit_code, seen.hints) == (4, 0, ())


def test_one_of_the_two_can_be_chosen(bench: Workbench, unlike: Report) -> None:
    """What somebody else changed since stays, where only missing rows are asked for."""
    send_again(bench, unlike, states=("missing",))
    assert notes_in(bench)["p0@example.com"] == "old 0"
    assert notes_in(bench)["p1@example.com"] == "theirs"


def test_without_being_asked_nothing_accepted_goes_again(bench: Workbench, unlike: Report) -> None:
    """The usual retry is about rows the service refused or lost: another's change is no reason to send."""
    before = bodies(bench)
    again = send_again(bench, unlike)
    assert bodies(bench) == before
    assert any("nothing to send again" in note for note in again.notes)


def test_rows_that_a_later_run_delivered_stay(bench: Workbench, unlike: Report) -> None:
    """They differ because a newer value is there: it is not overwritten by the old one."""
    newer = bench.deliver(write_source(bench, ("K1", "p1@example.com", "newest", 1), name="newer.csv"))
    again = send_again(bench, unlike, states=("missing", "mismatched"))
    assert notes_in(bench)["p1@example.com"] == "newest"
    assert notes_in(bench)["p0@example.com"] == "old 0"
    assert any(newer.run_id in note for note in again.notes)


def test_nothing_was_read_back_yet(bench: Workbench) -> None:
    """Then nobody knows of a missing row, and the note names the command that finds out."""
    report = bench.deliver(write_source(bench, *people(2)))
    again = send_again(bench, report, states=("missing",))
    assert any("memory-importer verify" in note for note in again.notes)


def test_other_states_are_refused(bench: Workbench) -> None:
    """What was confirmed or rejected cannot be asked for."""
    report = bench.deliver(write_source(bench, *people(2)))
    with pytest.raises(ConfigError, match="confirmed"):
        send_again(bench, report, states=("confirmed",))
