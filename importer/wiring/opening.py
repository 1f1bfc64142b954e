"""From a request to everything a run needs open: mapping, source, store, plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from importer.core.check_values import Checks, compile_checks
from importer.core.manifest import SourceRecord, Target
from importer.core.mapping import MappingFile, source_options
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import seed_for
from importer.core.mapping_tree import MAX_BYTES
from importer.core.mapping_yaml import parse_mapping
from importer.core.schema import StoreSchema
from importer.core.source_notes import naive_notes
from importer.core.transform import RoutingPolicy, TransformPlan
from importer.errors import SettingsError
from importer.ports import Source, SourceDescription, SourceOptions
from importer.sources import open_source
from importer.wiring.requests import RunRequest
from importer.wiring.run import Earlier
from importer.wiring.targets import PATIENCE, OpenTarget, Wait, no_target, open_emulator, open_live, schema_from_file


@dataclass(frozen=True)
class Opened:
    """What a run needs open.

    Attributes:
        source: Described, not yet read.
        description: Of the source.
        source_options: How it is read.
        mapping: As read.
        plan: Mapping, source and store brought together.
        checks: The compiled plan.
        schema: Of the store.
        target: What the run records of the store.
        store: The open store; None when only its schema is known.
        notes: What a person should know so far.
        earlier: What was delivered before, where that has a say: in a sync.
    """

    source: Source
    description: SourceDescription
    source_options: SourceOptions
    mapping: MappingFile
    plan: TransformPlan
    checks: Checks
    schema: StoreSchema
    target: Target
    store: OpenTarget | None
    notes: tuple[str, ...]
    earlier: Earlier | None = None

    def source_record(self, spec: tuple[str, ...], fingerprint: str) -> SourceRecord:
        """Return what a run records of its source."""
        dialect = self.description.dialect
        return SourceRecord(
            spec=spec,
            stamps=tuple(file.stamp for file in self.description.files),
            options=asdict(self.source_options),
            kind=self.description.kind,
            files=tuple(file.name for file in self.description.files),
            columns=self.description.columns,
            fingerprint=fingerprint,
            encoding=dialect.encoding if dialect is not None else None,
            delimiter=dialect.delimiter if dialect is not None else None,
            notes=self.description.notes,
        )


def read_mapping(path: Path) -> MappingFile:
    """Read a mapping file.

    Raises:
        SettingsError: the file cannot be read.
        MappingError: it is refused.
    """
    return parse_mapping(mapping_bytes(path), str(path))


def mapping_bytes(path: Path) -> bytes:
    """Return the content of a mapping file; of one that is too large, enough to tell.

    Raises:
        SettingsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise SettingsError(f"{path}: cannot be read ({exc.strerror})", hint="check --mapping") from None


@contextmanager
def opened(request: RunRequest, wait: Wait = PATIENCE, *, hashed: bool = True) -> Iterator[Opened]:
    """Open everything, cheapest refusal first: mapping, source, store, then whether they fit each other.

    Args:
        request: What is asked for.
        wait: How to wait for a service that is busy.
        hashed: See `open_source`; a run that sends nothing has no use for it.

    Raises:
        ConfigError: options, mapping or source are refused.
        ApiError: the store could not be read.
    """
    mapping = read_mapping(request.mapping_path)
    options = merged_source_options(mapping, request.source_options)
    source = open_source(request.sources, options, hashed=hashed)
    description = source.describe()
    with _target(request, mapping, wait) as (schema, target, store):
        plan = resolve_mapping(
            mapping,
            description.columns,
            schema,
            unsupported=description.unsupported,
            used=request.used_columns,
        )
        plan = replace(plan, routing=_routing(plan.routing, request), needs_key=request.needs_key)
        checks = compile_checks(plan)
        unchecked = tuple(
            f"the store's pattern of {ref} cannot be checked here; the service checks it (pattern-not-checked)"
            for ref in sorted(checks.unchecked)
        )
        naive = naive_notes(plan, description.naive)
        notes = (*(store.notes if store is not None else ()), *naive, *plan.notes, *unchecked)
        yield Opened(source, description, options, mapping, plan, checks, schema, target, store, notes)


def merged_source_options(mapping: MappingFile, given: SourceOptions) -> SourceOptions:
    """Lay options that were given over the mapping's, and those over the defaults."""
    defaults = SourceOptions()
    overrides = {
        field.name: getattr(given, field.name)
        for field in fields(given)
        if getattr(given, field.name) != getattr(defaults, field.name)
    }
    return replace(defaults, **(source_options(mapping) | overrides))  # type: ignore[arg-type]  # names are fields


def _routing(policy: RoutingPolicy, request: RunRequest) -> RoutingPolicy:
    return policy if request.part_rows is None else replace(policy, part_rows=request.part_rows)


def _target(
    request: RunRequest, mapping: MappingFile, wait: Wait
) -> AbstractContextManager[tuple[StoreSchema, Target, OpenTarget | None]]:
    if request.schema_file is not None:
        schema = schema_from_file(request.schema_file)
        target = Target(store_id=schema.store_id, store_name=schema.store_name, host="", api_url="")
        return nullcontext((schema, target, None))
    return _store(request, mapping, wait)


@contextmanager
def _store(
    request: RunRequest, mapping: MappingFile, wait: Wait
) -> Iterator[tuple[StoreSchema, Target, OpenTarget | None]]:
    if request.emulator:
        # The emulator has one store; a mapping pinned to a store of the live service names another.
        context = open_emulator(request.settings, seed=seed_for(mapping), store_id=mapping.store, wait=wait)
    elif request.settings.store_id is not None or mapping.store is not None:
        store_id = request.settings.store_id or mapping.store
        context = open_live(request.settings.model_copy(update={"store_id": store_id}), wait=wait)
    else:
        raise no_target()
    with context as store:
        yield store.schema, store.target, store
