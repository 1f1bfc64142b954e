"""A store's schema in a file or as tables. Imported only once the command really runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from importer.cli.environ import settings_of
from importer.wiring.looking import save_schema, store_schema


def pull_schema(given: Mapping[str, Any]) -> None:
    """Write a store's schema to a file or to standard output."""
    schema = store_schema(settings_of(given), emulator=bool(given["emulator"]))
    if given["output"]:
        save_schema(schema, Path(given["output"]))
        click.echo(f"{given['output']}: {len(schema.traits)} traits of {schema.store_name}", err=True)
    else:
        click.echo(schema.to_file().decode(), nl=False)


def show_schema(given: Mapping[str, Any]) -> None:
    """Print a store's schema as tables."""
    file = Path(given["schema_file"]) if given["schema_file"] else None
    schema = store_schema(settings_of(given), emulator=bool(given["emulator"]), schema_file=file)
    console = Console()
    console.print(f"{schema.store_name} ({schema.store_id})", highlight=False)
    traits = Table("trait", "type", "identifier", "rule", box=None)
    for ref, trait in schema.traits.items():
        rule = asdict(trait.rule) if trait.rule is not None else {}
        shown = ", ".join(f"{name}={value}" for name, value in rule.items() if value is not None)
        traits.add_row(ref, trait.data_type.value, trait.id_type or "", escape(shown))
    console.print(traits)
    identifiers = Table("identifier", "priority", "normalisation", "unique", "limit", box=None)
    for id_type, config in schema.identifiers.items():
        rank = schema.matching_rules.index(id_type) + 1 if id_type in schema.matching_rules else None
        identifiers.add_row(
            id_type,
            str(rank or "-"),
            config.normalization.value,
            "yes" if config.enforce_unique else "no",
            f"{config.limit} {config.limit_policy}",
        )
    console.print(identifiers)
