"""Loaded by Python at its start in commands that tests run: kills the process at a file operation, before it happens.

`CRASH_AT` is ``open NAME`` (a file with NAME in its name is opened to be written), ``rename NAME`` (a file is moved to
exactly NAME) or ``any``, and a number: at which such operation, from 1. `CRASH_LOG` names a file that gets a line for
each operation there is.
"""

import os
import signal
import sys
from pathlib import Path

_kind, *_name, _number = os.environ.get("CRASH_AT", "never 0").split()
_left = int(_number)
_log = os.environ.get("CRASH_LOG")


def _operation(event: str, arguments: tuple[object, ...]) -> tuple[str, str] | None:
    if event == "os.rename" and isinstance(arguments[1], str | os.PathLike):
        return "rename", Path(arguments[1]).name
    if event == "open" and isinstance(arguments[0], str | os.PathLike) and isinstance(arguments[2], int):
        return ("open", Path(arguments[0]).name) if arguments[2] & (os.O_WRONLY | os.O_RDWR) else None
    return None


def _is_asked_for(kind: str, name: str) -> bool:
    if kind != _kind:
        return _kind == "any"
    return _name == [name] if kind == "rename" else _name[0] in name


def _at(event: str, arguments: tuple[object, ...]) -> None:
    global _left  # noqa: PLW0603 - a hook has nowhere else to count
    found = _operation(event, arguments)
    if found is None or (_log is not None and found[1] == Path(_log).name):
        return
    if _log is not None:
        with Path(_log).open("a", encoding="utf-8") as log:
            log.write(" ".join(found) + "\n")
    if _is_asked_for(*found):
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if _left or _log is not None:
    sys.addaudithook(_at)
