"""Writes docs/issue-codes.md from the catalogues: `python docs/generate_issue_codes.py`; a test compares the two."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from importer.core.excel import DOCTOR
from importer.core.fixes import FIXES
from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import IssueCode
from importer.reports.inspect_codes import CODES

PAGE = Path(__file__).parent / "issue-codes.md"
HEAD = """\
# Issue codes

Made by `python docs/generate_issue_codes.py` from what `memory-importer explain` says; do not edit it by hand. A code
never changes its meaning, and each is an anchor of this page: `issue-codes.md#ambiguous-phone`.

Codes of **issues** are those of `report.json`, `report.html`, `issues.csv`, `issues.parquet` and the `code` of
`outcomes.parquet` ([reports.md](reports.md)). An error rejects its row, a warning does not; `on_invalid: drop` in the
mapping ([mapping.md](mapping.md)) drops the value of a cell instead of its row and makes the error a warning.
**Findings** are what `inspect` says of columns, **repairs** what `--fix` does about them ([inspect.md](inspect.md)).
"""


def page() -> str:
    """Return the whole page."""
    issues = sorted(CATALOGUE.values(), key=lambda entry: entry.code)
    codes = sorted(CODES)
    blocks = [
        HEAD,
        "## Issues of a run\n",
        table(("code", "severity", "title"), ((link(e.code), e.severity.value, e.title) for e in issues)),
        *map(issue, issues),
        "## Findings of `inspect` and repairs of `--fix`\n",
        "`excel-damage` and `control-character` are findings, too; they stand above.\n",
        table(("code", "what it is", "title"), ((link(code), kind(code), heading(code)) for code in codes)),
        *map(finding, codes),
    ]
    return "\n".join(blocks)


def issue(entry: IssueCode) -> str:
    """Return what the page says of one issue."""
    lines = [f"### {entry.code}", "", f"**{entry.title}** ({entry.severity.value}).", text(entry.cause), ""]
    return "\n".join([*lines, f"*Fix:* {text(entry.fix)}", ""])


def finding(code: str) -> str:
    """Return what the page says of one finding, of one repair, or of both where they have one name."""
    lines = [f"### {code}", ""]
    if code in DOCTOR:
        symptom = DOCTOR[code]
        lines += [f"**{sentence(symptom.title)}** (finding, {symptom.severity.value}).", text(symptom.cause), ""]
        lines += [f"*Fix:* {text(symptom.advice)}", ""]
    if code in FIXES:
        fix = FIXES[code]
        lines += [f"**{sentence(fix.title)}** (repair).", text(fix.cause), ""]
        lines += [f"*Does:* {text(fix.repair)}", "", f"*Usage:* {text(fix.usage)}", ""]
    return "\n".join(lines)


def kind(code: str) -> str:
    """Say whether a code is a finding, a repair or both."""
    names = [f"finding, {DOCTOR[code].severity.value}"] if code in DOCTOR else []
    return "; ".join([*names, *(["repair"] if code in FIXES else [])])


def heading(code: str) -> str:
    """Return the title of a code that is no issue."""
    return sentence(DOCTOR[code].title if code in DOCTOR else FIXES[code].title)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table, cells as they are to stand."""
    names = list(head)
    lines = [names, *map(list, rows)]
    first, *others = (f"| {' | '.join(line)} |\n" for line in lines)
    return "".join([first, "|---" * len(names), "|\n", *others])


def link(code: str) -> str:
    """Return a link to the section of a code."""
    return f"[{code}](#{code})"


def sentence(title: str) -> str:
    """Return a title with its first letter in upper case."""
    return f"{title[:1].upper()}{title[1:]}"


def text(plain: str) -> str:
    """Return a text so that Markdown shows it as it is; what stands in backticks is code already."""
    return "`".join(part if at % 2 else re.sub(r"[\\<*]", r"\\\g<0>", part) for at, part in enumerate(plain.split("`")))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} is written\n")
