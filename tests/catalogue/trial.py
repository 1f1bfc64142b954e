"""One input of the catalogue, tried: a dry run over it as it is, and what came of that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

import importer
from importer.core.mapping_seed import seed_for
from importer.core.schema import StoreSchema
from importer.ports import SourceOptions
from importer.sources import open_source
from importer.wiring.opening import merged_source_options, read_mapping

CANARY: Final = "zqcanaryqz"
"""Stands in cells, and must not stand in anything that is said of them."""

COLUMNS: Final = {"email": "Contact.email", "name": "Contact.firstName"}
STORE: Final = "mem_store_00000000000000000000000001"

Make = Callable[[Path], Any]


@dataclass(frozen=True)
class Refused:
    """The run ends before anything is sent.

    Attributes:
        words: What the cause says, each of them.
        fix: What the hint says.
        error: Its type.
    """

    words: tuple[str, ...]
    fix: str = ""
    error: type[importer.ImporterError] = importer.SourceError


@dataclass(frozen=True)
class Read:
    """The run goes on.

    Attributes:
        planned: Rows that would be sent.
        rejected: Row number, line and code of the others.
        held: Row number and code of valid rows that are held back.
        combined: Rows whose values another one carries.
        warnings: Row number and code of what is worth knowing of rows; None does not look.
        blank: Rows skipped as blank lines.
        cells: Cells of the source by column, as they are read.
        notes: What the report's notes and those on the source say, each of them.
        says: What the message of the first issue says.
    """

    planned: int
    rejected: Sequence[tuple[int, int | None, str]] = ()
    held: Sequence[tuple[int, str]] = ()
    combined: int = 0
    warnings: Sequence[tuple[int, str]] | None = None
    blank: int = 0
    cells: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        name: Of the case.
        make: Writes the file into a folder and returns its path, or bytes for a file `table.csv`.
        expected: What must come of it.
        columns: The mapping's columns.
        source: The mapping's section `source`.
        options: How to read, as `SourceOptions` has it.
        mapping: The whole mapping file, in place of `columns` and `source`.
        store: A mapping that the store has everything for; the case's own if None.
    """

    name: str
    make: Make | bytes
    expected: Refused | Read
    columns: Mapping[str, Any] = field(default_factory=lambda: dict(COLUMNS))
    source: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    mapping: Mapping[str, Any] | bytes | None = None
    store: Mapping[str, Any] | None = None


Cases = Mapping[int, Sequence[Case]]


def parameters(cases: Cases) -> list[Any]:
    """Return the cases for pytest, each named by its line and its own name."""
    return [
        pytest.param(case, id=f"line-{line:02d}-{case.name}") for line, several in cases.items() for case in several
    ]


def request_for(case: Case, folder: Path) -> importer.RunRequest:
    """Write a case's files and return the request of a dry run against a schema file that has what it needs."""
    made = case.make(folder) if callable(case.make) else case.make
    path = made if isinstance(made, Path) else folder / "table.csv"
    if isinstance(made, bytes):
        path.write_bytes(made)
    mapping = folder / "mapping.yaml"
    mapping.write_bytes(_mapping_of(case))
    return importer.RunRequest(
        source=str(path),
        mapping=mapping,
        settings=importer.Settings(runs_dir=str(folder / "runs")),
        schema_file=_schema_for(case, mapping, folder),
        source_options=SourceOptions(**case.options),
    )


def _mapping_of(case: Case) -> bytes:
    if isinstance(case.mapping, bytes):
        return case.mapping
    section = {"source": dict(case.source)} if case.source else {}
    document = {"version": 1, "columns": dict(case.columns)} | section if case.mapping is None else case.mapping
    return json.dumps(document).encode()


def _schema_for(case: Case, mapping: Path, folder: Path) -> Path:
    if case.store is None:
        return write_schema(mapping, folder / "schema.json")
    whole = folder / "store.yaml"
    whole.write_text(json.dumps(case.store), encoding="utf-8")
    return write_schema(whole, folder / "schema.json")


def write_schema(mapping: Path, path: Path) -> Path:
    """Write the schema of a store that has what a mapping needs."""
    seed = seed_for(read_mapping(mapping))
    groups = [group | {"version": 1} for group in seed["traitGroups"]]
    identity = {"identifierConfigs": seed["identifierConfigs"], "matchingRules": seed["matchingRules"]}
    schema = StoreSchema.from_api({"id": STORE, "displayName": "catalogue"}, groups, identity)
    path.write_bytes(schema.to_file())
    return path


def try_out(case: Case, folder: Path) -> None:
    """Run a case and compare what comes of it."""
    if isinstance(case.expected, Refused):
        check_refused(case, folder, case.expected)
    else:
        check_read(case, folder, case.expected)


def check_refused(case: Case, folder: Path, expected: Refused) -> None:
    """Compare how a run is refused."""
    request = request_for(case, folder)
    with pytest.raises(importer.ImporterError) as caught:
        importer.validate(request)
    error = caught.value
    assert type(error) is expected.error, (type(error), error.message)
    problems = " ".join(map(str, getattr(error, "problems", ())))
    said = f"{error.message} {problems}"
    for word in expected.words:
        assert word in said, said
    assert error.hint
    assert expected.fix in f"{error.hint} {problems}", (error.hint, problems)
    assert CANARY not in f"{said} {error.hint}".lower()
    assert "\n" not in error.message + error.hint
    assert len(error.message) < 500
    assert list((folder / "runs").glob("2*")) == []


def check_read(case: Case, folder: Path, expected: Read) -> None:
    """Compare what is read, and what is said of it."""
    request = request_for(case, folder)
    report = importer.validate(request)
    run = Path(report.folder or "")
    found = pl.read_parquet(run / "issues.parquet")
    issues = found.filter(severity="error")
    assert issues.select("row_number", "line", "code").rows() == list(expected.rejected)
    if expected.warnings is not None:
        assert found.filter(severity="warning").select("row_number", "code").rows() == list(expected.warnings)
    held = pl.read_parquet(run / "outcomes.parquet").filter(state="held")
    assert held.select("row_number", "code").rows() == list(expected.held)
    for message in found["message"].to_list():
        assert CANARY not in message.lower()
    if expected.says:
        assert expected.says in issues["message"][0]
    counts = {state: count for state, count in report.outcomes.items() if count}
    rejected = len({row for row, _, _ in expected.rejected})
    wanted = {
        "planned": expected.planned,
        "rejected": rejected,
        "skipped": expected.blank,
        "held": len(expected.held),
        "combined": expected.combined,
    }
    assert counts == {state: count for state, count in wanted.items() if count}
    assert report.rows_read == sum(wanted.values())
    assert report.exit_code == (3 if rejected or expected.held else 0)
    assert CANARY not in (run / "report.json").read_text(encoding="utf-8").lower()
    source = open_source(
        request.sources, merged_source_options(read_mapping(request.mapping_path), request.source_options)
    )
    said = " ".join((*report.notes, *source.describe().notes))
    for note in expected.notes:
        assert note in said, said
    if expected.cells:
        frames = [chunk.frame.select(list(expected.cells)) for chunk in source.chunks()]
        assert pl.concat(frames).to_dict(as_series=False) == {name: list(c) for name, c in expected.cells.items()}
