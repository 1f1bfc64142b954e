"""Expressions of a mapping: refused, or compiled to a row-wise polars expression whose type is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import polars as pl

from importer.core.mapping_grammar import Grammar
from importer.core.mapping_tokens import ExpressionFault
from importer.core.transform import Expression
from importer.errors import MappingError, Problem

_SAMPLES: Final[Mapping[pl.DataType, Sequence[object]]] = {
    pl.String(): (None, "", "a", "1"),
    pl.Int32(): (None, 0, 1, -1),
    pl.Boolean(): (None, True, False, True),
}
_TEXT_FIX: Final = "source columns are text: compare with texts ('10'), or read numbers by TRY_CAST(column AS BIGINT)"
_LARGEST_EXACT: Final = 2**53
"""Whole numbers beyond it are not told apart by a 64-bit fraction."""


class Result(StrEnum):
    """What an expression must give."""

    TRUTH = "true or false"
    TEXT = "text"


def compile_expression(
    text: str,
    columns: Sequence[str],
    *,
    result: Result = Result.TEXT,
    dtypes: Mapping[str, pl.DataType] | None = None,
) -> Expression:
    """Check an expression and compile it.

    Args:
        text: As the mapping has it.
        columns: Names it may use.
        result: A truth value (``where``, ``check``) or text (``computed``; numbers and truth values are written out).
        dtypes: Types of the columns that are not text; given for ``check``, which sees cast values.

    Raises:
        MappingError: It is refused, with one problem without a line.
    """
    known = {name: (dtypes or {}).get(name, pl.String()) for name in columns}
    try:
        grammar = Grammar(text, known)
        sql = grammar.read()
        used = {name: known[name] for name in grammar.columns}
        expr, dtype = _compile(sql, used, cast=bool(dtypes))
        _refuse_type(dtype, result)
    except ExpressionFault as exc:
        raise MappingError([Problem(None, exc.message, exc.fix)], name="expression") from None
    value = _as_text(expr, dtype) if result is Result.TEXT else expr
    return Expression(text, _one_a_row(value), tuple(used))


def syntax_problem(text: str) -> Problem | None:
    """Return what is wrong with an expression whatever the columns are, None when nothing is."""
    try:
        Grammar(text, None).read()
    except ExpressionFault as exc:
        return Problem(None, exc.message, exc.fix)
    return None


def _compile(sql: str, used: Mapping[str, pl.DataType], *, cast: bool) -> tuple[pl.Expr, pl.DataType]:
    """Compile, and find out the type by evaluating samples: a clash of types shows only then."""
    sample = pl.DataFrame({name: pl.Series(list(_SAMPLES[dtype]), dtype=dtype) for name, dtype in used.items()})
    try:
        expr = pl.sql_expr(sql)
        dtype = sample.select(expr.alias("value")).to_series().dtype
        sample.clear().select(expr.alias("value"))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError):
        fix = f"it sees {_listed(used)}" if cast else _TEXT_FIX
        raise ExpressionFault("values of different types meet in the expression", fix) from None
    return expr, dtype


def _refuse_type(dtype: pl.DataType, result: Result) -> None:
    if result is Result.TRUTH and dtype != pl.Boolean:
        raise ExpressionFault(f"the expression gives {_called(dtype)}, not true or false", "compare it: a = 'x'")
    if dtype == pl.Null:
        raise ExpressionFault("the expression never gives a value", "use a column in every branch")


def _listed(used: Mapping[str, pl.DataType]) -> str:
    return ", ".join(f"`{name}` as {_called(dtype)}" for name, dtype in list(used.items())[:8])


def _called(dtype: pl.DataType) -> str:
    if dtype == pl.String:
        return "text"
    if dtype == pl.Boolean:
        return "true or false"
    return "a number" if dtype.is_numeric() else "no value"


def _one_a_row(expr: pl.Expr) -> pl.Expr:
    """Make a value for every row of what polars may fold into a single one.

    It keeps columns whose rows are all alike as one value, and ``'a' = column`` is then one row long: the same
    mapping would work on one chunk and fail on the next.
    """
    return pl.when(pl.int_range(pl.len()) >= 0).then(expr)


def _as_text(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return expr
    if not dtype.is_float():
        return expr.cast(pl.String)
    # A NUMBER is whole: 4 / 2 is to be written 2, not 2.0.
    whole = (expr == expr.floor()) & (expr.abs() < _LARGEST_EXACT)
    return pl.when(whole).then(expr.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(expr.cast(pl.String))
