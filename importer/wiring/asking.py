"""Questions, and what is said where nobody agrees: how to go on, whatever the answer was."""

from __future__ import annotations

from collections.abc import Callable

from importer.errors import ConfigError, RunInterrupted


def agreed(ask: Callable[[str], bool], question: str, *, declined: str, go_on: str, again: str) -> None:
    """Ask, and return where somebody agreed.

    Args:
        ask: Asks the question.
        question: In full, with what it costs.
        declined: What was not done, where the answer is no.
        go_on: How to do it without being asked; for the hint.
        again: How to be asked again, for the hint of a question that a signal ended; empty where somebody else says it.

    Raises:
        ConfigError: the answer is no, or there is nobody to ask.
        RunInterrupted: a signal came.
    """
    try:
        if ask(question):
            return
    except RunInterrupted as stopped:
        stopped.hint = again
        raise
    except ConfigError as nobody:
        nobody.hint = go_on
        raise
    raise ConfigError(declined, hint=go_on)
