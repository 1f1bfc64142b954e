"""Opening the store a run is about: the live service, the emulator in process, or a schema file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from importer.core.ids import is_store_id
from importer.core.manifest import Target
from importer.core.schema import StoreSchema
from importer.errors import DiskError, LockedError, SettingsError, StateError
from importer.files import make_private_folder, writing
from importer.memory_api.client import ClientOptions, MemoryClient
from importer.pipeline.patience import each_patiently
from importer.settings import Settings, is_loopback
from importer.state.run_folder import RunsFolder, keep_out_of_git

if TYPE_CHECKING:
    from importer.emulator import Emulator

_EMULATOR_CREDENTIALS: Final = ("emulator", "emulator")


Wait = Callable[[float], bool]
"""Waits so many seconds; true if somebody asked to stop meanwhile."""

PATIENCE: Final[Wait] = Event().wait


@dataclass(frozen=True)
class OpenTarget:
    """A store that can be read and written.

    Attributes:
        client: Speaks to it.
        target: What a run records of it.
        schema: Its trait groups and identity settings, as they are now.
        notes: What a person should know.
        emulator: The local service, where that is the target.
    """

    client: MemoryClient
    target: Target
    schema: StoreSchema
    notes: tuple[str, ...] = ()
    emulator: Emulator | None = None


def no_target() -> SettingsError:
    """Return the error of a command that was not told which store is meant."""
    return SettingsError(
        "which store? None was named",
        hint="give --store mem_store_... (or MEMORY_STORE_ID), or --emulator; `validate` also takes --schema FILE",
    )


@contextmanager
def live_client(settings: Settings, *, needs_store: bool = True) -> Iterator[MemoryClient]:
    """Return a client of the live service; nothing is asked yet.

    Args:
        settings: Names the store and has the credentials.
        needs_store: Whether what it is for belongs to a store.

    Raises:
        SettingsError: no store, no credentials, or a malformed store ID.
    """
    store_id = settings.store_id
    if store_id is None and needs_store:
        raise no_target()
    if store_id is not None and not is_store_id(store_id):
        raise SettingsError("that is not a store ID", hint="a store ID looks like mem_store_00000000000000000000000000")
    options = ClientOptions(settings.bucket_hosts, settings.proxy, settings.ca_bundle)
    with MemoryClient(settings.api_url, store_id or "", settings.credentials(), options) as client:
        yield client


@contextmanager
def open_live(settings: Settings, *, wait: Wait = PATIENCE) -> Iterator[OpenTarget]:
    """Open a store of the live service and read its schema.

    Args:
        settings: Names the store and has the credentials.
        wait: How to wait for a service that is busy.

    Raises:
        SettingsError: no store, no credentials, or a malformed store ID.
        ApiError: the service refused.
    """
    with live_client(settings) as client:
        yield _opened(client, settings.api_url, wait, emulator=None, notes=())


@contextmanager
def open_emulator(
    settings: Settings,
    *,
    seed: Mapping[str, Any] | None = None,
    store_id: str | None = None,
    wait: Wait = PATIENCE,
) -> Iterator[OpenTarget]:
    """Run the emulator in this process, give it what a mapping needs, and open its store.

    Args:
        settings: Gives the runs folder, beside which the emulator keeps its state.
        seed: Trait groups and identifier types to create where they are missing; never through the API.
        store_id: The store to open; the emulator's own default if None.
        wait: Tells whether somebody asked to stop; then nothing more is waited for.

    Raises:
        LockedError: another process runs the emulator on the same file.
    """
    from importer.emulator import (  # noqa: PLC0415 - a server of its own, which no other store needs
        DatabaseFormatError,
        Emulator,
        EmulatorInUseError,
        EmulatorSettings,
    )

    options = EmulatorSettings(store_id=store_id) if store_id is not None else EmulatorSettings()
    RunsFolder(Path(settings.runs_dir)).prepare()
    folder = Path(settings.runs_dir) / "emulator"
    with writing(folder):
        make_private_folder(folder)
    keep_out_of_git(folder)
    try:
        with Emulator(folder / f"{options.store_id}.db", options) as emulator:
            added = emulator.seed(seed) if seed is not None else []
            notes = ("the local emulator is used; nothing leaves this machine", *_seed_note(added))
            with MemoryClient(emulator.api_url, options.store_id, _EMULATOR_CREDENTIALS) as client:
                yield _opened(client, emulator.api_url, PATIENCE, emulator=emulator, notes=notes)
                _let_it_apply(emulator, wait)
    except EmulatorInUseError as exc:
        raise LockedError(
            "another process is using the emulator's state", hint="wait for it, or give another --runs-dir"
        ) from exc
    except sqlite3.OperationalError as exc:
        is_full = exc.sqlite_errorcode & 0xFF in _NO_ROOM
        raise (DiskError if is_full else StateError)(
            f"the emulator's state in {folder} cannot be written ({exc.sqlite_errorname})",
            hint=f"{'free space there' if is_full else 'make it writable'}, or give another --runs-dir",
        ) from exc
    except (DatabaseFormatError, sqlite3.DatabaseError) as exc:
        raise StateError(
            f"the emulator's state in {folder} is damaged or was written by another version",
            hint="delete that folder, and the emulator begins anew; or give another --runs-dir",
        ) from exc


def _let_it_apply(emulator: Emulator, wait: Wait) -> None:
    """Wait until what was accepted is applied, so that whoever looks next finds it; the rest is for the next start."""
    for _ in range(_IDLE_LOOKS):
        if wait(0):
            return
        with suppress(TimeoutError):
            emulator.wait_idle(_IDLE_LOOK_S)
            return


_NO_ROOM: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_IDLE_LOOK_S: Final = 0.2
_IDLE_LOOKS: Final = 300
_SEED_SHOWN: Final = 3


def _seed_note(added: list[str]) -> tuple[str, ...]:
    if not added:
        return ()
    shown = ", ".join(added[:_SEED_SHOWN])
    more = f" and {len(added) - _SEED_SHOWN} more (`schema show`)" if len(added) > _SEED_SHOWN else ""
    return (f"created in the emulator for this mapping: {shown}{more}",)


def _opened(
    client: MemoryClient, api_url: str, wait: Wait, *, emulator: Emulator | None, notes: tuple[str, ...]
) -> OpenTarget:
    schema = client.fetch_schema(each_patiently(wait))
    target = Target(
        store_id=schema.store_id,
        store_name=schema.store_name,
        host=urlsplit(api_url).hostname or "",
        api_url=api_url,
        emulator=emulator is not None,
        database=_database(schema) if is_loopback(api_url) else "",
    )
    return OpenTarget(client, target, schema, notes, emulator)


def _database(schema: StoreSchema) -> str:
    """Return what tells the databases of local services apart: the emulator has made one up for each."""
    return str(schema.raw.get("store", {}).get("intelligenceServiceId") or "")


def schema_from_file(path: Path) -> StoreSchema:
    """Read a schema that `schema pull` wrote.

    Raises:
        SettingsError: there is no such file, or it holds something else.
    """
    try:
        return StoreSchema.from_file(path.read_bytes())
    except OSError as exc:
        raise SettingsError(f"{path}: cannot be read ({exc.strerror})", hint="make it with `schema pull`") from None
    except ValueError:
        raise SettingsError(f"{path}: not a store schema", hint="make it with `schema pull`") from None
