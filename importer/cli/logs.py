"""What `-v` and `--log-format json` show: the log of `memory_importer` on standard error, one line an event.

This is the only place that configures logging. Events come as a name and fields (see `importer.wiring.logged` and
`importer.memory_api.request_log`); what they look like is decided here alone.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from importer.wiring.logged import BATCH_LEVEL

NAME: Final = "memory_importer"
_TEXT_LEVELS: Final = (logging.WARNING, BATCH_LEVEL, logging.DEBUG)
_JSON_LEVELS: Final = (logging.INFO, BATCH_LEVEL, logging.DEBUG)
"""By the number of ``-v``. Without one, people are shown progress of another kind; programs have only these lines."""


class TextFormatter(logging.Formatter):
    """A line for people and for `grep`: UTC time, event, then its fields; those that say nothing are left out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, whatever the fields hold."""
        fields = (f"{name}={_shown(value)}" for name, value in _fields(record).items() if value is not None)
        if not isinstance(record.args, Mapping):
            fields = (_shown(value) for value in _fields(record).values())
        return " ".join([_at(record), _event(record), *fields])


class JsonFormatter(logging.Formatter):
    """A line for programs: a JSON object of time, level, event, run and the event's fields.

    The run is the one that the last event `run` named: a command works on one at a time.
    """

    _run: str | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of ASCII, whatever the fields hold."""
        fields = _fields(record)
        if "run" in fields:
            self._run = str(fields["run"])
        # Levels between the named ones would be "Level 15".
        level = "debug" if record.levelno < logging.INFO else record.levelname.lower()
        head = {"time": _at(record), "level": level, "event": _event(record), "run": self._run}
        return json.dumps(head | {name: _plain(value) for name, value in fields.items()}, default=str)


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event(record: logging.LogRecord) -> str:
    return str(getattr(record, "event", record.levelname.lower()))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    if isinstance(record.args, Mapping):
        return dict(record.args)
    return {"message": record.getMessage()}


def _plain(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        value = ",".join(f"{name}:{count}" for name, count in value.items() if count)
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    # Nothing that is logged may begin a line of its own, or move the cursor of a terminal.
    text = "".join(char if char.isprintable() else "?" for char in text)
    return f'"{text}"' if " " in text else text


def configure(verbosity: int, *, as_json: bool = False) -> None:
    """Show the log on standard error.

    Args:
        verbosity: 0 nothing (as JSON: stages), 1 stages and batches, 2 (or more) every request as well.
        as_json: An object a line, instead of text.
    """
    levels = _JSON_LEVELS if as_json else _TEXT_LEVELS
    log = logging.getLogger(NAME)
    log.setLevel(levels[min(verbosity, len(levels) - 1)])
    log.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    log.handlers[:] = [handler]


def is_shown() -> bool:
    """Tell whether stages are logged, so that no other progress is shown beside them."""
    return logging.getLogger(NAME).isEnabledFor(logging.INFO)


def is_json() -> bool:
    """Tell whether standard error is for lines of JSON alone."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger(NAME).handlers)


def tell(event: str, fields: Mapping[str, object], level: int = logging.INFO) -> None:
    """Log an event of the command line itself."""
    logging.getLogger(NAME).log(level, event, fields, extra={"event": event})


def say(event: str, text: str, print_text: Callable[[str], object]) -> None:
    """Say something to people; as an event, where standard error is for programs."""
    if is_json():
        tell(event, {"text": text})
    else:
        print_text(text)
