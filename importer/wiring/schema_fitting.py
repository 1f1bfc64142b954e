"""`schema diff` and `schema apply`: a mapping, a store, and what the store lacks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from importer.core.mapping import MappingFile
from importer.core.schema import StoreSchema
from importer.core.schema_needs import SchemaDifference, find_difference
from importer.errors import ConfigError, MappingError
from importer.pipeline.give_schema import Made, SchemaGiving
from importer.reports.wording import counted
from importer.wiring.opening import read_mapping
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.targets import PATIENCE, OpenTarget, Wait, no_target, open_emulator, open_live, schema_from_file


@dataclass(frozen=True)
class Fitting:
    """A mapping beside a store.

    Attributes:
        schema: Of the store.
        difference: What it lacks for the mapping, and what differs.
        made: What `apply_schema` made; nothing where only the difference was asked for.
        notes: What a person should know.
    """

    schema: StoreSchema
    difference: SchemaDifference
    made: tuple[Made, ...] = ()
    notes: tuple[str, ...] = ()


def diff_schema(request: RunRequest) -> Fitting:
    """Compare what a mapping needs with what a store, or a file of `schema pull`, has.

    Raises:
        MappingError: the mapping itself is refused.
        SettingsError: a file cannot be read, or no store is named.
        ApiError: the store could not be read.
    """
    mapping = read_mapping(request.mapping_path)
    if request.schema_file is not None:
        schema = schema_from_file(request.schema_file)
        return Fitting(schema, find_difference(mapping, schema))
    with _opened(request, mapping, PATIENCE) as store:
        return Fitting(store.schema, find_difference(mapping, store.schema), notes=store.notes)


def apply_schema(
    request: RunRequest,
    hooks: Hooks,
    shown: Callable[[Fitting], None],
    told: Callable[[Made], None],
    *,
    promote: bool = False,
) -> Fitting:
    """Give a store what a mapping needs and it lacks, all of it or nothing; nothing is deleted, no type is changed.

    Args:
        request: Mapping and store.
        hooks: The question, and stopping.
        shown: Told of the difference before anybody is asked.
        told: Told of every change that was made.
        promote: Also make traits that the store has identifiers.

    Returns:
        How the store stands in the end, as read from it.

    Raises:
        MappingError: mapping and store differ in what is not for this to change; nothing was asked for.
        ConfigError: a limit would be broken, an identifier type is lacking, or nobody agreed; likewise.
        ApiError: the service refused or did not answer; what was made stays.
        RunInterrupted: somebody asked to stop; likewise.
    """
    mapping = read_mapping(request.mapping_path)
    with _opened(request, mapping, hooks.stop.wait) as store:
        found = Fitting(store.schema, find_difference(mapping, store.schema), notes=store.notes)
        shown(found)
        difference = found.difference
        _refuse(difference, mapping, promote=promote)
        if not difference.lacks:
            return found
        if not store.target.emulator and not hooks.confirm(_question(difference, store)):
            raise ConfigError("nothing was created: nobody agreed", hint="--yes agrees")
        # Until the first request leaves, whoever started this may simply end it.
        hooks.begun()
        given = SchemaGiving(store.client, mapping, hooks.stop.wait, told).give(difference, store.schema)
        return Fitting(given.schema, given.difference, given.made, store.notes)


@contextmanager
def _opened(request: RunRequest, mapping: MappingFile, wait: Wait) -> Iterator[OpenTarget]:
    """Open the store that is meant. The emulator is given nothing here: that is what is being looked at."""
    store_id = request.settings.store_id or mapping.store
    if request.emulator:
        context = open_emulator(request.settings, store_id=mapping.store, wait=wait)
    elif store_id is not None:
        context = open_live(request.settings.model_copy(update={"store_id": store_id}), wait=wait)
    else:
        raise no_target()
    with context as store:
        yield store


def _refuse(difference: SchemaDifference, mapping: MappingFile, *, promote: bool) -> None:
    """Refuse what would leave the store half fitting: whoever is asked is asked about all of it.

    Raises:
        ConfigError: and why.
    """
    if difference.differs:
        raise MappingError(difference.differs, name=mapping.name)
    if difference.limits:
        raise ConfigError(
            f"nothing was created: {'; '.join(difference.limits)}", hint="spread the traits over fewer or other groups"
        )
    if difference.id_types:
        named = ", ".join(difference.id_types)
        raise ConfigError(
            f"nothing was created: the store has no identifier type {named}, and no request makes one",
            hint="add it to the store's identity resolution settings, then apply again",
        )
    if difference.promotions and not promote:
        named = ", ".join(trait.ref for trait in difference.promotions)
        raise ConfigError(
            f"nothing was created: {named} would have to become an identifier",
            hint="--promote does that; profiles that share a value may then be merged, which nothing undoes",
        )


def _question(difference: SchemaDifference, store: OpenTarget) -> str:
    parts = [counted(len(things), word) for things, word in _things(difference) if things]
    target = store.target
    return f"{target.store_name} ({target.store_id}) on {target.host} gets {', '.join(parts)}. Go on?"


def _things(difference: SchemaDifference) -> tuple[tuple[tuple[object, ...], str], ...]:
    return (
        (difference.groups, "trait group"),
        (difference.traits, "trait"),
        (difference.promotions, "new identifier"),
    )
