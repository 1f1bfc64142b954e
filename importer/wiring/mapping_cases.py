"""`mapping test`: the tests of a mapping file, against a store or against the types that the mapping itself gives."""

from __future__ import annotations

from importer.core.check_values import compile_checks
from importer.core.mapping import MappingFile
from importer.core.mapping_cases import CaseResult, run_cases
from importer.core.mapping_drift import named_columns
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import seeded_schema
from importer.core.schema import StoreSchema
from importer.errors import SettingsError
from importer.wiring.mapping_check import names_store, opened_store
from importer.wiring.opening import read_mapping
from importer.wiring.requests import RunRequest


def run_mapping_tests(request: RunRequest) -> tuple[CaseResult, ...]:
    """Run the tests of a mapping.

    Args:
        request: Its source is not looked at.

    Raises:
        SettingsError: the mapping has no tests, or a file cannot be read.
        MappingError: the mapping is refused, or does not fit the store.
        ApiError: the store could not be read.
    """
    mapping = read_mapping(request.mapping_path)
    if not mapping.tests:
        raise SettingsError(f"{mapping.name}: has no tests", hint="add `tests:`, see docs/mapping.md")
    if not names_store(request):
        return _run(mapping, seeded_schema(mapping))
    with opened_store(request, mapping) as schema:
        return _run(mapping, schema)


def _run(mapping: MappingFile, schema: StoreSchema) -> tuple[CaseResult, ...]:
    return run_cases(mapping, compile_checks(resolve_mapping(mapping, named_columns(mapping), schema)))
