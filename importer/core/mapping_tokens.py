"""Expression text to tokens; what is not a token of the small language is refused with what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from importer.core.mapping_checks import quoted

MAX_EXPRESSION_CHARS: Final = 100_000
"""Length of one expression; long lists of IN values fit."""


class ExpressionFault(ValueError):  # noqa: N818 - never leaves the core: callers turn it into a Problem
    """An expression is refused."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class Kind(StrEnum):
    """What a token is."""

    KEYWORD = "keyword"
    NAME = "name"
    QUOTED = "quoted"
    STRING = "string"
    INTEGER = "integer"
    FRACTION = "fraction"
    OPERATOR = "operator"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        kind: What it is.
        text: Keywords in upper case, strings and quoted names without their quotes, the rest as written.
    """

    kind: Kind
    text: str

    def is_one_of(self, *texts: str) -> bool:
        """Tell whether this is one of these keywords or operators."""
        return self.kind in {Kind.KEYWORD, Kind.OPERATOR} and self.text in texts


KEYWORDS: Final = frozenset(
    [
        "AND",
        "OR",
        "NOT",
        "IN",
        "IS",
        "NULL",
        "LIKE",
        "ILIKE",
        "BETWEEN",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "TRUE",
        "FALSE",
    ]
)

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")+")
  | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
  | (?P<name>[^\W\d]\w*)
  | (?P<refused>--|/\*|\#|;|==|::|/|%|&&|=>|<=>|->|\.|`|\[|\]|'|"|[0-9])
  | (?P<operator>\|\||<>|!=|<=|>=|[=<>+\-*(),])
    """,
    re.VERBOSE,
)
_DIVISION: Final = "division differs in the last digit between one row and many"
_REFUSED: Final = {
    "--": ("comments are not taken", "put a space between two minus signs"),
    "/*": ("comments are not taken", "take the comment out"),
    "#": ("comments are not taken", "take the comment out"),
    ";": ("`;` is not taken", "an expression is one value, not statements"),
    "==": ("`==` is not an operator", "use `=`"),
    "/": (_DIVISION, "use DIV(a, b) for whole numbers, or multiply: amount * 0.01"),
    "%": (_DIVISION, "use MOD(a, b)"),
    "::": ("`::` is not taken", "use TRY_CAST(column AS BIGINT)"),
    "&&": ("`&&` is not an operator", "use AND"),
    ".": ("`.` is not taken between names", 'write a column whose name has a dot in double quotes: "a.b"'),
    "`": ("backticks are not taken", 'write names in double quotes: "first name"'),
    "'": ("a text in single quotes never ends", "double a quote that belongs to the text: 'it''s'"),
    '"': ("a name in double quotes never ends, or is empty", 'write "column name"'),
}


def tokenise(text: str) -> list[Token]:
    """Cut an expression into tokens, the last of which is the end.

    Raises:
        ExpressionFault: It holds something else.
    """
    if len(text) > MAX_EXPRESSION_CHARS:
        raise ExpressionFault(f"the expression has more than {MAX_EXPRESSION_CHARS:,} characters")
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup == "refused":
            raise _fault(match.group() if match is not None else text[position])
        position = match.end()
        token = _token(str(match.lastgroup), match.group())
        if token is not None:
            tokens.append(token)
    return [*tokens, Token(Kind.END, "")]


def _fault(found: str) -> ExpressionFault:
    if found.isdecimal():
        return ExpressionFault("a number is not written in digits", "for example 10, 2.5 or 1e3; quote other names")
    message, fix = _REFUSED.get(found, (f"{quoted(found)} is not taken in an expression", ""))
    return ExpressionFault(message, fix)


def _token(group: str, text: str) -> Token | None:
    match group:
        case "space":
            return None
        case "string":
            return Token(Kind.STRING, text[1:-1].replace("''", "'"))
        case "quoted":
            return Token(Kind.QUOTED, text[1:-1].replace('""', '"'))
        case "number":
            return Token(Kind.INTEGER if text.isdecimal() else Kind.FRACTION, text)
        case "name":
            upper = text.upper()
            return Token(Kind.KEYWORD, upper) if upper in KEYWORDS else Token(Kind.NAME, text)
        case _:
            return Token(Kind.OPERATOR, "<>" if text == "!=" else text)
