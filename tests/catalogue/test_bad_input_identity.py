"""Catalogue of bad input, identity: rows that share identifiers or a key, and rows that lack them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

import importer
from tests.catalogue.trial import CANARY, Case, Read, parameters, request_for, try_out

A: Final = f"{CANARY}1@example.com"
B: Final = f"{CANARY}2@example.com"
PHONES: Final = ("+13179580001", "+13179580002", "+13179580003")
COLUMNS: Final = {"email": "Contact.email", "phone": "Contact.phone", "name": "Contact.firstName"}
MERGE: Final = "merge-group"
SHARED: Final = "shared-identifier"
DUPLICATE: Final = "duplicate-key"


def table(*rows: str) -> bytes:
    """Return a source of a key, an e-mail address, a phone number and a name."""
    return "\n".join(["id,email,phone,name", *rows, ""]).encode()


def keyed(identity: dict[str, Any] | None = None, **columns: Any) -> dict[str, Any]:
    """Return a mapping whose rows have a key; `columns` replace some of its own."""
    return {
        "version": 1,
        "source": {"key": ["id"]},
        "columns": COLUMNS | columns,
        "identity": identity or {},
    }


def dropping(**columns: Any) -> dict[str, Any]:
    """Return a mapping that drops phone numbers which several keys share."""
    return keyed({"on_shared": {"phone": "drop-value"}}, **columns)


PLACEHOLDER: Final = [f"{number},{A},{phone},n" for number, phone in enumerate(PHONES, 1)]
PAIR: Final = [f"1,{A},{PHONES[0]},", f"2,{B},{PHONES[0]},n"]
CASES: Final = {
    57: [
        Case(
            "one-address-for-many",
            table(*PLACEHOLDER),
            Read(0, held=[(1, MERGE), (2, MERGE), (3, MERGE)]),
            columns=COLUMNS,
        ),
        Case(
            "under-several-keys",
            table(*PLACEHOLDER, f"4,{B},,n"),
            Read(1, held=[(1, MERGE), (2, MERGE), (3, MERGE)]),
            mapping=keyed(),
        ),
        Case(
            "dropped",
            table(*PAIR),
            Read(1, held=[(1, SHARED)], warnings=[(1, SHARED), (2, SHARED)]),
            mapping=dropping(),
        ),
        Case(
            "dropped-and-required",
            table(*PAIR, f"3,,{PHONES[2]},n"),
            Read(1, held=[(1, SHARED), (2, SHARED)], warnings=[(1, SHARED), (2, SHARED)]),
            mapping=dropping(phone={"to": "Contact.phone", "required": True}),
        ),
        Case(
            "dropped-and-cleared",
            table(*PAIR),
            Read(1, held=[(1, SHARED)], warnings=[(1, SHARED), (2, SHARED)]),
            mapping=dropping(name={"to": "Contact.firstName", "on_missing": "clear"}),
        ),
        Case(
            "nothing-left",
            table(f"1,,{PHONES[0]},n", f"2,{B},{PHONES[0]},n"),
            Read(1, held=[(1, SHARED)], warnings=[(1, SHARED), (2, SHARED)]),
            mapping=dropping(),
        ),
        Case(
            "allowed",
            table(*PLACEHOLDER),
            Read(3),
            mapping=keyed({"on_shared": {"email": "allow"}}),
        ),
        Case(
            "denied",
            table(*PLACEHOLDER),
            Read(3, warnings=[(1, "denied-value"), (2, "denied-value"), (3, "denied-value")]),
            mapping=keyed({"deny": [A.upper()]}),
        ),
    ],
    58: [
        Case("twice", table(*[f"1,{A},{PHONES[0]},n"] * 2), Read(1, combined=1, warnings=[]), columns=COLUMNS),
        Case("twice-keyed", table(*[f"1,{A},{PHONES[0]},n"] * 3), Read(1, combined=2, warnings=[]), mapping=keyed()),
        Case("other-name", table(f"1,{A},,old", f"1,{A},,new"), Read(1, combined=1, warnings=[]), mapping=keyed()),
        Case(
            "other-address",
            table(f"1,{A},,old", f"1,{B},,new"),
            Read(1, combined=1, warnings=[(1, DUPLICATE)]),
            mapping=keyed(),
        ),
        Case(
            "reject",
            table(f"1,{A},,old", f"1,{B},,new", f"2,,{PHONES[0]},n"),
            Read(1, [(1, 2, DUPLICATE), (2, 3, DUPLICATE)]),
            mapping=keyed({"on_duplicate_key": "reject"}),
        ),
    ],
    59: [
        Case(
            "chain",
            table(f"1,{A},{PHONES[0]},n", f"2,{B},{PHONES[0]},n", f"3,{B},{PHONES[2]},n"),
            Read(0, held=[(1, MERGE), (2, MERGE), (3, MERGE)]),
            columns=COLUMNS,
        ),
        Case(
            "chain-keyed",
            table(f"1,{A},{PHONES[0]},n", f"2,{B},{PHONES[0]},n", f"3,{B},{PHONES[2]},n"),
            Read(0, held=[(1, MERGE), (2, MERGE), (3, MERGE)]),
            mapping=keyed(),
        ),
    ],
    60: [
        Case("none", table("1,,,n"), Read(0, [(1, 2, "missing-identifier")]), columns=COLUMNS),
        Case("alone", table(f"1,{A},,"), Read(0, [(1, 2, "too-few-values")]), columns=COLUMNS),
        Case("two", table(f"1,{A},{PHONES[0]},"), Read(1), columns=COLUMNS),
        Case(
            "constants-do-not-count",
            table(f"1,{A},,"),
            Read(0, [(1, 2, "too-few-values")]),
            mapping={
                "version": 1,
                "columns": COLUMNS,
                "computed": {"Account.initial": "UPPER(LEFT(id, 1))"},
                "constants": {"Account.origin": "crm"},
            },
        ),
        Case(
            "cleared-does-not-count",
            table(f"1,{A},,"),
            Read(0, [(1, 2, "too-few-values")]),
            columns=COLUMNS | {"name": {"to": "Contact.firstName", "on_missing": "clear"}},
        ),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_comes_of_rows_that_share_or_lack_identifiers(case: Case, tmp_path: Path) -> None:
    """Each row ends as its line says, and no cell is shown."""
    try_out(case, tmp_path)


def test_a_chain_is_one_group_and_is_said_to_be_a_chain(tmp_path: Path) -> None:
    """Rows that share nothing directly are linked by the one between them."""
    report = importer.validate(request_for(CASES[59][0], tmp_path))
    groups = pl.read_parquet(Path(report.folder or "") / "groups.parquet")
    assert groups.select("group", "row_number").rows() == [("1", 1), ("1", 2), ("1", 3)]
    assert groups["shape"].to_list() == ["chain"] * 3
