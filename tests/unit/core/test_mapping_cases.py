"""The `tests` section of a mapping: what it may say, and what its rows come to."""

from __future__ import annotations

import pytest

from importer.core.check_values import compile_checks
from importer.core.mapping_cases import CaseResult, run_cases, text_of
from importer.core.mapping_drift import named_columns
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import seeded_schema
from importer.core.mapping_yaml import parse_mapping
from importer.errors import MappingError

MAPPING = """version: 1
source: {where: "state <> 'x'"}
columns:
  mail: Contact.email
  name: {to: Contact.name, on_missing: clear}
  points: {to: Loyalty.points, type: number, on_missing: remove}
  tags: {to: Loyalty.tags, type: array, split: "|"}
  tel: {to: Contact.phone, region: US, on_invalid: drop}
"""
TEST = "tests:\n  - name: t\n    given: {mail: A@example.com, name: Al, %s}\n    %s\n"


def run(given: str, wanted: str) -> CaseResult:
    """Run one test: further cells, and the line of what it expects."""
    mapping = parse_mapping((MAPPING + TEST % (given, wanted)).encode(), "m")
    plan = resolve_mapping(mapping, named_columns(mapping), seeded_schema(mapping))
    return run_cases(mapping, compile_checks(plan))[0]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ('points: "7"', "expect: {Contact.email: a@example.com, Loyalty.points: 7}"),
        ("tags: a|b", "expect: {Loyalty.tags: [a, b]}"),
        ('tags: ""', "expect: {Loyalty.tags: null}"),
        ('points: ""', "removed: Loyalty.points"),
        ("points: many", "issues: [type-mismatch]"),
        ("tel: nonsense", "expect: {Contact.phone: null}"),
        ('points: "1"', "issues: []"),
        ("state: x", "skipped: true"),
    ],
)
def test_what_comes_out_as_expected_passes(given: str, wanted: str) -> None:
    """Values, removals, issues and skipped rows; a warning does not fail a test that says nothing of issues."""
    assert run(given, wanted).passed


@pytest.mark.parametrize(
    ("given", "wanted", "about", "actual"),
    [
        ('points: "7"', 'expect: {Loyalty.points: "7"}', "Loyalty.points", "7"),
        ('points: "1"', "expect: {Loyalty.points: true}", "Loyalty.points", "1"),
        ('points: ""', "expect: {Loyalty.points: null}", "Loyalty.points", "(removed)"),
        ('points: "7"', "removed: Loyalty.points", "Loyalty.points", "7"),
        ("points: many", "expect: {Contact.name: Al}", "row", "rejected: type-mismatch in `points`"),
        ("tel: nonsense", "issues: []", "issues", "invalid-phone in `tel`"),
        ("state: x", "issues: []", "row", "skipped"),
        ("state: y", "skipped: true", "row", "not skipped"),
    ],
)
def test_what_comes_out_otherwise_fails_and_is_shown(given: str, wanted: str, about: str, actual: str) -> None:
    """The first difference names what it is about and what came out; a number is not its text."""
    result = run(given, wanted)
    assert not result.passed
    assert (result.differences[0].about, result.differences[0].actual) == (about, actual)
    assert result.line == 10


def test_a_row_that_is_rejected_is_one_difference() -> None:
    """One cause, one line: what such a row would have sent says nothing more."""
    result = run("points: many", "expect: {Contact.email: a@example.com, Loyalty.points: 7, Contact.phone: null}")
    assert [item.about for item in result.differences] == ["row"]
    told = run("points: many", "expect: {Loyalty.points: 7, Contact.phone: null}\n    issues: [type-mismatch]")
    assert [(item.about, item.actual) for item in told.differences] == [
        ("Loyalty.points", "(nothing): the row is rejected")
    ]


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("- {name: t, given: {mial: a}, issues: []}", "the mapping uses no column `mial` (did you mean `mail`?)"),
        ("- {name: t, given: {mail: a}, expect: {Contact.nmae: a}}", "the mapping does not fill `Contact.nmae`"),
        ("- {name: t, given: {mail: a}, removed: Loyalty.x}", "the mapping does not fill `Loyalty.x`"),
        ("- {name: t, given: {mail: a}, issues: [invalid-emial]}", "there is no issue `invalid-emial`"),
        ("- {name: t, given: {mail: a}}", "the test expects nothing"),
        ("- {name: t, given: {mail: a}, skipped: true, issues: []}", "a row that is skipped has no values"),
        ("- {name: t, given: {mail: 7}, issues: []}", 'quote it: "7"'),
        ("- {name: t, issues: []}", "`given` is missing"),
        ("- {name: t, given: {mail: a}, expects: {}}", "did you mean `expect`?"),
        ("- {name: t, given: {mail: a}, issues: []}\n- {name: t, given: {mail: a}, issues: []}", "two tests are named"),
    ],
)
def test_tests_are_read_as_strictly_as_the_rest(tests: str, message: str) -> None:
    """Slips are refused with their lines and what was meant, before anything runs."""
    with pytest.raises(MappingError) as refused:
        parse_mapping(f"{MAPPING}tests:\n{tests}\n".encode(), "m")
    assert any(message in str(problem) and problem.line is not None for problem in refused.value.problems)


def test_tests_do_not_change_what_a_mapping_means() -> None:
    """A package planned with a mapping is still of that mapping when tests are added to it."""
    tested = MAPPING + TEST % ('points: "7"', "issues: []")
    assert parse_mapping(tested.encode(), "m").fingerprint == parse_mapping(MAPPING.encode(), "m").fingerprint


def test_a_value_and_its_text_are_told_apart() -> None:
    """What is shown says what kind it is, and cannot redraw a screen."""
    assert [text_of(value) for value in (12, "12", True, "true", None, ["a", 1])] == [
        *("12", '"12"', "true", '"true"', "(nothing)", '["a", 1]')
    ]
    assert text_of("\x1b[2J") == '"\\x1b[2J"'
