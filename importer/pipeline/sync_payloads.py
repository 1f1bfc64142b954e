"""What the rows of a run say, and what became of the keys they are of: a package beside a snapshot, in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import polars as pl

from importer.core.filled import FilledSet
from importer.core.fingerprint import payload_columns, payload_fingerprints
from importer.core.packing import KEY_PREFIX, KEY_TEXT, key_text_expr
from importer.core.report import FinalState
from importer.core.snapshot import SNAPSHOT_SCHEMA, TraitSets
from importer.core.sync_changes import PAYLOADS_SCHEMA, payload_lines
from importer.core.sync_results import ROWS_SCHEMA, excused, key_results, row_results, trait_numbers, with_payloads
from importer.core.wire import WireTrait
from importer.pipeline.outcomes import Delivered, outcome_frames
from importer.ports import PackageAccess

_ROWS_A_TIME: Final = 40_000
_KEYS_A_TIME: Final = 50_000
"""Rows stand in the package in another order than keys: each piece of keys may take a look at all of it."""


def payloads_of_run(index: pl.DataFrame, package: PackageAccess, traits: Sequence[WireTrait]) -> pl.DataFrame:
    """Return what the rows say that would go out, `PAYLOADS_SCHEMA`, by key and line.

    Args:
        index: `INDEX_SCHEMA`, its slots pointing at what goes out.
        package: Read in pieces.
        traits: Of the payloads.
    """
    pieces = [pl.DataFrame(schema=PAYLOADS_SCHEMA)]
    lines = payload_lines(index)
    slots = index["slot"]
    for part in lines.to_frame("line").iter_slices(_ROWS_A_TIME):
        rows = package.take_table(slots.gather(part["line"]).to_numpy(), [KEY_TEXT, *payload_columns(traits)])
        key = cast("pl.Series", pl.from_arrow(rows.column(KEY_TEXT))).alias("key")
        pieces.append(pl.DataFrame([part["line"], key, payload_fingerprints(traits, rows).alias("fingerprint")]))
    return pl.concat(pieces).sort("key", maintain_order=True)


@dataclass(frozen=True)
class Sent:
    """A run that was sent, as far as a snapshot wants to know.

    Attributes:
        package: Its rows.
        index: Each row at the place that says something of it.
        delivered: What its ledger knows.
        sets: Its filled sets.
        traits: Its traits.
        fingerprints: Reads what the keys said that went out, `importer.core.sync_changes.KEYS_SCHEMA`, sorted by key.
    """

    package: PackageAccess
    index: pl.DataFrame
    delivered: Delivered
    sets: Sequence[FilledSet]
    traits: Sequence[WireTrait]
    fingerprints: Callable[[], pl.DataFrame]


def results_of_run(sent: Sent) -> pl.DataFrame:
    """Return what became of every row that has a key, `importer.core.sync_results.ROWS_SCHEMA`, by key and row."""
    pieces = [pl.DataFrame(schema=ROWS_SCHEMA)]
    row_of_line = sent.index["row"].to_numpy()
    start = 0
    outcomes = outcome_frames(sent.package, sent.index, sent.delivered, sending_state=FinalState.NOT_SENT)
    for frame in outcomes:
        # Numbers of another type would copy all lines for each frame.
        first, last = np.searchsorted(row_of_line, np.array([start, start + frame.height], dtype=row_of_line.dtype))
        at = row_of_line[first:last].astype(np.int64) - start
        lines = np.full(frame.height, -1, dtype=np.int64)
        lines[at] = np.arange(first, last)
        line = pl.Series(lines)
        keys = frame.select(key_text_expr([name for name in frame.columns if name.startswith(KEY_PREFIX)])).to_series()
        pieces.append(row_results(keys, frame["state"], line.zip_with(line >= 0, pl.Series([None], dtype=pl.Int64))))
        start += frame.height
    return excused(pl.concat(pieces)).sort("key", maintain_order=True)


def results_in_step(
    sent: Sent, rows: pl.DataFrame, before: Iterator[pl.DataFrame], sets: TraitSets
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield pieces of a snapshot, each with the results of its keys and of those that come before the next one.

    Args:
        sent: The run.
        rows: What `results_of_run` returned.
        before: The snapshot, by key.
        sets: Numbers sets of traits.

    Yields:
        `SNAPSHOT_SCHEMA` and `importer.core.snapshot.RESULT_SCHEMA`; no key is in two pieces.
    """
    results = key_results(rows)
    payloads = _Payloads(sent, rows.filter(pl.col("line").is_not_null()).select("key", "line"), sets)
    start = 0
    for old in before:
        stop = int(results["key"].search_sorted(old["key"][-1], side="right"))
        yield old, payloads.added_to(results.slice(start, stop - start))
        start = stop
    for piece in results.slice(start).iter_slices(_KEYS_A_TIME):
        yield pl.DataFrame(schema=SNAPSHOT_SCHEMA), payloads.added_to(piece)


class _Payloads:
    """What the payloads were of the rows that went out.

    Args:
        sent: The run.
        going: ``key``, ``line`` of those rows, by key.
        sets: Numbers sets of traits.
    """

    def __init__(self, sent: Sent, going: pl.DataFrame, sets: TraitSets) -> None:
        self._sent = sent
        self._going = going
        self._sets = sets
        self._columns = {trait.ref: trait.id_type for trait in sent.traits if trait.id_type is not None}
        # Keys are in another order than the package: read piece by piece of keys, each piece would look at all of it.
        self._slots = np.sort(sent.index["slot"].to_numpy()[going["line"].to_numpy()])
        pieces = [pl.DataFrame(schema=dict.fromkeys(self._columns, pl.String))]
        for start in range(0, len(self._slots), _ROWS_A_TIME):
            frame = sent.package.take(self._slots[start : start + _ROWS_A_TIME])
            pieces.append(frame.select(pl.col(*self._columns).cast(pl.String)))
        self._identifiers = pl.concat(pieces)
        self._fingerprints = sent.fingerprints()

    def added_to(self, results: pl.DataFrame) -> pl.DataFrame:
        """Add them to the results of some consecutive keys, `importer.core.snapshot.RESULT_SCHEMA`."""
        lines = _between(self._going, results)
        index = self._sent.index[lines["line"].to_numpy()]
        filled = [entry.filled for entry in self._sent.sets]
        of_traits = trait_numbers(lines.select("key", set=index["set"]), filled, self._sets)
        texts = self._identifiers[np.searchsorted(self._slots, index["slot"].to_numpy())]
        identifiers = pl.concat(
            lines.select("key", id_type=pl.lit(id_type), value=texts[ref]) for ref, id_type in self._columns.items()
        )
        return with_payloads(results, _between(self._fingerprints, results), identifiers, of_traits)


def _between(frame: pl.DataFrame, results: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of a frame, sorted by key, whose keys are in the range of the results."""
    if results.is_empty():
        return frame.clear()
    first = int(frame["key"].search_sorted(results["key"][0], side="left"))
    last = int(frame["key"].search_sorted(results["key"][-1], side="right"))
    return frame.slice(first, last - first)
