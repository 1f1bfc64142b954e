"""The lines of the catalogue that are about single cells."""

from __future__ import annotations

from typing import Final

from tests.catalogue.line import Line

TEXTS: Final = (
    Line(39, "A postal code `00123`", "read", "As text, zeros and all: nothing is taken for a number."),
    Line(
        40,
        "A phone number with its plus",
        "read, refused",
        "As it stands. Without quotes in a mapping it is refused: YAML would drop the plus.",
    ),
    Line(41, "Scientific notation (`1.31756E+10`)", "rejected", "`excel-damage`: its digits are gone."),
    Line(
        42,
        'An apostrophe before a value, or `=".."` around it',
        "fixed",
        "Taken off phone numbers, which are then judged; off other columns by `--fix excel-wrapper`.",
    ),
    Line(
        43,
        "A phone number without a country, with an extension, letters or `00`",
        "fixed, rejected",
        "Written as E.164 where its region is known. Else `ambiguous-phone`, which names the column of the region "
        "where there is one (it needs two letters, `DE`, not `Germany`), or `invalid-phone`. A number has one verdict, "
        "however it is spelled.",
    ),
    Line(
        44,
        "A number that stands for none (`0000000000`, `1234567890`, ...)",
        "fixed",
        "Dropped and counted, `denied-value`. A number whose prefix nobody has is sent, with a warning "
        "(`unlikely-phone`).",
    ),
    Line(
        45,
        "An e-mail address in capitals, with white space around it or a dot at its end",
        "fixed",
        "To what the service stores; counted under `repairs` in the report.",
    ),
    Line(
        46, "Names, lists and other damage in place of an address", "rejected", "`invalid-email`: one address a cell."
    ),
    Line(
        47,
        "An identifier of 256 characters; an identifier type of 1 or 31",
        "rejected, refused",
        "`too-long` from 256 on; a mapping with such a type is refused.",
    ),
    Line(
        48,
        "A text of 1025 characters",
        "rejected",
        "`too-long`; counted in UTF-16 units, of which an emoji has two and a family of four eleven.",
    ),
    Line(49, "Emoji, Chinese, Arabic, Hebrew text", "read", "Byte for byte."),
    Line(
        50,
        "Characters that change the direction of text",
        "rejected, read",
        "`invisible-character` in an identifier; read in text, and shown as `\\u202e` in files for people.",
    ),
    Line(
        51,
        "Zero-width characters in an identifier",
        "rejected",
        "`invisible-character`: it would make a profile's invisible twin.",
    ),
    Line(
        52,
        "One text in two Unicode forms (NFC, NFD)",
        "fixed, read",
        "Identifiers become NFC, counted; other text stays as it is.",
    ),
    Line(
        53,
        "Full-width or Arabic digits, `1_000`",
        "rejected",
        "`type-mismatch`, `invalid-phone`, `invalid-date`: digits are 0 to 9.",
    ),
    Line(
        54,
        "Control characters, escape sequences of terminals",
        "rejected, read",
        "`control-character`, shown as `\\u001b`; tab and line breaks are text.",
    ),
    Line(
        55,
        "Formulas (`=HYPERLINK(..)`, `@SUM`, `-2+3`, `+cmd`)",
        "read",
        "To the service as they stand; behind an apostrophe in CSV files for people. `rejected.csv` has what came.",
    ),
    Line(
        56,
        "NULL, NA, None, nan, #N/A, -, unknown",
        "read, rejected",
        "As text, unless `null_tokens` names them (an empty cell and `\\N` are missing by default). No address, phone "
        "number or NUMBER is written so.",
    ),
)

TYPED: Final = (
    Line(
        61,
        'An empty cell, and `""`',
        "read",
        "Both are missing: what is stored is kept, cleared or removed, as the column's `on_missing` says.",
    ),
    Line(
        62,
        "TRUE, yes, 1, oui, on for a BOOLEAN",
        "read, rejected",
        "The words of the mapping, in any case, and no others: `type-mismatch`.",
    ),
    Line(63, "A NUMBER beyond 32 bits", "rejected", "`out-of-range`, from 2147483648 and -2147483649 on."),
    Line(
        64,
        "`1,234`, `1.234,5`, `0x10`, `1e3` for a NUMBER; `+5`, `7.00`, ` 5`",
        "rejected, fixed",
        "`type-mismatch`; a plus, decimals of zero and white space around it are taken off and counted.",
    ),
    Line(65, "`1.5` for a NUMBER", "rejected", "`type-mismatch`: nothing is rounded."),
    Line(66, "NaN, inf, `1e400` for a NUMBER", "rejected", "`type-mismatch`: never stored as nothing."),
    Line(
        67,
        "`01/02/2026`, `2026-13-40`, a spreadsheet's `45000` for a date",
        "rejected, read",
        "`invalid-date` unless it is in the `format` of the mapping, or in ISO 8601 where it names none. A column "
        "without `parse` is text.",
    ),
    Line(
        68,
        'Arrays: `["a"]`, `a;b`, 100 items, 101 items',
        "read, rejected",
        "JSON, or text between the mapping's `split`; 101 items are `too-many-items`.",
    ),
    Line(
        69,
        "Nested arrays, items that are null or of several types, items twice",
        "rejected, read",
        "`type-mismatch`; an item may come twice.",
    ),
    Line(
        70,
        "JSON, HTML, scripts, SQL, instructions to a language model",
        "read",
        "As text; `report.html` shows it as text.",
    ),
    Line(
        71,
        "A value that breaks a rule of the store (pattern, length, range, items)",
        "rejected",
        "By the code of the rule; the message has its bound or pattern, and no value.",
    ),
)

CELLS: Final = (*TEXTS, *TYPED)
