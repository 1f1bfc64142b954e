"""`mapping init` by the real command: what it proposes is accepted by `mapping check` and `validate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from importer.core.mapping_yaml import parse_mapping
from importer.ports import SourceOptions
from importer.settings import Settings
from importer.wiring.looking import save_schema, store_schema
from importer.wiring.mapping_init import InitRequest, propose
from importer.wiring.requests import RunRequest
from importer.wiring.runs import validate
from tests.support import exports
from tests.support.cli import CUSTOMERS, CUSTOMERS_MAPPING, new_shell

EXPORTS: Final[dict[str, tuple[Callable[[Path], None], str]]] = {
    "german": (exports.german_excel, "cp1252"),
    "crm": (exports.us_crm, "auto"),
    "salesforce": (exports.salesforce_report, "auto"),
    "shopify": (exports.shopify_customers, "auto"),
    "hubspot": (exports.hubspot_contacts, "auto"),
    "words for nothing": (exports.words_for_nothing, "auto"),
    "warehouse": (exports.warehouse_dump, "auto"),
}
OF_THE_MAPPING: Final = {"type-mismatch", "invalid-date", "ambiguous-phone", "too-long", "pattern-mismatch"}
"""Issues that a wrong mapping makes of good data."""


def test_the_sample_goes_from_init_to_validate(tmp_path: Path) -> None:
    """A proposal is checked and validated as it stands, and few rows are rejected; nothing is overwritten."""
    shell = new_shell(tmp_path)
    ended = shell.run("mapping", "init", CUSTOMERS, "-o", "m.yaml")
    assert ended.code == 0, ended.stderr
    assert "16 of 17 columns mapped" in ended.stderr
    assert f"memory-importer validate {CUSTOMERS} -m m.yaml --emulator" in ended.stderr
    written = (tmp_path / "m.yaml").read_bytes()
    again = shell.run("mapping", "init", CUSTOMERS, "-o", "m.yaml")
    assert again.code == 2
    assert "--force" in again.stderr
    assert (tmp_path / "m.yaml").read_bytes() == written
    assert shell.run("mapping", "check", "m.yaml").code == 0
    validated = shell.run("validate", CUSTOMERS, "-m", "m.yaml", "--emulator", "--json")
    assert validated.report["outcomes"]["rejected"] < 0.1 * validated.report["rows_read"]


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_as_people_have_them_get_a_mapping_that_is_accepted(name: str, tmp_path: Path) -> None:
    """Every kind gets an identifier, a key and few errors as it stands; nobody's addresses alone are shown."""
    make, encoding = EXPORTS[name]
    source = tmp_path / "export.csv"
    make(source)
    proposed = propose(InitRequest((str(source),), Settings(), source_options=SourceOptions(encoding=encoding)))
    mapping = parse_mapping(proposed.text.encode(), "m.yaml")
    assert proposed.proposal.has_identifier
    assert mapping.source.key is not None
    assert mapping.source.encoding == encoding
    for profile in proposed.proposal.profile.columns:
        shown = [example for example in profile.examples if len(example) > 9 and example in proposed.text]
        assert {*shown} <= {*proposed.proposal.denied}
    (tmp_path / "m.yaml").write_text(proposed.text, encoding="utf-8")
    settings = Settings(runs_dir=str(tmp_path / "runs"))
    report = validate(RunRequest((str(source),), tmp_path / "m.yaml", settings, emulator=True))
    assert not OF_THE_MAPPING & report.issues.keys()
    assert report.outcomes["rejected"] <= 0.05 * report.rows_read


def test_words_for_no_value_become_null_tokens(tmp_path: Path) -> None:
    """Each as it is written, but not the country NA; a column of digits is no postal code, and moments get a format."""
    exports.words_for_nothing(tmp_path / "s.csv")
    text = propose(InitRequest((str(tmp_path / "s.csv"),), Settings())).text
    mapping = parse_mapping(text.encode(), "m.yaml")
    assert sorted(mapping.source.null_tokens) == ["", "-", "N/A", "NULL", "\\N"]
    assert mapping.columns["VIP?"][0].true_values == ("yes",)
    assert mapping.columns["VIP?"][0].false_values == ("no",)
    assert mapping.columns["Points"][0].type == "NUMBER"
    assert mapping.columns["Seen"][0].format == "%d.%m.%Y %H:%M"
    assert "postalCode" not in text
    assert (mapping.columns["Branch"][0].to, mapping.columns["Branch"][0].type) == ("Account.branch", None)


def test_addresses_of_nobody_are_named(tmp_path: Path) -> None:
    """As a deny list to be switched on, in lower case, with their number; a source without any gets none."""
    lines = [f"{n},p{n}@example.com,n{n}" for n in range(50)]
    lines += ["50,noemail@shop.example,x", "51,NoEmail@shop.example,y", "52,test@test.com,z"]
    source = tmp_path / "s.csv"
    source.write_text("\n".join(["customer_id,email,name", *lines, ""]), "utf-8")
    text = propose(InitRequest((str(source),), Settings())).text
    assert "# TODO: addresses that look like nobody's, in 3 cells." in text
    assert parse_mapping(text.encode(), "m").identity.deny == ()
    mapping = parse_mapping(text.replace("# identity", "identity").encode(), "m")
    assert mapping.identity.deny == ("noemail@shop.example", "test@test.com")
    assert "deny" not in propose(InitRequest((str(_without(source, "noemail", "test@")),), Settings())).text


def _without(source: Path, *words: str) -> Path:
    """Write a source again without the lines that hold a word."""
    kept = [line for line in source.read_text("utf-8").splitlines() if not any(w in line.lower() for w in words)]
    path = source.with_name("clean.csv")
    path.write_text("\n".join([*kept, ""]), "utf-8")
    return path


def test_a_store_is_matched_by_its_traits(tmp_path: Path) -> None:
    """With a schema the columns go to the traits that the store has, as the hand-written mapping has them."""
    shell = new_shell(tmp_path)
    checked = shell.run("mapping", "check", CUSTOMERS_MAPPING, "--source", CUSTOMERS, "--emulator")
    assert checked.code == 0, checked.stderr
    settings = Settings(runs_dir=str(shell.runs_dir))
    save_schema(store_schema(settings, emulator=True), tmp_path / "store.json")
    ended = shell.run("mapping", "init", CUSTOMERS, "--schema", "store.json")
    mapped = {name: targets[0].to for name, targets in parse_mapping(ended.stdout.encode(), "m").columns.items()}
    wanted = parse_mapping(CUSTOMERS_MAPPING.read_bytes(), "m").columns
    assert mapped == {name: targets[0].to for name, targets in wanted.items()}
    written = shell.run("mapping", "init", CUSTOMERS, "--schema", "store.json", "-o", "m.yaml")
    assert f"memory-importer validate {CUSTOMERS} -m m.yaml --schema store.json" in written.stderr


def test_the_source_is_never_written_over(tmp_path: Path) -> None:
    """--force is no leave to destroy what is being read."""
    source = tmp_path / "s.csv"
    source.write_text("mail\na@example.com\nb@example.com\n", encoding="utf-8")
    ended = new_shell(tmp_path).run("mapping", "init", "s.csv", "-o", "s.csv", "--force")
    assert ended.code == 2
    assert source.read_text(encoding="utf-8").startswith("mail\n")
