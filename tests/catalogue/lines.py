"""The catalogue of bad input: what may come, and what then happens. `docs/bad-input.md` is made of it.

Each line has at least one case in a `test_bad_input_*.py` beside this module, whose `CASES` are by line number; a line
without a case, or a case without a line, fails a test. `python -m tests.catalogue.lines` writes the page anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.catalogue.line import Line
from tests.catalogue.lines_cells import CELLS
from tests.catalogue.lines_mappings import IDENTITY, MAPPINGS

PAGE: Final = Path(__file__).parents[2] / "docs" / "bad-input.md"


FILES: Final = (
    Line(1, "A file of 0 bytes", "refused", "The file is empty."),
    Line(2, "A header and no rows; Parquet with 0 rows", "refused", "`--allow-empty` reads it, with a note."),
    Line(3, "UTF-8 with a byte order mark", "read", "The mark is no part of the first column's name."),
    Line(4, "UTF-16 with a byte order mark, either order", "read", "By its mark; a note says so."),
    Line(5, "UTF-16 without a byte order mark", "refused", "The hint names the encoding to ask for."),
    Line(
        6,
        "Latin-1 or cp1252",
        "refused",
        "With the offset of the first byte that is not UTF-8, its line and a likely encoding, where that is in the "
        "first 4 MiB. `--encoding` reads the file.",
    ),
    Line(7, "One byte that is not text, far down", "rejected", "That row alone, `malformed-row`."),
    Line(8, "Bytes of a lone surrogate (`ED A0 80`)", "refused, rejected", "As lines 6 and 7."),
    Line(9, "Lines that end with CR alone", "read", ""),
    Line(10, "CRLF; CRLF and LF mixed; no line end at the end", "read", "No cell keeps a CR; the last row counts."),
    Line(11, "Fields between semicolons, tabs or bars", "read", "Found out and noted; refused where two would fit."),
    Line(12, "Line ends inside quotes", "read", "A row's line is that of its first byte."),
    Line(13, "A quote that is never closed", "refused", "With its line, and nothing of the rest of the file."),
    Line(14, "Two stray quotes far apart", "refused", "With the line of the first; never as one giant cell."),
    Line(15, "A quote in the middle of a bare cell", "read", "As it stands."),
    Line(16, "Quotes escaped by a backslash", "rejected", "`malformed-row` where columns shift."),
    Line(17, "A row with too few fields", "rejected", "That row alone, `malformed-row`."),
    Line(18, "A row with too many fields", "rejected", "That row alone, `malformed-row`; no field is dropped."),
    Line(
        19,
        "A delimiter at the end of all rows",
        "fixed",
        "The nameless last column is left out, with a note; a row with a value in it is rejected.",
    ),
    Line(
        20,
        "Blank lines, also of white space",
        "read",
        "Skipped and counted (`blank-line`); later lines keep their numbers.",
    ),
    Line(21, "Title lines or comments above the header", "refused", "The hint is the `--skip-lines` to give."),
    Line(22, "Two columns of one name", "refused", "With the name."),
    Line(
        23,
        "A header in another case; white space around a name",
        "refused",
        "With the name to write; `trim_headers` in the mapping trims white space.",
    ),
    Line(
        24,
        "A column without a name; zero-width, no-break or bidi characters in a name",
        "read, refused",
        "Read where the mapping does not name it, else refused with the characters shown as `\\u200b`.",
    ),
    Line(25, "10,001 columns", "read", "In less than 448 MiB."),
    Line(26, "No header row", "refused", "The mapped columns are not there; the first row is not shown."),
    Line(27, "A NUL in a cell", "rejected", "That row alone, `malformed-row`."),
    Line(28, "A PNG or PDF with the name of a table", "refused", "By its content."),
    Line(29, "An Excel or zip file with the name of a table", "refused", "The hint: export it as CSV."),
    Line(30, "A GIF; a file of NULs", "refused", "By its content."),
    Line(31, "A log-in page or a JSON error saved as a table", "refused", "By its content."),
    Line(32, "gz or zst, whatever the file's name", "read", "Under the limits of line 34."),
    Line(33, "A gz that is cut off or damaged", "refused", "Its rows before that are not sent."),
    Line(
        34,
        "A decompression bomb, in one member or many",
        "refused",
        "At 4 GiB, or at 200 times the file's size from 64 MiB on, before its rows are checked.",
    ),
    Line(
        35,
        "A cell of 50 MB; a line of 1 GB",
        "refused",
        "With its line; cells may have 16 MiB, or what `--max-field` says.",
    ),
    Line(36, "A file that is replaced, grows or shrinks while it is read", "refused", "Exit code 6; nothing is sent."),
    Line(37, "A folder, a pipe, a device; a file that is missing", "refused", "At once. `-` reads standard input."),
    Line(38, "A file called `a[1].csv`", "read", "A file of that very name comes before a pattern."),
)

PARQUET: Final = (
    Line(72, "Parquet cut off, damaged, or four bytes of it; CSV called Parquet", "refused", "The CSV is read as CSV."),
    Line(73, "Encrypted Parquet; a codec nobody knows", "refused", "Before anything is sent."),
    Line(74, "Parquet with two columns of one name", "refused", "With the name."),
    Line(
        75,
        "Dates and timestamps",
        "read",
        "As ISO 8601 with `T`, in UTC with `Z`; one without a zone needs `assume_tz`, else it stays without.",
    ),
    Line(76, "decimal(38,2)", "read, rejected", "Exactly, as a STRING; as a NUMBER only where it is a whole one."),
    Line(77, "Dictionary (categorical) columns", "read", "As text."),
    Line(78, "Integers beyond 32 bits", "rejected", "`out-of-range` for a NUMBER; exact as a STRING."),
    Line(
        79,
        "Lists",
        "read, rejected, refused",
        "A list of scalars is an ARRAY; more than 100 items are `too-many-items`; lists of lists cannot be mapped.",
    ),
    Line(80, "Struct, map, binary, duration, null", "refused", "Where the mapping names the column, else left out."),
    Line(
        81,
        "Whole numbers as floats, NaN for missing",
        "fixed, rejected",
        "`1.0` is 1; NaN is missing only with `nan_as_missing`.",
    ),
    Line(
        82,
        "A Parquet file that unpacks to far more than it is",
        "refused",
        "By its footer, or before the texts of a dictionary are unpacked.",
    ),
    Line(83, "A column that changes its mind after 20,000 rows", "rejected", "All is text first; each cell is judged."),
)

LINES: Final = tuple(sorted((*FILES, *PARQUET, *CELLS, *IDENTITY, *MAPPINGS), key=lambda line: line.number))

_HEAD: Final = """# Bad input

What happens with input that is not as it should be. **Refused**: the run ends with exit code 2 (6 where a file changed)
before anything is sent, with one line of cause and one of fix. **Rejected**: that row alone, with its number, line and
code in the report; the rest goes on, exit code 3. **Fixed**: changed, and counted or noted in the report. **Read**:
taken as it is. **Held**: kept back until you decide. No message shows what is in a cell. `explain CODE` tells more.

| # | input | answer | |
|---|---|---|---|
"""


def page() -> str:
    """Return `docs/bad-input.md`."""
    rows = (f"| {line.number} | {line.given} | {line.answer} | {line.detail} |\n" for line in LINES)
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
