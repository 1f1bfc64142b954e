"""The rows of a packaged run, checked again and written anew: the first half of planning it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.cleared import ClearedTraits
from importer.core.filled import FilledSets
from importer.core.identity_values import identifier_hash
from importer.core.issues import ISSUES_SCHEMA
from importer.core.packing import KEY_TEXT, with_measures
from importer.core.recheck import Recheck, recheck_rows
from importer.core.route import Via
from importer.core.wire import wire_traits
from importer.pipeline.prepare import MEASURES_SCHEMA, Prepared
from importer.state.frames import FrameWriter, read_frame, write_frame
from importer.state.package import EXTRA_FILES, VALID_FILE
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.run import Run


@dataclass
class CheckedAgain:
    """The rows of a package, checked again.

    Attributes:
        prepared: What a source would come to.
        code: Why a row does not fit any more, by line of the index; null where it fits.
        issues: ``line`` and the other columns of an issue.
        sets_of_slots: Filled set of each payload, by slot.
    """

    prepared: Prepared
    code: pl.Series
    issues: pl.DataFrame
    sets_of_slots: npt.NDArray[np.uint32]


def checked_again(
    run: Run, draft: RunFolder, recheck: Recheck, stays: npt.NDArray[np.bool_], hooks: Hooks
) -> CheckedAgain:
    """Write the typed rows of a run again, as a new schema has them.

    Args:
        run: The run.
        draft: Where to; it has the run's rows already.
        recheck: How they are checked.
        stays: Lines of the index that left: they stay as they were, and so do payloads that changed after reading.
        hooks: Told how far it is.
    """
    hooks.progress.stage("check again", run.index.height)
    sets = FilledSets(wire_traits(recheck.plan), by_file=run.manifest.options.via != Via.BULK)
    cleared = ClearedTraits.to_judge_drops(recheck.plan)
    identifiers = [trait.ref for trait in recheck.plan.identifiers]
    writer = FrameWriter(draft.package / VALID_FILE)
    pieces: list[pl.DataFrame] = []
    issues: list[pl.DataFrame] = []
    start = 0
    try:
        for frame in run.package.valid_frames():
            valid, code, found = _checked_frame(recheck, sets, frame, stays[start : start + frame.height])
            writer.append(valid)
            cleared.add(valid.get_column)
            hashes = [pl.Series(ref, identifier_hash(valid[ref])) for ref in identifiers]
            pieces.append(
                valid.select("row", "set", "size")
                .with_columns(code=code, key=pl.Series(identifier_hash(valid[KEY_TEXT])))
                .with_columns(hashes)
            )
            issues.append(found.with_columns(line=pl.col("line") + start))
            start += frame.height
            hooks.progress.advance(frame.height)
        writer.close()
    finally:
        writer.abort()
    rows = pl.concat(pieces) if pieces else pl.DataFrame(schema=_PIECE | dict.fromkeys(identifiers, pl.UInt64()))
    slots = [rows["set"].cast(pl.UInt32).to_numpy()]
    if stays.any():
        slots += _extras(run.folder, draft, sets)
    # A row that does not fit is linked with nobody.
    fits = rows["code"].is_null().to_numpy()
    prepared = Prepared(
        rows_read=run.manifest.counts.rows_read,
        early={},
        measures=rows.select(MEASURES_SCHEMA.names()).cast(MEASURES_SCHEMA).rechunk(),
        hashes={ref: np.where(fits, rows[ref].to_numpy(), np.uint64(0)) for ref in identifiers},
        read_key_hash=(lambda: np.where(fits, rows["key"].to_numpy(), np.uint64(0))) if run.manifest.key else None,
        sets=tuple(sets.sets()),
        filled_sets=sets,
        repairs={},
        cleared={},
        cleared_traits=cleared,
    )
    found = pl.concat(issues) if issues else pl.DataFrame(schema=_FOUND)
    return CheckedAgain(prepared, rows["code"], found, np.concatenate(slots))


_PIECE: Final = {
    "row": pl.UInt64(),
    "set": pl.UInt32(),
    "size": pl.UInt64(),
    "code": pl.String(),
    "key": pl.UInt64(),
}
_FOUND: Final = pl.Schema({"line": pl.Int64(), **{name: pl.String() for name in ISSUES_SCHEMA.names()[1:]}})


def _checked_frame(
    recheck: Recheck, sets: FilledSets, frame: pl.DataFrame, stays: npt.NDArray[np.bool_]
) -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
    """Return typed rows with their measures, the code of each that does not fit, and `_FOUND`."""
    checked = recheck_rows(recheck, frame)
    typed, code = checked.typed, checked.code
    found = checked.issues.select(pl.col("row_number").cast(pl.Int64).alias("line"), *ISSUES_SCHEMA.names()[1:])
    if stays.any():
        mask = pl.Series(stays)
        typed = typed.with_columns(frame[name].zip_with(mask, typed[name]) for name in typed.columns)
        code = code.zip_with(~mask, pl.Series([None], dtype=pl.String).new_from_index(0, len(code)))
        found = found.filter(~mask.gather(found["line"]))
    valid = with_measures(typed.with_columns(frame["row"], frame[KEY_TEXT]), sets)
    return valid, code, found


def _extras(folder: RunFolder, draft: RunFolder, sets: FilledSets) -> list[npt.NDArray[np.uint32]]:
    """Take over payloads that may have been sent, in the new order of columns; return the sets of their slots."""
    slots = []
    for path in sorted(folder.package.glob(EXTRA_FILES)):
        frame = with_measures(read_frame(path), sets)
        write_frame(draft.package / path.name, frame)
        slots.append(frame["set"].to_numpy())
    return slots
