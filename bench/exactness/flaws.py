"""What is wrong with a cell, and what only looks wrong: texts by column, each with the code that names it.

`{n}` in a text becomes the row number, so that identifiers stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

COLUMNS: Final = (
    *("customer_id", "name", "email", "mobile", "country", "badge", "city", "postcode", "plan", "tier", "points"),
    *("balance", "subscribed", "colours", "tags", "marks", "birth_date", "signed_up", "seen_at", "notes"),
)

ERROR: Final = "error"
WARNING: Final = "warning"


@dataclass(frozen=True)
class Flaw:
    """Texts for one column, each of which is this issue and no other.

    Attributes:
        code: The issue.
        column: Where it is reported; empty where it is the row's.
        texts: One of them is put into the column.
        others: What the row's other cells must be for it.
        severity: A warning leaves the row as it is.
    """

    code: str
    column: str
    texts: tuple[str, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    severity: str = ERROR

    @property
    def touched(self) -> frozenset[str]:
        """Columns that the flaw needs for itself."""
        return frozenset({self.column, *self.others} - {""})


def _json(items: int) -> str:
    return "[" + ",".join(f'"item {number}"' for number in range(items)) + "]"


def _split(items: int) -> str:
    return "|".join(f"colour {number}" for number in range(items))


_FACE: Final = "\N{GRINNING FACE}"
_FAMILY: Final = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
_AMERICAN: Final = {"country": "US"}

CELLS: Final = (
    # numbers: whole, in digits, of 32 bits; the store narrows points to 0..100000
    Flaw("type-mismatch", "points", ("1,234", "1.5", "0x10", "1e3", "1_000", "1 000", "12-", "--5", "ten", "NaN", "-")),
    Flaw("type-mismatch", "balance", ("\uff11\uff12", "\u0661\u0662", "inf", "-inf", "1.234,5", "NULL", "5.5.5", "$5")),
    Flaw("out-of-range", "points", ("-1", "100001", "2147483648", "-2147483649")),
    Flaw("out-of-range", "balance", ("2147483648", "-2147483649", "99999999999999999999", "+2147483648")),
    Flaw("out-of-range", "balance", ("-1" + "0" * 40,)),
    Flaw("excel-damage", "balance", ("1.31756E+10", "4E+9", "2.5E+7")),
    # words of a BOOLEAN
    Flaw("type-mismatch", "subscribed", ("maybe", "true", "oui", "2", "on", "yes!", "\u2713")),
    # arrays: split texts, JSON, and JSON that the store keeps between two and five items
    Flaw("too-many-items", "colours", (_split(101), "|".join("x" * 150))),
    Flaw("too-long", "colours", ("red|" + "x" * 1025, _FACE * 513)),
    Flaw("control-character", "colours", ("red|gr\x1been",)),
    Flaw("type-mismatch", "marks", ("[[1]]", '["a",null]', '["a",1]', "a;b", '{"a":1}', '["a"', '["a",]')),
    Flaw("type-mismatch", "marks", ("[1.5]", "[1,]")),
    Flaw("too-many-items", "marks", (_json(101), "[" + "1," * 100 + "1]")),
    Flaw("out-of-range", "marks", ("[2147483648]", "[1,-2147483649]")),
    Flaw("too-long", "marks", ('["' + "y" * 1025 + '"]',)),
    Flaw("too-few-items", "tags", ('["one"]', "[7]")),
    Flaw("too-many-items", "tags", (_json(6), "[1,2,3,4,5,6]", "[true,true,true,false,false,false]")),
    # moments
    Flaw("invalid-date", "birth_date", ("31/02/1990", "29/02/2023", "1990-05-31", "5/31/1990", "45000")),
    Flaw("invalid-date", "birth_date", ("01/01/85", "n/a")),
    Flaw("invalid-date", "signed_up", ("2026-13-40", "2026-02-29", "01/02/2026", "2026-1-5", "20260105", "today")),
    Flaw("invalid-date", "signed_up", ("45000",)),
    Flaw("invalid-date", "seen_at", ("2026-01-01T25:00:00Z", "2026-01-01", "1767225600", "2026-01-01T12:60:00")),
    Flaw("invalid-date", "seen_at", ("noon",)),
    # texts: 1024 UTF-16 units, or what the store says
    Flaw("too-long", "notes", ("x" * 1025, _FACE * 512 + "x", "\u00e9" * 1025, _FAMILY * 94, "z" * 60_000)),
    Flaw("too-long", "city", ("x" * 41, _FACE * 21)),
    Flaw("too-short", "city", ("x", "\u00e9")),
    Flaw("pattern-mismatch", "plan", ("ab-0001", "AB-00012", "AB 0001", "XAB-0001")),
    Flaw("pattern-mismatch", "plan", ("AB-\u0661\u0662\u0663\u0664", "AB-0001\n.")),
    Flaw("control-character", "name", ("bell\x07", "\x01", "\x1b[31mred", "delete\x7f", "form\x0cfeed")),
    Flaw("control-character", "name", ("back\x08space",)),
    Flaw("control-character", "city", ("Spring\x1ffield",)),
    Flaw("control-character", "notes", ("first line\n\x0bsecond line",)),
    # identifiers
    Flaw("invalid-email", "email", ("no.address.example.com", "a@@example.com", "Ann <a@example.com>")),
    Flaw("invalid-email", "email", ("a@example.com; b@example.com", "a@example", "@example.com", "a@")),
    Flaw("invalid-email", "email", ("a b@example.com", "a@example..com", "a.@example.com", ".a@example.com")),
    Flaw("invalid-email", "email", ("a@-example.com", "NULL", "n/a", "-", "\uff41@example.com")),
    Flaw("invalid-email", "email", ("a@example.com,b@example.com", "x" * 65 + "@example.com", "0")),
    Flaw("invisible-character", "email", ("zero\u200bwidth.{n}@example.com", "{n}\u202e@example.com")),
    Flaw("invisible-character", "email", ("\ufeff{n}@example.com",)),
    Flaw("control-character", "email", ("bell\x07.{n}@example.com",)),
    Flaw("invalid-phone", "mobile", ("+1 317 958", "+999 1234567", "+44 7410 12345678901", "+", "+1 (317) 958-44331")),
    Flaw("invalid-phone", "mobile", ("317 958", "call me", "NULL", "n/a", "\u260e", "2019584433.0"), _AMERICAN),
    Flaw("ambiguous-phone", "mobile", ("317 958 4433", "(317) 958-4433", "07410 123456"), {"country": ""}),
    Flaw("ambiguous-phone", "mobile", ("030 1234567", "0151 10000001"), {"country": "Germany"}),
    Flaw("excel-damage", "mobile", ("1.31796E+10", "4.47410E+11")),
    Flaw("invisible-character", "mobile", ("+1317958\u200b4433", "\u202a+13179584433"), _AMERICAN),
    Flaw("control-character", "mobile", ("+1317\x02958",), _AMERICAN),
    Flaw("too-long", "badge", ("B" * 246 + "{n:010}", "\u00e9" * 246 + "{n:010}")),
    Flaw("invisible-character", "badge", ("B-{n}\u200d", "\u2066B-{n}", "soft\u00adhyphen-{n}")),
    Flaw("control-character", "badge", ("B-{n}\x1b[0m", "B\x7f-{n}")),
    # whole rows
    Flaw("rule-broken", "", (), {"tier": "basic", "points": "0"}),
)
"""Errors: each rejects its row."""

REQUIRED: Final = (Flaw("required-missing", "badge", ("", "\\N", "   "), {"email": "left.{n}@example.com"}),)
"""The same where the mapping requires a badge."""

DOUBTS: Final = (
    Flaw(
        "denied-value", "email", ("nobody@example.com", "NoBody@Example.com", " nobody@example.com "), severity=WARNING
    ),
    Flaw("denied-value", "mobile", ("0000000000", "1111111111"), _AMERICAN, severity=WARNING),
    Flaw("unlikely-phone", "mobile", ("+12005{six:06}", "+1 (200) 6{six:06}"), severity=WARNING),
    Flaw("missing-key", "customer_id", ("", "\\N", " "), severity=WARNING),
    Flaw("rule-broken", "", (), {"tier": "VIP", "points": "4"}, severity=WARNING),
)
"""Warnings: the row goes."""

GOOD: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("name", ("O'Brien, Sin\u00e9ad", "Null", "None", "NaN", "N/A", "#N/A", "-", "unknown", "true", "0", "00")),
    ("name", ("1.5E+10", '=HYPERLINK("http://example.com","x")', "@SUM(1+1)", "-2+3", "+cmd|' /C calc'!A0")),
    ("name", ("<script>alert(1)</script>", "'; DROP TABLE profiles; --", "\u738b\u5c0f\u660e")),
    ("name", ("\u0645\u062d\u0645\u062f", "\u05e9\u05dc\u05d5\u05dd", "\u202eright to left", "zero\u200bwidth")),
    ("name", ("e\u0301", 'a 5" disk', "tab\there", 'He said "hi", then left', '{"a": 1}', "\\N is null")),
    ("name", ("C:\\new\\table", "two  spaces", " around ", "\u00a0no-break\u00a0")),
    ("name", ("ignore previous instructions",)),
    ("notes", ("x" * 1024, _FACE * 512, "\u00e9" * 1024, _FAMILY * 93, "line one\nline two")),
    ("notes", ("windows\r\nline\r\n\r\nend", "\n\nafter two line ends", '"quoted"', '""', ",,,,", "'")),
    ("notes", ("a\u2028b", "last\\", "1/2", "#comment", "old\rmac")),
    ("city", ("\u00c5s", "x" * 40, _FACE * 20, "San Francisco; CA", "L'A\u00ef")),
    ("postcode", ("00123", "1E5", "02108-0001", "2/3", "0x1F", "+5", "=1+1", "1,5")),
    ("plan", ("AB-0000", "ZZ-9999")),
    ("tier", ("BASIC", "Silver", "vip", "Gold", "platinum", "null")),
    ("points", ("+10", "010", "100000", "50.0", "50.00", "+7.0")),
    ("balance", ("2147483647", "-2147483648", "+2147483647", "0" * 30 + "12", " 12 ", "-0", "+0", "0", "-7.0")),
    ("subscribed", ("YES", "Yes", "n", "N", "0", "1")),
    ("colours", (_split(100), _split(100) + "|", "red|red", "red||blue", '"a", b|c', "| red |", "x" * 1024)),
    ("colours", ("|".join("y" * 100),)),
    ("tags", ('["a","b"]', "[1,2,3,4,5]", "[true,false]", '["a","a"]', '["a, b","c\\"],[\\"d"]')),
    ("tags", (' [ "x" , "y" ] ', '["\\ud83d\\ude00","\\u00e9"]', '["tab\\there","\N{GRINNING FACE}"]')),
    ("marks", (_json(100), "[" + "1," * 99 + "1]", '["one"]', "[2147483647,-2147483648]", '["1","2"]', "[true]")),
    ("birth_date", ("29/02/2024", "01/01/1900", "31/12/1999", "29/02/2000")),
    ("signed_up", ("2024-02-29", "1000-01-01", "9999-12-31")),
    ("seen_at", ("2026-01-01T00:00:00Z", "2026-01-01 23:59:59.123456+02:00", "2026-06-30T12:00")),
    ("seen_at", ("2024-02-29T23:59:59",)),
    ("email", ("UPPER.{n}@EXAMPLE.COM", " spaced.{n}@example.com ", "plus+{n}@example.com")),
    ("email", ("o'brien.{n}@example.com", "dot.{n}@example.com.", "x_{n}@sub.example.co.uk")),
    ("email", ("m\u00fcller.{n}@example.com", "mail.{n}@ex\u00e4mple.de", "{n}@123.example.com")),
    ("email", ("a-{n}@ex-ample.com", "{n}" + "x" * 54 + "@example.com")),
    ("badge", ("  B-{n}  ", "b" * 245 + "{n:010}", "NULL-{n}", '"q"-{n}', "b,{n}", "b;{n}|", "e\u0301-{n}")),
    ("badge", ("{n}.5E+10", "\u738b-{n}", "{n:012}", "=B{n}", "\N{GRINNING FACE}" * 122 + "-{n:010}", "0-{n}")),
    ("badge", ("line\nbreak-{n}",)),
)
"""Texts that look wrong and are not."""
