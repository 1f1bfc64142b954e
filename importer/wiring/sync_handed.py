"""Identifiers that were handed on from one key to another: found by a run, decided by a person or the sync file."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import polars as pl

from importer.core.identity_values import identifier_hash
from importer.core.snapshot import LEAVING, SNAPSHOT_SCHEMA, Decided
from importer.core.sync_file import HandedOn, Mode, RemovalPolicy, SyncFile
from importer.core.sync_gone import Marks
from importer.core.sync_handed import (
    HANDED_SCHEMA,
    Decision,
    meant_keys,
    met_keys,
    named_renames,
    renamed,
    renames,
    shown_key,
    takes,
)
from importer.core.sync_state import SyncState
from importer.errors import ConfigError
from importer.reports.handed_file import read_handed, write_handed
from importer.state.snapshot_file import SnapshotFile, SnapshotWriter
from importer.state.sync_folder import SyncFolder
from importer.wiring.run import Run
from importer.wiring.sync_beginning import read_standing
from importer.wiring.sync_opening import read_sync_file
from importer.wiring.sync_rows import waiting_identifiers

_NONE_WAITS: Final = "nothing waits for a decision"


# --- found by a run --------------------------------------------------------------------------------------------------


def write_handed_on(run: Run, snapshot: SnapshotFile, sync: SyncFile, keys: Marks | None) -> dict[str, int]:
    """Write which keys have lost identifiers to rows that are held for it; return how many, by what is known of them.

    Args:
        run: Planned.
        snapshot: What was delivered before.
        sync: The sync file.
        keys: Of the source; None where it may have more of them than were read.

    Returns:
        ``handed_on``, ``still_there`` and ``decided`` of `importer.core.sync_counts.SyncCounts`; none where none has.
    """
    waiting = waiting_identifiers(run)
    if waiting.is_empty():
        return {}
    met = met_keys(snapshot.pieces(["key", "identifiers"]), waiting)
    if met.is_empty():
        return {}
    is_gone = pl.Series(~keys.among(identifier_hash(met["known"]))) if keys is not None else None
    handed = _placed(run, met).with_columns(is_gone=is_gone if is_gone is not None else pl.lit(None, dtype=pl.Boolean))
    write_handed(run.folder.path, handed.select(HANDED_SCHEMA.names()))
    lines = _lines(snapshot, met["known"].to_list(), ["key", "decided"])
    is_decided = pl.col("known").is_in(lines.filter(pl.col("decided").is_not_null())["key"].implode())
    may_be_gone = pl.col("is_gone").fill_null(value=True)
    if sync.removal is not None and sync.removal.handed_on is HandedOn.REMOVED:
        is_decided = is_decided | may_be_gone
    counted = {"handed_on": may_be_gone & ~is_decided, "still_there": ~may_be_gone & ~is_decided, "decided": is_decided}
    return {name: handed.filter(which)["known"].n_unique() for name, which in counted.items()}


def _placed(run: Run, met: pl.DataFrame) -> pl.DataFrame:
    """Add file and row number to rows, which are named by their position in the run."""
    wanted = met["row"].unique()
    places = [pl.DataFrame(schema={"row": pl.UInt64, "file": pl.UInt16, "row_number": pl.UInt64})]
    start = 0
    for frame in run.package.rows_frames():
        numbered = frame.select("file", "row_number").with_row_index("row", start)
        start += frame.height
        here = numbered.filter(pl.col("row").is_in(wanted.implode()))
        places.append(here.select(pl.col("row").cast(pl.UInt64), "file", "row_number"))
    files = pl.Series(run.manifest.source.files, dtype=pl.String)
    placed = met.join(pl.concat(places), on="row", how="left", maintain_order="left")
    return placed.with_columns(file=files.gather(placed["file"]))


def rename_handed_on(folder: SyncFolder, sync: SyncFile, run_path: Path) -> int:
    """Give keys their new names after a run, where the sync file says that they are always the same people.

    Args:
        folder: Of the sync; the caller has its lock. The run was committed.
        sync: The sync file.
        run_path: Folder of the run.

    Returns:
        How many keys were renamed: their rows go out with the next run.
    """
    snapshot = folder.open_snapshot()
    if sync.removal is None or sync.removal.handed_on is not HandedOn.RENAMED or snapshot is None:
        return 0
    names = _sure_names(snapshot, read_handed(run_path))
    _rename(folder, snapshot, names)
    return len(names)


def _sure_names(snapshot: SnapshotFile, handed: pl.DataFrame) -> dict[str, str]:
    """Return new names of keys that can have no other."""
    of_interest = [*handed["known"], *handed["key"]]
    lines = _lines(snapshot, of_interest, ["key", "identifiers", "held"])
    still = handed.filter(pl.col("known").is_in(_renameable(lines)["key"].implode()))
    return dict(renames(still, _delivered(lines)).iter_rows())


# --- decided by a person ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """What a person decides.

    Attributes:
        decision: What they say.
        keys: Of which keys, as they were delivered; as `sync status` writes them.
        every: Of all that wait, and can be read in one way only.
        to: The new name of the one key that was renamed, where there are several.
    """

    decision: Decision
    keys: Sequence[str] = ()
    every: bool = False
    to: str | None = None


@dataclass(frozen=True)
class Chosen:
    """What came of a decision: keys it is about, and other keys that are gone and still wait."""

    keys: int
    left: int


def sync_decide(file: Path | str, choice: Choice) -> Chosen:
    """Keep what a person says of keys whose identifiers other keys have now; the next run does it.

    Args:
        file: The sync file.
        choice: What they say.

    Raises:
        ConfigError: nothing waits, a key is not among those that do, or it cannot be what they say.
        LockedError: a process works on the sync.
        StateError: what the sync knows is damaged, or cannot be written.
    """
    path = Path(file)
    sync, folder = read_sync_file(path), SyncFolder(path)
    if not folder.path.exists():
        raise ConfigError(f"there is no {folder.path}: the sync never ran", hint="check the path of the sync file")
    with folder.locked():
        known = read_standing(folder, resend=False)
        if known.state.pending is not None or known.snapshot is None:
            raise ConfigError(
                "the last run was interrupted, or there was none yet",
                hint=f"first `memory-importer sync run {shlex.quote(str(file))}`",
            )
        handed = latest_handed(folder, known.state, known.snapshot)
        if choice.decision is Decision.RENAMED:
            names = _names(choice, known.snapshot, handed)
            _rename(folder, known.snapshot, names)
            done = list(names)
        else:
            done = _marked(choice, sync, handed)
            mark = None if choice.decision is Decision.HOLD else Decided(choice.decision.value)
            _rewrite(folder, known.snapshot, (_with_mark(piece, done, mark) for piece in known.snapshot.pieces()))
    still = handed.filter("is_gone", pl.col("decided").is_null(), ~pl.col("known").is_in(done))
    return Chosen(len(done), still["known"].n_unique())


def latest_handed(folder: SyncFolder, state: SyncState, snapshot: SnapshotFile) -> pl.DataFrame:
    """Return what the last run found that still stands, `HANDED_SCHEMA` with ``decided``.

    Nothing where its folder was deleted: what an earlier one found may not be so any more.
    """
    last = next((run.run_id for run in reversed(state.runs) if run.run_id is not None), None)
    handed = read_handed(folder.runs / last) if last is not None else pl.DataFrame(schema=HANDED_SCHEMA)
    lines = _lines(snapshot, handed["known"].to_list(), ["key", "decided"])
    return handed.join(lines.rename({"key": "known"}), on="known", how="inner", maintain_order="left")


def with_values(snapshot: SnapshotFile, handed: pl.DataFrame) -> pl.DataFrame:
    """Add the ``values`` of the identifiers to what `latest_handed` returned."""
    lines = _lines(snapshot, handed["known"].to_list(), ["key", "identifiers"])
    owned = lines.select("identifiers", known="key").explode("identifiers", keep_nulls=False, empty_as_null=False)
    owned = owned.unnest("identifiers")
    met = handed.with_row_index("at").explode("id_types", keep_nulls=False, empty_as_null=False)
    found = met.join(owned, left_on=["known", "id_types"], right_on=["known", "id_type"], how="inner")
    values = found.group_by("at").agg(values=pl.col("value").unique().sort())
    return handed.with_row_index("at").join(values, on="at", how="left", maintain_order="left").drop("at")


def with_choices(snapshot: SnapshotFile, sync: SyncFile, handed: pl.DataFrame) -> pl.DataFrame:
    """Add to what `latest_handed` returned the ``choices`` that `sync_decide` takes of each key."""
    lines = _lines(snapshot, [*handed["known"], *handed["key"]], ["key", "identifiers", "held"])
    return handed.with_columns(choices=takes(_renameable(lines)["key"], _delivered(lines), removes=_removes(sync)))


def _removes(sync: SyncFile) -> bool:
    return sync.mode is Mode.MIRROR and (sync.removal is None or sync.removal.policy is not RemovalPolicy.NONE)


def _names(choice: Choice, snapshot: SnapshotFile, handed: pl.DataFrame) -> dict[str, str]:
    if choice.every:
        return _sure_names(snapshot, handed) or _refuse(_NONE_WAITS + " that can be read in one way only")
    lines = _lines(snapshot, [*handed["known"], *handed["key"]], ["key", "identifiers", "held"])
    wanted = [_found(key, handed["known"]) for key in choice.keys]
    to = _found(choice.to, handed["key"]) if choice.to is not None else None
    fault, names = named_renames(wanted, to, handed, _renameable(lines)["key"], _delivered(lines))
    return names if fault is None else _refuse(*fault)


def _marked(choice: Choice, sync: SyncFile, handed: pl.DataFrame) -> list[str]:
    """Return the keys a decision is about that only marks them."""
    decision = choice.decision
    if decision is Decision.HOLD:
        those = handed.filter(pl.col("decided").is_not_null())
    else:
        if not _removes(sync):
            _refuse("this sync removes nothing", "mode mirror does; or say that keys were `renamed`")
        those = handed.filter("is_gone") if decision is Decision.REMOVED else handed
    if choice.every:
        if decision is Decision.ANEW:
            _refuse("profiles of keys that are still there are not removed by the dozen", "name the keys")
        keys = those["known"].unique().sort().to_list()
        return keys or _refuse(_NONE_WAITS)
    wanted = [_found(key, handed["known"]) for key in choice.keys]
    others = [key for key in wanted if key not in set(those["known"])]
    if others and decision is Decision.REMOVED:
        _refuse_there(others[0], handed)
    return wanted


def _refuse_there(key: str, handed: pl.DataFrame) -> NoReturn:
    """Say why a key cannot be one that was removed: it is there, or may be."""
    if handed.filter(pl.col("known") == key, pl.col("is_gone").is_null()).height:
        _refuse(f"nobody knows whether {shown_key(key)} is gone", "mend the rows without a key, and run the sync again")
    _refuse(f"{shown_key(key)} is still in the source", "as `anew`, its profile is removed and its row is sent again")


def _found(given: str, keys: pl.Series) -> str:
    """Return the key that a person means."""
    meant = meant_keys(given, keys)
    if len(meant) > 1:
        _refuse(f"several keys are written as {given}", "decide about all of them (--all)")
    return meant[0] if meant else _refuse(f"{given} is not among the keys that wait", "`sync status` lists them")


def _refuse(message: str, hint: str = "`sync status` lists what waits") -> NoReturn:
    raise ConfigError(message, hint=hint)


# --- the snapshot ----------------------------------------------------------------------------------------------------


def _lines(snapshot: SnapshotFile, keys: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Return the lines of some keys."""
    schema = pl.Schema({name: SNAPSHOT_SCHEMA[name] for name in columns})
    if not keys:
        return pl.DataFrame(schema=schema)
    wanted = pl.Series(keys, dtype=pl.String).unique().implode()
    found = (piece.filter(pl.col("key").is_in(wanted)) for piece in snapshot.pieces(columns))
    return pl.concat([pl.DataFrame(schema=schema), *found])


def _delivered(lines: pl.DataFrame) -> pl.Series:
    """Return the keys under which anything was delivered, or may have been."""
    return lines.filter(pl.col("identifiers").list.len() > 0)["key"]


def _renameable(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines whose profiles nobody was asked to delete."""
    return lines.filter((pl.col("held") != LEAVING).fill_null(value=True))


def _with_mark(piece: pl.DataFrame, keys: Sequence[str], mark: Decided | None) -> pl.DataFrame:
    chosen = pl.lit(mark.value if mark is not None else None, dtype=pl.String)
    return piece.with_columns(decided=pl.when(pl.col("key").is_in(keys)).then(chosen).otherwise("decided"))


def _rename(folder: SyncFolder, snapshot: SnapshotFile, names: Mapping[str, str]) -> None:
    if names:
        _rewrite(folder, snapshot, renamed(snapshot.pieces, names))


def _rewrite(folder: SyncFolder, before: SnapshotFile, pieces: Iterable[pl.DataFrame]) -> None:
    with SnapshotWriter(folder.snapshot) as writer:
        for piece in pieces:
            writer.append(piece)
        writer.commit(before.meta)
