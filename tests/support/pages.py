"""Run folders with what `report.html` is made from, written by the project's own sinks, and the page itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from importer.core.report import Report
from importer.core.report import full_outcomes as states
from importer.core.report_parts import MappingReport, MergeGroups, Operations, RouteReport, SourceReport, Target
from importer.reports.html_groups import read_groups
from importer.reports.html_issues import read_issues
from importer.reports.html_page import write_page
from importer.reports.issue_files import PARQUET_NAME, IssueSink
from importer.reports.outcome_files import GROUPS_NAME, write_groups

SCRIPT: Final = "<script>alert(1)</script>"
IMAGE: Final = '"><img src=x onerror=alert(2)>'
END_SCRIPT: Final = "</script><script>alert(3)</script>"
STYLE: Final = "</style><style>*{display:none}"
TEMPLATE: Final = "{{ 7*7 }}{% raw %}${alert(4)}"
SEPARATORS: Final = "a\u2028b\u2029c"
RIGHT_TO_LEFT: Final = "abc\u202egpj.exe"
ESCAPE: Final = "\x1b[31mred\x1b[0m\x00"
LONG: Final = "w" * 10_000
FORMULA: Final = '=HYPERLINK("http://example.com")'
HOSTILE: Final = (SCRIPT, IMAGE, END_SCRIPT, STYLE, TEMPLATE, SEPARATORS, RIGHT_TO_LEFT, ESCAPE, LONG, FORMULA)

Issue = tuple[int, str, str, str | None, str | None, str]
"""Row number, code, severity, column, value, message."""


def write_issues(
    folder: Path,
    issues: Sequence[Issue],
    *,
    key: str = "id",
    keys: Mapping[int, str] | None = None,
    files: Sequence[str] = ("a.csv",),
    show_values: bool = False,
) -> None:
    """Write issues, all of them of the first file; a row's key is ``K<row number>`` where `keys` has no other."""
    count = len(issues)
    rows, codes, severities, columns, values, messages = zip(*issues, strict=True) if issues else ((),) * 6
    sink = IssueSink(folder, [key], files, show_values=show_values)
    text: dict[str, Any] = {
        "code": codes,
        "severity": severities,
        "column": columns,
        "trait": [f"Contact.{column}" if column is not None else None for column in columns],
        "value": values,
        "message": messages,
        f"key:{key}": [(keys or {}).get(row, f"K{row}") for row in rows],
    }
    frame = pl.DataFrame(text, schema=dict.fromkeys(text, pl.String))
    sink.append(
        frame.with_columns(
            file=pl.Series([0] * count, dtype=pl.UInt16),
            row_number=pl.Series(rows, dtype=pl.UInt64),
            line=pl.Series([row + 1 for row in rows], dtype=pl.UInt64),
        )
    )
    sink.close()


def write_merges(
    folder: Path, sizes: Sequence[int], *, key: str = "id", value: str | None = None, held: bool = True
) -> None:
    """Write merge groups of so many rows each, numbered from 1."""
    groups = [str(number) for number, size in enumerate(sizes, 1) for _ in range(size)]
    count = len(groups)
    frame = pl.DataFrame(
        {
            "group": groups,
            "kind": ["merge"] * count,
            "decision": ["held" if held else "allowed"] * count,
            "file": pl.Series([0] * count, dtype=pl.UInt16),
            f"key:{key}": [f"G{number}" for number in range(1, count + 1)],
            "row_number": pl.Series(range(1, count + 1), dtype=pl.UInt64),
            "line": pl.Series(range(2, count + 2), dtype=pl.UInt64),
            "id_types": [["email", "phone"]] * count,
            "linking_value": pl.Series([[value] if value else None] * count, dtype=pl.List(pl.String)),
        }
    )
    write_groups(folder, [frame], [key], ["a.csv"])


def report_of(outcomes: Mapping[str, int], **fields: Any) -> Report:
    """Make the report of a finished run."""
    given: dict[str, Any] = {
        "run_id": "20260101-000000-000-abcdef",
        "command": "validate",
        "rows_read": sum(outcomes.values()),
        "outcomes": states(outcomes),
        "skipped": {"where": outcomes["skipped"]} if outcomes.get("skipped") else {},
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:01:02Z",
        "exit_code": 3,
        "source": SourceReport(files=("a.csv",), kind="csv", encoding="utf-8", delimiter=","),
        "mapping": MappingReport(name="m.yaml", fingerprint="f" * 32),
        "target": Target(store_id="mem_store_1", store_name="Shop", host="memory.twilio.com"),
        "folder": "runs/20260101-000000-000-abcdef",
        "files": ("report.json", "report.html", "issues.csv", "issues.parquet"),
    }
    return Report(**given | fields)


def full_report(**fields: Any) -> Report:
    """Make the report of an import that has something to say in every section."""
    given: dict[str, Any] = {
        "command": "import",
        "routes": {
            "bulk": RouteReport(rows=9_000, requests=9, bytes=4_000_000, reasons={"with an array": 9_000}),
            "import": RouteReport(rows=620, requests=2, parts=2, bytes=90_000, reasons={"enough rows": 620}),
        },
        "requests": {"bulk": 10, "create-import": 2},
        "merge_groups": MergeGroups(groups=2, rows=5, held=2, held_rows=5),
        "operations": Operations(at_least=9_620, at_most=9_625),
        "cleared": {"Contact.street": 14},
        "removed": {"Loyalty.points": 7},
        "constant": {"Account.origin": 9_690},
        "repairs": {"mobile: e164": 431},
        "verified": {"confirmed": 90, "mismatched": 2, "missing": 1},
        "notes": ("`where` keeps a row when it cannot tell",),
        "hints": ("mend rejected.csv and import it again; see `memory-importer explain invalid-email`",),
    }
    outcomes = {"accepted": 9_620, "rejected": 310, "held": 70}
    return report_of(outcomes, **given | fields)


def page_of(folder: Path, report: Report) -> Path:
    """Write the page of a folder and return its place."""
    (name,) = write_page(folder, report, (read_issues(folder / PARQUET_NAME), read_groups(folder / GROUPS_NAME)))
    return folder / name
