"""Cell values as they may be shown to anybody."""

from __future__ import annotations

from typing import Final

import polars as pl

_MASKED: Final = "•••"
_TELLING_CHARS: Final = 5


def mask_expr(value: pl.Expr) -> pl.Expr:
    """Return what may be shown of cell values: the first letter or digit and the length. Null stays null.

    The result depends on nothing else, so it cannot hold the value. Of a text of fewer than five characters the first
    one would tell too much.
    """
    length = value.str.len_chars()
    first = (
        pl.when(length >= _TELLING_CHARS)
        .then(value.str.extract(r"^([\p{L}\p{N}])").fill_null(""))
        .otherwise(pl.lit(""))
    )
    unit = pl.when(length == 1).then(pl.lit(" char)")).otherwise(pl.lit(" chars)"))
    masked = pl.concat_str([first, pl.lit(_MASKED + " ("), length.cast(pl.String), unit])
    return pl.when(value.is_not_null()).then(masked)
