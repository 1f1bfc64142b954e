"""Options of `events join` to its request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from importer.cli.calls import hooks_of
from importer.cli.environ import settings_of
from importer.core.report import Report
from importer.wiring.event_joining import JoinRequest, join_events


def call_join(given: Mapping[str, Any]) -> Report:
    """Run `events join`."""
    with hooks_of(given) as hooks:
        return join_events(JoinRequest(given["run"], given["log"], settings_of(given)), hooks)
