"""Options of `schema diff` and `schema apply` to requests, and what they found to the screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import rich_click as click

from importer.cli.calls import hooks_of, request_of
from importer.core.mapping_traits import default_normalization
from importer.core.schema_needs import SchemaDifference
from importer.pipeline.give_schema import Made
from importer.reports.wording import counted
from importer.wiring.schema_fitting import Fitting, apply_schema, diff_schema


def call_diff(given: Mapping[str, Any]) -> int:
    """Print what a store lacks for a mapping, and return the exit code: 3 if it lacks anything or differs."""
    request = request_of({**given, "source": ()})
    found = diff_schema(request)
    if given["as_json"]:
        _print_json(found, request.mapping_path)
    else:
        for line in _lines(found, request.mapping_path):
            click.echo(line)
    return 0 if found.difference.fits else 3


def call_apply(given: Mapping[str, Any]) -> int:
    """Give a store what a mapping needs, and return the exit code: 3 if it still does not fit."""
    request = request_of({**given, "source": ()})
    as_json = given["as_json"]

    def show(found: Fitting) -> None:
        for line in _lines(found, request.mapping_path):
            click.echo(line, err=as_json)

    def tell(made: Made) -> None:
        what = "created" if made.change.is_new else "changed"
        click.echo(f"{what} trait group {made.change.group} ({counted(len(made.change.traits), 'trait')})", err=as_json)

    with hooks_of(given) as hooks:
        left = apply_schema(request, hooks, show, tell, promote=given["promote"])
    if as_json:
        _print_json(left, request.mapping_path)
    elif left.made or not left.difference.fits:
        for line in _verdict(left, request.mapping_path):
            click.echo(line)
    return 0 if left.difference.fits else 3


def _lines(found: Fitting, mapping: Path) -> Iterator[str]:
    difference = found.difference
    yield from (f"note: {note}" for note in found.notes)
    yield from _verdict(found, mapping)
    for doubt in difference.doubts:
        yield f"warning: {doubt}"
    for limit in difference.limits:
        yield f"warning: {limit}"
    for drift in difference.drift:
        yield f"warning: {drift.message}" + (f" ({drift.fix})" if drift.fix else "")


def _verdict(found: Fitting, mapping: Path) -> Iterator[str]:
    difference, store = found.difference, f"{found.schema.store_name} ({found.schema.store_id})"
    if difference.fits:
        yield f"{mapping}: fits the store {store}"
        return
    yield f"{mapping}: does not fit the store {store}"
    for group in difference.groups:
        yield f"  + trait group {group}"
    for trait in difference.traits:
        promoted = f", identifier {trait.id_type}" if trait.id_type is not None else ""
        yield f"  + {trait.ref} ({trait.data_type}{promoted})"
    for trait in difference.promotions:
        yield f"  ~ {trait.ref} becomes the identifier {trait.id_type}"
    for id_type in difference.id_types:
        normalization = default_normalization(id_type).value
        yield f"  ! identifier type {id_type} (usually normalised as {normalization}): add it to the store yourself"
    for problem in difference.differs:
        yield f"  ! {problem}"


def _print_json(found: Fitting, mapping: Path) -> None:
    click.echo(orjson.dumps(_as_json(found, str(mapping)), option=orjson.OPT_INDENT_2).decode())


def _as_json(found: Fitting, mapping: str) -> dict[str, object]:
    difference = found.difference
    return {
        "mapping": mapping,
        "store_id": found.schema.store_id,
        "store_name": found.schema.store_name,
        "fits": difference.fits,
        "lacking": _lacking_json(difference),
        "differs": [{"line": item.line, "message": item.message, "fix": item.fix} for item in difference.differs],
        "limits": list(difference.limits),
        "warnings": [*difference.doubts, *(drift.message for drift in difference.drift)],
        "made": [
            {
                "trait_group": made.change.group,
                "is_new": made.change.is_new,
                "traits": list(made.change.traits),
                "operation_id": made.operation_id,
                "request_id": made.request_id,
            }
            for made in found.made
        ],
        "notes": list(found.notes),
    }


def _lacking_json(difference: SchemaDifference) -> dict[str, object]:
    traits, promotions = (
        [
            {"trait": trait.ref, "type": trait.data_type.value, "identifier": trait.id_type, "line": trait.line}
            for trait in traits
        ]
        for traits in (difference.traits, difference.promotions)
    )
    return {
        "trait_groups": list(difference.groups),
        "traits": traits,
        "promotions": promotions,
        "identifier_types": list(difference.id_types),
    }
