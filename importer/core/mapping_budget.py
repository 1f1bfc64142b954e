"""What an expression may cost: bounds that no mapping can pass, so that none takes all of a machine's time or memory.

They are of the text alone, so a mapping is refused before any row is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from importer.core.mapping_tokens import ExpressionFault

MAX_DEPTH: Final = 8
"""Nesting of an expression. What names its argument several times in polars counts twice: at 8 levels of SPLIT_PART
compiling takes 0.6 s, at 4 it takes 7 ms."""

MAX_OPERANDS: Final = 150
"""Values outside IN lists. Polars walks a chain by recursion and overflows the stack beyond about 500."""

MAX_TEXT_CHARS: Final = 4096
"""Characters of texts outside IN lists: they are in the value of every row, of which a trait holds 1024."""

MAX_GROWTH: Final = 256
"""How many times longer REPLACE may make a text: eight letters in one another, each written as two."""


@dataclass(slots=True)
class Budget:
    """What one expression has spent.

    Attributes:
        growth: How many times longer the part that is being read may make a text.
    """

    growth: int = 1
    _depth: int = 0
    _operands: int = 0
    _text_chars: int = 0

    def deeper(self, levels: int = 1) -> None:
        """Go into a part of the expression."""
        self._depth += levels
        if self._depth > MAX_DEPTH:
            raise ExpressionFault(f"the expression is nested more than {MAX_DEPTH} levels deep", "split it in two")

    def back(self, levels: int = 1) -> None:
        """Come back out of it."""
        self._depth -= levels

    def operand(self) -> None:
        """Take a value."""
        self._operands += 1
        if self._operands > MAX_OPERANDS:
            raise ExpressionFault(
                f"the expression has more than {MAX_OPERANDS} values", "use IN for lists, or split the rule"
            )

    def text(self, chars: int) -> None:
        """Take a text that is written out."""
        self._text_chars += chars
        if self._text_chars > MAX_TEXT_CHARS:
            raise ExpressionFault(
                f"the expression has more than {MAX_TEXT_CHARS:,} characters of text", "use IN for lists, or split it"
            )

    def replaced(self, old_chars: int, new_chars: int) -> None:
        """Take a REPLACE of a text by another one."""
        self.growth *= max(1, -(-new_chars // old_chars))
        if self.growth > MAX_GROWTH:
            raise ExpressionFault(f"REPLACE could make a text more than {MAX_GROWTH} times as long", "take one away")
