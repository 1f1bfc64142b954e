"""One line of the catalogue of bad input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One line of the catalogue.

    Attributes:
        number: Of the line; it stays, whatever is added.
        given: What the file, cell or mapping is like.
        answer: ``refused``, ``rejected``, ``fixed``, ``read`` or ``held``; several where it depends.
        detail: What then happens, for the person whose file it is.
    """

    number: int
    given: str
    answer: str
    detail: str
