"""The closed list of repairs that `--fix CODE` makes, and what a person asks for by it.

The law of repairs: what a cell holds is written another way, exactly; what was lost is an error and never a guess.
Where a cell alone does not say how to read it (is 03/04 the third of April?), the whole column must settle it, or the
person says it. No repair is made that was not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from importer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Fix:
    """One repair.

    Attributes:
        code: Argument of ``--fix``.
        title: A few words.
        cause: What it looks for.
        repair: What it does, and what it leaves alone.
        values: What may be said after ``=``; empty where nothing may. ``N`` stands for a whole number.
        needs_value: Only with a column and a value: the column cannot settle it.
    """

    code: str
    title: str
    cause: str
    repair: str
    values: tuple[str, ...] = ()
    needs_value: bool = False

    @property
    def usage(self) -> str:
        """How it is written on the command line."""
        value = "|".join(self.values)
        if self.needs_value:
            return f"--fix {self.code}:COLUMN={value}"
        return f"--fix {self.code}" + (f" or --fix {self.code}:COLUMN={value}" if value else "")


_ENTRIES: Final = (
    Fix(
        "excel-wrapper",
        "Take off what a spreadsheet put around text",
        'A value is written ="00123", or begins with an apostrophe before a digit or a sign.',
        "What stands inside is the value. An apostrophe before a letter ('t Hooft) is part of a name and stays.",
    ),
    Fix(
        "mojibake",
        "Undo text that was decoded wrongly",
        "UTF-8 was read as Windows-1252 on its way here: an umlaut has become two characters.",
        "Values that are, as a whole, UTF-8 read as Windows-1252 are read rightly. Values of which a part is not stay "
        "as they are.",
    ),
    Fix(
        "invisible-characters",
        "Take out invisible characters",
        "A value has zero-width or direction-changing characters, which make twins that look the same.",
        "They are taken out of Latin, Greek and Cyrillic text, where they mean nothing. Text of other scripts and "
        "emoji need them and stay as they are.",
    ),
    Fix(
        "non-breaking-spaces",
        "Make non-breaking spaces plain",
        "A value has non-breaking or narrow spaces between its characters.",
        "Each becomes one plain space.",
    ),
    Fix(
        "trailing-zero-decimal",
        "Take the .0 off whole numbers",
        "A program made decimal numbers of whole ones: 12.0 where 12 was meant.",
        "12.0 becomes 12, in columns where every value with a point ends in .0 and has only digits before it.",
    ),
    Fix(
        "scientific-exact",
        "Write scientific notation out where no digit is missing",
        "A whole number is in scientific notation, and shows all its digits (1.31755512340E+10).",
        "It is written out. A value that shows fewer digits than the number has (1.31756E+10) has lost them: it stays, "
        "and is excel-damage.",
    ),
    Fix(
        "excel-plus",
        "Put back the + of international phone numbers",
        "A spreadsheet took 13175551234 for a number and dropped its plus; other numbers of the column have theirs.",
        "A plus is put before numbers that are valid with it, have a calling code and length that other numbers of the "
        "column have, and are no national number of those countries. Name the column (--fix excel-plus:COLUMN) to "
        "vouch that all its numbers are international, where none has kept its plus.",
    ),
    Fix(
        "date-order",
        "Write dates as year, month, day",
        "Dates are written with slashes, points or dashes, day and month in an order that only the column tells.",
        "They become ISO 8601, in columns where some date has a day above 12 in one place and none in the other, or in "
        "the order you name. Columns with both orders, and years of two digits, stay as they are.",
        ("dmy", "mdy"),
    ),
    Fix(
        "thousands",
        "Take thousands separators out of numbers",
        "Numbers are written 1,234 or 1.234,50.",
        "The separators go and a decimal comma becomes a point, in columns where some number tells which sign is which "
        "(1,234,567 or 1.234,50) and none tells otherwise, or with the separator you name.",
        ("comma", "point", "space", "apostrophe"),
    ),
    Fix(
        "leading-zeros",
        "Put back leading zeros",
        "A spreadsheet took 01234 for a number and dropped the zero. Only you know how long the values were.",
        "Values of digits only that are shorter than the width you name are filled up with zeros.",
        ("N",),
        needs_value=True,
    ),
    Fix(
        "excel-date-serial",
        "Write day numbers of a spreadsheet as dates",
        "Dates were exported as numbers of days, 45292 for 2024-01-01. Only you know from which year the workbook "
        "counts.",
        "Whole numbers of 1 to 2958465 become ISO 8601 dates: 1900 for the usual workbooks, 1904 for those of old "
        "Macs. The days 1 to 60 of 1900 stay, because spreadsheets count a 29 February that never was.",
        ("1900", "1904"),
        needs_value=True,
    ),
)

FIXES: Final[dict[str, Fix]] = {entry.code: entry for entry in _ENTRIES}
"""Every repair by code, in the order they are made in."""

MAX_WIDTH: Final = 64


@dataclass(frozen=True, slots=True)
class FixRequest:
    """What was asked for by one ``--fix``.

    Attributes:
        code: Of `FIXES`.
        column: One source column; None for every column that shows the damage.
        value: What the column cannot settle by itself; None leaves it to the column.
    """

    code: str
    column: str | None = None
    value: str | None = None


def parse_fix(text: str) -> FixRequest:
    """Read the argument of a ``--fix``.

    It is ``CODE``, ``CODE:COLUMN`` or ``CODE:COLUMN=VALUE``, or ``CODE=VALUE`` for all columns.

    Raises:
        ConfigError: there is no such repair, or it does not take this.

    Example:
        >>> parse_fix("date-order:birth date=dmy")
        FixRequest(code='date-order', column='birth date', value='dmy')
    """
    ends = [at for at in (text.find(":"), text.find("=")) if at >= 0]
    code = text[: min(ends)] if ends else text
    fix = FIXES.get(code)
    if fix is None:
        raise ConfigError(f"--fix {code}: there is no such repair", hint="one of: " + ", ".join(FIXES))
    column, value = _rest(text[len(code) :], fix)
    if value is not None and not _takes(fix, value):
        allowed = f"takes {' or '.join(fix.values)} after =" if fix.values else "takes nothing after ="
        raise ConfigError(f"--fix {code} {allowed}", hint=fix.usage)
    if fix.needs_value and (column is None or value is None):
        raise ConfigError(f"--fix {code} must be told the column and a value", hint=fix.usage)
    return FixRequest(code, column, value)


def _rest(rest: str, fix: Fix) -> tuple[str | None, str | None]:
    """Split what follows the code; a column's name may hold both signs, so a value begins at the last ``=``."""
    if rest.startswith("="):
        return None, rest[1:]
    if not rest.startswith(":"):
        return None, None
    name, sign, value = rest[1:].rpartition("=")
    if sign and fix.values and _takes(fix, value):
        return name, value
    return rest[1:], None


def _takes(fix: Fix, value: str) -> bool:
    if fix.values == ("N",):
        return value.isascii() and value.isdecimal() and 1 <= int(value[:3]) <= MAX_WIDTH
    return value in fix.values


def parse_fixes(texts: tuple[str, ...], columns: tuple[str, ...]) -> tuple[FixRequest, ...]:
    """Read all ``--fix`` and check the columns they name.

    Raises:
        ConfigError: one cannot be read, names a column the source lacks, or contradicts another.
    """
    requests = tuple(dict.fromkeys(parse_fix(text) for text in texts))
    for request in requests:
        if request.column is not None and request.column not in columns:
            raise ConfigError(
                f"--fix {request.code}:{request.column}: the source has no such column",
                hint="`memory-importer inspect SOURCE` lists the columns",
            )
    places = [(request.code, request.column) for request in requests]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise ConfigError(f"--fix {twice[0]} is given twice with different values", hint="give one of them")
    return requests
