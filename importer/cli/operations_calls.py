"""What the `operations` commands do. Imported only once one really runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from importer.cli.by_hand import as_document, finished_code, follow, opened, operation_lines, show


def get_operation(given: Mapping[str, Any]) -> int:
    """Print how an operation stands, after waiting for it if asked; return the exit code."""
    operation_id = given["operation_id"]
    with opened(given, needs_store=False) as (hand, _):
        seen = follow(hand, operation_id, given["timeout_s"] if given["wait"] else 0.0)
    show(
        {"operation_id": operation_id, **as_document(seen)},
        operation_lines(seen, operation_id),
        as_json=given["as_json"],
    )
    return finished_code(seen.status) if given["wait"] else 0
