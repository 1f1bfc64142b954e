"""Looking at a store without making a run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from importer.core.schema import StoreSchema
from importer.errors import SettingsError, StateError
from importer.files import write_whole
from importer.settings import Settings
from importer.wiring.targets import OpenTarget, open_emulator, open_live, schema_from_file


def store_schema(settings: Settings, *, emulator: bool, schema_file: Path | None = None) -> StoreSchema:
    """Return a store's schema, from the store or from a file."""
    if schema_file is not None:
        return schema_from_file(schema_file)
    store: AbstractContextManager[OpenTarget] = open_emulator(settings) if emulator else open_live(settings)
    with store as target:
        return target.schema


def save_schema(schema: StoreSchema, path: Path) -> None:
    """Write a schema for `--schema`.

    Raises:
        SettingsError: the file cannot be written.
    """
    try:
        write_whole(path, schema.to_file())
    except StateError as error:  # it is no state of a run here, but a name that somebody gave
        raise SettingsError(error.message, hint="give another --output") from error
