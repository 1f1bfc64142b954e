"""E-mail addresses as the service stores them, and the dispatch of identifiers by their idType's normalisation.

The service lower-cases an address and removes its spaces. Removing white space inside a text could glue two addresses
into one, so here a text with white space inside is no address; white space around it was trimmed before.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from importer.core.characters import sizes_of
from importer.core.phones import normalise_phones
from importer.core.schema import Normalization

EMAILS_SCHEMA: Final = pl.Schema({"email": pl.String, "code": pl.String})
"""What `normalise_emails` returns."""

IDENTIFIERS_SCHEMA: Final = pl.Schema({"value": pl.String, "code": pl.String})
"""What `normalise_identifier` returns."""

INVALID_EMAIL: Final = "invalid-email"

MAX_LOCAL_BYTES: Final = 64
MAX_ADDRESS_BYTES: Final = 254
"""Lengths of RFC 5321, sections 4.5.3.1.1 and (a path without its brackets) 4.5.3.1.3."""


def _address(letters: str, letters_and_digits: str) -> str:
    """Write the pattern of an address: a dot-atom, ``@``, labels, and a top-level label that begins with a letter."""
    edge = f"[{letters_and_digits}!#$%&*+/=?^_`{{|}}~-]"
    # an apostrophe at either end is a spreadsheet's or a quotation's: it would make a twin of the profile
    inner = f"[{letters_and_digits}!#$%&'*+/=?^_`{{|}}~-]"
    label = f"[{letters_and_digits}](?:[{letters_and_digits}-]*[{letters_and_digits}])?"
    top = f"[{letters}][{letters_and_digits}-]*[{letters_and_digits}]"
    return rf"^{edge}(?:(?:\.?{inner})*\.?{edge})?@(?:{label}\.)+{top}$"


_ASCII: Final = "(?-u)" + _address("a-z", "a-z0-9")
_BEYOND_ASCII: Final = r"[^\x00-\x7f]"
_INTERNATIONAL: Final = _address(r"\p{L}", r"\p{L}\p{M}\p{N}")
# full-width forms look like ASCII and are none: an address typed with them is damage, not another address
_FULL_WIDTH: Final = r"[\x{FF00}-\x{FFEF}]"


def normalise_emails(text: pl.Series) -> pl.DataFrame:
    """Normalise a column of e-mail addresses.

    Lower case, NFC, without a final dot of the domain. One address a cell: names, lists, quoted local parts and IP
    literals are ``invalid-email``.

    Args:
        text: String, trimmed, non-empty or null.

    Returns:
        `EMAILS_SCHEMA`, same rows, same order: `email` null where `code` is set; a null text gives nulls.
    """
    good = text.to_frame("email").select(pl.col("email").str.contains(_ASCII).fill_null(value=True)).to_series()
    others = np.flatnonzero(~good.to_numpy())
    if others.size:
        changed, accepted = _otherwise_written(text[others])
        text, good = text.clone().scatter(others, changed), good.scatter(others, accepted)
    is_good = pl.col("good")
    lengths = sizes_of(text)
    if lengths.size and int(lengths.max()) > MAX_LOCAL_BYTES:
        at, size = pl.col("email").str.find("@", literal=True), pl.col("email").str.len_bytes()
        is_good &= ((at <= MAX_LOCAL_BYTES) & (size <= MAX_ADDRESS_BYTES)).fill_null(value=True)
    return pl.DataFrame({"email": text, "good": good}).select(
        email=pl.when(is_good).then("email"),
        code=pl.when(~is_good).then(pl.lit(INVALID_EMAIL)),
    )


def _otherwise_written(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Write texts that are no address of plain small letters as the service would; tell which are addresses then."""
    small = pl.col("email").str.to_lowercase().str.strip_suffix(".")
    is_good, is_beyond = small.str.contains(_ASCII), small.str.contains(_BEYOND_ASCII)
    text, good, beyond = text.to_frame("email").select(small, good=is_good, beyond=is_beyond).get_columns()
    rows = np.flatnonzero((beyond & ~good).to_numpy())
    if rows.size:
        composed = pl.col("email").str.normalize("NFC").str.to_lowercase().str.normalize("NFC")
        is_accepted = composed.str.contains(_INTERNATIONAL) & ~composed.str.contains(_FULL_WIDTH)
        changed, accepted = text[rows].to_frame().select(composed, good=is_accepted).get_columns()
        text, good = text.scatter(rows, changed), good.scatter(rows, accepted)
    return text, good


def normalise_identifier(
    values: pl.Series, normalization: Normalization, region: pl.Series | str | None = None
) -> pl.DataFrame:
    """Normalise a column of identifiers the way their idType says.

    Args:
        values: String, trimmed, non-empty or null.
        normalization: ``phone`` (E.164), ``email``, ``trim`` (white space around it, NFC) or ``none`` (as it is).
        region: Region of national phone numbers; see `normalise_phones`.

    Returns:
        `IDENTIFIERS_SCHEMA`, same rows, same order: `value` null where it is unusable, and then `code` says why;
        ``unlikely-phone`` comes with a value.
    """
    if normalization is Normalization.PHONE:
        return normalise_phones(values, region).rename({"e164": "value"})
    if normalization is Normalization.EMAIL:
        return normalise_emails(values).rename({"email": "value"})
    value = pl.col("value")
    if normalization is Normalization.TRIM:
        value = value.str.normalize("NFC").str.strip_chars()
        value = pl.when(value != "").then(value)
    return values.to_frame("value").select(value.alias("value"), pl.lit(None, dtype=pl.String).alias("code"))
