"""A mirror of a table: what is deleted there is deleted in the store, and nothing when the table is not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from importer.errors import SourceError
from tests.support.mirrors import MIRROR, deleted, profile_of, told
from tests.support.postgres import Postgres
from tests.support.runs import Workbench, bench_of
from tests.support.strict_store import POINTERS
from tests.support.syncs import MAPPING, Synced

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def table(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """Make a table of 300 people."""
    postgres.execute(
        "DROP TABLE IF EXISTS mirrored",
        "CREATE TABLE mirrored AS SELECT 'K' || g AS id, 'p' || g || '@example.com' AS email, "
        "'+1206' || lpad(g::text, 7, '0') AS phone, g AS points FROM generate_series(1, 300) g",
    )
    monkeypatch.setenv("SYNC_WAREHOUSE", postgres.uri)
    yield postgres
    postgres.execute("DROP TABLE IF EXISTS mirrored")


def test_of_a_table_exactly_the_deleted_rows_go(bench: Workbench, table: Postgres) -> None:
    """An emptied table and one that is gone remove none, with exit codes 6 and 2."""
    sync = Synced(bench, {**MIRROR, "source": "env:SYNC_WAREHOUSE", "query": "SELECT * FROM mirrored"})
    sync.run(first_run=True)
    gone = {profile_of(sync, f"p{number}@example.com") for number in (100, 200, 300)}
    table.execute("DELETE FROM mirrored WHERE points % 100 = 0", "UPDATE mirrored SET points = 999 WHERE points < 4")
    assert set(deleted(sync, lambda: told(sync.run()))) == gone
    assert len(sync.stored()) == 297
    table.execute("CREATE TABLE kept_mirrored AS SELECT * FROM mirrored", "DELETE FROM mirrored")
    before = sync.folder.snapshot.read_bytes()
    assert deleted(sync, lambda: None if sync.run().exit_code == 6 else pytest.fail("it ran")) == []
    table.execute("DROP TABLE mirrored")
    with pytest.raises(SourceError):
        sync.run()
    assert sync.folder.snapshot.read_bytes() == before
    table.execute("ALTER TABLE kept_mirrored RENAME TO mirrored")
    assert sync.runs() == ({"unchanged": 297}, 0)
