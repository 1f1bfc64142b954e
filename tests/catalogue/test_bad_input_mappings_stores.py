"""Catalogue of bad input, mappings: what does not fit the source or the store, and what the service alone knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson
import pytest

import importer
from importer.core.mapping_seed import seed_for
from importer.core.mapping_yaml import parse_mapping
from importer.emulator import Emulator, EmulatorSettings
from tests.catalogue.trial import CANARY, COLUMNS, STORE, Case, Read, Refused, parameters, try_out
from tests.support.cli import CREDENTIALS, ROOT
from tests.support.here import run_here
from tests.support.interposed import interposed
from tests.support.loopback import Reply, Seen
from tests.support.runs import workbench

SOURCE: Final = f"email,name,points\n{CANARY}@example.com,{CANARY},1\n".encode()
OTHER_STORE: Final = "mem_store_00000000000000000000000002"
WHOLE: Final[dict[str, Any]] = {
    "version": 1,
    "columns": {
        "email": "Contact.email",
        "name": "Contact.firstName",
        "points": {"to": "Loyalty.points", "type": "number"},
        "tags": {"to": "Loyalty.tags", "type": "array"},
    },
}
MANY: Final = 101


def refused(name: str, columns: dict[str, Any], *words: str, fix: str = "", **sections: Any) -> Case:
    """Return a case of a mapping that does not fit the source or the store."""
    mapping = {"version": 1, "columns": columns, **sections}
    return Case(name, SOURCE, Refused(words, fix, importer.MappingError), mapping=mapping, store=WHOLE)


def wide(count: int) -> bytes:
    """Return a source of an e-mail address and a number of columns."""
    names = [f"c{number}" for number in range(count)]
    return ("\n".join([",".join(["email", *names]), ",".join(["a@example.com", *["x"] * count]), ""])).encode()


CASES: Final = {
    91: [
        refused(
            "group",
            COLUMNS | {"points": "Loyality.points"},
            "the store has no trait group `Loyality`",
            fix="did you mean `Loyalty.points`?",
        ),
        refused(
            "trait",
            COLUMNS | {"points": "Loyalty.pionts"},
            "the store has no trait `Loyalty.pionts`",
            fix="did you mean `Loyalty.points`?",
        ),
        refused(
            "case", COLUMNS | {"points": "loyalty.Points"}, "no trait group `loyalty`", fix="mean `Loyalty.points`?"
        ),
        refused(
            "type",
            COLUMNS | {"points": {"to": "Loyalty.points", "type": "string"}},
            "`Loyalty.points` is NUMBER in the store",
            fix="write `type: number`",
        ),
        refused(
            "array",
            COLUMNS | {"points": {"to": "Loyalty.points", "split": "|"}},
            "`split` is for an ARRAY; `Loyalty.points` is NUMBER",
            fix="take `split` out",
        ),
        refused(
            "identifier",
            COLUMNS | {"name": {"to": "Contact.firstName", "identifier": "user_id"}},
            "`Contact.firstName` is not an identifier in the store",
            fix="take `identifier` out",
        ),
        refused("computed", COLUMNS, "no trait `Loyalty.rank`", computed={"Loyalty.rank": "UPPER(name)"}),
        refused(
            "constant", COLUMNS, "the constant is STRING", constants={"Loyalty.points": "ten"}, fix="without quotes"
        ),
        refused("shared", COLUMNS, "no identifier type `fax`", identity={"on_shared": {"fax": "allow"}}, fix="email"),
        refused(
            "constant-identifier",
            {"name": "Contact.firstName", "points": "Loyalty.points"},
            "a constant on the identifier `Contact.email` would merge all rows",
            constants={"Contact.email": f"{CANARY}@example.com"},
            fix="map a column",
        ),
    ],
    92: [
        refused(
            "no-identifier",
            {"name": "Contact.firstName", "points": "Loyalty.points"},
            "no column is mapped to an identifier",
            fix="map a column to `Contact.email`",
        ),
        refused(
            "one-column", {"email": "Contact.email"}, "only one trait is filled by a column", fix="map another column"
        ),
        refused(
            "constants-do-not-count",
            {"email": "Contact.email"},
            "only one trait is filled by a column",
            constants={"Contact.firstName": "x"},
        ),
        Case(
            "more-than-an-import-has",
            wide(MANY),
            Read(1),
            columns={"email": "Contact.email"} | {f"c{n}": f"Wide.c{n}" for n in range(MANY)},
        ),
    ],
    94: [
        refused("other", COLUMNS, f"the mapping is for {OTHER_STORE}", fix="choose the other store", store=OTHER_STORE),
        refused("none", COLUMNS, "not a store ID", fix="26 lower-case", store="mem_store_1"),
        Case("same", SOURCE, Read(1), mapping={"version": 1, "store": STORE, "columns": COLUMNS}),
    ],
    95: [
        refused(
            "absent",
            COLUMNS | {"pionts": "Loyalty.points"},
            "the source has no column `pionts`",
            fix="did you mean `points`?",
        ),
        refused("key", COLUMNS, "the source has no column `customer`", source={"key": "customer"}),
        Case("extra", SOURCE, Read(1, notes=("1 column is not mapped, so not sent: `points`",)), columns=COLUMNS),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_comes_of_a_mapping_that_does_not_fit(case: Case, tmp_path: Path) -> None:
    """Each is refused in preflight with its place and what to write instead, or taken as it is meant."""
    try_out(case, tmp_path)


@pytest.mark.parametrize(("count", "route"), [(99, "import"), (MANY, "bulk")])
def test_more_traits_than_an_import_has_columns_go_by_bulk(count: int, route: str, tmp_path: Path) -> None:
    """At 100 columns a part carries them; beyond that nothing is refused, and the report gives the reason."""
    columns = {"email": "Contact.email"} | {f"c{n}": f"Wide{n // 90}.c{n}" for n in range(count)}
    mapping = {"version": 1, "columns": columns, "routing": {"import_min_rows": 1}}
    (tmp_path / "wide.csv").write_bytes(wide(count))
    with workbench(tmp_path, mapping) as bench:
        report = importer.plan(bench.request(tmp_path / "wide.csv"))
    assert {name: found.rows for name, found in report.routes.items() if found.rows} == {route: 1}
    if route == "bulk":
        assert report.routes[route].reasons == {"with more than 100 columns": 1}


def protecting(seen: Seen) -> Reply | None:
    """Refuse every body as one that writes to a protected trait; quote it, as no service should."""
    if seen.method != "PUT":
        return None
    errors = [{"detail": CANARY, "pointer": "#/profiles/0/traits/Loyalty/points"}]
    return Reply(403, orjson.dumps({"code": 520050, "status": 403, "message": CANARY, "errors": errors}))


def test_a_protected_trait_stops_the_run_at_its_first_body(tmp_path: Path) -> None:
    """The schema does not say what is protected; the answer does: exit code 4, the trait groups, nothing sent twice."""
    rows = [f"{CANARY}{number}@example.com,n,{number}" for number in range(3000)]
    (tmp_path / "source.csv").write_text("\n".join(["email,name,points", *rows, ""]), encoding="utf-8")
    columns = COLUMNS | {"points": "Loyalty.points"}
    (tmp_path / "mapping.yaml").write_bytes(orjson.dumps({"version": 1, "columns": columns}))
    seed = seed_for(parse_mapping(orjson.dumps(WHOLE), "mapping.yaml"))
    with Emulator(":memory:", EmulatorSettings(), seed) as emulator, interposed(emulator, protecting) as between:
        environment = {"MEMORY_API_URL": between.api.url, "MEMORY_STORE_ID": emulator.store_id, **CREDENTIALS}
        command = (
            "import",
            "source.csv",
            "-m",
            "mapping.yaml",
            "--via",
            "bulk",
            "--yes",
            "--json",
            "--concurrency",
            "1",
        )
        ended = run_here(tmp_path, *command, environment=environment)
        assert len(between.of("PUT", "/Bulk")) == 1
    assert ended.code == 4, ended.stderr
    assert ended.report["outcomes"]["not_sent"] == 3000
    assert "HTTP 403, code 520050" in ended.report["error"]["message"]
    assert "trait groups `Loyalty`, `Contact`" in ended.report["error"]["hint"]
    assert CANARY not in ended.stdout + ended.stderr


def test_the_contract_has_no_word_for_protected_traits() -> None:
    """Were there one, preflight could refuse them; until then the page says that it cannot."""
    contract = (ROOT / "importer" / "emulator" / "openapi.yaml").read_text(encoding="utf-8")
    assert "protected" not in contract.lower()
