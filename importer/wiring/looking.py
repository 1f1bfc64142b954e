"""Looking at a store or a mapping without making a run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from importer.core.schema import StoreSchema
from importer.core.transform import TransformPlan
from importer.settings import Settings
from importer.state.files import write_private
from importer.wiring.opening import opened
from importer.wiring.requests import RunRequest
from importer.wiring.targets import OpenTarget, open_emulator, open_live, schema_from_file


def store_schema(settings: Settings, *, emulator: bool, schema_file: Path | None = None) -> StoreSchema:
    """Return a store's schema, from the store or from a file."""
    if schema_file is not None:
        return schema_from_file(schema_file)
    store: AbstractContextManager[OpenTarget] = open_emulator(settings) if emulator else open_live(settings)
    with store as target:
        return target.schema


def check_against_store(request: RunRequest) -> TransformPlan:
    """Bring mapping, source and store together, as a run would.

    Raises:
        MappingError: they do not fit; it has every reason.
    """
    with opened(request) as inputs:
        return inputs.plan


def save_schema(schema: StoreSchema, path: Path) -> None:
    """Write a schema for `--schema`."""
    write_private(path, schema.to_file())
