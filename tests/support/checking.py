"""Rows checked as a run checks them, from columns and a few traits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from importer.core.check import CheckedRows, check_rows
from importer.core.check_values import compile_checks
from importer.core.schema import DataType, Normalization
from importer.core.transform import Expression, TraitPlan, TransformPlan


def trait(name: str, data_type: DataType = DataType.STRING, **more: object) -> TraitPlan:
    """Plan a trait made from the column of its name."""
    source = {} if more.keys() & {"computed", "constant"} else {"column": name}
    return TraitPlan(f"G.{name}", "G", name, data_type, **source, **more)  # type: ignore[arg-type]


EMAIL = trait("email", id_type="email", normalization=Normalization.EMAIL)
PHONE = trait("phone", id_type="phone", normalization=Normalization.PHONE)
USER = trait("user", id_type="user_id", normalization=Normalization.TRIM)
NAME = trait("name")
POINTS = trait("points", DataType.NUMBER)


def expression(text: str, *columns: str) -> Expression:
    """Compile an expression as it stands."""
    return Expression(text, pl.sql_expr(text), columns)


def check(
    traits: Sequence[TraitPlan],
    columns: Mapping[str, Sequence[object] | pl.Series],
    blank: Sequence[bool] = (),
    **plan: object,
) -> CheckedRows:
    """Check rows numbered from 11."""
    frame = pl.DataFrame(
        {
            name: values if isinstance(values, pl.Series) else pl.Series(values, dtype=pl.String)
            for name, values in columns.items()
        }
    )
    numbers = pl.int_range(11, 11 + frame.height, dtype=pl.UInt64, eager=True)
    plan.setdefault("key", ())
    checks = compile_checks(TransformPlan(traits=tuple(traits), **plan))  # type: ignore[arg-type]
    blanks = pl.Series([*blank, *[False] * (frame.height - len(blank))], dtype=pl.Boolean)
    return check_rows(checks, frame, numbers, blanks)


def found(checked: CheckedRows) -> list[tuple[int, str, str, str | None]]:
    """Return issues as (row number, code, severity, column)."""
    return checked.issues.select("row_number", "code", "severity", "column").rows()
