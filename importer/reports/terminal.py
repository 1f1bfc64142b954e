"""What people see on a terminal: the summary of a run, the explanation of an issue code.

Text goes to rich as `Text`, never as markup: a file called ``[red]`` is a file called ``[red]``.
"""

from __future__ import annotations

import difflib
import textwrap

from rich.console import Console, Group
from rich.text import Text

from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import IssueCode
from importer.core.report import Report
from importer.reports.error_text import render_error
from importer.reports.plain_text import printable
from importer.reports.summary import Line, summary_lines

_LABEL_WIDTH = 9
_EXPLAIN_WIDTH = 92


def render_summary(report: Report, console: Console) -> None:
    """Print the summary of a run; plain, without bars, where the console is no terminal."""
    for line in summary_lines(report, bar=_bar(console)):
        # A log is better read with long lines than with cut ones; a command must survive being copied.
        text = _text(line, console)
        console.print(text, soft_wrap=text.no_wrap is None, no_wrap=text.no_wrap, overflow=text.overflow)
    if report.error is not None:
        render_error(report.error.message, report.error.hint, console, problems=report.error.problems)


def summary_text(report: Report, console: Console) -> Group:
    """Return the summary as something that a console can redraw in place."""
    return Group(*(_text(line, console) for line in summary_lines(report, bar=_bar(console))))


def _bar(console: Console) -> str:
    if not console.is_terminal:
        return ""
    return "#" if console.options.ascii_only else "█"


def _text(line: Line, console: Console) -> Text:
    text = Text(f"{line.label:<{_LABEL_WIDTH}}", style="cyan") if line.label or line.text else Text()
    if line.style == "bold" and not line.label and not line.whole:
        text = Text()  # the head stands at the margin
    text.append(printable(line.text, console.encoding), style=line.style)
    if console.is_terminal and not line.whole:
        text.no_wrap = True
        text.overflow = "crop" if console.options.ascii_only else "ellipsis"  # an ellipsis is no ASCII character
    return text


def describe_code(code: str) -> str | None:
    """Return what an issue code means, as text of several lines; None when there is no such code."""
    entry = CATALOGUE.get(code)
    if entry is None:
        return None
    lines = [f"{entry.code} ({entry.severity.value}): {entry.title}", ""]
    lines += _paragraph("cause", entry.cause) + _paragraph("fix", entry.fix)
    return "\n".join(lines)


def _paragraph(label: str, text: str) -> list[str]:
    indent = " " * 7
    return textwrap.wrap(
        text,
        _EXPLAIN_WIDTH,
        initial_indent=f"{label + ':':<7}",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def list_codes() -> str:
    """Return one line a code: name, severity, title."""
    width = max(len(code) for code in CATALOGUE)
    return "\n".join(_code_line(entry, width) for entry in sorted(CATALOGUE.values(), key=lambda entry: entry.code))


def _code_line(entry: IssueCode, width: int) -> str:
    return f"{entry.code:<{width}}  {entry.severity.value:<7}  {entry.title}"


def nearest_codes(code: str) -> tuple[str, ...]:
    """Return the codes whose names are most like this one, the most alike first."""
    wanted = code.strip().lower().replace("_", "-").replace(" ", "-")
    if wanted in CATALOGUE:
        return (wanted,)
    near = difflib.get_close_matches(wanted, CATALOGUE, n=3, cutoff=0.6)
    within = [name for name in CATALOGUE if len(wanted) > 3 and wanted in name and name not in near]
    return tuple([*near, *within][:3])
