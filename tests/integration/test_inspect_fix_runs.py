"""`--fix` in a run: what inspect promised is repaired, counted and delivered, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import polars as pl
import pytest

from importer.core.manifest import RunOptions
from importer.errors import ConfigError
from importer.state.run_folder import RunFolder
from importer.wiring.inspecting import InspectRequest, inspect
from importer.wiring.runs import validate
from tests.support import exports
from tests.support.commands import kill_when, only_run, run, start
from tests.support.runs import Workbench, outcomes_of, workbench

MAPPING = {
    "version": 1,
    "source": {"key": ["Kundennr"], "encoding": "cp1252"},
    "columns": {
        "E-Mail": {"to": "Contact.email", "on_invalid": "drop"},
        "Telefon": "Contact.phone",
        "Geburtsdatum": {"to": "Contact.birthDate", "parse": "date"},
        "PLZ": "Contact.postalCode",
        "Nachname": "Contact.lastName",
    },
}
FIXES = ("date-order", "excel-plus", "leading-zeros:PLZ=5")
ROWS = 400


def test_repairs_are_made_counted_and_delivered(tmp_path: Path) -> None:
    """Profiles hold the repaired values; what is lost is rejected, and its row keeps its original text."""
    exports.german_excel(tmp_path / "source.csv", ROWS)
    with workbench(tmp_path, MAPPING) as bench:
        report = bench.deliver(tmp_path / "source.csv", fixes=FIXES)
        stored = {profile["traits"]["Contact"]["phone"]: profile["traits"]["Contact"] for profile in bench.stored()}
    kept = [number for number in range(ROWS) if number % 20 != 3]
    assert set(stored) == {f"+49151{23_000_000 + number}" for number in kept}
    for number in kept:
        traits = stored[f"+49151{23_000_000 + number}"]
        assert traits["birthDate"] == f"{1950 + number % 50}-{number % 12 + 1:02}-{number % 28 + 1:02}"
        assert traits["postalCode"] == ("01067" if number % 8 == 0 else ("04109", "10115", "99084")[number % 3])
        assert traits["lastName"] == exports.LAST[number % 3]
    assert report.repairs["Geburtsdatum: date-order"] == 400
    assert report.repairs["Telefon: excel-plus"] == 80
    assert report.repairs["PLZ: leading-zeros"] == 50
    assert report.issues["excel-damage"] == 20
    rejected = (Path(report.folder or "") / "rejected.csv").read_text("cp1252")
    assert "4,91512E+12" in rejected
    assert ";04.04.1953;" in rejected
    states = outcomes_of(report)["state"].value_counts()
    assert dict(states.iter_rows()) == {"rejected": 20, "accepted": 380} or "processed" in states["state"]


def test_a_run_repairs_what_inspect_promised(tmp_path: Path) -> None:
    """The numbers of `inspect` are those of the run."""
    source = tmp_path / "source.csv"
    exports.us_crm(source)
    promised = {
        (column.name, finding.fix): finding.repairable
        for column in inspect(InspectRequest(source)).columns
        for finding in column.findings
        if finding.fix is not None
    }
    columns = {
        "Email Address": "Contact.email",
        "Contact ID": "Account.number",
        "DOB": "Contact.birthDate",
        "Notes": "Account.notes",
    }
    with workbench(tmp_path, {"version": 1, "columns": columns}) as bench:
        fixes = tuple(sorted({fix for _, fix in promised}))
        report = validate(bench.request(source, fixes=fixes))
    made = {what: count for what, count in report.repairs.items() if what.partition(": ")[2] in fixes}
    assert made == {f"{column}: {fix}": count for (column, fix), count in promised.items()}


def test_without_fix_nothing_is_repaired(tmp_path: Path) -> None:
    """Damage is rejected or kept, as the mapping says, but never mended unasked."""
    exports.german_excel(tmp_path / "source.csv", 40)
    with workbench(tmp_path, MAPPING) as bench:
        report = validate(bench.request(tmp_path / "source.csv"))
    assert report.outcomes["rejected"] == 40
    assert not any("date-order" in what or "excel-plus" in what for what in report.repairs)


def test_what_is_not_repaired_is_said(tmp_path: Path) -> None:
    """Columns with no or two orders, with a format of their own, or unused are named; a wrong argument is refused."""
    source = tmp_path / "source.csv"
    rows = [("a@example.com", "01/02/2024", "31/12/2024", "x"), ("b@example.com", "03/04/2024", "12/31/2024", "y")]
    exports.write(source, [("mail", "open", "mixed", "unused"), *rows])
    columns = {
        "mail": "Contact.email",
        "open": {"to": "Contact.birthDate", "parse": "date"},
        "mixed": {"to": "Account.since", "parse": "date", "on_invalid": "drop"},
    }
    with workbench(tmp_path, {"version": 1, "columns": columns}) as bench:
        report = validate(bench.request(source, fixes=("date-order", "thousands:unused")))
        with pytest.raises(ConfigError, match="no such repair"):
            validate(bench.request(source, fixes=("guess",)))
        named = validate(bench.request(source, fixes=("date-order:open=dmy",)))
        assert sorted(path.name for path in (tmp_path / "runs").glob("2*")) == sorted(
            [Path(report.folder or "").name, Path(named.folder or "").name]
        )
    notes = "\n".join(report.notes)
    assert "column open: no date of 2 tells" in notes
    assert "column mixed: 1 dates have the day first and 1 the month first" in notes
    assert "does not use column unused" in notes
    assert report.issues["invalid-date"] == 4
    assert named.repairs == {"open: date-order": 2}


def test_a_format_of_the_mapping_goes_before_a_repair(tmp_path: Path) -> None:
    """A column whose dates the mapping reads itself is not written anew under it."""
    source = tmp_path / "source.csv"
    exports.write(source, [("mail", "day"), ("a@example.com", "31/12/2024"), ("b@example.com", "45292")])
    columns = {"mail": "Contact.email", "day": {"to": "Contact.birthDate", "parse": "date", "format": "%d/%m/%Y"}}
    with workbench(tmp_path, {"version": 1, "columns": columns}) as bench:
        report = validate(bench.request(source, fixes=("date-order", "excel-date-serial:day=1900")))
    assert (report.outcomes["planned"], report.issues["invalid-date"]) == (1, 1)
    assert not any("day: " in repair for repair in report.repairs)
    assert [note.partition(":")[0] for note in report.notes if "`format`" in note] == [
        "--fix date-order",
        "--fix excel-date-serial",
    ]


def test_a_killed_run_is_repaired_the_same_when_it_is_resumed(tmp_path: Path) -> None:
    """The repairs are among the options a run keeps, so `resume` packages the same rows."""
    exports.german_excel(tmp_path / "source.csv", 20_000)
    with workbench(tmp_path, MAPPING) as bench:
        process = _start(bench)
        kill_when(process, lambda: any((tmp_path / "runs").glob("*/run.json")))
        assert RunFolder(only_run(bench)).read_manifest().options.fixes == FIXES
        code, report = run(bench, "resume", "last", "--yes")
    assert code == report["exit_code"] == 3, report["error"]
    assert report["repairs"]["Geburtsdatum: date-order"] == 20_000
    outcomes = pl.read_parquet(Path(report["folder"]) / "outcomes.parquet")
    assert outcomes.filter(pl.col("code") == "excel-damage").height == 1_000


def _start(bench: Workbench) -> subprocess.Popen[str]:
    fixes = [part for fix in FIXES for part in ("--fix", fix)]
    return start(bench, "import", "source.csv", "-m", str(bench.mapping), *fixes, "--limit", "20", "--yes")


def test_a_run_from_before_there_were_repairs_has_none() -> None:
    """What such a run recorded of its options is still read."""
    assert RunOptions.model_validate({"via": "auto"}).fixes == ()
