"""Write a customer file of any size, with known bad rows: `python bench/generate_customers.py OUT --rows N`.

Deterministic and prefix-stable: for one seed and one set of rates, the first N rows are the same whatever --rows says,
since rows are drawn in blocks that each have a generator of their own. Identifiers are unique up to 10,000,000 rows,
but for those that --shared-rate asks for. `mappings/bench-customers.yaml` is the mapping.

The truth file (--truth) names every seeded problem: row_number, line, column, code. Rows that share an identifier are
in it as merge-group, without a column.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
import polars as pl
import pyarrow.parquet as pq

BLOCK_ROWS: Final = 65_536


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COLUMNS: Final = _words(
    "customer_id first_name last_name email mobile country birth_date street city postal_code points tier subscribed "
    "colours signed_up notes"
)

_FIRST: Final = _words(
    "Olivia Liam Emma Noah Amelia Oliver Charlotte James Sophia Henry Mia Lucas Harper Ethan Evelyn Mason Abigail "
    "Logan Emily Jack Ella Aiden Grace Samuel Chloe David Nora Joseph Hazel Carter Priya Arjun Mei Elena Rafael Björn"
)
_LAST: Final = _words(
    "Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Taylor Thomas Moore Jackson Martin Lee Thompson "
    "White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Hill Green Adams Baker Nelson O'Brien Weiß"
)
_STREETS: Final = _words("Maple Oak Cedar Elm Washington Lincoln Park Lake Hill Church River Spring Walnut Chestnut")
_CITIES: Final = ("Boston", "Newark", "Hartford", "Indianapolis", "San Francisco", "Minneapolis", "Salt Lake City")
_POSTAL_CODES: Final = _words("02108 07102 06103 46204 94103 55401 84101")
_TIERS: Final = ("basic", "Silver", "gold", "VIP")
_WORDS: Final = ("yes", "no", "Y", "n", "1", "0")
_COLOURS: Final = ("red", "green|blue", "black|white|red", "yellow|orange", "purple")
_COMMON_NOTES: Final = (
    "Prefers e-mail, never call before nine in the morning or on Fridays at all",
    'Asked for "the quiet table" by the window again at the last visit in autumn',
    "Has two dogs; orders food for both of them every other month by telephone",
    "Moved in June and told us at the counter of the old shop herself last year",
)
_RARE_NOTES: Final = ("Loves the new app \N{PARTY POPPER}", "Ring twice.\nLeave it with the neighbour, second floor.")
_NOTES: Final = (*_COMMON_NOTES * 5, *_RARE_NOTES)
_AREAS: Final = _words(
    "201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 239 240 248 251 252 "
    "253 254 256 260 262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 "
    "321 323 325 330 334 336 337 339 347 351 352 360 361 386 401 402 404 405 406 407 408 409 410 412 413 414 415 417"
)
_EXCHANGES: Final = (958, 959, *range(230, 430))

# Country, calling code, prefix of a national number, first mobile number, how many follow it.
_ABROAD: Final = (
    ("GB", "44", "0", 7_410_000_000, 10_000_000),
    ("DE", "49", "0", 15_100_000_000, 100_000_000),
    ("IN", "91", "0", 9_810_000_000, 90_000_000),
    ("JP", "81", "0", 9_010_000_000, 80_000_000),
    ("ES", "34", "", 610_000_000, 60_000_000),
    ("MX", "52", "", 5_510_000_000, 60_000_000),
)

# Code, column, and what the cell becomes. The last one cuts fields off the line and is for CSV only.
_PROBLEMS: Final[tuple[tuple[str, str | None, str | None], ...]] = (
    ("missing-identifier", None, None),
    ("type-mismatch", "points", "1,234"),
    ("type-mismatch", "subscribed", "maybe"),
    ("out-of-range", "points", "99999999999"),
    ("too-long", "notes", "A very long letter. " * 52),
    ("invalid-phone", "mobile", "+1 317 958"),
    ("ambiguous-phone", "mobile", "317 958 4433"),
    ("excel-damage", "mobile", "1.31796E+10"),
    ("invalid-email", "email", "no.address.example.com"),
    ("invisible-character", "email", "zero\u200bwidth@example.com"),
    ("invalid-date", "birth_date", "31/02/1990"),
    ("control-character", "city", "Spring\x07field"),
    ("malformed-row", None, None),
)
_MALFORMED: Final = len(_PROBLEMS) - 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to write. Rates are shares of all rows, 0 to 1. Only CSV has malformed rows."""

    rows: int
    seed: int
    bad_rate: float
    shared_rate: float
    as_csv: bool


def draw_blocks(recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Yield the rows in blocks: `COLUMNS` as text (null is missing), row_number, code and column.

    code and column are null on good rows and say what was planted on the others.
    """
    for block in range(-(-recipe.rows // BLOCK_ROWS)):
        rng = np.random.default_rng([recipe.seed, block])
        numbers = np.arange(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS, dtype=np.int64)
        frame = _draw_rows(rng, numbers)
        draws = {name: rng.random(BLOCK_ROWS) for name in ("bad", "kind", "shared", "shared_by")}
        frame = _share(_plant(frame, draws, recipe), draws, recipe)
        yield frame.head(recipe.rows - block * BLOCK_ROWS)


def _draw_rows(rng: np.random.Generator, numbers: np.ndarray) -> pl.DataFrame:
    """Draw good rows for 0-based row numbers."""
    city = rng.integers(0, len(_CITIES), BLOCK_ROWS)
    frame = pl.DataFrame({"n": numbers}).with_columns(
        _pick(rng, _FIRST).alias("first_name"),
        _pick(rng, _LAST).alias("last_name"),
        _date(rng, 1945, 2006).dt.strftime("%d/%m/%Y").alias("birth_date"),
        _date(rng, 2015, 2026).dt.strftime("%Y-%m-%d").alias("signed_up"),
        pl.Series("house", rng.integers(1, 9800, BLOCK_ROWS)).cast(pl.String),
        _pick(rng, _STREETS).alias("street"),
        pl.Series("city", _CITIES).gather(city),
        pl.Series("postal_code", _POSTAL_CODES).gather(city),
        pl.Series("points", rng.integers(0, 25_000, BLOCK_ROWS)).cast(pl.String),
        _pick(rng, _TIERS).alias("tier"),
        _pick(rng, _WORDS).alias("subscribed"),
        _pick(rng, _COLOURS).alias("colours"),
        _pick(rng, _NOTES).alias("notes"),
    )
    frame = _add_phones(rng, frame)
    gaps = {"mobile": 0.03, "birth_date": 0.05, "points": 0.02, "colours": 0.5, "notes": 0.2}
    kept = [pl.when(pl.Series(rng.random(BLOCK_ROWS) >= gap)).then(name).alias(name) for name, gap in gaps.items()]
    email = pl.format("{}.{}.{}@example.com", "first_name", "last_name", "n").str.to_lowercase()
    return frame.with_columns(kept).with_columns(
        row_number=pl.col("n") + 1,
        customer_id=pl.format("C-{}", pl.col("n") + 10_000_000),
        email=email.str.replace_many({"ö": "oe", "ß": "ss", "'": ""}),
        street=pl.format("{} {} St.", "house", "street"),
    )


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> pl.Series:
    return pl.Series(words).gather(rng.integers(0, len(words), BLOCK_ROWS))


def _date(rng: np.random.Generator, first_year: int, last_year: int) -> pl.Series:
    first = np.datetime64(f"{first_year}-01-01", "D")
    days = (np.datetime64(f"{last_year}-01-01", "D") - first).astype(int)
    return pl.Series(first + rng.integers(0, days, BLOCK_ROWS))


def _add_phones(rng: np.random.Generator, frame: pl.DataFrame) -> pl.DataFrame:
    """Add mobile and country: four in five American, a quarter of those E.164; one in four others national."""
    n = frame["n"].to_numpy()
    rest = n // len(_AREAS)
    area = np.array([int(code) for code in _AREAS])[n % len(_AREAS)]
    exchange = np.array(_EXCHANGES)[(rest // 10_000) % len(_EXCHANGES)]
    american = area * 10_000_000 + exchange * 10_000 + rest * 7919 % 10_000
    abroad = rng.integers(0, len(_ABROAD), BLOCK_ROWS)
    first, size = np.array([plan[3] for plan in _ABROAD])[abroad], np.array([plan[4] for plan in _ABROAD])[abroad]
    us = pl.Series(american).cast(pl.String)
    national = pl.Series(first + n * 7919 % size).cast(pl.String)
    code, prefix = (pl.Series([plan[i] for plan in _ABROAD]).gather(abroad) for i in (1, 2))
    is_us, draw = rng.random(BLOCK_ROWS) < 0.8, rng.integers(0, 12, BLOCK_ROWS)
    spelling = np.where(is_us, draw % 4, np.where(draw < 9, 4, 5))
    a, x, s = us.str.slice(0, 3), us.str.slice(3, 3), us.str.slice(6, 4)
    spelled = (
        "+1" + us,
        "(" + a + ") " + x + "-" + s,
        a + "-" + x + "-" + s,
        us,
        "+" + code + national,
        prefix + national,
    )
    mobile = pl.coalesce(pl.when(pl.Series(spelling == i)).then(text) for i, text in enumerate(spelled))
    country = pl.Series([plan[0] for plan in _ABROAD]).gather(abroad)
    return frame.with_columns(mobile=mobile, country=pl.when(pl.Series(is_us)).then(pl.lit("US")).otherwise(country))


def _plant(frame: pl.DataFrame, draws: dict[str, np.ndarray], recipe: Recipe) -> pl.DataFrame:
    """Make rows bad: one problem on each row drawn, all kinds alike."""
    kinds = len(_PROBLEMS) if recipe.as_csv else _MALFORMED
    kind = np.where(draws["bad"] < recipe.bad_rate, (draws["kind"] * kinds).astype(np.int64), -1)
    frame = frame.with_columns(kind=pl.Series(kind)).with_columns(
        _by_kind(kind, [problem[i] for problem in _PROBLEMS]).alias(name)
        for i, name in enumerate(("code", "column", "cell"))
    )
    names = sorted({column for _, column, _ in _PROBLEMS if column})
    frame = frame.with_columns(
        pl.when(pl.col("column") == name).then(pl.col("cell")).otherwise(pl.col(name)).alias(name) for name in names
    )
    lost = pl.col("code").eq_missing("missing-identifier")
    return frame.with_columns(
        email=pl.when(~lost).then("email"),
        mobile=pl.when(~lost).then("mobile"),
        country=pl.when(pl.col("code").ne_missing("ambiguous-phone")).then("country"),
    )


def _by_kind(kind: np.ndarray, values: Sequence[str | None]) -> pl.Series:
    return pl.Series(values, dtype=pl.String).gather(pl.Series(kind).replace(-1, None).cast(pl.UInt32))


def _share(frame: pl.DataFrame, draws: dict[str, np.ndarray], recipe: Recipe) -> pl.DataFrame:
    """Let drawn pairs of neighbours share an identifier, unless one of them is bad.

    Only the second row of a pair changes, and only a pair that is wholly in the file counts, so that prefixes agree.
    """
    good = frame["kind"].to_numpy().reshape(-1, 2) < 0
    whole = frame["row_number"].to_numpy().reshape(-1, 2)[:, 1] <= recipe.rows
    pairs = good.all(axis=1) & whole & (draws["shared"].reshape(-1, 2)[:, 0] < recipe.shared_rate)
    by_phone = draws["shared_by"].reshape(-1, 2)[:, 0] < 0.5
    group = pl.Series(np.repeat(pairs, 2))
    second = pl.Series(np.arange(len(frame)) % 2 == 1)
    phone = group & second & pl.Series(np.repeat(by_phone, 2)) & frame["mobile"].shift(1).is_not_null()
    email = group & second & ~phone
    return frame.with_columns(
        mobile=pl.when(phone).then(pl.col("mobile").shift(1)).otherwise("mobile"),
        country=pl.when(phone).then(pl.col("country").shift(1)).otherwise("country"),
        email=pl.when(email).then(pl.col("email").shift(1)).otherwise("email"),
        code=pl.when(group).then(pl.lit("merge-group")).otherwise("code"),
        column=pl.when(~group).then("column"),
    )


def write_csv(frame: pl.DataFrame, out: IO[bytes]) -> None:
    """Write rows as comma-separated lines, quoted where needed; malformed rows lose their last five fields."""
    cells = [_quoted(pl.col(name).fill_null("")).alias(name) for name in COLUMNS]
    whole = pl.concat_str(COLUMNS, separator=",")
    cut = pl.concat_str(COLUMNS[:-5], separator=",")
    frame.with_columns(cells).select(pl.when(pl.col("kind") == _MALFORMED).then(cut).otherwise(whole)).write_csv(
        out, include_header=False, quote_style="never"
    )


def _quoted(text: pl.Expr) -> pl.Expr:
    odd = text.str.contains('[",\n]')
    return pl.when(odd).then(pl.format('"{}"', text.str.replace_all('"', '""', literal=True))).otherwise(text)


def truth_of(frame: pl.DataFrame, first_line: int) -> tuple[pl.DataFrame, int]:
    """Return the truth of a block whose first row is on this physical line, and the first line after the block."""
    # A line break within a cell can only be in the notes, and only where the row keeps them.
    whole = pl.col("kind") != _MALFORMED
    breaks = pl.when(whole).then(pl.col("notes").str.count_matches("\n")).fill_null(0).cast(pl.Int64)
    frame = frame.with_columns(height=breaks + 1)
    line = first_line + pl.col("height").cum_sum() - pl.col("height")
    seeded = frame.with_columns(line=line).filter(pl.col("code").is_not_null())
    return seeded.select("row_number", "line", "column", "code"), first_line + int(frame["height"].sum())


def write_file(recipe: Recipe, out: Path, truth: Path | None) -> int:
    """Write the file, and its truth where one is asked for, and return the number of seeded rows."""
    line, seeded = 2, 0
    schema = pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String)).to_arrow().schema
    with out.open("wb") as sink, (truth or Path(os.devnull)).open("wb") as truth_sink:
        table = None if recipe.as_csv else pq.ParquetWriter(sink, schema, compression="zstd")
        if table is None:
            sink.write((",".join(COLUMNS) + "\n").encode())
        truth_sink.write(b"row_number,line,column,code\n")
        for frame in draw_blocks(recipe):
            rows, line = truth_of(frame, line)
            if table is None:
                write_csv(frame, sink)
            else:
                table.write_table(frame.select(COLUMNS).to_arrow())
                rows = rows.with_columns(line=None)
            rows.write_csv(truth_sink, include_header=False)
            seeded += rows.height
        if table is not None:
            table.close()
    return seeded


def main(argv: list[str] | None = None) -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--bad-rate", type=float, default=0.02, help="share of rows with one seeded error")
    parser.add_argument("--shared-rate", type=float, default=0.05, help="share of rows that share an identifier")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv", help="parquet has no malformed rows")
    parser.add_argument("--truth", type=Path, help="where to write the seeded problems")
    options = parser.parse_args(argv)
    recipe = Recipe(options.rows, options.seed, options.bad_rate, options.shared_rate, options.format == "csv")
    seeded = write_file(recipe, options.out, options.truth)
    print(f"{options.rows} rows, {seeded} in the truth, {options.out.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
