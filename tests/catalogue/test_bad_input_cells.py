"""Catalogue of bad input, cells: identifiers, text, damage done by spreadsheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from importer.errors import MappingError
from importer.wiring.opening import read_mapping
from tests.catalogue.cells import Came, Cell, Rejected, delivered, judge, numbered, repairs_of

FAMILY: Final = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
"""Seven code points, eleven UTF-16 units, 25 bytes."""

NO_ADDRESS: Final = Rejected("invalid-email", "expected one address")
NO_PHONE: Final = Rejected("invalid-phone", "calling code")
INVISIBLE: Final = Rejected("invisible-character", "zero-width or direction-changing")
CONTROL: Final = Rejected("control-character", "control character")
LOST: Final = Rejected("excel-damage", "digits are lost")
E164: Final = ("e164",)


def same(column: str, *texts: str) -> list[Cell]:
    """Return cells that are stored as they stand."""
    return [Cell(column, text, text) for text in texts]


def refused(column: str, rejected: Rejected, *texts: str, country: str = "US") -> list[Cell]:
    """Return cells that are rejected alike."""
    return [Cell(column, text, rejected, country=country) for text in texts]


CASES: Final[Mapping[int, Sequence[Cell]]] = {
    39: same("text", "00123", "007", "1.10"),
    40: same("phone", "+13179581234"),
    41: [*refused("phone", LOST, "1.90827E+10", "4,90827E+11"), *refused("number", LOST, "1.90827E+09")],
    42: [
        Cell("phone", "'+13179581240", "+13179581240", repairs=E164),
        Cell("phone", '="+13179581241"', "+13179581241", repairs=E164),
        Cell("phone", '="(317) 958-1242"', "+13179581242", repairs=E164),
        *refused("phone", NO_PHONE, "'+1317958", '="+1317958"'),
        *same("text", "'00123", '="00123"'),
    ],
    43: [
        Cell("phone", "(317) 958-1250", "+13179581250", repairs=E164),
        Cell("phone", "317.958.1251 ext. 12", "+13179581251", repairs=E164),
        Cell("phone", "1-800-FLOWERS", "+18003569377", repairs=E164),
        Cell("phone", "0049 30 23125 002", "+493023125002", repairs=E164, country="DE"),
        Cell("phone", "030/23125-003", "+493023125003", repairs=E164, country="de"),
        *refused("phone", NO_PHONE, "317 958", "call me in the morning", "317-958-1252; 317-958-1253"),
        Cell("phone", "030 23125 004", Rejected("ambiguous-phone", "column country is empty"), country=""),
        Cell("phone", "0049 30 23125 005", Rejected("ambiguous-phone", "column country is empty"), country=""),
        Cell("phone", "030 23125 006", Rejected("ambiguous-phone", "column country has no"), country="Germany"),
        Cell("phone", "317 958 1254", Rejected("ambiguous-phone", "two letters"), country="United States"),
        Cell("phone", "+49 30 23125 007", "+493023125007", repairs=E164, country="Germany"),
    ],
    44: [
        Cell("phone", "0000000000", None, warning="denied-value"),
        Cell("phone", "(111) 111-1111", None, warning="denied-value"),
        Cell("phone", "123-456-7890", None, warning="denied-value"),
        Cell("phone", "+1 123 456 7890", None, warning="denied-value"),
        Cell("phone", "+1 (987) 654-3210", None, warning="denied-value"),
        Cell("phone", "0123456789", None, warning="denied-value", country="DE"),
        Cell("phone", "+49 123 456789", None, warning="denied-value", country="DE"),
        Cell("phone", "000 000 0000", None, warning="denied-value", country=""),
        Cell("phone", "+1 317 055 1234", "+13170551234", warning="unlikely-phone", repairs=E164),
        Cell("phone", "+13175550123", "+13175550123"),
    ],
    45: [
        Cell("email", " Ann.Upper@Example.COM ", "ann.upper@example.com", repairs=("trimmed", "email-case")),
        Cell("email", "ann.dot@example.com.", "ann.dot@example.com", repairs=("email-case",)),
        Cell("email", "\tann.tab@example.com\u00a0", "ann.tab@example.com", repairs=("trimmed",)),
        *same("email", "ann.plain+tag@example.com"),
    ],
    46: refused(
        "email",
        NO_ADDRESS,
        *("Ann B <ann@example.com>", "ann@example.com; bob@example.com", "ann@@example.com", "ann@example"),
        *("ann example@example.com", "ann.example.com", "'ann@example.com", "mailto:ann@example.com"),
        f"{'x' * 65}@example.com",
    ),
    47: [
        *same("crm", "y" * 255),
        Cell("crm", "x" * 256, Rejected("too-long", "an identifier has at most 255 characters")),
        Cell("crm", "\U0001f600" * 128, Rejected("too-long", "255")),
    ],
    48: [
        *same("text", "x" * 1024, FAMILY, FAMILY * 93 + "x", "\u4e2d" * 1024, "\U0001f600" * 512),
        *refused("text", Rejected("too-long", "at most 1024 characters"), "x" * 1025, FAMILY * 93 + "xx"),
        *refused("text", Rejected("too-long", "at most 1024 characters"), "\U0001f600" * 513),
    ],
    49: same(
        "text",
        "Jos\u00e9 \U0001f389",
        "\u5c71\u7530\u592a\u90ce",
        "\u0645\u062d\u0645\u062f",
        "\u05e9\u05dc\u05d5\u05dd",
    ),
    50: [
        *refused("crm", INVISIBLE, "cus\u202etomer-50", "\u2066customer-50"),
        *refused("email", INVISIBLE, "ann\u202e@example.com"),
        *same("text", "right \u202eto\u202c left", "\u2067isolated\u2069"),
    ],
    51: [
        *refused("crm", INVISIBLE, "cus\u200btomer-51", "customer\u00ad-51", "\ufeffcustomer-51"),
        *refused("email", INVISIBLE, "zero\u200bwidth@example.com"),
        *refused("phone", INVISIBLE, "+1317\u200b9581260"),
        *same("text", "zero\u200bwidth"),
    ],
    52: [
        Cell("crm", "Jose\u0301-52", "Jos\u00e9-52", repairs=("nfc",)),
        Cell("email", "rene\u0301@example.com", "ren\u00e9@example.com", repairs=("email-case",)),
        *same("crm", "Andr\u00e9-52"),
        *same("text", "Jose\u0301", "Jos\u00e9"),
    ],
    53: [
        *refused("number", Rejected("type-mismatch", "digits only"), "\uff11\uff12\uff13\uff14", "\u0661\u0662\u0663"),
        *refused("number", Rejected("type-mismatch", "digits only"), "1_000_000", "\u00b2\u00b3"),
        *refused("phone", NO_PHONE, "\uff0b\uff11\uff13\uff11\uff17\uff19\uff15\uff18\uff11\uff12\uff17\uff10"),
        *refused("phone", NO_PHONE, "+\u0661\u0663\u0661\u0667\u0669\u0665\u0668\u0661\u0662\u0667\u0661"),
        *refused("day", Rejected("invalid-date", "YYYY-MM-DD"), "\uff12\uff10\uff12\uff16-01-02"),
        *refused("born", Rejected("invalid-date", "%d/%m/%Y"), "\u0660\u0661/\u0660\u0662/\u0662\u0660\u0662\u0666"),
    ],
    54: [
        *refused("text", CONTROL, "bell \x07 rings", "first\x01second", "deleted\x7f text", "unit\x1fseparator"),
        *refused("text", CONTROL, "\x1b[31mred alert\x1b[0m", "\x1b]0;title\x07"),
        *refused("crm", CONTROL, "cus\x1btomer-54"),
        *refused("email", CONTROL, "ann\x08@example.com"),
        *same("text", "tab\tstop", "two\nlines", "two\r\nlines"),
    ],
    55: [
        *same("text", '=HYPERLINK("http://example.com","x")', "@SUM(A1:A9)", "-2+3", "+cmd|' /C calc'!A0"),
        *refused("email", NO_ADDRESS, '=HYPERLINK("http://example.com","email")', "@SUM(email)"),
        Cell("number", "-2+3+55555", Rejected("type-mismatch", "digits only"), key="=2+3+cmd|'/C calc'!A0"),
    ],
    56: [
        *same("text", "NULL", "NA", "N/A", "None", "nan", "#N/A", "-", "unknown"),
        *(Cell("text", text, None) for text in ("n.a.", "\\N")),
        *refused("email", NO_ADDRESS, "NULL", "unknown", "nobody known"),
        *refused("phone", NO_PHONE, "NULL", "unknown", "-", "no phone"),
        *refused("number", Rejected("type-mismatch", "digits only"), "NULL", "unknown"),
    ],
}


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> Came:
    """Import a table with all of the cells."""
    return delivered(CASES, tmp_path_factory.mktemp("cells"))


@pytest.mark.parametrize("line", CASES)
def test_what_comes_of_a_cell(line: int, came: Came) -> None:
    """Each cell is stored, repaired, dropped or rejected as its line says, with a message that says by which rule."""
    for key, cell in numbered({line: CASES[line]}).items():
        judge(key, cell, came)


def test_repairs_are_counted(came: Came) -> None:
    """The report counts every cell that is stored otherwise than it stands, and no other."""
    assert came.report.repairs == repairs_of(CASES)


@pytest.mark.parametrize(
    ("line", "text", "words"),
    [
        (40, "identity: {deny: [+13179581234]}", "quote it"),
        (40, "columns: {phone: {to: Contact.phone, replace: {unlisted: +13179581234}}}", "quote it"),
        (47, "columns: {crm: {to: Account.crm, identifier: c}}", "2 to 30"),
        (47, f"columns: {{crm: {{to: Account.crm, identifier: {'c' * 31}}}}}", "2 to 30"),
    ],
)
def test_a_mapping_is_refused(line: int, text: str, words: str, tmp_path: Path) -> None:
    """A number that YAML would take the plus off, and the name of an identifier type that no store can have."""
    assert line in CASES
    path = tmp_path / "mapping.yaml"
    columns = "" if text.startswith("columns") else "columns: {phone: Contact.phone}\n"
    path.write_text(f"version: 1\n{columns}{text}\n", encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        read_mapping(path)
    assert words in " ".join(map(str, caught.value.problems))
