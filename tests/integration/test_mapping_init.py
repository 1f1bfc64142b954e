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
from tests.support import exports
from tests.support.cli import CUSTOMERS, CUSTOMERS_MAPPING, new_shell

EXPORTS: Final[dict[str, tuple[Callable[[Path], None], str]]] = {
    "german": (exports.german_excel, "cp1252"),
    "crm": (exports.us_crm, "auto"),
    "salesforce": (exports.salesforce_report, "auto"),
    "shopify": (exports.shopify_customers, "auto"),
    "hubspot": (exports.hubspot_contacts, "auto"),
}


def test_the_sample_goes_from_init_to_validate(tmp_path: Path) -> None:
    """A proposal is checked and validated as it stands, and few rows are rejected; nothing is overwritten."""
    shell = new_shell(tmp_path)
    ended = shell.run("mapping", "init", CUSTOMERS, "-o", "m.yaml")
    assert ended.code == 0, ended.stderr
    assert "16 of 17 columns mapped" in ended.stderr
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
    """Every kind of export is proposed an identifier and a key, and no cell value stands in the file."""
    make, encoding = EXPORTS[name]
    source = tmp_path / "export.csv"
    make(source)
    proposed = propose(InitRequest((str(source),), Settings(), source_options=SourceOptions(encoding=encoding)))
    mapping = parse_mapping(proposed.text.encode(), "m.yaml")
    assert proposed.proposal.has_identifier
    assert mapping.source.key is not None
    assert mapping.source.encoding == encoding
    for profile in proposed.proposal.profile.columns:
        assert not [example for example in profile.examples if len(example) > 9 and example in proposed.text]


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


def test_the_source_is_never_written_over(tmp_path: Path) -> None:
    """--force is no leave to destroy what is being read."""
    source = tmp_path / "s.csv"
    source.write_text("mail\na@example.com\nb@example.com\n", encoding="utf-8")
    ended = new_shell(tmp_path).run("mapping", "init", "s.csv", "-o", "s.csv", "--force")
    assert ended.code == 2
    assert source.read_text(encoding="utf-8").startswith("mail\n")
