"""Where the rows of a text begin and what its columns are called: pure functions over its first lines.

A header is never repaired silently: two columns of one name would map the wrong cells. A column that nobody can name,
because its name is missing or holds what cannot be seen, is read and can only not be mapped.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from importer.sources import delimiter as delimiters
from importer.sources.sniff import Doubt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from importer.ports import SourceOptions

_HEADER_FIX = "rename the columns so that each is one; is there a header line?"
_DATA = re.compile(r"[^\s@]@[^\s@]|^[\s+(-]*\d[\d\s().,:/+-]*$|^\d{4}-\d\d-\d\d")
_INVISIBLE_CATEGORIES = {"Cf", "Cc", "Co", "Cn", "Cs", "Zl", "Zp"}
_ODD_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u2800\u3164"


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of a text.

    Attributes:
        delimiter: One character.
        columns: Columns in order, those of `odd` by a name that can be shown.
        has_unnamed_last: One more column without a name follows; it must stay empty.
        data_start: Characters before the first row.
        data_line: Physical line on which the first row begins, the file's first being 1.
        line_terminator: As the header ends.
        has_rows: Anything follows the header.
        notes: What was sniffed or dropped, for people.
        odd: Columns that cannot be mapped, and why.
    """

    delimiter: str
    columns: tuple[str, ...]
    has_unnamed_last: bool
    data_start: int
    data_line: int
    line_terminator: str
    has_rows: bool
    notes: tuple[str, ...]
    odd: Mapping[str, str] = field(default_factory=dict)

    @property
    def field_count(self) -> int:
        """Fields a row must have."""
        return len(self.columns) + self.has_unnamed_last


@dataclass(frozen=True, slots=True)
class _Start:
    """Where the header begins, and a delimiter the file itself names."""

    chars: int
    lines: int
    named_delimiter: str | None
    notes: tuple[str, ...]


def find_layout(text: str, options: SourceOptions, *, at_end: bool) -> Layout:
    """Find header, delimiter and first row.

    Args:
        text: The beginning of the file, without byte order mark.
        options: What the user asked for.
        at_end: The text is the whole file.

    Raises:
        Doubt: the header cannot be used, or the delimiter is doubtful.
    """
    start = _find_start(text, options.skip_lines)
    body = text[start.chars :]
    sample = delimiters.sample_of(body, at_end=at_end)
    delimiter, note = _delimiter(sample, options, start)
    delimiters.refuse_ragged_start(sample, delimiter, already_skipped=start.lines)
    fields, size, lines = _first_record(body, delimiter)
    records = delimiters.read_records(sample, delimiter, 200)
    columns, has_unnamed_last, odd, dropped = name_columns(fields, records[1:], trim=options.trim_headers)
    end = start.chars + size
    header = body[:size]
    terminator = "\r\n" if header.endswith("\r\n") else "\r" if header.endswith("\r") else "\n"
    return Layout(
        delimiter=delimiter,
        columns=columns,
        has_unnamed_last=has_unnamed_last,
        data_start=end,
        data_line=1 + start.lines + lines,
        line_terminator=terminator,
        has_rows=not at_end or bool(text[end:].strip("\r\n")),
        notes=(*start.notes, note, *dropped),
        odd=odd,
    )


def _find_start(text: str, skip_lines: int) -> _Start:
    """Pass over the lines the user named, a ``sep=`` line and blank lines."""
    chars = lines = 0
    notes: list[str] = []
    named: str | None = None
    for line in delimiters.split_lines(text):
        if lines < skip_lines:
            pass
        elif named is None and (found := delimiters.sep_line(text[chars : chars + 16])):
            named = found[0]
            notes.append("a 'sep=' line before the header")
        elif line.strip(" \t\r\n"):
            break
        elif "blank lines before the header" not in notes:
            notes.append("blank lines before the header")
        chars += len(line)
        lines += 1
    if chars >= len(text):
        raise Doubt("there is no header line", "check --skip-lines" if skip_lines else "check the export that made it")
    if skip_lines:
        notes.insert(0, f"{skip_lines} lines skipped, as asked")
    return _Start(chars, lines, named, tuple(notes))


def _delimiter(sample: str, options: SourceOptions, start: _Start) -> tuple[str, str]:
    if options.delimiter != "auto":
        delimiter = delimiters.parse_delimiter(options.delimiter)
        return delimiter, f"delimiter {delimiters.delimiter_name(delimiter)} (as asked)"
    if start.named_delimiter is not None:
        delimiter = delimiters.parse_delimiter(start.named_delimiter)
        return delimiter, f"delimiter {delimiters.delimiter_name(delimiter)} (by the file's 'sep=' line)"
    return delimiters.choose_delimiter(sample, already_skipped=start.lines)


def _first_record(text: str, delimiter: str) -> tuple[list[str], int, int]:
    """Return the fields of the first record, its length in characters and its physical lines."""
    size = lines = 0

    def counted() -> object:
        nonlocal size, lines
        for line in delimiters.split_lines(text):
            size += len(line)
            lines += 1
            yield line

    try:
        # The reader takes no line beyond its record, so what was counted is the record.
        fields = next(csv.reader(counted(), delimiter=delimiter))  # type: ignore[arg-type]
    except csv.Error:
        raise Doubt("the header line cannot be read", "check the quotes in the first line") from None
    if lines > 100 or (lines > 1 and size == len(text)):
        raise Doubt("a quote is opened in the header and not closed", "close it, or write a quote inside a name as two")
    return fields, size, lines


def name_columns(
    fields: Sequence[str], rows: Sequence[Sequence[str]], *, trim: bool
) -> tuple[tuple[str, ...], bool, dict[str, str], tuple[str, ...]]:
    """Check header names.

    Args:
        fields: The header as it stands.
        rows: Some rows, to see whether they end with a delimiter.
        trim: Trim white space around names instead of refusing it.

    Returns:
        The names, whether a column without a name follows them, columns that cannot be mapped and why, and notes for
        people.

    Raises:
        Doubt: a name is doubled, or has white space around it.
    """
    names = [name.strip() for name in fields] if trim else list(fields)
    notes: list[str] = []
    unnamed_last = len(names) > 1 and not names[-1].strip()
    if unnamed_last:
        names.pop()
    names, odd = check_names(names)
    widths = {len(row) for row in rows}
    if unnamed_last and widths == {len(names)}:
        unnamed_last = False
        notes.append("the header ends with a delimiter, rows do not")
    elif not unnamed_last and widths == {len(names) + 1} and not any(row[-1] for row in rows):
        unnamed_last = True
    if unnamed_last:
        notes.append("the last column has no name and is left out")
    if odd:
        notes.append(f"{len(odd)} column(s) cannot be mapped: the name is missing or holds what cannot be seen")
    return tuple(names), unnamed_last, odd, tuple(notes)


def check_names(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Check the names of columns.

    Returns:
        The names, with those that are missing or hold what cannot be seen replaced by ones that can be shown, and for
        each of these why it cannot be mapped.

    Raises:
        Doubt: a name is doubled, or has white space around it.
    """
    odd: dict[str, str] = {}
    may_show = not looks_like_data(names)
    names = [_shown_name(name, position, odd, may_show=may_show) for position, name in enumerate(names, 1)]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        what = _quoted(doubled)
        if looks_like_data(names):
            places = [str(position) for position, name in enumerate(names, 1) if name == doubled[0]]
            what = f"columns {', '.join(places[:5])} alike, one name"
        raise Doubt(f"the header names {what} more than once", _HEADER_FIX)
    return names, odd


def looks_like_data(names: Sequence[str]) -> bool:
    """Tell whether what should be a header may be a row: one of its names looks like an address, number or date.

    What such a header says is not shown to anybody.
    """
    return any(_DATA.search(name) for name in names)


def _shown_name(name: str, position: int, odd: dict[str, str], *, may_show: bool) -> str:
    if not name.strip():
        shown = f"unnamed column {position}"
        odd[shown] = f"column {position} of the header has no name; name it in the file"
        return shown
    if any(unicodedata.category(char) in _INVISIBLE_CATEGORIES or char in _ODD_SPACES for char in name):
        shown = _visible(name)
        odd[shown] = f"its name holds characters that cannot be seen: {_quoted([name])}; type it anew in the file"
        return shown
    if name != name.strip():
        shown, fix = (f": {_quoted([name])}", f"write {_quoted([name.strip()])}") if may_show else ("", "trim it")
        raise Doubt(
            f"the name of column {position} has white space around it{shown}",
            f"{fix}, or set trim_headers under `source:` in the mapping",
        )
    return name


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{_visible(name[:60])}'" for name in names[:5])


def _visible(name: str) -> str:
    return "".join(
        char if char.isprintable() and char not in _ODD_SPACES else char.encode("unicode_escape").decode()
        for char in name
    )
