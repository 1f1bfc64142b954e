"""What `explain` says of the findings of `inspect` and of the repairs of `--fix`."""

from __future__ import annotations

import textwrap
from typing import Final

from importer.core.excel import DOCTOR
from importer.core.fixes import FIXES
from importer.core.issue_catalogue import CATALOGUE

_WIDTH: Final = 92
_INDENT: Final = 8

CODES: Final = tuple(code for code in dict.fromkeys([*DOCTOR, *FIXES]) if code not in CATALOGUE)
"""Codes that are not issues of a run."""


def describe_inspect_code(code: str) -> str | None:
    """Return what a finding or a repair means, as text of several lines; None when the code is neither."""
    if code not in CODES:
        return None
    blocks = []
    if code in DOCTOR:
        symptom = DOCTOR[code]
        head = f"{code} (found by inspect, {symptom.severity.value}): {symptom.title}"
        blocks.append("\n".join([head, "", *_paragraph("cause", symptom.cause), *_paragraph("fix", symptom.advice)]))
    if code in FIXES:
        fix = FIXES[code]
        lines = [f"{code} (repair of --fix): {fix.title}", "", *_paragraph("for", fix.cause)]
        blocks.append("\n".join([*lines, *_paragraph("does", fix.repair), *_paragraph("usage", fix.usage)]))
    return "\n\n".join(blocks)


def list_inspect_codes() -> str:
    """Return one line for each finding of `inspect` and each repair."""
    width = max(len(code) for code in CODES)
    lines = ["found by inspect:"]
    lines += [f"{code:<{width}}  {DOCTOR[code].severity.value:<7}  {DOCTOR[code].title}" for code in sorted(DOCTOR)]
    lines += ["", "repairs of --fix:"]
    lines += [f"{code:<{width}}  {fix.title}" for code, fix in FIXES.items()]
    return "\n".join(lines)


def _paragraph(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{label + ':':<{_INDENT}}",
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
