"""What is refused before anything is sent: one line of cause, one of fix, the right exit code, and `--json` whole."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from importer.core.report import Report
from tests.support.cli import (
    CREDENTIALS,
    CUSTOMERS,
    CUSTOMERS_MAPPING,
    CUSTOMERS_RUN,
    Argument,
    Ended,
    Shell,
    new_shell,
    run_all,
    served,
)

KEYS: Final = set(Report.model_fields)
STORE: Final = "mem_store_00000000000000000000000000"
WITH_MAPPING: Final = ("-m", CUSTOMERS_MAPPING, "--emulator")


@dataclass(frozen=True)
class Refusal:
    """A command, and what it must come to.

    Attributes:
        arguments: Of the command, without ``--json``.
        cause: Part of the line that says what is wrong.
        fix: Part of the line that says what to do.
        code: Exit code.
        environment: Variables of this command.
    """

    arguments: tuple[Argument, ...]
    cause: str
    fix: str
    code: int = 2
    environment: Mapping[str, str] | None = None


REFUSALS: Final = {
    "no such file": Refusal(("validate", "nothing.csv", *WITH_MAPPING), "nothing.csv: no such file", "check the path"),
    "empty file": Refusal(("import", "empty.csv", *WITH_MAPPING), "empty.csv: the file is empty", "export"),
    "header only": Refusal(("import", "header.csv", *WITH_MAPPING), "a header and no rows", "--allow-empty"),
    "duplicate header": Refusal(("plan", "twice.csv", *WITH_MAPPING), "'email' more than once", "rename"),
    "spaced header": Refusal(
        ("plan", "spaced.csv", *WITH_MAPPING), "column 2 has white space around it", "trim_headers"
    ),
    "zip named csv": Refusal(("import", "zip.csv", *WITH_MAPPING), "Excel or zip", "export it as CSV"),
    "no mapping file": Refusal(
        ("import", CUSTOMERS, "-m", "none.yaml", "--emulator"), "none.yaml: cannot be read", "--mapping"
    ),
    "mapping problem": Refusal(
        ("import", CUSTOMERS, "-m", "wrong.yaml", "--emulator"), "2 problems", "fix the mapping"
    ),
    "no store": Refusal(("import", *CUSTOMERS_RUN), "which store?", "--emulator"),
    "malformed store": Refusal(("import", *CUSTOMERS_RUN, "--store", "mem_store_1"), "not a store ID", "mem_store_0"),
    "no credentials": Refusal(("import", *CUSTOMERS_RUN, "--store", STORE), "no credentials", "TWILIO_API_KEY"),
    "plain http": Refusal(
        ("import", *CUSTOMERS_RUN, "--store", STORE, "--api-url", "http://example.com"), "must be https", "https://"
    ),
    "nobody listens": Refusal(
        ("import", *CUSTOMERS_RUN, "--store", STORE, "--api-url", "http://127.0.0.1:9"),
        *("no connection", "nothing was sent", 5, CREDENTIALS),
    ),
    "two stores": Refusal(
        ("validate", *CUSTOMERS_RUN, "--emulator", "--schema", "store.json"), "two stores", "one of them"
    ),
    "wrong schema file": Refusal(("validate", *CUSTOMERS_RUN, "--schema", "empty.csv"), "not a store", "schema pull"),
    "usage": Refusal(("import", CUSTOMERS), "--mapping", "memory-importer import --help"),
    "unknown option": Refusal(("validate", "--frobnicate"), "--frobnicate", "memory-importer validate --help"),
    "plan and source": Refusal(
        ("import", "--plan", "last", CUSTOMERS, "--limit", "5"), "--plan goes without", "memory-importer import --help"
    ),
    "no such run": Refusal(("resume", "20200101"), "no run of that name", "memory-importer status"),
    "no such run to show": Refusal(("status", "last"), "no run of that name", "memory-importer status"),
    "route refused": Refusal(
        ("import", *CUSTOMERS_RUN, "--emulator", "--via", "import"), "with an array", "--via auto"
    ),
}


def make_sources(folder: Path) -> None:
    """Write the files that are refused."""
    header = CUSTOMERS.read_bytes().split(b"\n", 1)[0] + b"\n"
    (folder / "empty.csv").write_bytes(b"")
    (folder / "header.csv").write_bytes(header)
    (folder / "twice.csv").write_bytes(b"customer_id,email,email\n1,a@example.com,b@example.com\n")
    (folder / "spaced.csv").write_bytes(b"customer_id, email\n1,a@example.com\n")
    with zipfile.ZipFile(folder / "zip.csv", "w") as archive:
        archive.writestr("customers.csv", header)
    (folder / "wrong.yaml").write_text(
        "version: 1\ncolumns:\n  email: {to: Contact.email, requird: true}\nrulez: []\n", encoding="utf-8"
    )


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Run every refused command once with ``--json``; each has a runs folder of its own."""
    folder = tmp_path_factory.mktemp("refusals")
    make_sources(folder)

    def command(number: int, refusal: Refusal) -> Ended:
        environment = {"MEMORY_RUNS_DIR": f"runs-{number}", **(refusal.environment or {})}
        return Shell(folder, environment).run(*refusal.arguments, "--json")

    return run_all(
        {
            name: lambda number=number, refusal=refusal: command(number, refusal)  # type: ignore[misc]
            for number, (name, refusal) in enumerate(REFUSALS.items())
        }
    )


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_cause_and_fix(refused: dict[str, Ended], name: str) -> None:
    """One line each, on standard error, and no traceback."""
    refusal, ended = REFUSALS[name], refused[name]
    lines = [line for line in ended.stderr.splitlines() if line.startswith(("error: ", "to do: "))]
    assert ended.code == refusal.code, ended.stderr
    assert len(lines) == 2, ended.stderr
    assert refusal.cause in lines[0]
    assert refusal.fix in lines[1]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", REFUSALS)
def test_json_keeps_its_keys_on_every_refusal(refused: dict[str, Ended], name: str) -> None:
    """The keys of report.json, all null but the error and the exit code; standard output holds nothing else."""
    report = refused[name].report
    assert set(report) == KEYS
    assert report["exit_code"] == REFUSALS[name].code
    assert REFUSALS[name].cause in report["error"]["message"]
    assert REFUSALS[name].fix in report["error"]["hint"]
    assert {key for key, value in report.items() if value is not None} == {"exit_code", "error"}


def test_all_problems_of_a_mapping_are_in_the_report(refused: dict[str, Ended]) -> None:
    """With their lines."""
    problems = refused["mapping problem"].report["error"]["problems"]
    assert [problem.split(":")[0] for problem in problems] == ["line 3", "line 4"]


def test_a_refused_run_leaves_no_folder_behind(tmp_path: Path) -> None:
    """What was refused is not listed among the runs."""
    shell = new_shell(tmp_path)
    assert shell.run("plan", *CUSTOMERS_RUN, "--emulator", "--via", "import").code == 2
    assert shell.runs() == []


def test_wrong_credentials_are_the_services_refusal(tmp_path: Path) -> None:
    """Exit code 4, and nothing but the first request was made."""
    with served(tmp_path, api_key="key", api_secret="another") as (emulator, shell):
        ended = shell.run("import", *CUSTOMERS_RUN, "--yes", "--json")
        assert len(emulator.journal()) == 1
    assert (ended.code, ended.report["exit_code"]) == (4, 4)
    assert "TWILIO_API_KEY" in ended.report["error"]["hint"]
    assert shell.runs() == []


def test_too_many_rejected_rows_send_nothing(tmp_path: Path) -> None:
    """The guard trips with exit code 6 before the first write; the run can be sent all the same."""
    with served(tmp_path) as (emulator, shell):
        ended = shell.run("import", *CUSTOMERS_RUN, "--max-rejected", "1", "--yes", "--json")
        assert {request["method"] for request in emulator.journal()} == {"GET"}
        report = ended.report
        assert (ended.code, report["exit_code"]) == (6, 6)
        assert (report["outcomes"]["not_sent"], report["outcomes"]["rejected"]) == (483, 25)
        assert sum(report["outcomes"].values()) == report["rows_read"]
        assert "more than 1 %" in report["error"]["message"]
        again = shell.run("resume", "last", "--max-rejected", "10", "--yes", "--json")
    assert again.code == 3
    assert again.report["outcomes"]["not_sent"] == 0


def test_a_live_store_is_not_written_to_without_a_yes(tmp_path: Path) -> None:
    """Without a terminal the answer is no: exit code 2 names the flag, and what was planned can be sent with it."""
    with served(tmp_path) as (emulator, shell):
        ended = shell.run("import", *CUSTOMERS_RUN, "--json")
        assert {request["method"] for request in emulator.journal()} == {"GET"}
        assert (ended.code, ended.report["exit_code"]) == (2, 2)
        question = ended.report["error"]["message"]
        assert "Send 483 rows to store emulator" in question
        assert "127.0.0.1" in question
        assert "--yes" in ended.report["error"]["hint"]
        assert ended.report["outcomes"]["not_sent"] == 483
        assert ended.report["run_id"] == shell.runs()[0].name
