"""What `-v` shows: the log of `memory_importer` on standard error, one line an event.

This is the only place that configures logging. Events come as a name and fields (see `importer.wiring.logged` and
`importer.memory_api.request_log`); what they look like is decided here alone.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

NAME: Final = "memory_importer"
_LEVELS: Final = (logging.WARNING, logging.INFO, logging.DEBUG)


class TextFormatter(logging.Formatter):
    """A line for people and for `grep`: UTC time, event, then its fields; those that say nothing are left out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, whatever the fields hold."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = str(getattr(record, "event", record.levelname.lower()))
        if not isinstance(record.args, Mapping):
            return f"{at} {event} {_shown(record.getMessage())}"
        fields = (f"{name}={_shown(value)}" for name, value in record.args.items() if value is not None)
        return " ".join([at, event, *fields])


def _shown(value: object) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    # Nothing that is logged may begin a line of its own, or move the cursor of a terminal.
    text = "".join(char if char.isprintable() else "?" for char in text)
    return f'"{text}"' if " " in text else text


def configure(verbosity: int) -> None:
    """Show the log on standard error.

    Args:
        verbosity: 0 nothing, 1 stages and batches, 2 (or more) every request as well.
    """
    log = logging.getLogger(NAME)
    log.setLevel(_LEVELS[min(verbosity, len(_LEVELS) - 1)])
    log.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter())
    log.handlers[:] = [handler]


def is_shown() -> bool:
    """Tell whether stages and batches are logged, so that no other progress is shown beside them."""
    return logging.getLogger(NAME).isEnabledFor(logging.INFO)
