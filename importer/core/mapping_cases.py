"""The `tests` of a mapping file: rows with what is to become of them, run through the checks of a real run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import polars as pl

from importer.core.check import REMOVE_PREFIX, check_rows
from importer.core.check_values import Checks
from importer.core.issue_catalogue import CATALOGUE
from importer.core.mapping import MappingFile
from importer.core.mapping_checks import did_you_mean, quoted
from importer.core.mapping_drift import filled_traits, named_columns
from importer.core.mapping_sections import Case
from importer.core.schema import DataType
from importer.errors import Problem

REMOVED: Final = "(removed)"
NOTHING: Final = "(nothing)"


@dataclass(frozen=True, slots=True)
class Difference:
    """What came out otherwise than expected, as text: they are the values of whoever wrote the test.

    Attributes:
        about: A trait (``Group.trait``), ``issues`` or ``row``.
        expected: What the test says.
        actual: What came out.
    """

    about: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one test.

    Attributes:
        name: Of the test.
        line: Of the mapping file, None where it is not known.
        differences: None where it passed.
    """

    name: str
    line: int | None
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Tell whether everything came out as expected."""
        return not self.differences


def case_problems(mapping: MappingFile) -> list[Problem]:
    """Return what no run of the tests could make right: names that the mapping does not know, or knows twice."""
    if not mapping.tests:
        return []
    columns, traits = named_columns(mapping), filled_traits(mapping)
    problems: list[Problem] = []
    names: set[str] = set()
    for number, case in enumerate(mapping.tests):
        if case.name in names:
            line = mapping.line_of("tests", number, "name")
            problems.append(Problem(line, f"two tests are named {quoted(case.name)}", "give each its own name"))
        names.add(case.name)
        for path, message, fix in _unknown(case, columns, traits):
            problems.append(Problem(mapping.line_of("tests", number, *path), message, fix))
    return problems


def _unknown(
    case: Case, columns: tuple[str, ...], traits: Mapping[str, int | None]
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    for column in case.given:
        if column not in columns:
            fix = did_you_mean(column, columns, "a test gives columns that the mapping uses")
            yield ("given", column), f"the mapping uses no column {quoted(column)}", fix
    for section, refs in (("expect", tuple(case.expect)), ("removed", case.removed)):
        for ref in refs:
            if ref not in traits:
                fix = did_you_mean(ref, traits, "a test expects traits that the mapping fills")
                yield (section, ref), f"the mapping does not fill {quoted(ref)}", fix
    for code in case.issues or ():
        if code not in CATALOGUE:
            fix = did_you_mean(code, CATALOGUE, "`memory-importer explain` lists them")
            yield ("issues",), f"there is no issue {quoted(code)}", fix


def run_cases(mapping: MappingFile, checks: Checks) -> tuple[CaseResult, ...]:
    """Run the tests of a mapping.

    Args:
        mapping: With its tests.
        checks: The compiled plan of the mapping, brought together with `named_columns` and a store.

    Returns:
        One result a test, in their order.
    """
    cases = mapping.tests
    frame = pl.DataFrame(
        {name: [case.given.get(name) for case in cases] for name in named_columns(mapping)},
        schema_overrides=dict.fromkeys(named_columns(mapping), pl.String()),
    )
    numbers = pl.int_range(len(cases), dtype=pl.UInt64, eager=True)
    blank = pl.Series([False] * len(cases), dtype=pl.Boolean)
    checked = check_rows(checks, frame, numbers, blank)
    states = checked.early["state"].to_list()
    # An ARRAY is kept as the JSON that is sent.
    arrays = [trait.ref for trait in checks.plan.traits if trait.data_type is DataType.ARRAY]
    typed = {
        row["row"]: row | {ref: orjson.loads(row[ref]) for ref in arrays if row[ref] is not None}
        for row in checked.typed.to_dicts()
    }
    found: dict[int, dict[str, list[str]]] = {}
    for at, code, column in checked.issues.select("row_number", "code", "column").iter_rows():
        found.setdefault(at, {}).setdefault(code, []).extend([] if column is None else [column])
    return tuple(
        CaseResult(
            case.name,
            mapping.line_of("tests", at),
            tuple(_differences(case, states[at], typed.get(at, {}), found.get(at, {}))),
        )
        for at, case in enumerate(cases)
    )


def _differences(
    case: Case, state: str | None, row: Mapping[str, Any], found: Mapping[str, list[str]]
) -> Iterator[Difference]:
    if case.skipped or state == "skipped":
        if not (case.skipped and state == "skipped"):
            yield Difference("row", "skipped" if case.skipped else "not skipped", state or "not skipped")
        return
    if case.issues is None and state == "rejected":
        # What the row would have sent says nothing more: it sends nothing.
        yield Difference("row", "not rejected", f"rejected: {_listed(found)}")
        return
    if case.issues is not None and found.keys() != {*case.issues}:
        yield Difference("issues", ", ".join(case.issues) or "none", _listed(found) or "none")
    wanted = {**{ref: text_of(value) for ref, value in case.expect.items()}, **dict.fromkeys(case.removed, REMOVED)}
    for ref, expected in wanted.items():
        actual = _shown(row, ref) if row else NOTHING
        if actual != expected:
            yield Difference(ref, expected, actual if row else f"{actual}: the row is rejected")


def _listed(found: Mapping[str, list[str]]) -> str:
    """Name issues and their columns: ``type-mismatch in `points```."""
    return ", ".join(
        f"{code} in {', '.join(map(quoted, columns))}" if columns else code for code, columns in sorted(found.items())
    )


def _shown(row: Mapping[str, Any], ref: str) -> str:
    return REMOVED if row.get(REMOVE_PREFIX + ref) else text_of(row[ref])


def text_of(value: object) -> str:
    """Show a value so that a number, a truth value and their texts differ: ``12``, ``true``, ``"12"``."""
    if value is None:
        return NOTHING
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        shown = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in escaped)
        return f'"{"".join(shown)}"'
    return str(value)
