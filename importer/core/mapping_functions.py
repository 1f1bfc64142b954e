"""The functions an expression may call: row-wise, deterministic, and each tried out on the polars this was written for.

Left out on purpose: ``/`` and ``%`` (polars multiplies by the reciprocal when it divides many rows by one number, so
that 49 / 49 depends on the chunk), ROUND (halves to even on fractions, away from zero on literals), STRPOS (0 for a
missing text), regular expressions (another dialect than the store's), LPAD and REPEAT (a length is a memory bomb).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from importer.core.mapping_checks import did_you_mean, quoted
from importer.core.mapping_tokens import ExpressionFault


class Gives(StrEnum):
    """What a value is, as far as that can be told without evaluating it."""

    TEXT = "text"
    NUMBER = "a number"
    TRUTH = "true or false"
    UNKNOWN = "something"


class Argument(StrEnum):
    """What an argument must be."""

    VALUE = "any expression"
    TEXT = "a text in single quotes"
    FILLED_TEXT = "a text in single quotes that is not empty"
    POSITION = "a whole number, written out, from 1"


@dataclass(frozen=True, slots=True)
class Function:
    """How a function is called.

    Attributes:
        arguments: In order.
        required: How many of them must be there.
        rest: What any further arguments are; None allows none.
        gives: What it returns.
    """

    arguments: tuple[Argument, ...]
    required: int
    rest: Argument | None = None
    gives: Gives = Gives.UNKNOWN


_ONE_TEXT: Final = Function((Argument.VALUE,), 1, gives=Gives.TEXT)
_ONE_NUMBER: Final = Function((Argument.VALUE,), 1, gives=Gives.NUMBER)
_TEST: Final = Function((Argument.VALUE, Argument.VALUE), 2, gives=Gives.TRUTH)
_DIVISION: Final = Function((Argument.VALUE, Argument.VALUE), 2, gives=Gives.NUMBER)
_TWO: Final = Function((Argument.VALUE, Argument.VALUE), 2)
_SOME: Final = Function((Argument.VALUE,), 1, Argument.VALUE)
_PART: Final = Function((Argument.VALUE, Argument.POSITION, Argument.POSITION), 2, gives=Gives.TEXT)
_SIDE: Final = Function((Argument.VALUE, Argument.POSITION), 2, gives=Gives.TEXT)

FUNCTIONS: Final[Mapping[str, Function]] = {
    "LOWER": _ONE_TEXT,
    "UPPER": _ONE_TEXT,
    "INITCAP": _ONE_TEXT,
    "TRIM": _ONE_TEXT,
    "LTRIM": _ONE_TEXT,
    "RTRIM": _ONE_TEXT,
    "REVERSE": _ONE_TEXT,
    "LENGTH": _ONE_NUMBER,
    "CHAR_LENGTH": _ONE_NUMBER,
    "CHARACTER_LENGTH": _ONE_NUMBER,
    "SUBSTR": _PART,
    "SUBSTRING": _PART,
    "LEFT": _SIDE,
    "RIGHT": _SIDE,
    "SPLIT_PART": Function((Argument.VALUE, Argument.FILLED_TEXT, Argument.POSITION), 3, gives=Gives.TEXT),
    "REPLACE": Function((Argument.VALUE, Argument.FILLED_TEXT, Argument.TEXT), 3, gives=Gives.TEXT),
    "CONCAT": Function((Argument.VALUE,), 1, Argument.VALUE, Gives.TEXT),
    "CONCAT_WS": Function((Argument.TEXT, Argument.VALUE), 2, Argument.VALUE, Gives.TEXT),
    "COALESCE": _SOME,
    "IFNULL": _TWO,
    "NULLIF": _TWO,
    "STARTS_WITH": _TEST,
    "ENDS_WITH": _TEST,
    "GREATEST": _SOME,
    "LEAST": _SOME,
    "DIV": _DIVISION,
    "MOD": _DIVISION,
    "ABS": _ONE_NUMBER,
    "SIGN": _ONE_NUMBER,
    "FLOOR": _ONE_NUMBER,
    "CEIL": _ONE_NUMBER,
    "CEILING": _ONE_NUMBER,
}
"""By name in upper case."""

REPEATED: Final = frozenset({"SPLIT_PART", "RIGHT", "DIV", "TRY_CAST"})
"""Functions that name an argument two or three times in what polars makes of them, so that nesting them multiplies."""

CAST_TYPES: Final[Mapping[str, str]] = {
    "BIGINT": "BIGINT",
    "INT": "BIGINT",
    "INTEGER": "BIGINT",
    "DOUBLE": "DOUBLE",
    "FLOAT": "DOUBLE",
    "VARCHAR": "VARCHAR",
    "TEXT": "VARCHAR",
    "STRING": "VARCHAR",
}
"""What TRY_CAST may make, and what it is asked of polars as: 64 bits, so that sums of 32-bit numbers cannot wrap."""

_OTHER_ROWS: Final = "it looks at other rows; an expression sees one row"
_CHANGING: Final = "its value changes from run to run"

REASONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("SUM", "COUNT", "AVG", "FIRST", "LAST", "MEDIAN", "STDDEV", "ROW_NUMBER", "RANK"), _OTHER_ROWS),
    **dict.fromkeys(("LAG", "LEAD", "ARRAY_AGG", "STRING_AGG"), _OTHER_ROWS),
    "MIN": "it looks at other rows; LEAST compares values of one row",
    "MAX": "it looks at other rows; GREATEST compares values of one row",
    **dict.fromkeys(("NOW", "RANDOM", "RAND", "UUID", "CURRENT_DATE", "CURRENT_TIMESTAMP"), _CHANGING),
    "CAST": "it stops at the first value that does not fit; use TRY_CAST, which gives null",
    "ROUND": "it rounds halves in two ways; use FLOOR(x + 0.5)",
    "LEN": "use LENGTH",
    "IF": "use CASE WHEN .. THEN .. ELSE .. END",
}
"""Why a function that people may look for is not there."""

RESERVED: Final = frozenset(
    [
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP",
        "ORDER",
        "HAVING",
        "LIMIT",
        "OVER",
        "PARTITION",
        "WITH",
        "UNION",
        "JOIN",
        "EXISTS",
        "ANY",
        "ALL",
        "DISTINCT",
        "AS",
        "INSERT",
        "UPDATE",
        "DELETE",
        "DROP",
        "CREATE",
        "TABLE",
        "VALUES",
        "ESCAPE",
        "INTERVAL",
    ]
)
"""Words of SQL that are refused outside double quotes, so that a query is refused as one."""


def find_function(name: str) -> Function:
    """Return the function of a name in upper case.

    Raises:
        ExpressionFault: there is none that may be called.
    """
    function = FUNCTIONS.get(name)
    if function is None:
        fix = REASONS.get(name) or did_you_mean(name, FUNCTIONS, "the list is in docs/mapping.md")
        raise ExpressionFault(f"the function {quoted(name)} is not allowed", fix)
    return function
