"""The doctor: what spreadsheets and careless exports do to a column of text, found and counted, never mended here.

Findings whose repair is in `importer.core.fixes` name it; what was lost has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from importer.core import fixes_text
from importer.core.characters import CONTROL, INVISIBLE
from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import Severity
from importer.core.placeholders import PLACEHOLDER

_E = Severity.ERROR
_W = Severity.WARNING


@dataclass(frozen=True, slots=True)
class Symptom:
    """One kind of finding.

    Attributes:
        code: Kebab-case name; the name of its repair where there is one.
        severity: An error means that something is lost or contradicts itself.
        title: A few words.
        cause: One or two sentences.
        advice: What to do.
        fix: Code of the repair, None where nothing repairs it.
    """

    code: str
    severity: Severity
    title: str
    cause: str
    advice: str
    fix: str | None = None


_ENTRIES: Final = (
    Symptom(
        "excel-damage",
        _E,
        "digits lost to scientific notation",
        CATALOGUE["excel-damage"].cause,
        CATALOGUE["excel-damage"].fix,
    ),
    Symptom(
        "spreadsheet-error",
        _E,
        "a formula's error instead of a value",
        "The cell holds #REF!, #N/A, #VALUE! or the like, or ##### of a column that was too narrow.",
        "Mend the workbook and export again.",
    ),
    Symptom(
        "replacement-character",
        _E,
        "characters lost to a wrong encoding",
        "The text has U+FFFD, which stands where a program could not decode a byte. What stood there is gone.",
        "Export again as UTF-8.",
    ),
    Symptom(
        "control-character",
        _E,
        "control characters",
        CATALOGUE["control-character"].cause,
        CATALOGUE["control-character"].fix,
    ),
    Symptom(
        "lost-zeros",
        _E,
        "leading zeros lost",
        "Values of digits are shorter than the others of the column: a spreadsheet takes 01234 for a number.",
        "Export again with the column formatted as text. Where you know the width of all values, "
        "--fix leading-zeros:COLUMN=WIDTH puts the zeros back.",
    ),
    Symptom(
        "date-order-mixed",
        _E,
        "dates with the day first and dates with the month first",
        "Some dates of the column have a day above 12 in the first place, others in the second: it was put together "
        "from two sources, or a spreadsheet swapped some. Nobody can tell the order of the others.",
        "Export again with ISO 8601 dates (2024-12-31), or split the source.",
    ),
    Symptom(
        "two-digit-year",
        _E,
        "years without their century",
        "Years have two digits: 85 can be 1985 or 2085, and no rule settles it.",
        "Export again with years of four digits.",
    ),
    Symptom(
        "sensitive-data",
        _W,
        "data the service is not for",
        "The values or the name of the column look like card numbers, national identity numbers or health data. The "
        "service is not HIPAA eligible or PCI compliant.",
        "Leave the column out of the mapping: what is not mapped is not sent.",
    ),
    Symptom(
        "lost-plus",
        _W,
        "phone numbers without their plus",
        "Numbers with a country code have lost the + that others of the column have: they read as national numbers.",
        "--fix excel-plus puts it back where only one reading is left.",
        "excel-plus",
    ),
    Symptom(
        "date-order-open",
        _W,
        "day or month first? no date tells",
        "No date of the column has a day above 12, so nothing in it tells 03/04 from 04/03.",
        "Ask whoever exported it, and say it: --fix date-order:COLUMN=dmy or =mdy, or `format:` in the mapping.",
    ),
    Symptom(
        "date-order",
        _W,
        "dates not in ISO 8601",
        "Dates are written with day and month in an order that the column settles.",
        "--fix date-order writes them as ISO 8601, or `format:` in the mapping reads them.",
        "date-order",
    ),
    Symptom(
        "date-serial",
        _W,
        "dates as numbers of days",
        "A column of dates has whole numbers such as 45292, which is how a spreadsheet keeps dates.",
        "Export again with the column formatted as date, or --fix excel-date-serial:COLUMN=1900.",
    ),
    Symptom(
        "mojibake",
        _W,
        "characters decoded wrongly",
        "UTF-8 was read as Windows-1252 before it came here: one character has become two or three.",
        "--fix mojibake reads them rightly; better export again.",
        "mojibake",
    ),
    Symptom(
        "trailing-zero-decimal",
        _W,
        "whole numbers with .0",
        "A program made decimal numbers of whole ones: 12.0 where 12 was meant.",
        "--fix trailing-zero-decimal takes it off where the whole column shows it.",
        "trailing-zero-decimal",
    ),
    Symptom(
        "scientific-exact",
        _W,
        "scientific notation with all digits",
        "Numbers are in scientific notation and show all their digits.",
        "--fix scientific-exact writes them out.",
        "scientific-exact",
    ),
    Symptom(
        "excel-wrapper",
        _W,
        'values wrapped in ="..." or led by an apostrophe',
        "A spreadsheet was told to keep the value as text, and the mark stayed in the export.",
        "--fix excel-wrapper takes it off.",
        "excel-wrapper",
    ),
    Symptom(
        "invisible-characters",
        _W,
        "invisible characters",
        "Zero-width or direction-changing characters make values differ that look the same.",
        "--fix invisible-characters takes them out of Latin, Greek and Cyrillic text.",
        "invisible-characters",
    ),
    Symptom(
        "non-breaking-spaces",
        _W,
        "non-breaking spaces",
        "Values have spaces that look like others and are not equal to them.",
        "--fix non-breaking-spaces makes them plain.",
        "non-breaking-spaces",
    ),
    Symptom(
        "thousands",
        _W,
        "thousands separators",
        "Numbers are written for people, 1,234 or 1.234,50; a NUMBER is written with digits only.",
        "--fix thousands takes the separators out where the column tells them from decimal signs.",
        "thousands",
    ),
    Symptom(
        "currency-sign",
        _W,
        "currency signs",
        "Numbers have a currency sign or code beside them.",
        "Map the column to a STRING trait, or export plain numbers.",
    ),
    Symptom(
        "percent-sign",
        _W,
        "percent signs",
        "Numbers have a percent sign.",
        "Map the column to a STRING trait, or export plain numbers.",
    ),
    Symptom(
        "formula",
        _W,
        "text that a spreadsheet would run",
        "Values begin with =, @, + or - and are no numbers: opened in a spreadsheet they are formulas.",
        "They are sent as they are, and made harmless in the files of a run. Look where they come from.",
    ),
    Symptom(
        "placeholder",
        _W,
        "placeholders instead of values",
        "Values such as N/A, -, unknown, k.A. or test@test.com mean that there is none.",
        "Name the words under `source: {null_tokens: [..]}` and identifiers under `identity: {deny: [..]}`.",
    ),
    Symptom(
        "smart-quotes",
        _W,
        "typographic quotation marks",
        "Text has curly quotation marks or apostrophes, which differ from the straight ones of other rows.",
        "They are sent as they are.",
    ),
)

DOCTOR: Final[dict[str, Symptom]] = {entry.code: entry for entry in _ENTRIES}
"""Every finding by code, worst first."""

_NUMBER: Final = r"[+-]?\(?[0-9][0-9 ().,/'-]*"
_SIGN: Final = r"(?:[\p{Sc}]|EUR|USD|GBP|CHF)"
_AMOUNT: Final = r"-?[0-9][0-9.,' \x{a0}]*"
_CURRENCY: Final = rf"^-?{_SIGN}\s?{_AMOUNT}$|^{_AMOUNT}\s?{_SIGN}$"
_FORMULA_ERROR: Final = (
    r"^#(?:REF!|N/A|VALUE!|NAME\?|\x{a1}?DIV/0!|NUM!|NULL!|SPILL!|CALC!|#+|"
    r"NV|BEZUG!|WERT!|ZAHL!|VALEUR!|NOM\?|NOMBRE!|NUL!|\x{a1}(?:REF|VALOR|NUM|NULO)!|\x{bf}NOMBRE\?|N/D)$"
)
"""In English, German, French and Spanish: a spreadsheet exports them in its own language."""
_TWO_DIGIT_YEAR: Final = r"^[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}(?: [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)?$"


@dataclass(frozen=True, slots=True)
class _Test:
    """A test of every value, made only where a column has one of these bytes; without bytes always."""

    code: str
    pattern: str
    bytes_: bytes = b""
    but_not: str = ""


_TESTS: Final = (
    _Test("spreadsheet-error", _FORMULA_ERROR, b"#"),
    _Test("replacement-character", "\ufffd", b"\xef"),
    _Test("control-character", CONTROL, bytes(byte for byte in range(32) if byte not in b"\t\n\r") + b"\x7f"),
    _Test("mojibake", fixes_text.MOJIBAKE, b"\xc3"),
    _Test("excel-wrapper", fixes_text.WRAPPED, b"='"),
    # in wrongly decoded text these are parts of letters
    _Test("invisible-characters", INVISIBLE, b"\xc2\xcd\xd8\xe1\xe2\xef", fixes_text.MOJIBAKE),
    _Test("non-breaking-spaces", fixes_text.SPACES, b"\xc2\xe2", fixes_text.MOJIBAKE),
    _Test("currency-sign", _CURRENCY, b"$\xc2\xe2RDPF"),
    _Test("percent-sign", r"^-?[0-9][0-9.,]* ?%$", b"%"),
    _Test(
        "formula",
        r"^[=@].|^[+-].*[A-Za-z!|(]",
        b"=@+-",
        rf'^="[^"]*"$|^{_NUMBER}(?: ?(?:ext|x)\.? ?[0-9]+)?$|^@[A-Za-z0-9_.]+$|^[+-]?[0-9.,]+[Ee]',
    ),
    _Test("placeholder", PLACEHOLDER),
    _Test("two-digit-year", _TWO_DIGIT_YEAR, b"./-"),
    _Test("smart-quotes", "[\u2018\u2019\u201c-\u201e]", b"\xe2", fixes_text.MOJIBAKE),
)


def byte_counts(text: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Count the bytes of a String column without nulls by their value."""
    _, offsets_buffer, data_buffer = text.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    if not len(text) or data_buffer is None:
        return np.zeros(256, dtype=np.intp)
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64, count=len(text) + 1)
    data = np.frombuffer(data_buffer, dtype=np.uint8)[int(offsets[0]) : int(offsets[-1])]
    return np.bincount(data, minlength=256)


def symptoms(text: pl.Series, present: np.ndarray[tuple[int], np.dtype[np.intp]]) -> dict[str, pl.Series]:
    """Find what single cells show.

    Args:
        text: Trimmed values, no nulls.
        present: Their `byte_counts`.

    Returns:
        A mask for each code that some value shows.
    """
    found = {}
    for test in _TESTS:
        if test.bytes_ and not present[list(test.bytes_)].any():
            continue
        mask = text.str.contains(test.pattern)
        if test.but_not and mask.any():
            mask &= ~text.str.contains(test.but_not)
        if mask.any():
            found[test.code] = mask
    if present[ord("E")] or present[ord("e")]:
        found |= _scientific(text)
    return found


def _scientific(text: pl.Series) -> dict[str, pl.Series]:
    written = text.str.contains(fixes_text.SCIENTIFIC) & text.str.contains(r"[.,]|\+")
    if not written.any():
        return {}
    exact = (fixes_text.written_out(text) != text).fill_null(value=False)
    masks = {"excel-damage": written & ~exact, "scientific-exact": exact}
    return {code: mask for code, mask in masks.items() if mask.any()}
