"""Sync files: strict, with the line and the fix of every fault."""

from __future__ import annotations

import pytest

from importer.core.sync_file import Mode, cursor_fault, parse_sync_file, sync_file_schema
from importer.errors import SyncFileError

USUAL = """version: 1
source: env:WAREHOUSE_URL
query: "SELECT * FROM crm WHERE updated_at >= $cursor"
mapping: customers.yaml
mode: upsert
cursor: {column: updated_at, lag: 1d2h}
"""


def problems(text: str) -> list[str]:
    """Return the faults of a file."""
    with pytest.raises(SyncFileError) as refused:
        parse_sync_file(text.encode(), "crm.sync.yaml")
    return [str(problem) for problem in refused.value.problems]


def test_a_whole_file_is_read() -> None:
    """What it does not say has a default, and a lag is a number of seconds."""
    sync = parse_sync_file(USUAL.encode(), "crm.sync.yaml")
    assert (sync.mode, sync.source, sync.refused_runs) == (Mode.UPSERT, ("env:WAREHOUSE_URL",), 3)
    assert sync.cursor is not None
    assert sync.cursor.lag_s == 26 * 3600
    assert (sync.keep.runs, sync.keep.age_s) == (300, 30 * 86_400)
    brakes = sync.brakes_of()
    assert (brakes.max_operations, brakes.max_changed_percent, brakes.allow_empty) == (200_000, 50, False)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "mode: upsert",
            "mode: mirror",
            "line 6: mode mirror reads all rows and takes no `cursor`: it would",
        ),
        ("mode: upsert", "mode: full", "line 6: mode full reads all rows and takes no `cursor` (take it out"),
        ("mode: upsert", "mode: copy", "line 5: `mode` has a value that is not known (one of: full, upsert or mirror)"),
        ("mode: upsert", "mood: upsert", "line 5: there is no key `mood` (did you mean `mode`?)"),
        ("lag: 1d2h", "lag: 999999d", "line 6: `999999d` is not a time"),
        ("mode: upsert", "mode: upsert\nkeep: {runs: 0}", "line 6: `runs`: must be at least 1"),
        ("lag: 1d2h", "lag: 10x", "line 6: `10x` is not a time (for example 90s, 10m, 2h or 1d12h)"),
        (" >= $cursor", "", "line 3: the query has no $cursor (add a condition such as `WHERE updated_at >= $cursor`)"),
        ("cursor: {column: updated_at, lag: 1d2h}", "", "line 3: the query has $cursor, and there is no `cursor`"),
        ("mode: upsert", "mode: upsert\nremoval: {max: 3}", "line 6: mode upsert removes nothing"),
        (
            "mode: upsert\ncursor: {column: updated_at, lag: 1d2h}",
            "mode: mirror\nremoval: {policy: none, handed_on: removed}",
            "line 6: `policy: none` removes nothing",
        ),
        ("mode: upsert", "mode: upsert\nrefused_runs: 0", "line 6: `refused_runs`: must be at least 1"),
        ("version: 1", "version: 2", "line 1: this program reads sync file version 1 only (write `version: 1`)"),
        ("mapping: customers.yaml\n", "", "`mapping` is missing (add `mapping:` with the path of a mapping file)"),
    ],
)
def test_each_fault_has_its_line_and_its_fix(old: str, new: str, expected: str) -> None:
    """A file that cannot be meant is refused before anything is read."""
    found = problems(USUAL.replace(old, new))
    assert any(problem.startswith(expected) for problem in found), found


def test_all_faults_are_told_at_once() -> None:
    """In the order of their lines."""
    found = problems("version: 1\nsource: a.csv\nmapping: m.yaml\nmode: full\nparameters: [a]\ncursor: {column: x}\n")
    assert [line.split(":")[0] for line in found] == ["line 5", "line 6", "line 6"]


def test_what_is_no_sync_file_is_refused() -> None:
    """An empty file, a list, and a mapping file say what to write instead."""
    assert problems("") == ["the file is empty (add `version: 1` as the first line)"]
    assert problems("- a") == [
        "line 1: the file holds a list (a sync file has keys: version, source, mapping, mode, ...)"
    ]
    assert len(problems("version: 1\ncolumns: {a: B.c}\n")) == 4


def test_what_is_read_has_a_fingerprint() -> None:
    """It moves with the query, the cursor's column and the mapping; brakes and lag are no part of it."""
    sync = parse_sync_file(USUAL.encode(), "s")
    same = parse_sync_file(USUAL.replace("1d2h", "5m").encode() + b"brakes: {allow_empty: true}\n", "s")
    other = parse_sync_file(USUAL.replace("column: updated_at", "column: changed_at").encode(), "s")
    assert sync.reading("q", "m") == same.reading("q", "m")
    assert len({sync.reading("q", "m"), sync.reading("p", "m"), sync.reading("q", "n"), other.reading("q", "m")}) == 4


def test_a_query_from_a_file_is_judged_when_it_is_read() -> None:
    """The sync file alone does not say what is in it."""
    sync = parse_sync_file(USUAL.replace('"SELECT * FROM crm WHERE updated_at >= $cursor"', '"@crm.sql"').encode(), "s")
    assert cursor_fault(sync, "SELECT 1") is not None
    assert cursor_fault(sync, "SELECT $cursor") is None


def test_editors_get_a_schema() -> None:
    """Every key of every section has a description."""
    schema = sync_file_schema()
    sections: dict[str, dict[str, dict[str, object]]] = schema["$defs"]  # type: ignore[assignment]
    for section in (schema, sections["CursorSection"], sections["RemovalSection"], sections["BrakesSection"]):
        entries: dict[str, dict[str, object]] = section["properties"]  # type: ignore[assignment]
        assert [name for name, entry in entries.items() if not {"description", "$ref"} & entry.keys()] == []
