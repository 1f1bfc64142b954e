"""Parquet columns as the text a CSV file would hold: exact, vectorised, one rule a type.

Numbers keep all their digits, dates and times are ISO 8601, an instant is UTC with ``Z``. A type that has no such text
has no rule here; its column is left out and named with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.ports import SourceOptions

    Render = Callable[[pa.Array], pl.Series]

_DATE = "%Y-%m-%d"
_INSTANT = "%Y-%m-%dT%H:%M:%S%.f"
_TIME = "%H:%M:%S%.f"
_MOST_DAYS = 95_000_000
_DAY_NS = 86_400 * 10**9
_UNITS_PER_S = {"ms": 10**3, "us": 10**6, "ns": 10**9}


def reason_unsupported(kind: pa.DataType) -> str | None:
    """Say why a column of this type is left out, None if it is not."""
    if is_uuid(kind):
        return None
    kind = _plain(kind)
    if pa.types.is_null(kind):
        return "it has no type: all its values are null"
    if is_list(kind):
        item = _plain(kind.value_type)
        kept = _is_text(item) or pa.types.is_boolean(item) or pa.types.is_integer(item) or pa.types.is_floating(item)
        return None if kept else f"a list of {_family(item)}"
    return None if _scalar(kind) else f"of type {_family(kind)}"


def is_naive_timestamp(kind: pa.DataType) -> bool:
    """Tell whether a column holds times without a zone."""
    kind = _plain(kind)
    return bool(pa.types.is_timestamp(kind) and kind.tz is None)


def render_column(column: pa.Array, options: SourceOptions) -> pl.Series:
    """Return a column as text, a list column as a list of text, Int64, UInt64, Float64 or Boolean.

    Args:
        column: Of a type without a reason in `reason_unsupported`.
        options: Zone of naive timestamps, and whether NaN is missing.

    Raises:
        pyarrow.ArrowInvalid: the column's content is damaged.
    """
    # Nothing below the text of a Parquet file is checked before: bytes that are not UTF-8 must not get further.
    column.validate(full=True)
    if is_uuid(column.type):
        return _render_uuid(column.storage)
    column = _unwrapped(column)
    kind = column.type
    if is_list(kind):
        return _render_list(column, options)
    if pa.types.is_timestamp(kind):
        return _render_timestamp(column, options)
    if pa.types.is_floating(kind):
        return _series(_wide_float(column, options)).cast(pl.String)
    if pa.types.is_decimal256(kind):
        column = column.cast(pa.string())  # the engine has no number of that many digits
    values = _series(column)
    if pa.types.is_date(kind):
        days = values.cast(pl.Date)
        _check_range(days.to_physical(), -_MOST_DAYS, _MOST_DAYS)
        return days.dt.to_string(_DATE)
    if pa.types.is_time(kind):
        _check_range(values.to_physical(), 0, _DAY_NS - 1)
        return values.dt.to_string(_TIME)
    if pa.types.is_boolean(kind):
        words = pl.Series(["false", "true"])
        return words.gather(values.cast(pl.UInt32))
    return values.cast(pl.String)


def _check_range(numbers: pl.Series, least: int, most: int) -> None:
    """Refuse a moment that is none before the engine does: it panics, and prints that on standard error."""
    low, high = numbers.min(), numbers.max()
    if low is not None and not (least <= int(low) and int(high) <= most):  # type: ignore[arg-type]
        raise pa.ArrowInvalid("a date or time out of range")


def _render_timestamp(column: pa.Array, options: SourceOptions) -> pl.Series:
    zone = column.type.tz
    # Stored as instants in UTC whatever the zone's name, which not every engine knows.
    instants = _series(column.view(pa.timestamp(column.type.unit)))
    most = _MOST_DAYS * 86_400 * _UNITS_PER_S[instants.dtype.time_unit]  # type: ignore[attr-defined]
    _check_range(instants.to_physical(), -most, most)
    text = instants.dt.to_string(_INSTANT)
    if zone is not None:
        return text + "Z"
    if options.assume_tz is None:
        return text
    # A time that the change of clocks doubles or leaves out has no instant: it stays without a zone, to be judged.
    local = instants.dt.replace_time_zone(options.assume_tz, ambiguous="null", non_existent="null")
    placed = local.dt.convert_time_zone("UTC").dt.to_string(_INSTANT) + "Z"
    return placed.zip_with(placed.is_not_null(), text)


def _render_uuid(column: pa.FixedSizeBinaryArray) -> pl.Series:
    """Return UUIDs as 36 characters in lower case, as databases show them."""
    digits = _series(column).bin.encode("hex")
    cuts = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
    return digits.to_frame("x").select(
        pl.concat_str(*(pl.col("x").str.slice(start, length) for start, length in cuts), separator="-")
    )["x"]


def _render_list(column: pa.Array, options: SourceOptions) -> pl.Series:
    if isinstance(column.type.value_type, pa.BaseExtensionType):  # numbers of PostgreSQL, JSON
        column = column.cast(pa.large_list(column.type.value_type.storage_type))
    values = _series(column)
    if isinstance(values.dtype, pl.Array):
        values = values.arr.to_list()
    if not isinstance(values.dtype, pl.List):
        return values
    inner = pl.Series(dtype=values.dtype.inner).dtype
    if inner.is_integer():
        # Past Int64 it stays what it is: a value out of range is for the checks to name.
        return values if inner == pl.UInt64 else values.cast(pl.List(pl.Int64))
    if inner.is_float():
        wide = values.cast(pl.List(pl.Float64))
        return wide.list.eval(pl.element().fill_nan(None)) if options.nan_as_missing else wide
    return values if inner == pl.Boolean else values.cast(pl.List(pl.String))


def _wide_float(column: pa.Array, options: SourceOptions) -> pa.Array:
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    if options.nan_as_missing:
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _series(column: pa.Array) -> pl.Series:
    return cast("pl.Series", pl.from_arrow(column))


def _plain(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _unwrapped(column: pa.Array) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        return _unwrapped(column.storage)
    return _unwrapped(column.dictionary_decode()) if pa.types.is_dictionary(column.type) else column


def is_uuid(kind: pa.DataType) -> bool:
    """Tell whether a column holds UUIDs."""
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid"


def is_list(kind: pa.DataType) -> bool:
    """Tell whether a column holds lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _scalar(kind: pa.DataType) -> bool:
    tests = (
        _is_text,
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_date,
        pa.types.is_time,
        pa.types.is_timestamp,
    )
    return any(test(kind) for test in tests)


def _family(kind: pa.DataType) -> str:
    """Name a type without the names of its fields."""
    return str(kind).split("<", maxsplit=1)[0].split("(", maxsplit=1)[0].split("[", maxsplit=1)[0]
