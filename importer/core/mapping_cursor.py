"""A place in a list of tokens: looking at the next one, taking it, and saying what was expected instead."""

from __future__ import annotations

from importer.core.mapping_checks import quoted
from importer.core.mapping_functions import RESERVED
from importer.core.mapping_tokens import ExpressionFault, Kind, Token, tokenise


class Cursor:
    """Walks over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._tokens = tokenise(text)
        self._position = 0

    @property
    def next(self) -> Token:
        """The token that would be taken."""
        return self._tokens[self._position]

    def at_end(self) -> bool:
        """Tell whether all tokens are taken."""
        return self.next.kind is Kind.END

    def take(self) -> Token:
        """Take the next token."""
        token = self.next
        self._position += 1
        return token

    def expect(self, text: str) -> str:
        """Take this keyword, operator or word, and return it."""
        token = self.next
        if not (token.is_one_of(text) or (token.kind is Kind.NAME and token.text.upper() == text)):
            raise self.unexpected(f"`{text}`")
        self._position += 1
        return text

    def unexpected(self, expected: str) -> ExpressionFault:
        """Return the fault of finding anything but what was expected."""
        token = self.next
        if token.kind is Kind.NAME and token.text.upper() in RESERVED:
            return reserved(token.text)
        found = {Kind.END: "the end", Kind.STRING: "a text"}.get(token.kind, quoted(token.text))
        return ExpressionFault(f"expected {expected}, found {found}", "names with spaces go in double quotes")


def reserved(name: str) -> ExpressionFault:
    """Return the fault of a word of SQL that an expression has no use for."""
    return ExpressionFault(
        f"{quoted(name)} is not allowed in an expression", f'if it is a column, write it in double quotes: "{name}"'
    )
