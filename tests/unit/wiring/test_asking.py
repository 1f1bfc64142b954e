"""Questions: whatever the answer, the way to go on is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from importer.errors import ConfigError, ImporterError, RunInterrupted
from importer.wiring.asking import agreed


def asked(ask: Callable[[str], bool]) -> ImporterError | None:
    """Ask; return what came of it."""
    try:
        agreed(
            ask, "Send it?", declined="not sent", go_on="`resume RUN --yes` sends it", again="`resume RUN` asks again"
        )
    except ImporterError as error:
        return error
    return None


def test_a_yes_goes_on() -> None:
    """The question is asked as it is, and that is all."""
    questions: list[str] = []

    def yes(question: str) -> bool:
        questions.append(question)
        return True

    assert asked(yes) is None
    assert questions == ["Send it?"]


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        (None, "not sent", "`resume RUN --yes` sends it"),
        (ConfigError("no terminal", hint="give --yes"), "no terminal", "`resume RUN --yes` sends it"),
        (RunInterrupted("stopped", hint="start it again"), "stopped", "`resume RUN` asks again"),
    ],
)
def test_any_other_answer_says_how(fault: ImporterError | None, message: str, hint: str) -> None:
    """No, nobody there, and a signal: the run is kept, so a command to go on with it is named, not a bare option."""

    def answer(question: str) -> bool:
        if fault is not None:
            raise fault
        return False

    error = asked(answer)
    assert error is not None
    assert (error.message, error.hint) == (message, hint)
