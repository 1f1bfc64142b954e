"""Texts and numbers of an expression, written as SQL."""

from __future__ import annotations

from typing import Final

from importer.core.mapping_tokens import ExpressionFault, Kind, Token

LITERALS: Final = (Kind.STRING, Kind.INTEGER, Kind.FRACTION)
"""Tokens that are a value themselves."""


def literal_sql(token: Token) -> str:
    """Write a value as SQL.

    Args:
        token: Of `LITERALS`.

    Raises:
        ExpressionFault: a number that polars would not have as it stands.

    Example:
        >>> literal_sql(Token(Kind.STRING, "it's"))
        "'it''s'"
    """
    if token.kind is Kind.STRING:
        return "'" + token.text.replace("'", "''") + "'"
    if token.kind is Kind.INTEGER:
        if int(token.text[:20]) > 2**63 - 1:
            raise ExpressionFault("a number has more than 64 bits", "quote it if it is text")
        return token.text
    number = float(token.text)
    if number == float("inf"):
        raise ExpressionFault("a number is too large")
    return f"{number:.17e}"


def text_chars(sql: str) -> int:
    """Return the length of a text that `literal_sql` wrote.

    Example:
        >>> text_chars("'it''s'")
        4
    """
    return len(sql[1:-1].replace("''", "'"))
