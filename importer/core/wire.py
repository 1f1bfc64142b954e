"""Typed rows to the service's wire form: Bulk bodies, patches of removals, import files.

Key order is fixed by the plan, never by what a batch happens to hold, so the same typed rows give the same bytes.
No `null` leaves through a Bulk body; the only nulls on the wire are the removals of `encode_removals`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from importer.core.check import REMOVE_PREFIX
from importer.core.json_text import escape_expr, needs_escape, quoted
from importer.core.schema import DataType
from importer.core.transform import NullIntent, TransformPlan

ENCODER_VERSION: Final = 2
"""Moves whenever the same typed rows would give other bytes, or another digest."""

REMOVAL_CELL: Final = "\\N"
"""Import cell that removes the stored trait (source: product documentation, CSV import)."""

_LETTERS: Final = "àáâäǎæãåāçćčċďðḍèéêëěẽēėęğġħḥìíîïǐĩīıįķğłļľṁòóôöǒœøõōřṛßşșśšṣțťþṭùúûüǔũūűůŵýŷÿźžżẓ"
_UPPER: Final = "".join(char.upper() for char in _LETTERS if len(char.upper()) == 1 and char not in "ßı")
_CARRIED: Final = rf"[A-Za-z0-9!@#$%^&*()_+\-=\[\]{{}}:\\|.`~<>/?{_LETTERS}{_UPPER}]"
CSV_TEXT: Final = rf"^{_CARRIED}+(?: {_CARRIED}+)*$"
"""A value the CSV flow carries: the documented characters, single spaces inside (source: product documentation)."""


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


def encode_profiles(traits: Sequence[WireTrait], frame: pl.DataFrame) -> pl.Series:
    """Encode rows as the JSON text of ProfileData objects.

    Args:
        traits: Groups kept together; further values of an identifier type are in no profile.
        frame: One column a trait; null is left out.

    Returns:
        String, same rows, same order: ``{"traits":{"Group":{"trait":value}}}``.
    """
    traits = [trait for trait in traits if not trait.further]
    groups = list(dict.fromkeys(trait.group for trait in traits))
    fields = [_fragment(trait, frame[trait.ref]).alias(trait.ref) for trait in traits]
    objects = []
    for group in groups:
        members = [trait.ref for trait in traits if trait.group == group]
        body = pl.concat_str([pl.col(ref) for ref in members], ignore_nulls=True)
        objects.append(
            pl.when(body.str.len_bytes() > 0)
            .then(pl.concat_str(pl.lit("," + quoted(group) + ":{"), body.str.slice(1), pl.lit("}")))
            .alias(group)
        )
    profile = pl.concat_str([pl.col(group) for group in groups], ignore_nulls=True)
    return (
        frame.select(fields)
        .select(objects)
        .select(pl.concat_str(pl.lit('{"traits":{'), profile.str.slice(1), pl.lit("}}")).alias("profile"))
        .to_series()
    )


def _fragment(trait: WireTrait, values: pl.Series) -> pl.Expr:
    """Return ``,"name":value``, null where the value is null."""
    value = pl.col(trait.ref)
    prefix = "," + quoted(trait.name) + ":"
    match trait.data_type:
        case DataType.STRING:
            text = escape_expr(value) if needs_escape(values) else value
            return pl.concat_str(pl.lit(prefix + '"'), text, pl.lit('"'))
        case DataType.BOOLEAN:
            return pl.when(value).then(pl.lit(prefix + "true")).when(~value).then(pl.lit(prefix + "false"))
        case _:
            return pl.concat_str(pl.lit(prefix), value.cast(pl.String))


def encode_bulk(profiles: Iterable[str]) -> bytes:
    """Join encoded profiles to one Bulk body."""
    return ('{"profiles":[' + ",".join(profiles) + "]}").encode()


def encode_removals(traits: Sequence[WireTrait], removed: Iterable[str]) -> bytes:
    """Encode a patch that removes traits, ``Group.trait`` each."""
    names = set(removed)
    groups: dict[str, list[str]] = {}
    for trait in traits:
        if trait.ref in names:
            groups.setdefault(trait.group, []).append(quoted(trait.name) + ":null")
    body = ",".join(quoted(group) + ":{" + ",".join(members) + "}" for group, members in groups.items())
    return ('{"traits":{' + body + "}}").encode()


def encode_import_rows(traits: Sequence[WireTrait], frame: pl.DataFrame) -> bytes:
    """Encode rows as lines of an import file, without its header.

    The values are such that no cell needs quotes: `CSV_TEXT` has no comma, quote or line break. A null is written as
    a removal, so the caller passes only traits that every row fills or removes.
    """
    cells = []
    for trait in traits:
        cell = pl.col(trait.ref).cast(pl.String)
        cells.append(cell.fill_null(REMOVAL_CELL) if trait.removable else cell)
    line = frame.select(pl.concat_str([*cells], separator=",").alias("line")).to_series()
    return ("\n".join(line.to_list()) + "\n").encode() if frame.height else b""


def import_header(count: int) -> tuple[str, ...]:
    """Return generated column names: ``Group.trait`` may be longer than the 64 characters a header can have."""
    return tuple(f"c{number:03d}" for number in range(1, count + 1))


def body_bytes_bound_expr(traits: Sequence[WireTrait], columns: Sequence[str]) -> pl.Expr:
    """Return an upper bound of a row's encoded size in a Bulk body, UInt64.

    Text doubles at most: control characters other than tab and line breaks are refused, all other escapes are two
    bytes for one.
    """
    fixed = 16 + sum(len(quoted(group).encode()) + 4 for group in {trait.group for trait in traits})
    sizes = [pl.lit(fixed, dtype=pl.UInt64)]
    for trait in traits:
        if trait.ref not in columns:
            continue
        label = len(quoted(trait.name).encode()) + 4
        value = pl.col(trait.ref)
        if trait.data_type in (DataType.STRING, DataType.ARRAY):
            size = value.str.len_bytes().cast(pl.UInt64) * 2 + label
        else:
            size = value.is_not_null().cast(pl.UInt64) * (label + 11)
        sizes.append(size.fill_null(0))
    return pl.sum_horizontal(sizes)


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


def removal_column(ref: str) -> str:
    """Name the Boolean column that marks removals of a trait."""
    return REMOVE_PREFIX + ref
