"""Which character delimits the fields of a text: pure functions over its first lines.

What is doubtful is refused with the fix, because a wrong delimiter makes one wide column of the file without any error.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.sources.sniff import Doubt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLE_CHARS = 64 * 1024
_DELIMITERS = (",", ";", "\t", "|")
_RARE_DELIMITERS = (":", "^", "~", "\x01", "\x1f", "#")
_NAMES = {"\t": "tab", " ": "space", "\x01": "\\x01", "\x1f": "\\x1f"}
_ESCAPES = {"\\t": "\t", "tab": "\t", "\\x01": "\x01", "\\x1f": "\x1f"}
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_SEP_LINE = re.compile(r'"?sep=(.)"?[ \t]*(?:\r\n|\r|\n)', re.IGNORECASE)
_MAX_RECORDS = 1000
_RAGGED_SHARE = 0.5
_CLEAR_LEAD = 2
_ENOUGH_ROWS = 10
_WIDER_SHARE = 0.8


def split_lines(text: str) -> Iterator[str]:
    """Yield physical lines with their ends: LF, CRLF or a lone CR."""
    for match in _LINE.finditer(text):
        if match.group():
            yield match.group()


def sep_line(text: str) -> tuple[str, int] | None:
    """Return delimiter and length of a leading ``sep=;`` line as Excel writes it, None without one."""
    match = _SEP_LINE.match(text)
    return (match.group(1), match.end()) if match else None


def parse_delimiter(wanted: str) -> str:
    r"""Check a delimiter someone asked for; ``tab`` and ``\t`` are understood.

    Raises:
        Doubt: it is not one ASCII character, or one that cannot delimit.
    """
    delimiter = _ESCAPES.get(wanted.lower(), wanted)
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise Doubt("the delimiter asked for cannot be used", "--delimiter with one character, for example ';' or tab")
    return delimiter


def delimiter_name(delimiter: str) -> str:
    """Return a delimiter as people write it."""
    return _NAMES.get(delimiter, f"'{delimiter}'")


def read_records(text: str, delimiter: str, limit: int = _MAX_RECORDS) -> list[list[str]]:
    """Split a text into records, blank lines left out; unreadable text ends it early."""
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if record:
                records.append(record)
            if len(records) == limit:
                break
    except csv.Error:
        pass
    return records


def sample_of(text: str, *, at_end: bool) -> str:
    """Cut the part of a text that is sniffed: whole lines, at most 64 KiB unless the first lines are longer."""
    if len(text) <= SAMPLE_CHARS and at_end:
        return text
    size = SAMPLE_CHARS
    while size < len(text) and text.count("\n", 0, size) + text.count("\r", 0, size) < 4:
        size *= 4
    cut = text[:size]
    end = max(cut.rfind("\n"), cut.rfind("\r"))
    return cut[: end + 1] if end >= 0 else cut


@dataclass(frozen=True, slots=True)
class _Fit:
    delimiter: str
    fields: int
    share: float
    rows: int


def choose_delimiter(sample: str, *, already_skipped: int = 0) -> tuple[str, str]:
    """Find the delimiter of a text from whole lines of it.

    Args:
        sample: Whole lines, the presumed header first.
        already_skipped: Lines before the sample.

    Returns:
        The delimiter, and a note for people.

    Raises:
        Doubt: none fits, or several do.
    """
    fits = [fit for fit in (_fit(sample, one) for one in _DELIMITERS) if fit is not None]
    if not fits:
        fits = [fit for fit in (_fit(sample, one) for one in _RARE_DELIMITERS) if fit and fit.share == 1]
    best = max(fits, key=lambda fit: (fit.share >= _RAGGED_SHARE, fit.fields), default=None)
    if best is None or best.share < _RAGGED_SHARE:
        for delimiter in _DELIMITERS:
            refuse_ragged_start(sample, delimiter, already_skipped=already_skipped)
    if best is None:
        return ",", "one column, no delimiter"
    if best.share < _RAGGED_SHARE and best.rows >= _ENOUGH_ROWS:
        raise Doubt(
            f"the header looks delimited by {delimiter_name(best.delimiter)}, most rows do not",
            "--delimiter with the right one, or --skip-lines",
        )
    rivals = [
        fit for fit in fits if fit is not best and fit.share >= _RAGGED_SHARE and fit.fields * _CLEAR_LEAD > best.fields
    ]
    if rivals:
        names = " and ".join(delimiter_name(fit.delimiter) for fit in (best, *rivals))
        raise Doubt(f"both {names} could be the delimiter", "--delimiter with the right one")
    return best.delimiter, f"delimiter {delimiter_name(best.delimiter)} (sniffed)"


def _fit(sample: str, delimiter: str) -> _Fit | None:
    """Judge a delimiter by its own header: how many records have as many fields."""
    header = read_records(sample, delimiter, 1)
    if not header or len(header[0]) < 2:
        return None
    records = read_records(sample, delimiter)
    width = len(records[0])
    rest = records[1:]
    # One field more or less at the end is a trailing delimiter, which is dealt with later.
    alike = sum(1 for record in rest if len(record) == width or _trailing_alike(record, records[0]))
    return _Fit(delimiter, width, alike / len(rest) if rest else 1.0, len(rest))


def _trailing_alike(record: Sequence[str], header: Sequence[str]) -> bool:
    longer, shorter = (record, header) if len(record) > len(header) else (header, record)
    return len(longer) == len(shorter) + 1 and longer[-1] == ""


def refuse_ragged_start(sample: str, delimiter: str, *, already_skipped: int = 0) -> None:
    """Refuse a text whose first lines are a title or comments and not the header.

    Args:
        sample: Whole lines, the presumed header first.
        delimiter: Of the text.
        already_skipped: Lines before the sample, which the fix must count again.

    Raises:
        Doubt: with the number of lines to skip.
    """
    records = read_records(sample, delimiter, 200)
    rest = len(records) - 1
    if rest < 2:
        return
    first = len(records[0])
    usual, count = Counter(len(record) for record in records[1:]).most_common(1)[0]
    # One field stands for a title or a comment; with more, only many rows alike prove that the header is not one.
    proven = count * 2 > rest if first == 1 else rest >= _ENOUGH_ROWS and count >= _WIDER_SHARE * rest
    if not proven or usual <= first or _only_trailing(records, usual):
        return
    skip = already_skipped + lines_before_width(sample, delimiter, usual)
    raise Doubt(
        f"the first line has {first} field{'s'[: first > 1]} where most others have {usual}: it is not the header",
        f"--skip-lines {skip}",
    )


def _only_trailing(records: Sequence[Sequence[str]], usual: int) -> bool:
    """Tell whether rows differ from the header by a delimiter at their end alone."""
    return usual == len(records[0]) + 1 and all(
        _trailing_alike(row, records[0]) for row in records if len(row) == usual
    )


def lines_before_width(sample: str, delimiter: str, width: int) -> int:
    """Count the physical lines before the first record of a width."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    before = 0
    try:
        for record in reader:
            if len(record) == width:
                return before
            before = reader.line_num
    except csv.Error:
        pass
    return before
