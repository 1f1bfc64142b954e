"""What was sent of a row beside what the store has of it, trait by trait, as text.

A row is judged by the profiles that its identifiers find, and only by what it sent itself: traits it did not name are
nobody's business here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import polars as pl

from importer.core.emails import normalise_identifier
from importer.core.filled import FilledSet
from importer.core.lifecycle import CODE_AMBIGUOUS_PROFILE
from importer.core.read_back import READ_BACK_SCHEMA, IdentifierTrait, Verified
from importer.core.schema import DataType, Normalization
from importer.core.wire import WireTrait, removal_column

_STORED: Final = "stored:"


# --- what was sent, what is stored -----------------------------------------------------------------------------------


def sent_frame(rows: pl.DataFrame, traits: Sequence[WireTrait]) -> pl.DataFrame:
    """Return what rows of the package sent, as text.

    Args:
        rows: Typed trait columns and ``remove:`` columns of the package; ``position`` (i64), ``group`` (i64, -1 for
            none) of each row.
        traits: The plan's traits.

    Returns:
        ``position``, ``group``, a String column a trait (null where nothing was sent) and a Boolean ``remove:`` column
        of each trait that can be removed; same rows, same order.
    """
    values = [
        _array_texts(rows[trait.ref]) if trait.data_type is DataType.ARRAY else rows[trait.ref].cast(pl.String)
        for trait in traits
    ]
    removals = [rows[removal_column(trait.ref)].fill_null(value=False) for trait in traits if trait.removable]
    return pl.DataFrame([rows["position"], rows["group"], *values, *removals])


def _array_texts(texts: pl.Series) -> pl.Series:
    """Write the JSON texts of arrays in the one way `stored_text` does; arrays are few, and short."""
    written = [None if text is None else orjson.dumps(orjson.loads(text)).decode() for text in texts]
    return pl.Series(texts.name, written, dtype=pl.String)


def stored_text(value: object, data_type: DataType) -> str | None:
    """Return a stored value as text, so that it can be compared with what was sent; None for a null.

    Example:
        >>> stored_text(5, DataType.NUMBER), stored_text(True, DataType.BOOLEAN), stored_text(["a"], DataType.ARRAY)
        ('5', 'true', '["a"]')
    """
    if value is None:
        return None
    if isinstance(value, str) and data_type is not DataType.ARRAY:
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return orjson.dumps(value).decode()


def name_of(trait: WireTrait) -> str:
    """Return the name of a trait within its group; a further value of an identifier has one of its own.

    Example:
        >>> name_of(WireTrait("Contact.phone+2", "Contact", "phone", DataType.STRING, further=True))
        'phone+2'
    """
    return trait.ref.removeprefix(f"{trait.group}.")


@dataclass(frozen=True, slots=True)
class Found:
    """A profile that an identifier of a row found.

    Attributes:
        position: Of the row.
        profile_id: Canonical.
        traits: Values by group and `name_of`.
    """

    position: int
    profile_id: str
    traits: Mapping[str, Mapping[str, object]]


def stored_frame(found: Sequence[Found], traits: Sequence[WireTrait]) -> pl.DataFrame:
    """Return what profiles hold, as text: ``position``, ``profile_id`` and a String column a trait."""
    columns = [
        pl.Series("position", [one.position for one in found], dtype=pl.Int64),
        pl.Series("profile_id", [one.profile_id for one in found], dtype=pl.String),
    ]
    for trait in traits:
        values = (one.traits.get(trait.group, {}).get(name_of(trait)) for one in found)
        texts = [stored_text(value, trait.data_type) for value in values]
        columns.append(pl.Series(trait.ref, texts, dtype=pl.String))
    return pl.DataFrame(columns)


# --- rows that were sent one after the other -------------------------------------------------------------------------


def only_last_words(sent: pl.DataFrame, linked: pl.DataFrame, sets: Sequence[FilledSet]) -> pl.DataFrame:
    """Leave out what a later row of the same merge group said again: that row answers for it.

    Args:
        sent: See `sent_frame`.
        linked: ``group``, ``position``, ``set`` of every row of a merge group that left.
        sets: Filled sets by number.

    Returns:
        The frame with those values null and those removals false.
    """
    groups = sent.filter(pl.col("group") >= 0)["group"].unique()
    if groups.is_empty():
        return sent
    spoken = pl.DataFrame(
        {"set": range(len(sets)), "ref": [sorted(entry.columns) for entry in sets]},
        schema={"set": pl.UInt32, "ref": pl.List(pl.String)},
    ).explode("ref")
    last = (
        linked.filter(pl.col("group").is_in(groups.implode()))
        .join(spoken, on="set")
        .group_by("group", "ref")
        .agg(last=pl.col("position").max())
    )
    for (ref,), lines in last.partition_by("ref", as_dict=True, include_key=False).items():
        at = sent.select("group").join(lines, on="group", how="left", maintain_order="left")["last"]
        own = (sent["position"] >= at).fill_null(value=True)
        changed = [pl.when(own).then(pl.col(ref)).alias(ref)]
        if removal_column(ref) in sent.columns:
            changed.append((pl.col(removal_column(ref)) & own).alias(removal_column(ref)))
        sent = sent.with_columns(changed)
    return sent


# --- the comparison --------------------------------------------------------------------------------------------------


def compare(
    sent: pl.DataFrame, stored: pl.DataFrame, traits: Sequence[WireTrait], identifiers: Sequence[IdentifierTrait]
) -> pl.DataFrame:
    """Compare rows with the profiles that were found for them, trait by trait.

    A row for which several profiles were found is confirmed if one of them holds all of it, and is otherwise shown
    beside the one that is nearest, with the code ``ambiguous-profile``.

    Args:
        sent: See `sent_frame`; each position once.
        stored: See `stored_frame`; no line for a row that no identifier found, several where one found several.
        traits: The plan's traits.
        identifiers: Those of them that are normalised before they are compared.

    Returns:
        `READ_BACK_SCHEMA`, one line for each row of `sent`, by position.
    """
    sent, stored = (_normalised(frame, identifiers) for frame in (sent, stored))
    pairs = stored.rename({trait.ref: _STORED + trait.ref for trait in traits}).join(sent, on="position")
    nearest = (
        pairs.with_columns(
            differences=pl.sum_horizontal([pl.lit(0, dtype=pl.UInt32), *map(_differs, traits)]),
            candidates=pl.len().over("position"),
        )
        .sort("position", "differences", maintain_order=True)
        .unique("position", keep="first", maintain_order=True)
    )
    places = sent.select("position").sort("position")
    found = nearest.select("position", "profile_id", "differences", "candidates")
    named = _differences(nearest.filter(pl.col("differences") > 0), traits)
    joined = places.join(found, on="position", how="left").join(named, on="position", how="left").sort("position")
    unlike = pl.col("differences") > 0
    return joined.select(
        "position",
        result=pl.when(pl.col("differences").is_null())
        .then(pl.lit(Verified.MISSING.value))
        .when(unlike)
        .then(pl.lit(Verified.MISMATCHED.value))
        .otherwise(pl.lit(Verified.CONFIRMED.value))
        .cast(READ_BACK_SCHEMA["result"]),
        code=pl.when(unlike & (pl.col("candidates") > 1)).then(pl.lit(CODE_AMBIGUOUS_PROFILE)),
        profile_id="profile_id",
        traits="traits",
        sent="sent",
        stored="stored",
    ).cast(READ_BACK_SCHEMA)


def _normalised(frame: pl.DataFrame, identifiers: Sequence[IdentifierTrait]) -> pl.DataFrame:
    """Write identifiers as the store matches them; what is none stays as it is."""
    columns = []
    for trait in identifiers:
        text = frame[trait.ref]
        if trait.normalization is not Normalization.NONE:
            text = text.str.strip_chars().replace("", None)
        value = normalise_identifier(text, trait.normalization)["value"]
        columns.append(pl.select(pl.coalesce(value, frame[trait.ref])).to_series().alias(trait.ref))
    return frame.with_columns(columns)


def _differs(trait: WireTrait) -> pl.Expr:
    """Tell whether a row sent a value that is not stored, or removed one that is."""
    stored = pl.col(_STORED + trait.ref)
    value = pl.col(trait.ref).is_not_null() & pl.col(trait.ref).ne_missing(stored)
    return value | (pl.col(removal_column(trait.ref)) & stored.is_not_null()) if trait.removable else value


def _differences(pairs: pl.DataFrame, traits: Sequence[WireTrait]) -> pl.DataFrame:
    """List what differs, one line a row: ``position``, ``traits``, ``sent``, ``stored``."""
    pieces = [
        pairs.filter(_differs(trait)).select(
            "position", traits=pl.lit(trait.ref), sent=pl.col(trait.ref), stored=pl.col(_STORED + trait.ref)
        )
        for trait in traits
    ]
    return pl.concat(pieces).group_by("position", maintain_order=True).all()
