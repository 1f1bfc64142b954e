"""What the page shows of issues and groups: true counts, the first examples, no more than fits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.issue_catalogue import CATALOGUE
from importer.reports.html_groups import MOST_GROUPS, MOST_ROWS, read_groups
from importer.reports.html_issues import MIXED, IssueCaps, read_issues
from importer.reports.parquet_file import ROW_GROUP_ROWS
from tests.support.pages import Issue, write_issues, write_merges

PARQUET = "issues.parquet"

ISSUES = st.lists(
    st.tuples(
        st.integers(1, 10**6),
        st.sampled_from([*list(CATALOGUE)[:4], "of-a-later-version"]),
        st.sampled_from(["error", "warning"]),
        st.sampled_from([None, "email", "mobile", "a\u202eb"]),
        st.sampled_from([None, "", "abcdefg", "=1+1"]),
        st.just("expected"),
    ),
    max_size=60,
)


@settings(max_examples=25, deadline=None)
@given(ISSUES)
def test_counts_are_those_of_every_issue(issues: list[Issue]) -> None:
    """By code, and by code, severity and column; no issue is counted twice or left out."""
    with TemporaryDirectory() as name:
        write_issues(Path(name), issues)
        found = read_issues(Path(name) / PARQUET)
    assert found.total == len(issues)
    assert {code.code: code.count for code in found.codes} == Counter(issue[1] for issue in issues)
    kinds = {(code.code, kind.severity, kind.column_name): kind.count for code in found.codes for kind in code.kinds}
    shown = {None: None, "email": "email", "mobile": "mobile", "a\u202eb": "a\\u202eb"}
    assert kinds == Counter((issue[1], issue[2], shown[issue[3]]) for issue in issues)
    for code in found.codes:
        severities = {issue[2] for issue in issues if issue[1] == code.code}
        assert code.severity == (MIXED if len(severities) == 2 else severities.pop())
        for kind in code.kinds:
            rows = Counter(example.row_number for example in code.examples if example.kind == kind)
            alike = [i for i in issues if (i[1], i[2], shown[i[3]]) == (code.code, kind.severity, kind.column_name)]
            assert rows <= Counter(issue[0] for issue in alike)
            assert rows.total() == min(10, len(alike))


def test_examples_are_as_issues_csv_has_them(tmp_path: Path) -> None:
    """Masked or, where values were asked for, made harmless for a spreadsheet that someone pastes them into."""
    issues: list[Issue] = [(7, "invalid-email", "error", "email", "=1+1 and \u202emore", "m")]
    for show, value in ((False, "••• (14 chars)"), (True, "'=1+1 and \\u202emore")):
        write_issues(tmp_path, issues, show_values=show)
        found = read_issues(tmp_path / PARQUET)
        (example,) = found.codes[0].examples
        assert (example.row_number, example.line, example.keys, example.value) == (7, 8, ("K7",), value)
        assert value in (tmp_path / "issues.csv").read_text(encoding="utf-8-sig").replace('""', '"')
        assert found.shows_values is show


def test_errors_come_before_warnings_and_frequent_codes_before_rare_ones(tmp_path: Path) -> None:
    """A code that is both stands with the errors."""
    issues: list[Issue] = [
        *[(n, "unlikely-phone", "warning", "mobile", "x", "m") for n in range(1, 9)],
        *[(n, "invalid-date", "warning", "born", "x", "m") for n in range(1, 3)],
        (3, "invalid-date", "error", "signed", "x", "m"),
        *[(n, "too-long", "error", "notes", "x", "m") for n in range(1, 5)],
    ]
    write_issues(tmp_path, issues)
    found = read_issues(tmp_path / PARQUET)
    assert [(code.code, code.severity) for code in found.codes] == [
        ("too-long", "error"),
        ("invalid-date", MIXED),
        ("unlikely-phone", "warning"),
    ]


def test_caps_leave_counts_alone_and_show_each_code(tmp_path: Path) -> None:
    """Kinds and examples beyond the caps go; every code keeps its most frequent kind, and all counts stay."""
    issues: list[Issue] = [
        (column * 100 + n, "too-long", "error", f"c{column}", "x", "m") for column in range(20) for n in range(1, 30)
    ]
    issues.append((9_999, "missing-key", "warning", None, None, "m"))
    write_issues(tmp_path, issues)
    found = read_issues(tmp_path / PARQUET, IssueCaps(kinds=5, examples_each=3, examples=10, example_bytes=10_000))
    long, missing = found.codes
    assert (long.count, len(long.kinds), long.kinds_left_out) == (580, 4, 16)
    assert (missing.count, len(missing.kinds)) == (1, 1)
    assert found.total == 581
    assert found.example_count == 4 * 2 + 1
    tiny = read_issues(tmp_path / PARQUET, IssueCaps(kinds=5, examples_each=3, examples=10, example_bytes=60))
    assert 0 < tiny.example_count < found.example_count
    assert tiny.total == 581


def test_a_file_of_many_row_groups_is_counted_and_its_first_examples_found(tmp_path: Path) -> None:
    """Places of examples are right across row groups; later groups are read only for what they alone have."""
    rows = 2 * ROW_GROUP_ROWS + 10
    issues: list[Issue] = [(n, "too-long", "error", "notes", "secret-value", "m") for n in range(1, rows)]
    issues.append((rows, "invalid-email", "error", "email", "nobody", "last of all"))
    write_issues(tmp_path, issues)
    assert pl.read_parquet(tmp_path / PARQUET).height == rows
    long, email = read_issues(tmp_path / PARQUET).codes
    assert (long.count, [example.row_number for example in long.examples]) == (rows - 1, list(range(1, 11)))
    (example,) = email.examples
    assert (example.row_number, example.value, example.message) == (rows, "n••• (6 chars)", "last of all")


def test_no_file_and_an_empty_file_have_no_issues(tmp_path: Path) -> None:
    """A run without issues writes a file without rows."""
    assert read_issues(tmp_path / PARQUET).codes == ()
    write_issues(tmp_path, [])
    assert read_issues(tmp_path / PARQUET).total == 0


def test_groups_are_counted_by_size_and_the_largest_are_shown(tmp_path: Path) -> None:
    """Rows of a group, and groups, are cut; counts are of all of them."""
    write_merges(tmp_path, [2] * 30 + [MOST_ROWS + 5, 4], value="somebody@example.com")
    found = read_groups(tmp_path / "groups.parquet")
    assert found.total == 32
    assert found.by_size == {"2 rows": 30, "4 to 5 rows": 1, "more than 10 rows": 1}
    assert found.by_links == {"email, phone": 32}
    assert [(group.name, group.size, len(group.rows)) for group in found.groups[:3]] == [
        ("31", MOST_ROWS + 5, MOST_ROWS),
        ("32", 4, 4),
        ("1", 2, 2),
    ]
    assert len(found.groups) == MOST_GROUPS
    assert found.groups[2].rows[0].keys == ("G1",)
    assert found.groups[2].rows[0].linking == "s••• (20 chars)"


def test_groups_with_the_same_links_are_counted_together(tmp_path: Path) -> None:
    """In whatever order a group has the idTypes that link it."""
    write_merges(tmp_path, [2, 2, 2])
    path = tmp_path / "groups.parquet"
    links = [["phone", "email"]] * 2 + [["email", "phone"]] * 2 + [["phone"]] * 2
    pl.read_parquet(path).with_columns(id_types=pl.Series(links)).write_parquet(path)
    assert read_groups(path).by_links == {"email, phone": 2, "phone": 1}


def test_no_groups_file_has_no_groups(tmp_path: Path) -> None:
    """Most runs have none."""
    assert read_groups(tmp_path / "groups.parquet").groups == ()
