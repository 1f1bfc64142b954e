"""`import`, `plan`, `resume` and `status` on the sample, with the local service that `--emulator` starts."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from tests.support.cli import (
    CUSTOMERS,
    CUSTOMERS_MAPPING,
    CUSTOMERS_RUN,
    SAMPLES,
    Ended,
    Shell,
    new_shell,
    outcomes,
    report_of,
    run_all,
    states,
)

ROWS: Final = 516
EMULATED: Final = (*CUSTOMERS_RUN, "--emulator", "--json")
EXPECTED: Final = {"rejected": 25, "skipped": 3, "held": 3, "combined": 2, "processed": 483}
SENT: Final = ("processed",)


def counted(report: dict[str, Any]) -> dict[str, int]:
    """Return the states that occur."""
    return {state: count for state, count in report["outcomes"].items() if count}


@dataclass(frozen=True)
class Imported:
    """The sample imported twice, and what the store held after each time."""

    shell: Shell
    first: Ended
    second: Ended
    profiles: list[dict[str, Any]]
    profiles_again: list[dict[str, Any]]

    @property
    def run(self) -> Path:
        """Folder of the first run."""
        return self.shell.runs_dir / str(self.first.report["run_id"])


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """Import the sample, and the same file again."""
    shell = new_shell(tmp_path_factory.mktemp("import"))
    first = shell.run("import", *EMULATED)
    profiles = shell.profiles()
    second = shell.run("import", *EMULATED)
    return Imported(shell, first, second, profiles, shell.profiles())


def test_every_row_ends_in_one_state(imported: Imported) -> None:
    """In outcomes.parquet and in report.json alike, and the states sum to the rows read."""
    assert imported.first.code == 3, imported.first.stderr
    frame = outcomes(imported.run)
    assert frame["row_number"].to_list() == list(range(1, ROWS + 1))
    assert frame["state"].null_count() == 0
    report = imported.first.report
    assert counted(report) == EXPECTED == dict(Counter(frame["state"]))
    assert sum(report["outcomes"].values()) == report["rows_read"] == ROWS
    assert sum(report["skipped"].values()) == report["outcomes"]["skipped"]


def test_every_row_has_key_line_and_reason(imported: Imported) -> None:
    """The key of the source, the physical line, and a code wherever a row did not simply go out."""
    frame = outcomes(imported.run)
    readable = frame.filter(~pl.col("code").is_in(["malformed-row", "blank-line"]).fill_null(value=False))
    without_key = readable.filter(pl.col("customer_id").is_null() | (pl.col("customer_id") == ""))
    assert without_key["row_number"].to_list() == [354], "the truth names the one row without a key"
    assert frame["line"].null_count() == 0
    assert frame["line"].is_sorted()
    with_reason = frame.filter(pl.col("state").is_in(["rejected", "skipped", "held"]))
    assert with_reason["code"].null_count() == 0
    assert frame.filter(pl.col("state") == "combined")["carried_by"].null_count() == 0


def test_both_routes_are_seen(imported: Imported) -> None:
    """Rows alike go as import parts, others by Bulk, removals by Bulk and PATCH; each sent row has its trace."""
    sent = outcomes(imported.run).filter(pl.col("state").is_in(SENT))
    assert dict(Counter(sent["route"])) == {"bulk": 214, "import": 265, "bulk+patch": 4}
    assert sent["batch_id"].null_count() == 0
    assert sent.filter(pl.col("route") == "import")["import_id"].null_count() == 0
    assert sent.filter(pl.col("route") == "bulk")["request_id"].null_count() == 0
    routes = imported.first.report["routes"]
    assert {name: route["rows"] for name, route in routes.items()} == dict(Counter(sent["route"]))
    assert all(sum(route["reasons"].values()) == route["rows"] for route in routes.values())
    assert routes["import"]["parts"] == 3


def test_the_same_file_twice_leaves_the_same_profiles(imported: Imported) -> None:
    """Importing again does no harm, and both runs say the same, but for removals, which are no more than accepted."""
    assert len(imported.profiles) == EXPECTED["processed"]
    assert imported.profiles == imported.profiles_again
    assert imported.second.code == 3
    removed = int(imported.second.report["requests"]["patch"])
    assert removed > 0
    again = EXPECTED | {"processed": EXPECTED["processed"] - removed, "accepted": removed}
    assert counted(imported.second.report) == again


def test_json_is_the_report_and_nothing_else(imported: Imported) -> None:
    """Standard output is report.json, byte for byte; progress went to standard error."""
    assert imported.first.stdout == (imported.run / "report.json").read_text(encoding="utf-8")
    assert "send" in imported.first.stderr


def test_every_file_of_a_run_is_private(imported: Imported) -> None:
    """0700 for folders and 0600 for files, whatever the umask; git ignores all of it."""
    for path in (imported.run, *imported.run.rglob("*")):
        if path.name != ".gitignore":
            assert path.stat().st_mode & 0o077 == 0, path
    assert (imported.run / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_status_lists_runs_and_shows_one(imported: Imported) -> None:
    """Newest first; one run's report is the one it wrote."""
    shell = imported.shell
    run_id = imported.first.report["run_id"]
    ended = run_all(
        {
            "list": lambda: shell.run("status"),
            "list as json": lambda: shell.run("status", "--json"),
            "one": lambda: shell.run("status", run_id),
            "one as json": lambda: shell.run("status", run_id, "--json"),
        }
    )
    assert {each.code for each in ended.values()} == {0}
    assert run_id in ended["list"].stdout
    listed = [line["run_id"] for line in ended["list as json"].report]  # type: ignore[index]
    assert listed == sorted(listed, reverse=True)
    assert len(listed) == len(shell.runs())
    assert "held" in ended["one"].stdout
    assert ended["one as json"].stdout == imported.first.stdout


def test_a_plan_is_sent_as_planned(tmp_path: Path) -> None:
    """`plan` says what would happen, `import --plan` does that, with the source and the mapping gone."""
    shell = new_shell(tmp_path)
    source, mapping = tmp_path / "mine.csv", tmp_path / "mine.yaml"
    source.write_bytes(CUSTOMERS.read_bytes())
    mapping.write_bytes(CUSTOMERS_MAPPING.read_bytes())
    planned = shell.run("plan", source, "-m", mapping, "--emulator", "--json")
    assert planned.code == 3
    before = {"planned" if state == "processed" else state: count for state, count in EXPECTED.items()}
    assert counted(planned.report) == before
    assert shell.profiles() == []
    source.unlink()
    mapping.unlink()
    sent = shell.run("import", "--plan", planned.report["run_id"], "--json")
    assert (sent.code, counted(sent.report)) == (3, EXPECTED)
    assert {name: route["rows"] for name, route in sent.report["routes"].items()} == {
        name: route["rows"] for name, route in planned.report["routes"].items()
    }
    low, high = (sent.report["operations"][bound] for bound in ("at_least", "at_most"))
    assert low <= EXPECTED["processed"] <= high
    again = shell.run("resume", "last", "--json")
    assert (again.code, counted(again.report)) == (3, EXPECTED), "a finished run has nothing left to send"


def test_a_canary_goes_first_and_the_rest_follows(tmp_path: Path, imported: Imported) -> None:
    """`--limit 50` sends fifty rows, `resume --all` the others; the store is then as after one import."""
    shell = new_shell(tmp_path)
    canary = shell.run("import", *EMULATED, "--limit", "50")
    assert counted(canary.report) == {**EXPECTED, "skipped": 3 + 433, "processed": 50}
    assert canary.report["skipped"]["limit"] == 433
    assert len(shell.profiles()) == 50
    assert any("--all" in hint for hint in canary.report["hints"])
    rest = shell.run("resume", canary.report["run_id"], "--all", "--json")
    assert (rest.code, counted(rest.report)) == (3, EXPECTED)
    assert without_ids(shell.profiles()) == without_ids(imported.profiles)


def without_ids(profiles: list[dict[str, Any]]) -> list[str]:
    """Return profiles so that those of two stores compare: IDs are given in the order of arrival."""
    return sorted(repr({**profile, "id": None}) for profile in profiles)


def test_held_groups_go_when_they_are_released(tmp_path: Path, imported: Imported) -> None:
    """The group's rows are held and named; `--release GROUP` sends them, and they merge. All of it by `--via bulk`."""
    shell = new_shell(tmp_path)
    first = shell.run("import", *EMULATED, "--via", "bulk")
    report = first.report
    run = shell.runs()[0]
    groups = pl.read_parquet(run / "groups.parquet").filter(pl.col("kind") == "merge")
    assert groups["row_number"].to_list() == [row for row, state in states(run).items() if state == "held"]
    counts = {"groups": 1, "rows": 3, "held": 1, "allowed": 0, "chains": 1, "hubs": 0, "largest": [3], "profiles": 1}
    counts |= {"single": 0, "held_rows": 3, "decided": 0}
    assert report["merge_groups"] == counts | {"reading": "merge"}
    assert set(report["routes"]) == {"bulk", "bulk+patch"}
    before = shell.profiles()
    assert without_ids(before) == without_ids(imported.profiles), "the way does not change what arrives"
    (group,) = set(groups["group"])

    wrong = shell.run("resume", "last", "--release", "99999", "--json")
    assert (wrong.code, "no held group" in wrong.report["error"]["message"]) == (2, True)
    released = shell.run("resume", "last", "--release", group, "--json")
    assert released.report["merge_groups"] == counts | {
        "held": 0,
        "held_rows": 0,
        "allowed": 1,
        "reading": "merge",
    }
    assert counted(released.report) == {"rejected": 25, "skipped": 3, "combined": 2, "processed": 486}
    assert len(shell.profiles()) == len(before) + 1, "three rows became one profile, as foretold"


def test_release_all_is_allow_merges_afterwards(tmp_path: Path) -> None:
    """Both ways of saying yes leave the same store; `--allow-merges` takes a bound."""
    allowed, released = new_shell(tmp_path / "allowed"), new_shell(tmp_path / "released")

    def release() -> Ended:
        assert released.run("import", *EMULATED).code == 3
        return released.run("resume", "last", "--release", "all", "--json")

    ended = run_all({"allowed": lambda: allowed.run("import", *EMULATED, "--allow-merges", "1"), "released": release})
    for each in ended.values():
        assert each.code == 3
        assert each.report["outcomes"]["held"] == 0
        assert each.report["outcomes"]["processed"] == 486
    assert without_ids(allowed.profiles()) == without_ids(released.profiles())


def test_mended_rows_are_imported_again(tmp_path: Path, imported: Imported) -> None:
    """rejected.csv with its cells put right goes through the same mapping, and every row of it arrives."""
    shell = new_shell(tmp_path)
    with (imported.run / "rejected.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == EXPECTED["rejected"] - 3, "the malformed ones stand in a file of their own"
    assert all(row["_codes"] and row["_row_number"] and row["_line"] for row in rows)
    for number, row in enumerate(rows):
        row |= {"email": f"mended{number}@example.com", "mobile": "", "birth_date": "", "signed_up": ""}
        row |= {"points": "7", "subscribed": "yes", "colours": "red", "city": "Boston", "notes": ""}
    mended = tmp_path / "mended.csv"
    with mended.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    ended = shell.run("import", mended, "-m", CUSTOMERS_MAPPING, "--emulator", "--json")
    assert ended.code == 0, ended.stdout
    assert counted(ended.report) == {"processed": len(rows)}
    assert not (shell.runs()[0] / "rejected.csv").exists()


def test_malformed_rows_are_kept_as_they_were(imported: Imported) -> None:
    """Byte for byte, each under a line that says where it was and what is wrong."""
    text = (imported.run / "rejected-malformed.txt").read_text(encoding="utf-8")
    assert [int(number) for number in re.findall(r"^# row (\d+), line", text, re.MULTILINE)] == [111, 194, 267]
    source = CUSTOMERS.read_text(encoding="utf-8")
    assert all(line in source for line in text.splitlines() if not line.startswith("# row"))


def test_the_german_sample_arrives(tmp_path: Path) -> None:
    """Semicolons, latin-1 and national numbers; the summary is for people, so standard output is text."""
    shell = new_shell(tmp_path)
    mapping = CUSTOMERS_MAPPING.with_name("contacts-de.yaml")
    ended = shell.run("import", SAMPLES / "contacts-de.csv", "-m", mapping, "--emulator")
    assert ended.code == 3
    assert "65 rows" in ended.stdout
    assert sum(report_of(shell.runs()[0])["outcomes"].values()) == 65
    names = {profile["traits"]["Contact"]["lastName"] for profile in shell.profiles()}
    assert "Köhler" in names
