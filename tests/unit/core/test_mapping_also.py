"""`also`: further values of an identifier type, from the mapping to the typed row and its route."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from importer.core.check import CheckedRows, check_rows
from importer.core.check_values import compile_checks
from importer.core.filled import FilledSets
from importer.core.mapping import MappingFile
from importer.core.mapping_drift import named_columns
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import seed_for, seeded_schema
from importer.core.mapping_yaml import parse_mapping
from importer.core.profile_text import encode_profiles
from importer.core.route import ROUTES, Reason, Route, Via, choose_routes
from importer.core.transform import RoutingPolicy, TransformPlan
from importer.core.wire import wire_traits
from importer.errors import MappingError

COLUMNS: dict[str, Any] = {
    "mail": "Contact.email",
    "mobile": {"to": "Contact.phone", "region": "US"},
    "landline": {"also": "Contact.phone", "region": "US", "on_invalid": "drop"},
    "office": {"also": "Contact.phone", "region": "US"},
    "name": "Contact.firstName",
}


def _plan(**changes: Any) -> TransformPlan:
    mapping = MappingFile.model_validate({"version": 1, "columns": COLUMNS | changes})
    return resolve_mapping(mapping, named_columns(mapping), seeded_schema(mapping))


def _check(plan: TransformPlan, **cells: list[str | None]) -> CheckedRows:
    height = len(cells["mail"])
    columns = {name: pl.Series(cells.get(name, [None] * height), dtype=pl.String) for name in COLUMNS}
    numbers = pl.Series(range(1, height + 1), dtype=pl.UInt64)
    return check_rows(compile_checks(plan), pl.DataFrame(columns), numbers, pl.repeat(False, height, eager=True))


def test_further_values_are_columns_of_their_own() -> None:
    """They are numbered from 2, are identifiers of the trait's type, and need nothing of the store."""
    plan = _plan()
    assert [(trait.ref, trait.column) for trait in plan.identifiers if trait.further] == [
        ("Contact.phone+2", "landline"),
        ("Contact.phone+3", "office"),
    ]
    assert {trait.stored_ref for trait in plan.traits if trait.id_type == "phone"} == {"Contact.phone"}
    seed = seed_for(MappingFile.model_validate({"version": 1, "columns": COLUMNS}))
    assert list(seed["traitGroups"][0]["traits"]) == ["email", "phone", "firstName"]


def _resolved(text: str) -> TransformPlan:
    mapping = parse_mapping(text.encode(), "m.yaml")
    return resolve_mapping(mapping, named_columns(mapping), seeded_schema(mapping))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: Contact.email\n  b: {also: Contact.phone}", "nothing fills `Contact.phone` itself"),
        ("a: Contact.email\n  b: {also: Contact.phone, to: Contact.phone}", "`to` and `also` exclude each other"),
        ("a: Contact.email\n  b: {also: Contact.email, type: string}", "stand with the column that has `to`"),
        ("a: [Contact.email, Contact.x]\n  b: {also: Contact.x}", "`Contact.x` is not an identifier"),
        ("a: Contact.email\n  b: {also: Contact.email}\n  c: {to: A.c, on_missing: remove}", "do not go together"),
        ("a: Contact.email\n  b: {also: Contact.email, on_missing: clear}", "a missing one is always kept"),
    ],
)
def test_what_cannot_be_added_is_refused(text: str, said: str) -> None:
    """Each with its line, before anything is read."""
    with pytest.raises(MappingError) as refused:
        _resolved(f"version: 1\ncolumns:\n  {text}\n")
    assert any(said in problem.message and problem.line for problem in refused.value.problems)


def test_further_values_are_checked_as_identifiers_and_count_for_none() -> None:
    """Normalised, refused and dropped like any; what the row has said already is left out, and counted.

    A row with nothing else has no identifier, because no body could carry it.
    """
    checked = _check(
        _plan(),
        mail=["a@x.io", "b@x.io", "c@x.io", None, "e@x.io"],
        mobile=["(415) 555-2671", "4155552672", None, None, "4155552674"],
        landline=["212 555 1000", "+1 415 555 2672", "2125551002", "2125551003", "12"],
        office=[None, None, "(212) 555-1002", None, None],
        name=["A", "B", "C", "D", "E"],
    )
    assert checked.typed["Contact.phone+2"].to_list() == ["+12125551000", None, "+12125551002", None]
    assert checked.typed["Contact.phone+3"].to_list() == [None] * 4
    assert checked.early["code"].to_list() == [None, None, None, "missing-identifier", None]
    assert checked.repairs["landline: same as Contact.phone"] == 1
    assert checked.repairs["office: same as Contact.phone+2"] == 1
    (dropped,) = checked.issues.filter(pl.col("code") == "invalid-phone").to_dicts()
    assert (dropped["severity"], dropped["column"], dropped["trait"]) == ("warning", "landline", "Contact.phone+2")


def test_no_body_carries_them_and_no_import_file() -> None:
    """Their rows go by Bulk with the identifiers behind it, whatever their number; a forced import is refused."""
    plan = _plan()
    traits = wire_traits(plan)
    cells: dict[str, list[str | None]] = {
        "mail": ["a@x.io", "b@x.io"],
        "mobile": ["4155552671", "4155552672"],
        "landline": ["2125551000", None],
    }
    typed = _check(plan, **cells, name=["A", "B"]).typed
    assert "2125551000" not in "".join(encode_profiles(traits, typed.to_arrow()).to_pylist())
    sets = FilledSets(traits, by_file=True)
    numbers = sets.intern(typed).to_numpy()
    for via in (Via.AUTO, Via.BULK, Via.IMPORT):
        routed = choose_routes(
            numbers,
            sets.sets(),
            {trait.ref: trait for trait in traits},
            RoutingPolicy(import_min_rows=1),
            via=via,
        )
        behind, other = (ROUTES[number] for number in routed.route)
        assert behind is Route.BULK_IDENTIFIERS
        assert other is (Route.BULK if via is Via.BULK else Route.IMPORT)
        assert list(Reason)[routed.reason[0]] is Reason.FURTHER
