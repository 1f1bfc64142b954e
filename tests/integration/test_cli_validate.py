"""`validate` finds what the truth files of the samples say and nothing else, and writes nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import polars as pl
import pytest

from tests.support.cli import (
    CREDENTIALS,
    CUSTOMERS_RUN,
    MAPPINGS,
    SAMPLES,
    Ended,
    Shell,
    new_shell,
    outcomes,
    report_of,
    run_all,
    served,
    truth_of,
)

ISSUE_COLUMNS: Final = ("row_number", "line", "code", "severity", "column")
NO_ISSUE: Final = ""
UNREAD_IN_PARQUET: Final = ("malformed-row", "blank-line")

Issue = tuple[int, int | None, str, str, str]


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Ended, Path]]:
    """Validate the samples side by side: what was printed, and the run's folder."""
    folder = tmp_path_factory.mktemp("validate")
    sources = {
        "customers": (SAMPLES / "customers.csv", "-m", MAPPINGS / "customers.yaml"),
        "contacts-de": (SAMPLES / "contacts-de.csv", "-m", MAPPINGS / "contacts-de.yaml"),
        "parquet": (SAMPLES / "customers.parquet", "-m", MAPPINGS / "customers.yaml"),
    }
    shells = {name: new_shell(folder / name) for name in sources}
    ended = run_all(
        {
            name: lambda name=name: shells[name].run("validate", *sources[name], "--emulator")  # type: ignore[misc]
            for name in sources
        }
    )
    return {name: (ended[name], shells[name].runs()[0]) for name in sources}


def issues_of(run: Path) -> set[Issue]:
    """Return every issue of a run as the truth files write it."""
    frame = pl.read_parquet(run / "issues.parquet").with_columns(pl.col("column").fill_null(""))
    found = [tuple(row) for row in frame.select(ISSUE_COLUMNS).iter_rows()]
    assert len(found) == len(set(found)), "an issue is named twice"
    return set(found)


def seeded(name: str) -> set[Issue]:
    """Return the issues of a truth file."""
    return {
        (int(line["row_number"]), int(line["line"]), line["code"], line["severity"], line["column"])
        for line in truth_of(name)
        if line["code"] != NO_ISSUE
    }


def expected_states(name: str, rows: int) -> dict[int, str]:
    """Return the state of each row before delivery; a row that would be sent is planned."""
    given = {int(line["row_number"]): line["expected_state"] for line in truth_of(name)}
    return {row: given.get(row, "sent").replace("sent", "planned") for row in range(1, rows + 1)}


@pytest.mark.parametrize(("name", "rows"), [("customers", 516), ("contacts-de", 65)])
def test_every_seeded_problem_is_named_and_no_other(
    validated: dict[str, tuple[Ended, Path]], name: str, rows: int
) -> None:
    """Row, line, code, severity and column of each issue are those of the truth; so is the state of every row."""
    ended, run = validated[name]
    assert ended.code == 3
    assert issues_of(run) == seeded(name)
    frame = outcomes(run)
    assert frame["row_number"].to_list() == list(range(1, rows + 1))
    assert dict(frame.select("row_number", "state").iter_rows()) == expected_states(name, rows)
    assert report_of(run)["rows_read"] == rows


def test_the_parquet_sample_has_the_same_problems(validated: dict[str, tuple[Ended, Path]]) -> None:
    """But for malformed and blank rows, which a Parquet file cannot have; row numbers shift by them."""
    frame = outcomes(validated["customers"][1])
    unread = frame.filter(pl.col("code").is_in(UNREAD_IN_PARQUET))["row_number"].to_list()
    kept = [row for row in frame["row_number"].to_list() if row not in unread]
    place = {row: number for number, row in enumerate(kept, start=1)}
    expected = {
        (place[row], code, severity, column)
        for row, _, code, severity, column in seeded("customers")
        if row not in unread
    }
    found = {(row, code, severity, column) for row, _, code, severity, column in issues_of(validated["parquet"][1])}
    assert found == expected


def test_the_summary_fits_a_screen_and_names_the_next_step(validated: dict[str, tuple[Ended, Path]]) -> None:
    """People read the end of it first."""
    printed = validated["customers"][0].stdout.splitlines()
    assert len(printed) <= 24
    assert any(line.startswith("next") and "issues.csv" in line for line in printed)


def test_a_dry_run_keeps_no_cell_values(validated: dict[str, tuple[Ended, Path]]) -> None:
    """Of the source only rejected rows stay, which are there to be mended."""
    run = validated["customers"][1]
    assert not (run / "package").exists()
    assert not (run / "ledger.db").exists()


def test_nothing_is_written_to_the_service(tmp_path: Path) -> None:
    """Every connection goes to the API, every request is a GET of the control plane."""
    with served(tmp_path) as (emulator, shell):
        ended = shell.run("validate", *CUSTOMERS_RUN)
        requests = emulator.journal()
        address = urlsplit(emulator.api_url).netloc
    assert ended.code == 3
    assert {request["method"] for request in requests} == {"GET"}
    assert all(urlsplit(request["path"]).path.startswith("/v1/ControlPlane/") for request in requests)
    connections = set(shell.trace.read_text(encoding="utf-8").split())
    assert connections == {address}
    assert issues_of(shell.runs()[0]) == seeded("customers")


def test_a_pulled_schema_is_enough_to_validate_offline(tmp_path: Path) -> None:
    """`schema pull` writes what `validate --schema` and `schema show --schema` read without any connection."""
    with served(tmp_path) as (_, shell):
        pulled = shell.run("schema", "pull", "-o", "store.json")
    assert pulled.code == 0, pulled.stderr
    offline = new_shell(tmp_path / "offline")
    schema = tmp_path / "store.json"
    ended = run_all(
        {
            "validate": lambda: offline.run("validate", *CUSTOMERS_RUN, "--schema", schema, "--json"),
            "show": lambda: offline.run("schema", "show", "--schema", schema),
            "check": lambda: offline.run(
                *("mapping", "check", MAPPINGS / "customers.yaml"),
                *("--source", SAMPLES / "customers.csv", "--schema", schema),
            ),
        }
    )
    assert ended["validate"].code == 3
    assert ended["validate"].report["outcomes"]["rejected"] == 25
    assert ended["show"].code == 0
    assert "Contact.email" in ended["show"].stdout
    assert ended["check"].code == 0
    assert "mobile -> Contact.phone" in ended["check"].stdout
    assert not offline.trace.exists(), "a connection was opened"


def test_standard_input_is_a_source(tmp_path: Path) -> None:
    """A dash reads what is piped in."""
    shell = new_shell(tmp_path)
    text = (SAMPLES / "customers.csv").read_text(encoding="utf-8")
    ended = shell.run("validate", "-", "-m", MAPPINGS / "customers.yaml", "--emulator", "--json", text=text)
    assert (ended.code, ended.report["rows_read"]) == (3, 516)


def test_options_win_over_the_environment(tmp_path: Path) -> None:
    """A store, an address and a runs folder of the environment are replaced by options."""
    shell = new_shell(tmp_path, MEMORY_RUNS_DIR="elsewhere", MEMORY_STORE_ID="not-one", **CREDENTIALS)
    plain = shell.run("schema", "show")
    assert (plain.code, "not a store ID" in plain.stderr) == (2, True)
    ended = shell.run("schema", "show", "--emulator", "--runs-dir", "here")
    assert ended.code == 0, ended.stderr
    assert (tmp_path / "here" / "emulator").is_dir()
    assert not (tmp_path / "elsewhere").exists()


def test_mapping_schema_is_a_json_schema(tmp_path: Path) -> None:
    """Editors read it from standard output."""
    document = new_shell(tmp_path).run("mapping", "schema").report
    assert document["title"] == "memory-importer mapping"
    assert "columns" in document["properties"]


def test_mapping_check_names_every_problem_at_once(tmp_path: Path) -> None:
    """Each with its line and, where there is one, what was meant."""
    shell = new_shell(tmp_path)
    (tmp_path / "bad.yaml").write_text(
        "version: 1\ncolums:\n  a: Contact.email\ndefaults: {on_missing: sometimes}\n", encoding="utf-8"
    )
    ended = shell.run("mapping", "check", "bad.yaml")
    assert ended.code == 2
    assert "line 2" in ended.stderr
    assert "columns" in ended.stderr
    assert "line 4" in ended.stderr


def test_explain_tells_cause_and_fix_and_guesses(tmp_path: Path) -> None:
    """A code, all codes, and a code with a slip of the hand."""
    shell: Shell = new_shell(tmp_path)
    ended = run_all(
        {
            "one": lambda: shell.run("explain", "ambiguous-phone"),
            "all": lambda: shell.run("explain"),
            "slip": lambda: shell.run("explain", "invalid-emial"),
        }
    )
    assert ended["one"].code == 0
    assert "cause:" in ended["one"].stdout
    assert "fix:" in ended["one"].stdout
    assert "merge-group" in ended["all"].stdout
    assert ended["slip"].code == 2
    assert "invalid-email" in ended["slip"].stderr
