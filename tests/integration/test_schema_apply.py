"""`schema diff` and `schema apply` against the local service over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event

import pytest

from importer.errors import ConfigError
from importer.wiring.looking import store_schema
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.schema_fitting import Fitting, apply_schema, diff_schema
from tests.support.cli import served
from tests.support.runs import Workbench, workbench

TEXT = """\
version: 1
columns:
  mail: Contact.email
  wa: {to: Contact.wa, identifier: whatsapp}
  points: {to: Games.points, type: number}
"""
SMALL = {"version": 1, "columns": {"mail": "Contact.email"}}


class _Hurried(Event):
    """A stop that nobody asks for, and that does not wait."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - the signature of an event
        return False


def _apply(bench: Workbench, columns: dict[str, object], *, promote: bool = False) -> Fitting:
    path = bench.folder / "m.yaml"
    path.write_text(json.dumps({"version": 1, "columns": columns}), encoding="utf-8")
    request = RunRequest((), path, bench.settings)
    return apply_schema(request, Hooks(stop=_Hurried()), lambda _: None, lambda _: None, promote=promote)


def test_a_store_is_given_what_a_mapping_needs(tmp_path: Path) -> None:
    """A difference exits with 3, an unanswered question with 2; what was created fits by another reading: 0."""
    with served(tmp_path) as (_, shell):
        (tmp_path / "m.yaml").write_text(TEXT, encoding="utf-8")
        found = shell.run("schema", "diff", "-m", "m.yaml", "--json")
        assert found.code == 3, found.stderr
        assert found.report["lacking"]["trait_groups"] == ["Games"]
        assert [trait["trait"] for trait in found.report["lacking"]["traits"]] == ["Contact.wa", "Games.points"]
        unanswered = shell.run("schema", "apply", "-m", "m.yaml")
        assert unanswered.code == 2
        assert "gets 1 trait group, 2 traits. Go on?" in unanswered.stderr
        assert "--yes" in unanswered.stderr
        assert "+ Games.points (NUMBER)" in unanswered.stdout
        made = shell.run("schema", "apply", "-m", "m.yaml", "--yes", "--json")
        assert made.code == 0, made.stderr
        assert made.report["fits"]
        told = [(change["trait_group"], change["is_new"]) for change in made.report["made"]]
        assert told == [("Contact", False), ("Games", True)]
        assert all(change["operation_id"] for change in made.report["made"])


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"to": "Contact.firstName", "type": "number"}, "is STRING in the store"),
        ({"to": "Games.id", "identifier": "crm_id"}, "no identifier type crm_id"),
        ({"to": "Contact.firstName", "identifier": "chat"}, "would have to become an identifier"),
        ([f"Contact.t{number}" for number in range(92)], "would have 96 traits"),
    ],
)
def test_what_cannot_be_made_to_fit_is_refused_before_anything_is_created(
    tmp_path: Path, column: object, said: str
) -> None:
    """Another type, a lacking identifier type, a plain trait to promote, a limit: nothing is asked of the store."""
    with workbench(tmp_path, SMALL) as bench:
        before = bench.writes()
        with pytest.raises(ConfigError, match=said):
            _apply(bench, {"mail": "Contact.email", "points": "Games.points", "other": column})
        assert bench.writes() == before


def test_a_trait_is_promoted_only_by_its_flag(tmp_path: Path) -> None:
    """With it, a plain trait becomes the identifier that the mapping says it is."""
    with workbench(tmp_path, SMALL) as bench:
        columns: dict[str, object] = {
            "mail": "Contact.email",
            "name": {"to": "Contact.firstName", "identifier": "chat"},
        }
        fitting = _apply(bench, columns, promote=True)
        assert fitting.difference.fits
        assert store_schema(bench.settings, emulator=False).traits["Contact.firstName"].id_type == "chat"


def test_a_store_that_fits_is_not_written_to(tmp_path: Path) -> None:
    """Applied twice, the second time asks for nothing; a schema file is compared without a network."""
    with workbench(tmp_path, SMALL) as bench:
        columns: dict[str, object] = {"mail": "Contact.email", "points": "Games.points"}
        assert len(_apply(bench, columns).made) == 1
        before = bench.writes()
        again = _apply(bench, columns)
        assert (again.made, again.difference.fits) == ((), True)
        assert bench.writes() == before
        file = tmp_path / "store.json"
        settings = bench.settings
        file.write_bytes(store_schema(settings, emulator=False).to_file())
    assert diff_schema(RunRequest((), tmp_path / "m.yaml", settings, schema_file=file)).difference.fits
