"""Reading a run back from the store: what is confirmed, what is named, what it costs, and what it may not change."""

from __future__ import annotations

import signal
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import polars as pl
import pytest

import importer
from importer.core.report import Report
from importer.emulator import EmulatorSettings
from importer.emulator.settings import Clash
from importer.errors import ConfigError, LockedError, RejectedRequestError
from importer.reports.progress import NoProgress
from importer.reports.report_file import read_report
from importer.state.lock import RunLock
from importer.state.run_folder import RunFolder
from importer.wiring.reopening import load_run, open_store
from importer.wiring.requests import Hooks, RunRequest, SendOptions
from importer.wiring.runs import plan
from importer.wiring.verifying import VerifyRequest, read_back, verify
from tests.support.people_file import CLEARED_NICK, people_mapping, write_people
from tests.support.runs import IDLE_S, Workbench, bench_of, outcomes_of, workbench

MAPPING: Final = people_mapping(
    CLEARED_NICK
    | {
        "vip": {"to": "Loyalty.vip", "type": "boolean"},
        "colours": {"to": "Loyalty.colours", "type": "array", "split": "|"},
    },
    routing={"import_min_rows": 1000},
)
CANARY: Final = "Sesquipedalian"


bench = bench_of(MAPPING)


def write_source(bench: Workbench, *lines: str) -> Path:
    """Write a source with these rows."""
    return write_people(bench, *lines, also=("vip", "colours"))


def plain_rows(count: int) -> list[str]:
    """Rows of different people, with every type of trait; some clear, some remove."""
    return [
        f"{n},P{n}@Example.com,,{'' if n % 4 == 1 else f'nick {n}'},{'' if n % 5 == 2 else n},{n % 2 == 0},red|b{n}"
        for n in range(count)
    ]


def full_rows(count: int) -> list[str]:
    """Rows that need no look at the store to be sent."""
    return [f"{n},p{n}@example.com,,nick {n},{n},true,red" for n in range(count)]


def look(bench: Workbench, report: Report, hooks: Hooks | None = None, **options: Any) -> Report:
    """Verify a run; `options` are fields of `VerifyRequest`."""
    given = {"everything": "sample" not in options} | options
    return verify(VerifyRequest(report.run_id, bench.settings, **given), hooks or Hooks(), SendOptions())


def results(report: Report) -> dict[int, str | None]:
    """Return the result of each row by row number."""
    return dict(outcomes_of(report).select("row_number", "verified").iter_rows())


def named(report: Report) -> list[dict[str, Any]]:
    """Read `mismatches.csv`."""
    frame = pl.read_csv(Path(report.folder or "") / "mismatches.csv", infer_schema=False)
    return frame.to_dicts()


def reads(bench: Workbench) -> list[str]:
    """Return which reads the service answered: lookups and profiles."""
    paths = [str(entry["path"]).rpartition("/Profiles")[2] for entry in bench.emulator.journal()]
    return [path for path in paths if path == "/Lookup" or path.startswith("/mem_profile")]


@pytest.mark.parametrize("route", ["bulk", "import"])
def test_everything_that_arrived_is_confirmed(tmp_path: Path, route: str) -> None:
    """By both routes, every type, with values that were cleared and traits that were removed."""
    columns = {name: to for name, to in MAPPING["columns"].items() if route == "bulk" or name != "colours"}
    mapping = MAPPING | {"columns": columns, "routing": {"import_min_rows": 1}}
    with workbench(tmp_path / "bench", mapping) as made:
        made.put([{"Contact": {"email": "p2@example.com"}, "Loyalty": {"points": 99, "vip": False}}])
        report = made.deliver(write_source(made, *plain_rows(30)), via=route)
        assert report.exit_code == 0, report.error
        before = made.stored()
        writes = len(made.writes())
        report = look(made, report)
        assert (report.exit_code, report.command) == (0, "verify")
        assert report.verified == {"confirmed": 30, "mismatched": 0, "missing": 0}
        assert set(results(report).values()) == {"confirmed"}
        assert "mismatches.csv" not in report.files
        assert (made.stored(), len(made.writes())) == (before, writes)


def test_what_somebody_changed_is_named_trait_by_trait(bench: Workbench) -> None:
    """With its values masked; the states of the rows stay what delivery knew."""
    report = bench.deliver(write_source(bench, *plain_rows(6)))
    states = outcomes_of(report)["state"].to_list()
    changed = {"Contact": {"email": "p3@example.com", "nick": CANARY}, "Loyalty": {"vip": True}}
    bench.put([changed, {"Contact": {"email": "p2@example.com"}, "Loyalty": {"points": 5}}])
    report = look(bench, report)
    assert report.exit_code == 3
    assert report.verified == {"confirmed": 4, "mismatched": 2, "missing": 0}
    assert [number for number, result in results(report).items() if result == "mismatched"] == [3, 4]
    assert outcomes_of(report)["state"].to_list() == states
    lines = [tuple(line[name] for name in ("row_number", "id", "trait", "sent", "stored")) for line in named(report)]
    assert sorted(lines) == [
        ("3", "2", "Loyalty.points", None, "••• (1 char)"),
        ("4", "3", "Contact.nick", "n••• (6 chars)", "S••• (14 chars)"),
        ("4", "3", "Loyalty.vip", "f••• (5 chars)", "••• (4 chars)"),
    ]
    assert all(line["profile_id"].startswith("mem_profile_") for line in named(report))
    assert any("mismatches.csv" in hint for hint in report.hints)


def test_values_are_shown_on_demand_alone(bench: Workbench) -> None:
    """Nothing else of the run's folder has them, and the file is for its owner."""
    report = bench.deliver(write_source(bench, *plain_rows(2)))
    bench.put([{"Contact": {"email": "p0@example.com", "nick": CANARY}}])
    report = look(bench, report)
    folder = Path(report.folder or "")
    assert not any(CANARY.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    report = look(bench, report, show_values=True)
    (line,) = named(report)
    assert (line["sent"], line["stored"]) == ("nick 0", CANARY)
    assert stat.S_IMODE((folder / "mismatches.csv").stat().st_mode) == 0o600
    assert CANARY not in (folder / "report.json").read_text(encoding="utf-8")


def test_a_row_that_is_put_right_is_named_no_more(bench: Workbench) -> None:
    """The file goes when there is nothing to say, and only what is left is read again."""
    report = bench.deliver(write_source(bench, *plain_rows(5)))
    bench.put([{"Contact": {"email": "p0@example.com", "nick": CANARY}}])
    report = look(bench, report)
    assert report.exit_code == 3
    bench.put([{"Contact": {"email": "p0@example.com", "nick": "nick 0"}}])
    before = len(reads(bench))
    report = look(bench, report, rest=True)
    assert len(reads(bench)) == before + 2
    assert (report.exit_code, report.verified["confirmed"]) == (0, 5)
    assert not (Path(report.folder or "") / "mismatches.csv").exists()


def test_a_sample_is_small_the_same_each_time_and_paid_once(bench: Workbench) -> None:
    """Rows outside it have no result; a larger one holds it, and what was found stays."""
    report = bench.deliver(write_source(bench, *full_rows(60)))
    small = results(look(bench, report, sample=10))
    assert len(reads(bench)) == 20
    assert sum(result == "confirmed" for result in small.values()) == 10
    assert results(look(bench, report, sample=10)) == small
    large = results(look(bench, report, sample=25))
    assert sum(result is not None for result in large.values()) == 25
    assert all(large[number] == "confirmed" for number, result in small.items() if result)
    again = bench.go_on(report)
    assert results(again) == large
    assert again.verified["confirmed"] == 25


def test_a_carried_row_has_the_result_of_the_row_that_carries_it(bench: Workbench) -> None:
    """They are one payload; it is looked up once."""
    rows = ["1,a@example.com,,old,1,true,", "2,b@example.com,,b,2,true,", "1,a@example.com,,new,1,true,"]
    report = bench.deliver(write_source(bench, *rows))
    assert report.outcomes["combined"] == 1
    bench.put([{"Contact": {"email": "a@example.com", "nick": "newest"}}])
    report = look(bench, report)
    assert results(report) == {1: "mismatched", 2: "confirmed", 3: "mismatched"}
    assert [line["row_number"] for line in named(report)] == ["3"]
    assert reads(bench).count("/Lookup") == 2


def test_rows_that_became_one_profile_are_judged_by_their_last_words(bench: Workbench) -> None:
    """A trait that a later row of the group said again is that row's; one it left alone is still the earlier row's."""
    rows = [
        "1,a@example.com,+13175550101,first,1,,",
        "2,b@example.com,+13175550101,second,,true,",
        "3,c@example.com,,third,3,true,",
    ]
    report = bench.deliver(write_source(bench, *rows), allow_merges=1)
    assert report.merge_groups.allowed == 1
    assert len(bench.stored()) == 2
    report = look(bench, report)
    assert report.verified == {"confirmed": 3, "mismatched": 0, "missing": 0}
    bench.put([{"Contact": {"email": "b@example.com", "nick": "other"}}])
    assert results(look(bench, report)) == {1: "confirmed", 2: "mismatched", 3: "confirmed"}


def profile_of(bench: Workbench, email: str) -> str:
    """Return the URL of the profile that has an address."""
    (found,) = [p["id"] for p in bench.emulator.profiles() if email in p["identifiers"].get("email", [])]
    return f"{bench.emulator.api_url}/v1/Stores/{bench.emulator.store_id}/Profiles/{found}"


def delete(bench: Workbench, email: str) -> None:
    """Delete a profile as somebody else would."""
    httpx.delete(profile_of(bench, email), auth=("key", "secret"), trust_env=False).raise_for_status()
    bench.emulator.wait_idle(IDLE_S)


def test_rows_of_unknown_fate_that_are_confirmed_are_fine(tmp_path: Path) -> None:
    """Their state stays, the exit code does not mind it any more."""
    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(clash=Clash.SKIP)) as made:
        made.put([{"Contact": {"email": "other@example.com", "phone": "+13175550101"}}])
        made.put([{"Contact": {"email": "p1@example.com", "phone": "+13175550102"}}])
        rows = full_rows(4)
        rows[1] = "1,p1@example.com,+13175550101,nick 1,1,true,red"
        report = made.deliver(write_source(made, *rows))
        assert (report.exit_code, report.outcomes["unattributed"]) == (3, 4)
        report = look(made, report)
        assert (report.exit_code, report.verified["confirmed"]) == (3, 3)
        assert [line["trait"] for line in named(report)] == ["Contact.email"]
        delete(made, "other@example.com")
        mended = {"email": "p1@example.com", "phone": "+13175550101", "nick": "nick 1"}
        made.put([{"Contact": mended, "Loyalty": {"points": 1, "vip": True, "colours": ["red"]}}])
        report = look(made, report)
        assert (report.exit_code, report.verified["confirmed"], report.outcomes["unattributed"]) == (0, 4, 4)
        assert read_report(Path(report.folder or "")) == report
        assert made.go_on(report).exit_code == 0


def test_a_row_that_is_sent_again_begins_without_a_result(tmp_path: Path) -> None:
    """What was found was found of an earlier sending; rows that were confirmed are not sent again."""
    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(clash=Clash.SKIP)) as made:
        made.put([{"Contact": {"email": "other@example.com", "phone": "+13175550101"}}])
        made.put([{"Contact": {"email": "p1@example.com", "phone": "+13175550102"}}])
        rows = full_rows(4)
        rows[1] = "1,p1@example.com,+13175550101,nick 1,1,true,red"
        report = look(made, made.deliver(write_source(made, *rows)))
        assert results(report) == {1: "confirmed", 2: "mismatched", 3: "confirmed", 4: "confirmed"}
        delete(made, "other@example.com")
        report = importer.retry(importer.RetryRequest(report.run_id, made.settings), Hooks(), SendOptions())
        assert results(report) == {1: "confirmed", 2: None, 3: "confirmed", 4: "confirmed"}
        made.emulator.wait_idle(IDLE_S)
        assert results(look(made, report, rest=True))[2] == "confirmed"


def test_a_profile_that_is_gone_is_missing(bench: Workbench) -> None:
    """It arrived, and somebody deleted it."""
    report = bench.deliver(write_source(bench, *plain_rows(3)))
    delete(bench, "p1@example.com")
    report = look(bench, report)
    assert results(report) == {1: "confirmed", 2: "missing", 3: "confirmed"}
    assert (report.exit_code, [line["row_number"] for line in named(report)]) == (3, ["2"])


def test_what_is_applied_late_is_waited_for(tmp_path: Path) -> None:
    """Rows that are not there yet are looked up again until they are; the others are not."""
    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(apply_delay_s=1.5, status_url=False)) as made:
        report = importer.run(made.request(write_source(made, *full_rows(4))), Hooks(), SendOptions())
        assert report.outcomes["accepted"] == 4
        report = look(made, report, wait_s=30.0)
        assert (report.exit_code, report.verified["confirmed"]) == (0, 4)
        assert 4 < reads(made).count("/Lookup") <= 12
        assert report.requests["lookup"] == reads(made).count("/Lookup")


def test_the_cost_is_said_and_asked_about_first(bench: Workbench) -> None:
    """Who says no pays nothing, and the way to go on means the same rows."""
    report = bench.deliver(write_source(bench, *full_rows(30)))
    asked: list[str] = []

    def refuse(question: str) -> bool:
        asked.append(question)
        return False

    with pytest.raises(ConfigError, match="nobody agreed") as caught:
        look(bench, report, Hooks(confirm=refuse), sample=20)
    assert "--sample 20" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        look(bench, report, Hooks(confirm=refuse), rest=True)
    assert "--all --rest" in caught.value.hint
    question, _ = asked
    assert "20 of 30 delivered rows" in question
    assert "up to 20 billable profile reads" in question
    assert reads(bench) == []


def test_the_emulator_asks_nothing(tmp_path: Path) -> None:
    """And has its cost in the report all the same."""
    with workbench(tmp_path / "bench", MAPPING) as made:
        source, mapping = write_source(made, *plain_rows(5)), made.mapping
    settings = importer.Settings(runs_dir=str(tmp_path / "runs"))
    report = importer.run(RunRequest(source, mapping, settings, emulator=True))

    def refuse(question: str) -> bool:
        raise AssertionError(question)

    report = importer.verify(VerifyRequest("last", settings), Hooks(confirm=refuse))
    assert (report.exit_code, report.verified["confirmed"]) == (0, 5)
    assert any("up to 5 billable profile reads" in note for note in report.notes)


def test_what_cannot_be_compared_is_said(bench: Workbench) -> None:
    """A run that was not sent, one that sent nothing, one whose package went, one that somebody works on."""
    source = write_source(bench, *plain_rows(3))
    planned = plan(bench.request(source), Hooks())
    with pytest.raises(ConfigError, match="nothing of run "):
        look(bench, planned)
    empty = bench.deliver(write_source(bench, "1,nobody,,x,1,true,"))
    with pytest.raises(ConfigError, match="no row of run "):
        look(bench, empty)
    done = bench.deliver(source, max_rejected_percent=100.0)
    folder = RunFolder(Path(done.folder or ""))
    with RunLock(folder.path), _as_another_process(), pytest.raises(LockedError):
        look(bench, done)
    folder.drop_package()
    with pytest.raises(ConfigError, match="no package any more") as caught:
        look(bench, done)
    assert "import the same source again" in caught.value.hint


@contextmanager
def _as_another_process() -> Iterator[None]:
    """Let this thread forget which locks it has."""
    mine = RunLock._mine.places
    kept = set(mine)
    mine.clear()
    try:
        yield
    finally:
        mine.update(kept)


def test_lines_are_read_back_for_settling(bench: Workbench) -> None:
    """Some lines of the index alone; a carried one stands for its carrier, and the next report has the results."""
    rows = [*full_rows(4), "2,p2@example.com,,newest,2,true,red"]
    report = bench.deliver(write_source(bench, *rows))
    folder = RunFolder(Path(report.folder or ""))
    delete(bench, "p3@example.com")
    with open_store(bench.settings, folder.read_manifest(), Hooks()) as store, RunLock(folder.path):
        counts = read_back(load_run(folder), store, Hooks(), pl.Series([2, 3, 4]), SendOptions())
    assert counts == Counter(confirmed=1, missing=1, mismatched=0)
    report = bench.go_on(report)
    assert results(report) == {1: None, 2: None, 3: "confirmed", 4: "missing", 5: "confirmed"}
    assert report.requests["lookup"] == 2
    assert report.exit_code == 3


class _StopsAfter(NoProgress):
    """Asks to stop once so many rows were read."""

    def __init__(self, rows: int) -> None:
        self.stop = threading.Event()
        self._left = rows

    def advance(self, rows: int, **fields: int | str) -> None:  # noqa: ARG002 - the port's signature
        """Count rows."""
        self._left -= rows
        if self._left <= 0:
            self.stop.set()


def test_a_signal_keeps_what_was_found_and_the_rest_is_read_later(bench: Workbench) -> None:
    """The report says how to go on; nothing that was confirmed is read again."""
    report = bench.deliver(write_source(bench, *full_rows(200)))
    stopping = _StopsAfter(20)
    hooks = Hooks(progress=stopping, stop=stopping.stop, stop_signal=lambda: signal.SIGTERM)
    report = look(bench, report, hooks)
    assert report.exit_code == 143
    assert report.error is not None
    assert "--rest" in report.error.hint
    found = report.verified["confirmed"]
    assert 20 <= found < 200
    done = len(reads(bench))
    report = look(bench, report, rest=True)
    assert (report.exit_code, report.verified["confirmed"]) == (0, 200)
    assert len(reads(bench)) - done == 2 * (200 - found)


def test_a_key_that_may_not_read_ends_it(tmp_path: Path) -> None:
    """As any command that the service refuses."""
    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(api_key="key")) as made:
        report = made.deliver(write_source(made, *plain_rows(2)))
        settings = made.settings.model_copy(update={"api_key": "other"})
        with pytest.raises(RejectedRequestError):
            verify(VerifyRequest(report.run_id, settings))
