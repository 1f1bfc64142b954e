"""Typed rows to the JSON text of profiles, of which Bulk bodies are cut.

Arrow puts the texts together from the columns as the package has them. The bytes of a row depend on the row alone; what
it lacks is left out: no `null` leaves through a Bulk body.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from importer.core.arrow_texts import TEXT, content_of, joined, texts_of
from importer.core.json_text import escaped, quoted
from importer.core.schema import DataType
from importer.core.wire import WireTrait


def encode_profiles(traits: Sequence[WireTrait], rows: pa.Table, *, lead: str = "") -> pa.LargeStringArray:
    """Encode rows as the JSON text of ProfileData objects.

    Args:
        traits: Groups kept together; further values of an identifier type are in no profile.
        rows: One typed column a trait; null is left out.
        lead: Stands in front of each.

    Returns:
        Same rows, same order: ``{"traits":{"Group":{"trait":value}}}``.
    """
    between = _Between(lead + '{"traits":{')
    pieces = []
    for trait in traits:
        if not trait.further:
            values = texts_of(rows, trait.ref)
            pieces += [between.before(trait, values), escaped(values) if trait.data_type is DataType.STRING else values]
    return joined([*pieces, between.behind(rows.num_rows)], nulls="skip")


_Flags = np.uint8 | npt.NDArray[np.uint8]
"""A flag a row, or one that all rows have."""

_YES: Final = np.uint8(1)


class _Between:
    """What stands between the values of profiles, as one text a place: which one tells what the row has so far.

    So a profile is put together once, from half as many pieces as keys, colons, quotes and commas would be; most traits
    have a value in every row, and then it is one text for all.
    """

    def __init__(self, opening: str) -> None:
        self._opening = opening
        self._group: str | None = None
        self._begun: _Flags = np.uint8(0)
        self._group_begun: _Flags = np.uint8(0)
        self._quoted: _Flags = np.uint8(0)

    def before(self, trait: WireTrait, values: pa.Array) -> pa.LargeStringArray | pa.LargeStringScalar:
        """Return what stands before the value of the next trait, an empty text where it has none; one text for all."""
        if trait.group != self._group:
            self._group, self._group_begun = trait.group, np.uint8(0)
        quote = '"' if trait.data_type is DataType.STRING else ""
        name, group = f"{quoted(trait.name)}:{quote}", f"{quoted(trait.group)}:{{"
        texts = ["", self._opening + group + name]
        texts += [f"{close}}},{group}{name}" for close in ("", '"')]
        texts += [f"{close},{name}" for close in ("", '"')]
        filled = np.asarray(values.is_valid()).view(np.uint8) if values.null_count else _YES
        which = np.where(self._begun, np.uint8(2) + np.uint8(2) * self._group_begun + self._quoted, _YES) * filled
        self._begun = _either(self._begun, filled)
        self._group_begun = _either(self._group_begun, filled)
        self._quoted = _last(np.uint8(bool(quote)), filled, self._quoted)
        return _texts(texts, which)

    def behind(self, height: int) -> pa.LargeStringArray:
        """Return what stands behind the last value of so many rows."""
        last = _texts([self._opening + "}}", "}}}", '"}}}'], np.asarray(self._begun + (self._begun & self._quoted)))
        return pa.repeat(last, height) if isinstance(last, pa.Scalar) else last


def _either(before: _Flags, filled: _Flags) -> _Flags:
    return _YES if _is_all(before) or _is_all(filled) else before | filled


def _last(value: np.uint8, filled: _Flags, before: _Flags) -> _Flags:
    return value if _is_all(filled) or (before.ndim == 0 and before == value) else np.where(filled, value, before)


def _is_all(flags: _Flags) -> bool:
    return flags.ndim == 0 and bool(flags)


def _texts(texts: list[str], which: npt.NDArray[np.uint8]) -> pa.LargeStringArray | pa.LargeStringScalar:
    return pa.array(texts, TEXT).take(pa.array(which)) if which.ndim else pa.scalar(texts[int(which)], TEXT)


class ProfileText:
    """Encoded profiles one behind the other, so that a Bulk body is cut out of them, not put together.

    Args:
        traits: See `encode_profiles`.
        rows: The same.
    """

    def __init__(self, traits: Sequence[WireTrait], rows: pa.Table) -> None:
        self.height = rows.num_rows
        self._text, self._ends = content_of(encode_profiles(traits, rows, lead=","))

    def body(self, start: int, stop: int, skip: Collection[int] = ()) -> bytes:
        """Return the Bulk body of rows ``[start, stop)`` without those in `skip`."""
        edges = [start - 1, *sorted(row for row in skip if start <= row < stop), stop]
        ends = self._ends
        stretches = [self._text[ends[first + 1] : ends[last]] for first, last in pairwise(edges) if last - first > 1]
        return b"".join((b'{"profiles":[', *(text[at == 0 :] for at, text in enumerate(stretches)), b"]}"))
