"""`mapping check` with a store alone, by the real command."""

from __future__ import annotations

from pathlib import Path

from importer.settings import Settings
from importer.wiring.looking import save_schema, store_schema
from importer.wiring.mapping_check import check_mapping
from importer.wiring.requests import RunRequest
from tests.support.cli import CUSTOMERS_MAPPING, new_shell


def test_a_store_alone_says_what_fits_and_what_does_not(tmp_path: Path) -> None:
    """A mapping that can run ends with 0; one that lacks a trait and has a typing slip ends with 2 and names both."""
    shell = new_shell(tmp_path)
    seeded = shell.run("mapping", "check", CUSTOMERS_MAPPING, "--emulator")
    assert seeded.code == 0, seeded.stderr
    assert "mobile -> Contact.phone (STRING; identifier phone: priority" in seeded.stdout
    save_schema(store_schema(Settings(runs_dir=str(shell.runs_dir)), emulator=True), tmp_path / "store.json")
    (tmp_path / "bad.yaml").write_text(
        "version: 1\ncolums: {}\ncolumns:\n  mail: Contact.email\n  points: Loyalty.pionts\n", encoding="utf-8"
    )
    refused = shell.run("mapping", "check", "bad.yaml", "--schema", "store.json", "--json")
    assert refused.code == 2
    assert [problem["line"] for problem in refused.report["problems"]] == [2, 5]
    assert "Loyalty.points" in refused.report["problems"][1]["fix"]
    assert refused.report["can_run"] is False


def test_what_a_run_would_refuse_is_refused_without_a_source(tmp_path: Path) -> None:
    """Types that differ from the store are problems, with their lines; traits that stay empty are not."""
    settings = Settings(runs_dir=str(tmp_path / "runs"))
    assert check_mapping(RunRequest((), CUSTOMERS_MAPPING, settings, emulator=True)).problems == ()
    save_schema(store_schema(settings, emulator=True), tmp_path / "store.json")
    mapping = tmp_path / "m.yaml"
    lines = ["version: 1", "columns:", "  mail: Contact.email", "  tier: {to: Loyalty.tier, type: number}"]
    mapping.write_text("\n".join([*lines, "constants: {Contact.phone: '1'}", ""]), encoding="utf-8")
    found = check_mapping(RunRequest((), mapping, settings, schema_file=tmp_path / "store.json"))
    assert [problem.line for problem in found.problems] == [4, 5]
    assert any(drift.about == "Loyalty.points" for drift in found.drift)


def test_a_store_that_cannot_be_read_hides_no_fault_of_the_file(tmp_path: Path) -> None:
    """Without credentials the file's own problems are told, and that the store was not compared."""
    mapping = tmp_path / "m.yaml"
    mapping.write_text("version: 1\ncolums: {}\ncolumns: {mail: Contact.email}\n", encoding="utf-8")
    settings = Settings(store_id="mem_store_01234567890123456789012345")
    found = check_mapping(RunRequest((), mapping, settings))
    assert [problem.line for problem in found.problems] == [2]
    assert "no credentials" in found.notes[0]


def test_a_pinned_mapping_is_checked_by_itself_without_credentials(tmp_path: Path) -> None:
    """The store it names is not asked, and that is said."""
    mapping = tmp_path / "m.yaml"
    text = "version: 1\nstore: mem_store_01234567890123456789012345\ncolumns: {mail: Contact.email}\n"
    mapping.write_text(text, encoding="utf-8")
    found = check_mapping(RunRequest((), mapping, Settings()))
    assert (found.problems, found.schema) == ((), None)
    assert "no credentials" in found.notes[0]
