"""Options of `inspect` to its request, and its profile to the screen. Imported only once the command really runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from importer.cli.calls import hooks_of, read_options
from importer.reports.inspect_json import inspect_report
from importer.reports.inspect_text import inspect_lines
from importer.wiring.inspecting import InspectRequest, inspect


def call_inspect(given: Mapping[str, Any]) -> Iterator[str]:
    """Look at a source and return the lines to print."""
    request = InspectRequest(tuple(given["source"]), read_options(given), given["sample_rows"])
    with hooks_of(given) as hooks:
        profile = inspect(request, hooks)
    if given["as_json"]:
        return iter([inspect_report(profile, show_values=given["show_values"]).model_dump_json(indent=2)])
    return inspect_lines(profile, show_values=given["show_values"], encoding=sys.stdout.encoding or "utf-8")
