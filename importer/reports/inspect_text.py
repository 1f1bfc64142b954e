"""What `inspect` prints for people: the source, a table of its columns, what was found, what to type next.

No line is wider than 110 cells; a file with many columns gets one line a column.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from rich.cells import cell_len, set_cell_size

from importer.core.excel import DOCTOR
from importer.core.inspect import ColumnFinding, ColumnProfile, Meaning, SourceProfile
from importer.core.issues import Severity
from importer.core.source_notes import left_out_note
from importer.reports.inspect_json import repairs_of, shown_examples
from importer.reports.plain_text import printable
from importer.reports.wording import counted, share_text

WIDTH: Final = 110
MANY_COLUMNS: Final = 60
"""From here on a column gets one line: its evidence is in ``--json``."""

_COLUMNS_SHOWN: Final = 8
_NOTED: Final = ("encoding ", "delimiter ")
_NAME_WIDTH: Final = 24
_MEANING_WIDTH: Final = 19
_LINE_ENDS: Final = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}
_DELIMITERS: Final = {"\t": "tab"}


def inspect_lines(profile: SourceProfile, *, show_values: bool, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines, fit for a terminal.

    Args:
        profile: What was found.
        show_values: Show examples as they are; masked otherwise.
        encoding: Of the terminal.
    """
    for line in _lines(profile, show_values=show_values):
        yield _cut(printable(line, encoding).rstrip(), WIDTH)


def _lines(profile: SourceProfile, *, show_values: bool) -> Iterator[str]:
    yield from _head(profile)
    yield ""
    yield from _columns(profile, show_values=show_values)
    yield ""
    yield from _findings(profile)
    yield from _next(profile)


def _head(profile: SourceProfile) -> Iterator[str]:
    names = ", ".join(profile.files[:3]) + (f" and {len(profile.files) - 3:,} more" if len(profile.files) > 3 else "")
    yield _labelled("source", names)
    parts = [profile.kind]
    if profile.delimiter is not None:
        sign = _DELIMITERS.get(profile.delimiter, profile.delimiter)
        parts += [f"encoding {profile.encoding}", f"delimiter {sign if len(sign) > 1 else repr(sign)}"]
        parts += [f"lines end with {_LINE_ENDS.get(profile.line_terminator or '', '?')}"]
    if profile.compression is not None:
        parts.append(profile.compression)
    yield _labelled("format", ", ".join(parts))
    rows = counted(profile.rows, "row") if profile.is_complete else f"the first {counted(profile.rows, 'row')}"
    aside = [f"{profile.blank:,} blank"] if profile.blank else []
    aside += [f"{profile.malformed:,} malformed ({_reasons(profile)})"] if profile.malformed else []
    # Shares are of the rows that are neither.
    good = [f"{profile.rows - profile.blank - profile.malformed:,} to look at"] if aside else []
    yield _labelled("rows", ": ".join([rows, ", ".join([*good, *aside])]) if aside else rows)
    unique = [column for column in profile.columns if column.is_key]
    keys = [column.name for column in sorted(unique, key=lambda column: column.guess.meaning is not Meaning.IDENTIFIER)]
    nearly = [column.name for column in profile.columns if _is_nearly_key(column)]
    if keys:
        yield _labelled("key", f"{_named(keys)}: on every row, and never twice")
    elif nearly:
        yield _labelled("key", f"none for certain; {_named(nearly)} is nearly unique and filled")
    else:
        yield _labelled("key", "no column has a value on every row that occurs only once")
    left_out = (left_out_note(name, why) for name, why in profile.unsupported.items())
    # Typed sources have noted the same.
    notes = dict.fromkeys([*(note for note in profile.notes if not note.startswith(_NOTED)), *left_out])
    for note in notes:
        for number, line in enumerate(textwrap.wrap(printable(note), WIDTH - 9, break_on_hyphens=False)):
            yield _labelled("" if number else "note", line)


def _reasons(profile: SourceProfile) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in profile.malformed_reasons.items())


def _is_nearly_key(column: ColumnProfile) -> bool:
    return (
        column.guess.meaning is Meaning.IDENTIFIER
        and column.rows > 1
        and min(column.filled, column.distinct) >= 0.98 * column.rows
    )


def _named(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")


def _columns(profile: SourceProfile, *, show_values: bool) -> Iterator[str]:
    longest = max((cell_len(printable(column.name)) for column in profile.columns), default=6)
    width = min(_NAME_WIDTH, max(longest, 6))
    digits = len(str(len(profile.columns)))
    yield (
        f"{'#':>{digits}}  {'column':<{width}}  {'filled':>6}  {'distinct':>10}  {'chars':>9}  "
        f"{'meaning':<{_MEANING_WIDTH}}  examples"
    )
    is_wide = len(profile.columns) > MANY_COLUMNS
    for column in profile.columns:
        guess = column.guess
        about = "" if column.distinct_is_exact else "~"
        chars = f"{column.min_chars}-{column.max_chars}" if column.min_chars != column.max_chars else column.max_chars
        mark = "!" if any(finding.severity is Severity.ERROR for finding in column.findings) else ""
        meaning = f"{guess.meaning.value} {guess.score:.2f}"
        lead = (
            f"{column.position:>{digits}}  {_fitted(column.name, width)}  {_fill(column):>6}  "
            f"{about + format(column.distinct, ','):>10}  {chars:>9}  "
        )
        lead += f"{meaning + mark:<{_MEANING_WIDTH}}  "
        yield lead + _examples(column, WIDTH - cell_len(lead), show_values=show_values)
        if not is_wide and column.filled:
            for line in textwrap.wrap(printable(guess.evidence), WIDTH - digits - 4, break_on_hyphens=False):
                yield f"{'':<{digits}}    {line}"
    if is_wide:
        yield "the evidence for each meaning is in --json"


def _examples(column: ColumnProfile, room: int, *, show_values: bool) -> str:
    """Return as many examples as there is room for; the first may be cut."""
    shown = ""
    for example in shown_examples(column, show_values=show_values):
        text = printable(example)
        longer = f"{shown}, {text}" if shown else _cut(text, room)
        if cell_len(longer) > room:
            break
        shown = longer
    return shown


def _fill(column: ColumnProfile) -> str:
    if not column.filled:
        return "none"
    return "all" if column.filled == column.rows else share_text(column.filled, column.rows)


def _findings(profile: SourceProfile) -> Iterator[str]:
    found: dict[str, list[tuple[ColumnProfile, ColumnFinding]]] = {}
    for column in profile.columns:
        for finding in column.findings:
            found.setdefault(finding.code, []).append((column, finding))
    if not found:
        yield _labelled("found", "nothing that a spreadsheet or a careless export does to values")
    label = "found"
    for code in (code for code in DOCTOR if code in found):
        symptom = DOCTOR[code]
        yield _labelled(label, f"{symptom.severity.value:<7}  {code}: {symptom.title}")
        label = ""
        for column, finding in found[code][:_COLUMNS_SHOWN]:
            yield from _folded(_one_finding(column, finding, title=symptom.title))
        if len(found[code]) > _COLUMNS_SHOWN:
            yield from _folded(f"and {counted(len(found[code]) - _COLUMNS_SHOWN, 'more column')}, in --json")


def _one_finding(column: ColumnProfile, finding: ColumnFinding, *, title: str) -> str:
    where = ""
    if finding.first_line is not None:
        where = f", first in line {finding.first_line:,}"
    elif finding.first_row is not None:
        where = f", first in row {finding.first_row:,}"
    more = f"; {finding.message}" if finding.message not in {"", title} else ""
    return f"{column.name}: {counted(finding.count, 'cell')}{where}{more}"


def _folded(text: str) -> Iterator[str]:
    indent = " " * 11
    lines = textwrap.wrap(printable(text), WIDTH - 22, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        yield _labelled("", f"{indent if not number else indent + '  '}{line}")


def _next(profile: SourceProfile) -> Iterator[str]:
    for number, (code, cells) in enumerate(repairs_of(profile).items()):
        places = [column.name for column in profile.columns if any(finding.fix == code for finding in column.findings)]
        text = f"--fix {code:<22} would repair {counted(cells, 'cell')} of {_named(places)}"
        yield _labelled("repair" if not number else "", text)
    codes = {finding.code for column in profile.columns for finding in column.findings}
    worst = next((code for code in DOCTOR if code in codes), None)
    if worst is not None:
        yield _labelled("next", f"`memory-importer explain {worst}` says what it is and what to do")


def _labelled(label: str, text: str) -> str:
    return f"{label:<8} {text}"


def _fitted(text: str, width: int) -> str:
    return set_cell_size(_cut(printable(text), width), width)


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"
