"""Catalogue of bad input, text as a table: quotes, widths, headers, delimiters."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

import importer
from tests.catalogue.trial import CANARY, Case, Read, Refused, parameters, try_out

HEAD: Final = "email,name,city\n"


def row(number: int, name: str = CANARY, city: str = CANARY) -> str:
    """Return a row with its line end."""
    return f"{CANARY}{number}@example.com,{name},{city}\n"


def rows(first: int, end: int) -> str:
    """Return rows that are fine."""
    return "".join(row(number) for number in range(first, end))


MALFORMED: Final = "malformed-row"
NOT_THERE: Final = importer.MappingError

CASES: Final = {
    11: [
        *(
            Case(name, (HEAD + rows(1, 9)).replace(",", one).encode(), Read(8, notes=(f"delimiter {shown}",)))
            for name, one, shown in (("semicolon", ";", "';'"), ("tab", "\t", "tab"), ("bar", "|", "'|'"))
        ),
        Case("doubtful", b"email,x;name\na,1;b\nc,2;d\n", Refused(("could be the delimiter",), "--delimiter")),
    ],
    12: [
        Case(
            "lines",
            (HEAD + row(1, '"a\nb\r\nc"') + row(2) + "x\n" + row(4)).encode(),
            Read(3, [(3, 6, MALFORMED)], cells={"name": ["a\nb\r\nc", CANARY, CANARY]}),
        ),
    ],
    13: [
        Case("open", (HEAD + rows(1, 3) + row(3, f'"{CANARY}') + rows(4, 2000)).encode(), Refused(("line 4", "quote"))),
        Case("last", (HEAD + rows(1, 3) + row(3, "x", f'"{CANARY}')).encode(), Refused(("line 4", "quote"))),
        Case("header", ('email,"name,city\n' + rows(1, 300)).encode(), Refused(("quote", "header"))),
    ],
    14: [
        Case(
            "far-apart",
            (HEAD + row(1, f'"{CANARY}') + rows(2, 3000) + row(3000, f'"{CANARY}') + rows(3001, 3010)).encode(),
            Refused(("line 2", "line 3001")),
        ),
        Case(
            "near",
            (HEAD + rows(1, 3) + row(3, '"x') + rows(4, 8) + row(8, '"y') + rows(9, 12)).encode(),
            Read(5, [(3, 4, MALFORMED)]),
        ),
    ],
    15: [Case("bare", (HEAD + row(1, '5" pipe')).encode(), Read(1, cells={"name": ['5" pipe']}))],
    16: [
        Case(
            "shifted",
            (HEAD + row(1) + row(2, '"say \\"a, b\\" now"') + row(3)).encode(),
            Read(2, [(2, 3, MALFORMED)], says="written as two"),
        ),
    ],
    17: [
        Case(
            "short",
            (HEAD + row(1) + "x@example.com,y\n" + row(3)).encode(),
            Read(2, [(2, 3, MALFORMED)], says="2 fields"),
        )
    ],
    18: [
        Case(
            "long",
            (HEAD + row(1) + row(2, city="a,b,c") + row(3)).encode(),
            Read(2, [(2, 3, MALFORMED)], says="5 fields"),
        )
    ],
    19: [
        Case(
            "both", (HEAD + rows(1, 5)).replace("\n", ",\n").encode(), Read(4, notes=("has no name and is left out",))
        ),
        Case(
            "rows", (HEAD + rows(1, 5).replace("\n", ",\n")).encode(), Read(4, notes=("has no name and is left out",))
        ),
        Case("header", (HEAD.replace("\n", ",\n") + rows(1, 5)).encode(), Read(4, notes=("rows do not",))),
        Case(
            "value",
            (HEAD + row(1) + row(2)).replace("\n", ",\n").encode() + f"x@example.com,a,b,{CANARY}\n".encode(),
            Read(2, [(3, 4, MALFORMED)]),
        ),
    ],
    20: [
        Case("empty", (HEAD + row(1) + "\n\r\n" + row(4) + "x\n\n").encode(), Read(2, [(5, 6, MALFORMED)], blank=3)),
        Case("white", (HEAD + row(1) + "  \n\t\n" + row(4) + "x\n \n").encode(), Read(2, [(5, 6, MALFORMED)], blank=3)),
        Case("empty-cells", (HEAD + row(1) + ",,\n" + row(3)).encode(), Read(2, blank=1)),
        Case(
            "one-column",
            b"email\na@example.com\n \nb@example.com\n",
            Read(2, blank=1),
            columns={"email": ["Contact.email", "Contact.firstName"]},
        ),
    ],
    21: [
        Case(
            "title", ("Customers of May\n" + HEAD + rows(1, 5)).encode(), Refused(("not the header",), "--skip-lines 1")
        ),
        Case("comments", ("# a\n# b\n" + HEAD + rows(1, 5)).encode(), Refused(("not the header",), "--skip-lines 2")),
        Case(
            "skipped",
            ("# a\n# b\n" + HEAD + row(1) + "x\n").encode(),
            Read(1, [(2, 5, MALFORMED)]),
            options={"skip_lines": 2},
        ),
    ],
    22: [
        Case("twice", ("email,email\n" + "a,b\n").encode(), Refused(("'email' more than once",))),
        Case("in-case", (HEAD.replace("name", "Email") + row(1)).encode(), Refused(("`name`",), "", NOT_THERE)),
    ],
    23: [
        Case("spaces", (HEAD.replace("email", " email ") + row(1)).encode(), Refused(("' email '",), "trim_headers")),
        Case("trimmed", (HEAD.replace("email", " email ") + row(1)).encode(), Read(1), source={"trim_headers": True}),
        Case(
            "case",
            (HEAD.replace("email", "Email") + row(1)).encode(),
            Refused(("`email`",), "did you mean `Email`?", NOT_THERE),
        ),
    ],
    24: [
        Case(
            "index",
            ("," + HEAD + "0," + row(1) + "1," + row(2)).encode(),
            Read(2, notes=("1 column(s) cannot be mapped",)),
        ),
        Case(
            "several", ("email,,,name,\n" + "a@example.com,1,2,b,\n").encode(), Read(1, notes=("2 column(s) cannot",))
        ),
        *(
            Case(
                f"unmapped-{name}",
                (HEAD.replace("city", f"ci{char}ty") + row(1)).encode(),
                Read(1, notes=("cannot be mapped",)),
            )
            for name, char in (("zero-width", "\u200b"), ("no-break", "\u00a0"), ("bidi", "\u202e"), ("tab", "\t"))
        ),
        *(
            Case(
                f"mapped-{name}",
                (HEAD.replace("email", f"email{char}") + row(1)).encode(),
                Refused(("`email`", shown), "type it anew", NOT_THERE),
            )
            for name, char, shown in (
                ("zero-width", "\u200b", "\\u200b"),
                ("no-break", "\u00a0", "\\xa0"),
                ("bidi", "\u202e", "\\u202e"),
                ("feff", "\ufeff", "\\ufeff"),
            )
        ),
        Case(
            "mapped-exactly",
            (HEAD.replace("email", "e\u200bmail") + row(1)).encode(),
            Refused(("\\u200b",), "type it anew", NOT_THERE),
            columns={"e\u200bmail": "Contact.email", "name": "Contact.firstName"},
        ),
        Case(
            "only-column",
            ("email\u200b\n" + "a@example.com\n").encode(),
            Refused(("\\u200b",), "type it anew", NOT_THERE),
            columns={"email": "Contact.email"},
        ),
    ],
    25: [
        Case(
            "wide",
            (
                "email,name," + ",".join(f"c{n}" for n in range(9999)) + "\n" + "a@example.com,b" + ",x" * 9999 + "\n"
            ).encode(),
            Read(1, notes=("9,999 columns are not mapped",)),
        ),
    ],
    26: [
        Case(
            "alike",
            f"{CANARY}@example.com,{CANARY},{CANARY}\n{CANARY}2@example.com,x,y\n".encode(),
            Refused(("columns 2, 3 alike",), "is there a header line"),
        ),
        Case(
            "space",
            f"{CANARY}@example.com, {CANARY},b\n{CANARY}2@example.com,x,y\n".encode(),
            Refused(("column 2 has white space",), "trim_headers"),
        ),
        Case(
            "none",
            b"".join(f"{CANARY}{n}@example.com,{CANARY},b\n".encode() for n in range(4)),
            Refused(("none of the 2 mapped columns",), "header row", NOT_THERE),
        ),
    ],
    27: [
        Case(
            "nul", (HEAD + row(1) + row(2, f"a\0{CANARY}") + row(3)).encode(), Read(2, [(2, 3, MALFORMED)], says="NUL")
        )
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_comes_of_a_text(case: Case, tmp_path: Path) -> None:
    """Each text of the catalogue is answered as its line says, and no cell is shown."""
    try_out(case, tmp_path)
