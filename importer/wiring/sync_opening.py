"""From a sync file to the request of a run: paths beside the file, the query, the cursor, the store."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from importer.core.manifest import RunOptions
from importer.core.mapping_tree import MAX_BYTES
from importer.core.sync_brakes import Brake
from importer.core.sync_cursor import CursorError, lagging
from importer.core.sync_file import SyncFile, cursor_fault, parse_sync_file
from importer.core.sync_state import SyncState
from importer.errors import Problem, SettingsError, SyncFileError
from importer.ports import SourceOptions
from importer.settings import Settings
from importer.sources.files import expand
from importer.sources.open import is_path
from importer.state.sync_folder import SyncFolder
from importer.wiring.opening import read_mapping
from importer.wiring.requests import RunRequest

NO_BRAKE = 100.0
"""The run's own guard never trips: the sync has brakes of its own."""


@dataclass(frozen=True)
class SyncRequest:
    """One run of a sync.

    Attributes:
        file: The sync file, a path.
        settings: Credentials, and the store where the file names none; the runs folder is the sync's own.
        emulator: Use the local service.
        dry_run: Say what would be done; nothing is sent, and nothing moves.
        full_refresh: Ask for all rows, whatever the cursor, and send those again that are parked.
        first_run: There is no snapshot, and that is right.
        limit: Send at most so many rows.
        override: Brakes that this run may pass.
        show_values: Write cell values into the issue files.
    """

    file: Path | str
    settings: Settings
    emulator: bool = False
    dry_run: bool = False
    full_refresh: bool = False
    first_run: bool = False
    limit: int | None = None
    override: Collection[Brake] = field(default_factory=frozenset)
    show_values: bool = False

    @property
    def path(self) -> Path:
        """The sync file's path."""
        return Path(self.file)


@dataclass(frozen=True)
class Planned:
    """What a run of a sync reads.

    Attributes:
        sync: The sync file.
        request: Of the run.
        reading: Hash over what is read and what is made of it.
        whole: No row is left out by a cursor.
    """

    sync: SyncFile
    request: RunRequest
    reading: str
    whole: bool


def read_sync_file(path: Path) -> SyncFile:
    """Read a sync file.

    Raises:
        SettingsError: the file cannot be read.
        SyncFileError: it is refused.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise SettingsError(f"{path}: cannot be read ({exc.strerror})", hint="check the path") from None
    return parse_sync_file(content, str(path))


def plan_reading(request: SyncRequest, sync: SyncFile, state: SyncState, folder: SyncFolder) -> Planned:
    """Say what a run reads.

    Args:
        request: What is asked for.
        sync: The sync file.
        state: Knows how far the cursor is.
        folder: Of the sync.

    Raises:
        ConfigError: the query or the mapping cannot be read, or two stores are named.
    """
    beside = request.path.parent
    query = _query(sync, request.path)
    mapping = read_mapping(beside / sync.mapping)
    if mapping.source.key is None:
        raise SettingsError(
            f"{beside / sync.mapping}: a sync recognises rows by their key, and the mapping names none",
            hint="add `source: {key: [column]}` to the mapping",
        )
    reading = sync.reading(query, mapping.fingerprint)
    goes_on = state.cursor is not None and state.reading == reading and not request.full_refresh
    options = SourceOptions(
        query=query,
        parameters=sync.parameters,
        cursor=_bound(sync, state.cursor if goes_on else None),
        allow_empty=True,  # the brake judges it
    )
    run = RunRequest(
        source=tuple(str(beside / name) if is_path(name) else name for name in sync.source),
        mapping=beside / sync.mapping,
        settings=settings_for(request, sync, folder),
        emulator=request.emulator,
        source_options=options,
        options=RunOptions(via="bulk", limit=request.limit, max_rejected_percent=NO_BRAKE),
        show_values=request.show_values,
        needs_key=True,
        used_columns=(sync.cursor.column,) if sync.cursor is not None else (),
    )
    return Planned(sync, run, reading, whole=not goes_on)


def has_no_byte(request: RunRequest) -> bool:
    """Tell whether all files of a source are there, and there is nothing in them.

    Raises:
        SourceError: no file is of that name.
    """
    if request.source_options.query or not all(map(is_path, request.sources)):
        return False
    return all(Path(name).is_file() and not Path(name).stat().st_size for name in expand(request.sources))


def settings_for(request: SyncRequest, sync: SyncFile, folder: SyncFolder) -> Settings:
    """Return the settings of a sync's runs.

    Raises:
        SettingsError: the sync file names another store than the caller.
    """
    given = request.settings.store_id
    if not request.emulator and sync.store is not None and given not in (None, sync.store):
        raise SettingsError(
            "the sync file names another store than --store or MEMORY_STORE_ID", hint="leave one of them out"
        )
    update = {"runs_dir": str(folder.runs), "store_id": given or sync.store}
    return request.settings.model_copy(update=update)


def _query(sync: SyncFile, path: Path) -> str:
    """Return the query, or what the file holds that ``@FILE`` names."""
    text = sync.query or ""
    if not text.startswith("@"):
        return text.strip()
    place = path.parent / text[1:]
    try:
        query = place.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{place}: cannot be read as text", hint="check `query` of the sync file") from None
    fault = cursor_fault(sync, query)
    if fault is not None:
        raise SyncFileError([Problem(None, *fault)], name=str(place))
    return query


def _bound(sync: SyncFile, cursor: str | None) -> str | None:
    if sync.cursor is None:
        return None
    if cursor is None:
        return sync.cursor.start
    try:
        return lagging(cursor, sync.cursor.lag_s)
    except CursorError as error:
        raise SettingsError(f"`cursor` of the sync file: {error}", hint="take `lag` out") from None
