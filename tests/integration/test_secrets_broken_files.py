"""Files that cannot be read, or hardly: what is wrong with them is said, what is in them is not."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson
import polars as pl
import pytest

from importer.core.mapping_seed import seed_for
from importer.core.mapping_yaml import parse_mapping
from importer.core.schema import StoreSchema
from tests.support.canaries import MAPPING, canary_rows, found_in, source_of, texts_in, texts_of
from tests.support.client import STORE
from tests.support.here import run_here

ROWS: Final = canary_rows()
GOOD: Final = [row for row in ROWS if row.kind == "bulk"]
TEXT: Final = source_of(GOOD)
CELLS: Final = sorted({text for row in GOOD for text in row.canaries()})


def parquet() -> bytes:
    """Return the good rows as Parquet."""
    content = io.BytesIO()
    pl.DataFrame([dict(row.cells) for row in GOOD]).write_parquet(content)
    return content.getvalue()


HEADER, *LINES = TEXT.splitlines()

BROKEN: Final[dict[str, tuple[str, Callable[[], bytes]]]] = {
    "an open quote": ("a.csv", lambda: TEXT.replace("zqfirst", '"zqfirst', 1).encode()),
    "two stray quotes": ("a.csv", lambda: TEXT.replace(",zqfirst", ',"zqfirst', 2).encode()),
    "bytes that are no UTF-8": ("a.csv", lambda: TEXT.encode().replace(b"qz,DE", b"qz\xe9,DE", 2)),
    "UTF-16 without a mark": ("a.csv", lambda: TEXT.encode("utf-16-le")),
    "no header": ("a.csv", lambda: "\n".join(LINES).encode()),
    "a header twice": ("a.csv", lambda: TEXT.replace("extra", "note", 1).encode()),
    "another delimiter": ("a.csv", lambda: TEXT.replace(",", ";").encode()),
    "titles above the header": ("a.csv", lambda: ("\n".join([LINES[0], LINES[1], TEXT])).encode()),
    "rows too long": ("a.csv", lambda: TEXT.replace("qz,DE", "qz,zqmoreqz,DE").encode()),
    "rows too short": ("a.csv", lambda: TEXT.replace(",DE,", ",").encode()),
    "backslashes before quotes": ("a.csv", re.sub(r"(zqextra\w+)", r'"say \\"\1, now\\""', TEXT).encode),
    "NUL": ("a.csv", lambda: TEXT.replace("qz,DE", "\0qz,DE").encode()),
    "a field without end": ("a.csv", (TEXT + "zq" * 40_000_000).encode),
    "a web page": ("a.csv", f"<!DOCTYPE html><html><body>{TEXT}</body></html>".encode),
    "an error as JSON": ("a.csv", lambda: orjson.dumps({"error": TEXT})),
    "a zip": ("a.csv", lambda: b"PK\x03\x04" + TEXT.encode()),
    "a cut gzip": ("a.csv.gz", lambda: gzip.compress(TEXT.encode() * 50)[:-20]),
    "a cut Parquet": ("a.parquet", lambda: parquet()[:-20]),
    "a Parquet with other bytes": ("a.parquet", lambda: parquet().replace(b"zqfirst", b"zqf\xff\xferst")),
    "CSV named Parquet": ("a.parquet", TEXT.encode),
    "Parquet named CSV": ("a.csv", parquet),
}

FINE: Final = {"another delimiter", "CSV named Parquet", "Parquet named CSV"}
"""Read all the same."""


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write mapping and schema, so that nothing but the source is read."""
    folder = tmp_path_factory.mktemp("beside")
    (folder / "mapping.yaml").write_bytes(orjson.dumps(MAPPING))
    seed = seed_for(parse_mapping(orjson.dumps(MAPPING), "mapping.yaml"))
    schema = StoreSchema.from_api(
        {"id": STORE, "displayName": "s", "status": "ACTIVE"},
        [group | {"version": 1} for group in seed["traitGroups"]],
        {"identifierConfigs": seed["identifierConfigs"], "matchingRules": seed["matchingRules"]},
    )
    (folder / "schema.json").write_bytes(schema.to_file())
    return folder


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_of_without_its_cells(
    name: str, beside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in what is printed, however verbose, and in no file but those for rejected rows; nothing else is left."""
    file_name, content = BROKEN[name]
    source, temporary = tmp_path / file_name, tmp_path / "temporary"
    source.write_bytes(content())
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    fixed = ("-m", beside / "mapping.yaml", "--schema", beside / "schema.json", "--json")
    ended = run_here(tmp_path, "-vv", "validate", source, *fixed)
    assert ended.code in ({0} if name in FINE else {2, 3}), ended.stderr
    assert ended.report["exit_code"] == ended.code
    assert found_in(texts_in((ended.stdout + ended.stderr).encode()), CELLS) == set()
    assert len(ended.stderr) < 5000
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != source and not path.name.startswith("rejected"):
            keys = {row.cells["id"] for row in GOOD} if path.name in ("issues.csv", "issues.parquet") else set()
            assert found_in(texts_of(path), CELLS) - keys <= _with_keys(path), path
    assert list(temporary.iterdir()) == []


def _with_keys(path: Path) -> set[str]:
    """Return what a file for people may hold: keys."""
    is_for_people = path.name in ("outcomes.parquet", "groups.parquet", "report.html")
    return {row.cells["id"] for row in GOOD} if is_for_people else set()
