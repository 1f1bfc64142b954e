"""`--log-format json`: standard error is an object a line, how it ended is the last one, and no cell is in any."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from tests.support.canaries import MAPPING, canary_rows, found_in, source_of, texts_in
from tests.support.cli import CUSTOMERS_RUN, Argument, Ended, new_shell, wait_until
from tests.support.here import run_here
from tests.support.hostile import MARKER, PRESIGNED, SAID, Hostile, hostile_store
from tests.support.interposed import interposed

KEY: Final = "zqapikeyqz"
SECRET: Final = "zqapisecretqz"
ROWS: Final = canary_rows()
CELLS: Final = sorted({text for row in ROWS for text in row.canaries()})
NEVER: Final = (KEY, SECRET, PRESIGNED, SAID, "X-Amz-Signature", "http://", "https://")
HEAD: Final = ["time", "level", "event", "run"]
JSON: Final = ("--log-format", "json")

Events = list[dict[str, Any]]


def events_of(ended: Ended) -> Events:
    """Return standard error as what it must be."""
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    assert all(list(event)[:4] == HEAD for event in events)
    return events


@dataclass(frozen=True)
class Told:
    """What commands said on standard error, one after the other."""

    ended: list[Ended]

    def events(self, place: int) -> Events:
        """Return what one of them said."""
        return events_of(self.ended[place])


COMMANDS: Final[tuple[tuple[str, ...], ...]] = (
    ("validate", "source.csv", "-m", "mapping.yaml", *JSON),
    ("plan", "source.csv", "-m", "mapping.yaml", "--max-rejected", "100", *JSON, "-v"),
    ("-v", "import", "--plan", "last", "--yes", "--log-format=json", "-v", "--json"),
    ("resume", "last", "--yes", *JSON, "-vv"),
    ("verify", "last", "--all", "--yes", *JSON, "-vv"),
    ("retry", "last", "--yes", *JSON),
    ("sync", "run", "source.sync.yaml", "--first-run", "--override", "rejected", *JSON, "-vv"),
    ("import", "source.csv", "-m", "mapping.yaml", *JSON),
)
SYNC: Final = {"version": 1, "source": "source.csv", "mapping": "mapping.yaml", "mode": "full"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run every command against a service that fails at everything once and says back what it is told."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "source.csv").write_text(source_of(ROWS), encoding="utf-8")
    (folder / "mapping.yaml").write_bytes(orjson.dumps(MAPPING))
    (folder / "source.sync.yaml").write_bytes(orjson.dumps(SYNC))
    hostile = Hostile(user=f"{KEY}:{SECRET}")
    with hostile_store() as emulator, interposed(emulator, hostile.script, hostile.rewrite) as between:
        between.marker = MARKER
        environment = {
            "MEMORY_API_URL": between.api.url,
            "MEMORY_STORE_ID": emulator.store_id,
            "TWILIO_API_KEY": KEY,
            "TWILIO_API_SECRET": SECRET,
        }
        ended = [run_here(folder, *command, environment=environment) for command in COMMANDS]
    return Told(ended)


def test_every_line_is_an_event_and_the_last_one_says_how_it_ended(told: Told) -> None:
    """With the exit code of the command; the last import is refused, because most of its rows are rejected."""
    for place, ended in enumerate(told.ended):
        last = told.events(place)[-1]
        assert (last["event"], last["exit_code"]) == ("error" if ended.code == 6 else "ended", ended.code)
        assert last["run"]
        assert sum(last["outcomes"].values()) == last["rows_read"] == len(ROWS)
    assert told.ended[-1].code == 6
    refused = told.events(-1)[-1]
    assert refused["level"] == "error"
    assert "rows are rejected" in refused["error"]
    assert "resume" in refused["hint"]


def test_the_end_of_a_sync_counts_its_keys(told: Told) -> None:
    """Who reads nothing but the log knows what was new, what is parked and which brakes held."""
    last = {ended[:2]: told.events(place)[-1] for place, ended in enumerate(COMMANDS)}
    counts = last["sync", "run"]["sync"]
    assert (counts["number"], counts["mode"], counts["parked"], counts["brakes"]) == (1, "full", 0, [])
    assert counts["new"] > 0
    assert not any("sync" in end for command, end in last.items() if command[0] != "sync")


def test_each_v_says_more(told: Told) -> None:
    """Stages without one, batches with one, requests with two, wherever they stand."""
    kinds = [{event["event"] for event in told.events(place)} for place in range(3)]
    assert kinds[0] == {"run", "stage", "stage-ended", "ended"}
    assert kinds[1] == {"run", "stage", "stage-ended", "ended"}
    assert {"batch", "request"} <= kinds[2]


def test_a_stage_has_rows_and_seconds_and_all_of_it_the_run(told: Told) -> None:
    """Each stage begins and ends once; UTC times never go back."""
    events = told.events(2)
    stages = [event for event in events if event["event"].startswith("stage")]
    assert [event["event"] for event in stages] == ["stage", "stage-ended"] * (len(stages) // 2)
    send = next(event for event in stages if (event["event"], event["name"]) == ("stage-ended", "send"))
    assert send["rows"] > 0
    assert send["seconds"] > 0
    since = next(place for place, event in enumerate(events) if event["event"] == "run")
    assert {event["run"] for event in events[since:]} == {events[-1]["run"]}
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert all(time.endswith("Z") for time in times)


def test_a_batch_has_its_ids(told: Told) -> None:
    """Those by which the service's own log finds it, and its state at the end."""
    batches = [event for event in told.events(2) if event["event"] == "batch"]
    assert {"processed"} <= {event["state"] for event in batches}
    assert all(event["request_id"] and event["rows"] for event in batches if event["state"] == "processed")


def test_what_is_agreed_to_is_an_event_too(told: Told) -> None:
    """What --yes answers is said all the same."""
    agreed = [event for event in told.events(2) if event["event"] == "agreed"]
    assert len(agreed) == 1
    assert "billable operations" in agreed[0]["text"]


def test_standard_output_is_as_ever(told: Told) -> None:
    """The report, for `--json`; a summary without it."""
    assert told.ended[2].report["exit_code"] == told.ended[2].code
    assert "rows" in told.ended[0].stdout


def test_no_line_holds_a_cell_a_credential_or_an_address(told: Told) -> None:
    """In no spelling."""
    for ended in told.ended:
        assert ended.stderr
        assert found_in(texts_in(ended.stderr.encode()), [*NEVER, *CELLS]) == set()


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (("import", "nowhere.csv", "-m", "nowhere.yaml"), "nowhere.yaml"),
        (("import", "--no-such-option"), "--no-such-option"),
        (("resume", "last"), "no run"),
        (("import",), "SOURCE"),
    ],
)
def test_an_error_is_the_last_event_wherever_it_comes_from(
    tmp_path: Path, arguments: tuple[Argument, ...], cause: str
) -> None:
    """Also one that comes before the options are understood."""
    ended = run_here(tmp_path, *arguments, *JSON)
    (error,) = [event for event in events_of(ended) if event["event"] == "error"]
    assert error == events_of(ended)[-1]
    assert error["exit_code"] == ended.code != 0
    assert cause in error["error"]
    assert set(error) == {*HEAD, "exit_code", "error", "hint", "problems"}


def test_nobody_is_asked(tmp_path: Path) -> None:
    """A question would stand in the way of a program for ever: it is refused, and the option that answers it named."""
    with hostile_store() as emulator:
        environment = {"MEMORY_API_URL": emulator.api_url, "MEMORY_STORE_ID": emulator.store_id}
        environment |= {"TWILIO_API_KEY": "key", "TWILIO_API_SECRET": "secret"}
        (tmp_path / "source.csv").write_text(source_of(ROWS[:1]), encoding="utf-8")
        (tmp_path / "mapping.yaml").write_bytes(orjson.dumps(MAPPING))
        ended = run_here(tmp_path, "import", "source.csv", "-m", "mapping.yaml", *JSON, environment=environment)
    last = events_of(ended)[-1]
    assert (last["event"], ended.code) == ("error", 2)
    assert "--yes" in last["hint"]


def test_a_signal_is_told_as_an_event(tmp_path: Path) -> None:
    """That it stops, and that it was stopped: nothing on standard error is anything but an object."""
    shell = new_shell(tmp_path)
    settings = ("--emulator", "--max-rps", "0.2", *JSON)
    process = shell.start("import", *CUSTOMERS_RUN, *settings, "--via", "bulk")
    wait_until(lambda: any((run / "ledger.db").exists() for run in shell.runs()), process)
    process.terminate()
    _, stderr = process.communicate(timeout=60)
    events = events_of(Ended(process.returncode, "", stderr))
    assert events[-1]["exit_code"] == process.returncode == 143
    assert "stopping" in {event["event"] for event in events}
