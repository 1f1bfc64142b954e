"""Import tasks: what was asked for, where its file is, how far it came."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from importer.emulator import import_rows
from importer.emulator.contract import to_pointer
from importer.emulator.database import Database
from importer.emulator.import_rows import MAX_ROWS, ImportFailedError, Parsed
from importer.emulator.operations import Status, Tally, now_us, show_time
from importer.emulator.problems import Fault, invalid_request
from importer.emulator.schema import StoreSchema

_READ_BYTES = 1 << 20


def judge_mappings(mappings: Sequence[Mapping[str, str]], schema: StoreSchema) -> None:
    """Raise the refusal of column mappings that no file could satisfy."""
    faults: list[Fault] = []
    columns: set[str] = set()
    traits: set[tuple[str, str]] = set()
    identifying = False
    for position, mapping in enumerate(mappings):
        name, trait = mapping["columnName"], (mapping["traitGroup"], mapping["traitName"])
        definition = schema.find_definition(*trait)
        if definition is None:
            faults.append(Fault(to_pointer(["columnMappings", position]), "the trait does not exist"))
        elif name in columns or trait in traits:
            faults.append(Fault(to_pointer(["columnMappings", position]), "the column or trait is mapped twice"))
        else:
            identifying = identifying or definition.get("idTypePromotion") is not None
        columns.add(name)
        traits.add(trait)
    if not faults and not identifying:
        faults.append(Fault("#/columnMappings", "no mapped trait is an identifier"))
    if faults:
        raise invalid_request(f"the column mappings are not valid: {faults[0].detail}", faults)


def create(connection: sqlite3.Connection, import_id: str, body: Mapping[str, Any], operation_id: str | None) -> int:
    """Store a pending import; return its time of creation."""
    now = now_us()
    row = (
        import_id,
        Status.PENDING,
        body["filename"],
        body["fileSize"],
        orjson.dumps(body["columnMappings"]),
        now,
        now,
        operation_id,
    )
    connection.execute(
        "INSERT INTO imports (id, status, filename, file_size, mappings, created_at, updated_at, operation_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    return now


def show(database: Database, import_id: str) -> dict[str, Any] | None:
    """Return an import as the API shows it, or None where there is none."""
    rows = database.query(
        "SELECT status, filename, file_size, mappings, created_at, updated_at, errors, warnings FROM imports"
        " WHERE id = ?",
        (import_id,),
    )
    if not rows:
        return None
    status, filename, file_size, mappings, created_at, updated_at, errors, warnings = rows[0]
    body: dict[str, Any] = {
        "status": status,
        "filename": filename,
        "createdAt": show_time(created_at),
        "updatedAt": show_time(updated_at),
        "fileSize": file_size,
        "columnMappings": orjson.loads(mappings),
    }
    if errors is not None:
        body["summary"] = {"errors": errors, "warnings": warnings}
    return body


def upload_path(database: Database, import_id: str) -> Path:
    """Return where an import's uploaded file is kept until it is applied."""
    return database.uploads / f"{import_id}.csv"


def start(connection: sqlite3.Connection, import_id: str) -> list[dict[str, str]]:
    """Mark an import as being processed; return its column mappings."""
    connection.execute(
        "UPDATE imports SET status = ?, updated_at = ? WHERE id = ?", (Status.PROCESSING, now_us(), import_id)
    )
    ((mappings,),) = connection.execute("SELECT mappings FROM imports WHERE id = ?", (import_id,))
    found: list[dict[str, str]] = orjson.loads(mappings)
    return found


def finish(connection: sqlite3.Connection, import_id: str, *, failed: bool, tally: Tally) -> None:
    """Store the end of an import with its counts."""
    connection.execute(
        "UPDATE imports SET status = ?, errors = ?, warnings = ?, updated_at = ? WHERE id = ?",
        (Status.FAILED if failed else Status.COMPLETED, tally.errors, tally.warnings, now_us(), import_id),
    )


def read_upload(path: Path, mappings: Sequence[Mapping[str, str]], schema: StoreSchema) -> Iterator[Parsed]:
    """Yield an uploaded file's rows in chunks; bytes that are not UTF-8 fail their row only."""
    if count_lines(path) > MAX_ROWS + 1:
        raise ImportFailedError(f"the file has more than {MAX_ROWS} rows")
    with path.open(encoding="utf-8", errors="replace", newline="") as lines:
        yield from import_rows.read_chunks(lines, mappings, schema)


def count_lines(path: Path) -> int:
    """Return the number of lines; no allowed cell holds a line break, so these are the rows and the header."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            count += block.count(b"\n")
            last = block[-1:]
    return count if last == b"\n" else count + 1
