"""Tokens to SQL that is safe to hand to polars: one pass that takes a small grammar and nothing else.

What comes out is written anew from tokens: names always quoted, functions from a list, divisions of whole numbers
only. The text that a person wrote never reaches polars, whose SQL reads files and the network while it parses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from importer.core.mapping_budget import Budget
from importer.core.mapping_checks import did_you_mean, quoted
from importer.core.mapping_cursor import Cursor, reserved
from importer.core.mapping_functions import (
    CAST_TYPES,
    FUNCTIONS,
    REPEATED,
    RESERVED,
    Argument,
    Function,
    Gives,
    find_function,
)
from importer.core.mapping_literals import LITERALS, literal_sql, text_chars
from importer.core.mapping_tokens import ExpressionFault, Kind, Token

_COMPARISONS: Final = ("=", "<>", "<", "<=", ">", ">=")
_ARITHMETIC: Final = ("||", "+", "-", "*")
_BINARY: Final = (*_COMPARISONS, *_ARITHMETIC, "AND", "OR")
_GIVEN_BY: Final = {"||": Gives.TEXT, "-": Gives.NUMBER, "*": Gives.NUMBER}


class Grammar:
    """Reads one expression.

    Attributes:
        columns: Source columns it names, in order of their first use.
    """

    def __init__(self, text: str, known: Mapping[str, pl.DataType] | None) -> None:
        self.columns: dict[str, None] = {}
        self._known = known
        self._at = Cursor(text)
        self._gives = Gives.UNKNOWN
        self._budget = Budget()

    def read(self) -> str:
        """Return the expression as SQL.

        Raises:
            ExpressionFault: It is not an expression of the language.
        """
        if self._at.at_end():
            raise ExpressionFault("the expression is empty")
        sql = self._expression()
        if not self._at.at_end():
            raise self._at.unexpected("an operator or the end")
        if not self.columns:
            raise ExpressionFault("the expression names no source column", "a fixed value belongs in `constants`")
        return sql

    def _expression(self) -> str:
        """Take operands with operators between them; their precedence is left to SQL, so their order is kept."""
        parts = [self._operand()]
        gives = self._gives
        while self._at.next.is_one_of(*_BINARY):
            operator = self._at.take().text
            if operator in _COMPARISONS and (parts[-1] == "NULL" or self._at.next.is_one_of("NULL")):
                raise ExpressionFault(f"`{operator} NULL` is never true", "use IS NULL or IS NOT NULL")
            parts += [operator, self._operand()]
            if operator in _COMPARISONS:
                _refuse_mixture(gives, self._gives)
            gives = self._gives if operator in {"AND", "OR"} else _GIVEN_BY.get(operator, Gives.UNKNOWN)
        self._gives = gives
        return " ".join(parts)

    def _operand(self) -> str:
        sql = self._value()
        while self._at.next.is_one_of("IS", "NOT", "IN", "LIKE", "ILIKE", "BETWEEN"):
            sql = f"{sql} {self._test()}"
            self._gives = Gives.TRUTH
        return sql

    def _value(self) -> str:
        signs = []
        while self._at.next.is_one_of("NOT", "-", "+"):
            self._budget.deeper()
            signs.append(self._at.take().text)
        sql = " ".join([*signs, self._primary()])
        self._budget.back(len(signs))
        return sql

    def _test(self) -> str:
        """Take what may follow a value: IS, IN, LIKE, BETWEEN."""
        if self._at.next.is_one_of("IS"):
            self._at.take()
            negation = f"{self._at.take().text} " if self._at.next.is_one_of("NOT") else ""
            if not self._at.next.is_one_of("NULL", "TRUE", "FALSE"):
                raise self._at.unexpected("NULL, TRUE or FALSE")
            if not self._at.next.is_one_of("NULL"):
                _refuse_mixture(self._gives, Gives.TRUTH)
            return f"IS {negation}{self._at.take().text}"
        negation = f"{self._at.take().text} " if self._at.next.is_one_of("NOT") else ""
        test = self._at.take().text if self._at.next.is_one_of("IN", "LIKE", "ILIKE", "BETWEEN") else ""
        match test:
            case "IN":
                return f"{negation}IN {self._literals()}"
            case "LIKE" | "ILIKE" as like:
                if self._at.next.kind is not Kind.STRING:
                    raise self._at.unexpected("a text in single quotes")
                self._budget.text(len(self._at.next.text))
                return f"{negation}{like} {literal_sql(self._at.take())}"
            case "BETWEEN":
                low = self._sum()
                self._at.expect("AND")
                return f"{negation}BETWEEN {low} AND {self._sum()}"
            case _:
                raise self._at.unexpected("IN, LIKE or BETWEEN")

    def _sum(self) -> str:
        parts = [self._value()]
        while self._at.next.is_one_of(*_ARITHMETIC):
            operator = self._at.take().text
            parts += [operator, self._value()]
        return " ".join(parts)

    def _literals(self) -> str:
        """Take the list of IN: literals only, because polars compares a column there with all of its rows."""
        self._at.expect("(")
        items = []
        while True:
            sign = self._at.take().text if self._at.next.is_one_of("-") else ""
            if self._at.next.kind not in LITERALS:
                raise self._at.unexpected("a text in single quotes or a number")
            items.append(sign + literal_sql(self._at.take()))
            if not self._at.next.is_one_of(","):
                break
            self._at.take()
        self._at.expect(")")
        return f"({', '.join(items)})"

    def _primary(self) -> str:
        self._budget.operand()
        token = self._at.next
        if token.kind in LITERALS:
            self._gives = Gives.TEXT if token.kind is Kind.STRING else Gives.NUMBER
            self._budget.text(len(token.text))
            return literal_sql(self._at.take())
        if token.is_one_of("TRUE", "FALSE", "NULL"):
            self._gives = Gives.UNKNOWN if token.text == "NULL" else Gives.TRUTH
            return self._at.take().text
        if token.is_one_of("("):
            return self._nested()
        if token.is_one_of("CASE"):
            return self._case()
        if token.kind in {Kind.NAME, Kind.QUOTED}:
            return self._named(self._at.take())
        raise self._at.unexpected("a value")

    def _nested(self) -> str:
        self._budget.deeper()
        self._at.expect("(")
        sql = self._expression()
        self._at.expect(")")
        self._budget.back()
        return f"({sql})"

    def _case(self) -> str:
        self._budget.deeper()
        parts = [self._at.expect("CASE")]
        gives = Gives.UNKNOWN
        if not self._at.next.is_one_of("WHEN"):
            if self._at.next.kind not in {Kind.NAME, Kind.QUOTED}:
                raise ExpressionFault("between CASE and WHEN stands a column or nothing", "use CASE WHEN condition ..")
            subject = self._at.take()
            if self._at.next.is_one_of("("):
                raise ExpressionFault("between CASE and WHEN stands a column or nothing", "use CASE WHEN condition ..")
            parts.append(self._column(subject))
            gives = self._gives
        if not self._at.next.is_one_of("WHEN"):
            raise self._at.unexpected("WHEN")
        while self._at.next.is_one_of("WHEN"):
            parts += [self._at.expect("WHEN"), self._expression()]
            _refuse_mixture(gives, self._gives)
            parts += [self._at.expect("THEN"), self._expression()]
        if self._at.next.is_one_of("ELSE"):
            parts += [self._at.expect("ELSE"), self._expression()]
        parts.append(self._at.expect("END"))
        self._gives = Gives.UNKNOWN
        self._budget.back()
        return " ".join(parts)

    def _named(self, token: Token) -> str:
        if not self._at.next.is_one_of("("):
            return self._column(token)
        if token.kind is Kind.QUOTED:
            raise ExpressionFault(f"{quoted(token.text)} is called like a function", "functions are not quoted")
        name = token.text.upper()
        levels = 2 if name in REPEATED else 1
        self._budget.deeper(levels)
        self._at.expect("(")
        sql = self._try_cast() if name == "TRY_CAST" else self._call(name)
        self._at.expect(")")
        self._gives = FUNCTIONS[name].gives if name in FUNCTIONS else Gives.UNKNOWN
        self._budget.back(levels)
        return sql

    def _try_cast(self) -> str:
        value = self._expression()
        self._at.expect("AS")
        target = CAST_TYPES.get(self._at.next.text.upper()) if self._at.next.kind is Kind.NAME else None
        if target is None:
            raise self._at.unexpected("BIGINT, DOUBLE or VARCHAR")
        self._at.take()
        cast = f"TRY_CAST({value} AS {target})"
        # "nan" and "inf" are words, not numbers, and NaN would be larger than everything: only finite numbers stay.
        return f"CASE WHEN {cast} * 0 = 0 THEN {cast} END" if target == "DOUBLE" else cast

    def _call(self, name: str) -> str:
        before, self._budget.growth = self._budget.growth, 1
        items = self._arguments(name)
        if name == "REPLACE":
            self._budget.replaced(*map(text_chars, items[1:]))
        self._budget.growth = max(self._budget.growth, before)
        if name == "CONCAT_WS":
            self._budget.text(text_chars(items[0]) * len(items))
        if name not in {"DIV", "MOD"}:
            return f"{name}({', '.join(items)})"
        # Whole numbers only: fractions come out differently in their last digit for one row and for many.
        whole, by = (f"TRY_CAST({item} AS BIGINT)" for item in items)
        if name == "MOD":
            return f"({whole} % NULLIF({by}, 0))"
        # The one overflow that polars raises for: the smallest number by -1.
        return f"DIV(NULLIF({whole}, -9223372036854775807 - 1), NULLIF({by}, 0))"

    def _arguments(self, name: str) -> list[str]:
        function = find_function(name)
        items: list[str] = []
        while not self._at.next.is_one_of(")"):
            if items:
                self._at.expect(",")
            items.append(self._argument(name, function, len(items)))
        if len(items) < function.required:
            raise ExpressionFault(f"{name} needs {function.required} argument(s)")
        return items

    def _argument(self, name: str, function: Function, index: int) -> str:
        kind = function.arguments[index] if index < len(function.arguments) else function.rest
        if kind is None:
            raise ExpressionFault(f"{name} takes at most {len(function.arguments)} argument(s)")
        if kind is Argument.VALUE:
            return self._expression()
        token = self._at.take()
        wants_text = kind in {Argument.TEXT, Argument.FILLED_TEXT}
        fits = token.kind is (Kind.STRING if wants_text else Kind.INTEGER)
        empty = (kind is Argument.FILLED_TEXT and token.text == "") or (
            kind is Argument.POSITION and not token.text.strip("0")
        )
        if not fits or empty or (not wants_text and len(token.text) > 9):
            raise ExpressionFault(f"argument {index + 1} of {name} must be {kind.value}")
        return literal_sql(token)

    def _column(self, token: Token) -> str:
        name = token.text
        if token.kind is Kind.NAME and name.upper() in RESERVED:
            raise reserved(name)
        if name == "*" or (name.startswith("^") and name.endswith("$")):
            raise ExpressionFault(f"the column {quoted(name)} cannot be named in an expression", "rename the column")
        if self._known is not None and name not in self._known:
            fix = did_you_mean(name, self._known)
            if not fix and token.kind is Kind.QUOTED:
                fix = "if it is a text, write it in single quotes"
            raise ExpressionFault(f"the source has no column {quoted(name)}", fix)
        self.columns[name] = None
        self._gives = _given(self._known[name]) if self._known is not None else Gives.UNKNOWN
        sql = '"' + name.replace('"', '""') + '"'
        # In 32 bits `points * 1000` would wrap around in silence.
        widen = self._known is not None and self._known[name].is_integer()
        return f"CAST({sql} AS BIGINT)" if widen else sql


def _given(dtype: pl.DataType) -> Gives:
    if dtype.is_numeric():
        return Gives.NUMBER
    return Gives.TRUTH if dtype == pl.Boolean else Gives.TEXT


def _refuse_mixture(left: Gives, right: Gives) -> None:
    """Refuse truth against text or number: polars would compare them as texts, and ``'yes' = TRUE`` is never true."""
    kinds = {left, right}
    if Gives.TRUTH in kinds and kinds & {Gives.TEXT, Gives.NUMBER}:
        fix = "source columns are text: compare with a text, for example active = 'yes'; or add parentheses"
        raise ExpressionFault("true or false is compared with something else", fix)
