"""Typed rows to the service's wire form: patches of removals, import files, and how large bodies become.

Key order is fixed by the plan, never by what a batch happens to hold, so the same typed rows give the same bytes.
No `null` leaves through a Bulk body; the only nulls on the wire are the removals of `encode_removals`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from importer.core.arrow_texts import TEXT, content_of, joined, texts_of
from importer.core.characters import bytes_of, edges, sizes_of
from importer.core.check import REMOVE_PREFIX
from importer.core.json_text import quoted
from importer.core.schema import DataType
from importer.core.text_views import not_null
from importer.core.transform import NullIntent, TransformPlan

ENCODER_VERSION: Final = 3
"""Moves whenever the same typed rows would give other bytes, or another digest."""

REMOVAL_CELL: Final = "\\N"
"""Import cell that removes the stored trait (source: product documentation, CSV import)."""

_COMMA, _LINE_END = pa.scalar(",", TEXT), pa.scalar("\n", TEXT)

_LETTERS: Final = "àáâäǎæãåāçćčċďðḍèéêëěẽēėęğġħḥìíîïǐĩīıįķğłļľṁòóôöǒœøõōřṛßşșśšṣțťþṭùúûüǔũūűůŵýŷÿźžżẓ"
_UPPER: Final = "".join(char.upper() for char in _LETTERS if len(char.upper()) == 1 and char not in "ßı")
_CARRIED: Final = rf"[A-Za-z0-9!@#$%^&*()_+\-=\[\]{{}}:\\|.`~<>/?{_LETTERS}{_UPPER}]"
CSV_TEXT: Final = rf"^{_CARRIED}+(?: {_CARRIED}+)*$"
"""A value the CSV flow carries: the documented characters, single spaces inside (source: product documentation)."""

_SPACE: Final = 0x20
_LAST_PLAIN: Final = 0x7E
_NOT_PLAIN: Final = b"\"',;\\"
"""Of the ASCII characters between those two, the ones `CSV_TEXT` does not have, and the first of `REMOVAL_CELL`."""


@dataclass(frozen=True, slots=True)
class WireTrait:
    """What encoding needs to know of one trait."""

    ref: str
    group: str
    name: str
    data_type: DataType
    id_type: str | None = None
    removable: bool = False
    clears: bool = False
    further: bool = False


def wire_traits(plan: TransformPlan) -> tuple[WireTrait, ...]:
    """Return the plan's traits as the encoder sees them, groups kept together, in plan order."""
    groups = list(dict.fromkeys(trait.group for trait in plan.traits))
    ordered = sorted(plan.traits, key=lambda trait: groups.index(trait.group))
    return tuple(
        WireTrait(
            ref=trait.ref,
            group=trait.group,
            name=trait.name,
            data_type=trait.data_type,
            id_type=trait.id_type,
            removable=trait.null_intent is NullIntent.REMOVE,
            clears=trait.null_intent is NullIntent.CLEAR,
            further=trait.further,
        )
        for trait in ordered
    )


def encode_removals(traits: Sequence[WireTrait], removed: Iterable[str]) -> bytes:
    """Encode a patch that removes traits, ``Group.trait`` each."""
    names = set(removed)
    groups: dict[str, list[str]] = {}
    for trait in traits:
        if trait.ref in names:
            groups.setdefault(trait.group, []).append(quoted(trait.name) + ":null")
    body = ",".join(quoted(group) + ":{" + ",".join(members) + "}" for group, members in groups.items())
    return ('{"traits":{' + body + "}}").encode()


def encode_import_rows(traits: Sequence[WireTrait], rows: pa.Table) -> bytes:
    """Encode rows as lines of an import file, without its header.

    The values are such that no cell needs quotes: `CSV_TEXT` has no comma, quote or line break. A null is written as
    a removal, so the caller passes only traits that every row fills or removes.

    Args:
        traits: One cell each; one at least.
        rows: One typed column a trait.

    Raises:
        ValueError: a row lacks a value that it does not remove.
    """
    pieces = []
    for trait in traits:
        cells = texts_of(rows, trait.ref)
        pieces += [cells.fill_null(REMOVAL_CELL) if trait.removable else cells, _COMMA]
    lines = joined([*pieces[:-1], _LINE_END], nulls="emit_null")
    if lines.null_count:
        raise ValueError("a row of an import file lacks a value")
    content, ends = content_of(lines)
    return bytes(content[: ends[-1]])


def import_header(count: int) -> tuple[str, ...]:
    """Return generated column names: ``Group.trait`` may be longer than the 64 characters a header can have."""
    return tuple(f"c{number:03d}" for number in range(1, count + 1))


def body_bytes_bound(traits: Sequence[WireTrait], frame: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Return an upper bound of each row's encoded size in a Bulk body, in bytes.

    Text doubles at most: control characters other than tab and line breaks are refused, all other escapes are two
    bytes for one.

    Args:
        traits: Those that the frame has no column of count nothing.
        frame: One column a trait.
    """
    fixed = 16 + sum(len(quoted(group).encode()) + 4 for group in {trait.group for trait in traits})
    bound = np.full(frame.height, fixed, dtype=np.uint64)
    for trait in traits:
        if trait.ref not in frame.columns:
            continue
        value, label = frame[trait.ref], np.uint64(len(quoted(trait.name).encode()) + 4)
        if trait.data_type in (DataType.STRING, DataType.ARRAY):
            size = sizes_of(value).astype(np.uint64) * np.uint64(2) + label
        else:
            size = np.full(frame.height, label + np.uint64(11))
        bound += np.where(not_null(value), size, np.uint64(0)) if value.null_count() else size
    return bound


def csv_carries_expr(traits: Sequence[WireTrait]) -> pl.Expr:
    """Return whether the CSV flow carries a row's values as they are (Boolean; nulls are carried or left out)."""
    tests = [pl.lit(value=True)]
    for trait in traits:
        if trait.data_type is DataType.ARRAY:
            tests.append(pl.col(trait.ref).is_null())
        elif trait.data_type is DataType.STRING:
            text = pl.col(trait.ref)
            fits = text.str.contains(CSV_TEXT) & (text != REMOVAL_CELL)
            tests.append((fits | (text == "")).fill_null(value=True) if trait.clears else fits.fill_null(value=True))
    return pl.all_horizontal(tests)


def csv_carried(traits: Sequence[WireTrait], frame: pl.DataFrame) -> pl.Series:
    """Return what `csv_carries_expr` says of each row; one trait after the other, in the rows that are left."""
    carried = np.ones(frame.height, dtype=np.bool_)
    for trait in traits:
        if trait.data_type is DataType.ARRAY:
            carried &= frame[trait.ref].is_null().to_numpy()
    rows = pl.Series(np.flatnonzero(carried).astype(np.uint32))
    for trait in traits:
        if trait.data_type is DataType.STRING:
            values = frame[trait.ref] if len(rows) == frame.height else frame[trait.ref][rows]
            if not _plain(trait, values):
                rows = rows.filter(values.to_frame().select(csv_carries_expr([trait])).to_series())
    carried[:] = False
    carried[rows.to_numpy()] = True
    return pl.Series(carried)


def _plain(trait: WireTrait, text: pl.Series) -> bool:
    """Tell, from all bytes at once, whether the CSV flow surely carries all values; if not, each is to be tested."""
    data, offsets = bytes_of(text)
    if not trait.clears and (text == "").any():
        return False
    if not data.size:
        return True
    lowest, content = data.min(), data.tobytes()
    if lowest < _SPACE or data.max() > _LAST_PLAIN or any(byte in content for byte in _NOT_PLAIN):
        return False
    if lowest > _SPACE:
        return True
    space = data == _SPACE
    first, last = edges(offsets)
    return not ((space[1:] & space[:-1]).any() or space[first].any() or space[last].any())


def removal_column(ref: str) -> str:
    """Name the Boolean column that marks removals of a trait."""
    return REMOVE_PREFIX + ref
