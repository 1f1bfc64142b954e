"""`mapping check`: a mapping file with itself, with a store, and with a source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from importer.core.check_values import compile_checks
from importer.core.mapping import MappingFile
from importer.core.mapping_drift import Drift, find_drift, named_columns, problems_beside
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import seed_for
from importer.core.schema import StoreSchema
from importer.core.transform import TransformPlan
from importer.errors import ApiError, MappingError, Problem, SettingsError
from importer.sources import open_source
from importer.wiring.looking import store_schema
from importer.wiring.opening import mapping_bytes, merged_source_options, read_mapping
from importer.wiring.requests import RunRequest
from importer.wiring.targets import no_target, open_emulator, open_live, schema_from_file


@dataclass(frozen=True)
class MappingCheck:
    """What a check of a mapping found.

    Attributes:
        problems: What keeps it from running, in the order of the lines; none where it can run.
        plan: Mapping, store and columns brought together; None without a store, or with problems.
        schema: Of the store; None without one.
        drift: What to look at although it runs; empty without a store.
        notes: What a person should know.
    """

    problems: tuple[Problem, ...] = ()
    plan: TransformPlan | None = None
    schema: StoreSchema | None = None
    drift: tuple[Drift, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def check_mapping(request: RunRequest) -> MappingCheck:
    """Check a mapping: alone, or with a store, or with a store and a source.

    Args:
        request: Its source may be empty; its store may be unnamed if the source is empty.

    Raises:
        SettingsError: a file cannot be read, or no store is named for a source.
        SourceError: the source cannot be read as a table.
        ApiError: the store could not be read.
    """
    try:
        mapping = read_mapping(request.mapping_path)
    except MappingError as refused:
        return _refused(request, refused)
    if not request.source and not names_store(request) and mapping.store is None:
        return MappingCheck(notes=("only the file itself was checked; --source and a store check more",))
    if not request.source and not names_store(request) and not _has_credentials(request):
        return MappingCheck(notes=(f"there are no credentials, so {mapping.store} was not compared",))
    columns, unsupported = named_columns(mapping), {}
    if request.source:
        source = open_source(request.sources, merged_source_options(mapping, request.source_options)).describe()
        columns, unsupported = source.columns, dict(source.unsupported)
    with opened_store(request, mapping) as schema:
        drift = find_drift(mapping, schema)
        try:
            plan = resolve_mapping(mapping, columns, schema, unsupported=unsupported)
        except MappingError as refused:
            return MappingCheck(refused.problems, None, schema, drift)
    unchecked = tuple(
        f"the store's pattern of {ref} cannot be checked here; the service checks it (pattern-not-checked)"
        for ref in sorted(compile_checks(plan).unchecked)
    )
    return MappingCheck((), plan, schema, drift, (*(plan.notes if request.source else ()), *unchecked))


def names_store(request: RunRequest) -> bool:
    """Tell whether a request itself names a store; the one a mapping is pinned to does not count."""
    return request.emulator or request.schema_file is not None or request.settings.store_id is not None


def _has_credentials(request: RunRequest) -> bool:
    try:
        request.settings.credentials()
    except SettingsError:
        return False
    return True


def _refused(request: RunRequest, refused: MappingError) -> MappingCheck:
    """Add what a store lacks to the faults of the file; the emulator has whatever a mapping asks for."""
    if request.emulator or not names_store(request):
        return MappingCheck(refused.problems)
    try:
        schema = store_schema(request.settings, emulator=False, schema_file=request.schema_file)
    except (SettingsError, ApiError) as error:  # the faults of the file are what can be told for certain
        return MappingCheck(refused.problems, notes=(f"the store was not compared: {error.message}",))
    beside = problems_beside(mapping_bytes(request.mapping_path), schema)
    problems = sorted(dict.fromkeys((*refused.problems, *beside)), key=lambda problem: problem.line or 0)
    return MappingCheck(tuple(problems), None, schema)


@contextmanager
def opened_store(request: RunRequest, mapping: MappingFile) -> Iterator[StoreSchema]:
    """Open the store of a request and give its schema; the emulator is given what the mapping needs, as by a run.

    Raises:
        SettingsError: no store is named, or there are no credentials.
        ApiError: the store could not be read.
    """
    if request.schema_file is not None:
        yield schema_from_file(request.schema_file)
        return
    if request.emulator:
        context = open_emulator(request.settings, seed=seed_for(mapping), store_id=mapping.store)
    else:
        store_id = request.settings.store_id or mapping.store
        if store_id is None:
            raise no_target()
        context = open_live(request.settings.model_copy(update={"store_id": store_id}))
    with context as store:
        yield store.schema
