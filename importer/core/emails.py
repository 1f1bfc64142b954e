"""E-mail addresses as the service stores them, and the dispatch of identifiers by their idType's normalisation.

The service lower-cases an address and removes its spaces. Removing white space inside a text could glue two addresses
into one, so here a text with white space inside is no address; white space around it was trimmed before.
"""

from __future__ import annotations

from typing import Final

import polars as pl

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
    good = text.str.contains(_ASCII)
    others = (~good).arg_true()
    if others.len():
        changed, accepted = _otherwise_written(text.gather(others))
        text, good = text.clone().scatter(others, changed), good.scatter(others, accepted)
    frame = pl.DataFrame({"email": text, "good": good})
    if (text.str.len_bytes().max() or 0) > MAX_LOCAL_BYTES:  # type: ignore[operator] # the maximum of a u32 column
        at, size = pl.col("email").str.find("@", literal=True), pl.col("email").str.len_bytes()
        fits = (at <= MAX_LOCAL_BYTES) & (size <= MAX_ADDRESS_BYTES)
        frame = frame.with_columns(good=pl.col("good") & fits.fill_null(value=True))
    return frame.select(
        email=pl.when("good").then("email"),
        code=pl.when(~pl.col("good")).then(pl.lit(INVALID_EMAIL)),
    )


def _otherwise_written(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Write texts that are no address of plain small letters as the service would; tell which are addresses then."""
    text = text.str.to_lowercase().str.strip_suffix(".")
    good = text.str.contains(_ASCII)
    rows = (~good & text.str.contains(_BEYOND_ASCII)).arg_true()
    if rows.len():
        composed = text.gather(rows).str.normalize("NFC").str.to_lowercase().str.normalize("NFC")
        accepted = composed.str.contains(_INTERNATIONAL) & ~composed.str.contains(_FULL_WIDTH)
        text, good = text.scatter(rows, composed), good.scatter(rows, accepted)
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
