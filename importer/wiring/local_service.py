"""The emulator as a service of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from importer.core.ids import is_store_id
from importer.core.mapping_seed import seed_for
from importer.emulator import (
    BadProfile,
    Clash,
    DatabaseFormatError,
    EmulatorInUseError,
    EmulatorSettings,
    parse_fault,
    serve,
)
from importer.errors import LockedError, SettingsError, StateError
from importer.wiring.opening import read_mapping


def serve_emulator(
    db: str, settings: Mapping[str, Any], on_ready: Callable[[dict[str, Any]], None], *, mapping: str | None = None
) -> None:
    """Serve until a signal comes.

    Args:
        db: SQLite file, or ``:memory:``.
        settings: Fields of `EmulatorSettings`, the faults as texts.
        on_ready: Told its URLs and store ID once it answers.
        mapping: A mapping file; the store is given what it needs and lacks.

    Raises:
        SettingsError: the store ID or a fault is malformed, or the event log cannot be written.
        MappingError: the mapping is refused.
        LockedError: another process serves the same file.
        StateError: the file was written by another version.
    """
    values = dict(settings) | {"clash": Clash(settings["clash"]), "bad_profile": BadProfile(settings["bad_profile"])}
    values["faults"] = tuple(_read_fault(text) for text in settings.get("faults", ()))
    values["events"] = Path(settings["events"]) if settings.get("events") else None
    if "store_id" in values and not is_store_id(str(values["store_id"])):
        raise SettingsError("that is not a store ID", hint="a store ID looks like mem_store_00000000000000000000000000")
    seed = seed_for(read_mapping(Path(mapping))) if mapping is not None else None
    try:
        serve(db if db == ":memory:" else Path(db), EmulatorSettings(**values), on_ready, seed)
    except EmulatorInUseError as exc:
        raise LockedError("another process is serving this file", hint="stop it, or give another --db") from exc
    except DatabaseFormatError as exc:
        raise StateError("the file was written by another version of the emulator", hint="give another --db") from exc


def _read_fault(text: str) -> dict[str, Any]:
    try:
        return parse_fault(text)
    except ValueError as exc:
        hint = "a fault is FAULT[,KEY=VALUE...], for example 429,count=3; see `emulator --help`"
        raise SettingsError(f"--fault {text}: {exc}", hint=hint) from exc
