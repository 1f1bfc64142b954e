"""What a run was planned by, kept beside it: the store's schema and the mapping, as they were read.

``schema.json`` and ``mapping.yaml`` in the run folder (0600). A run that was planned by an earlier version has neither.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from importer.core.mapping import MappingFile
from importer.core.mapping_yaml import parse_mapping
from importer.core.schema import StoreSchema
from importer.errors import MappingError
from importer.files import write_whole
from importer.state.run_folder import RunFolder

SCHEMA_FILE: Final = "schema.json"
MAPPING_FILE: Final = "mapping.yaml"


def freeze(folder: RunFolder, schema: StoreSchema, mapping: bytes | None) -> None:
    """Keep what a run is planned by.

    Args:
        folder: Of the run.
        schema: Of the store.
        mapping: Content of the mapping file; None leaves the one that is there.

    Raises:
        StateError: a file cannot be written.
    """
    write_whole(folder.path / SCHEMA_FILE, schema.to_file())
    if mapping is not None:
        write_whole(folder.path / MAPPING_FILE, mapping)


def frozen_schema(folder: RunFolder) -> StoreSchema | None:
    """Return the schema a run was planned by; None where it was not kept, or cannot be read."""
    with suppress(OSError, ValueError):
        return StoreSchema.from_file((folder.path / SCHEMA_FILE).read_bytes())
    return None


def frozen_mapping(folder: RunFolder, fingerprint: str) -> MappingFile | None:
    """Return the mapping a run was planned by; None where it was not kept, or is another one."""
    with suppress(OSError, MappingError):
        mapping = parse_mapping((folder.path / MAPPING_FILE).read_bytes(), MAPPING_FILE)
        if mapping.fingerprint == fingerprint:
            return mapping
    return None
