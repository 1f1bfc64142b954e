"""What the `imports` commands do. Imported only once one really runs."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from importer.cli.asking import ask
from importer.cli.by_hand import as_document, finished_code, opened, read_list, show, show_listed
from importer.core.limits import IMPORT_MAX_COLUMNS, IMPORT_MAX_FILE_BYTES, IMPORT_MIN_COLUMNS
from importer.core.schema import TraitDefinition
from importer.errors import ConfigError, ImporterError, SettingsError
from importer.memory_api.paging import MOST_OTHERS
from importer.ports import ColumnMapping, ImportStatus
from importer.reports.progress import NoProgress
from importer.reports.wording import counted, size_text
from importer.wiring.by_hand import ByHand


def list_imports(given: Mapping[str, Any]) -> None:
    """Print IDs of import tasks."""
    with opened(given) as (hand, _):
        found = read_list(hand, given, hand.client.imports.list, MOST_OTHERS)
        show_listed(given, found, lambda each: {"import_id": each}, lambda each: [each])


def get_import(given: Mapping[str, Any]) -> int:
    """Print how an import task stands, after waiting for it if asked; return the exit code."""
    import_id = given["import_id"]
    timeout_s = given["timeout_s"] if given["wait"] else 0.0
    with opened(given) as (hand, _):
        seen = hand.finished(lambda: hand.client.imports.get(import_id), lambda task: task.status, timeout_s)
    show({"import_id": import_id, **as_document(seen)}, _lines(import_id, seen), as_json=given["as_json"])
    return finished_code(seen.status) if given["wait"] else 0


def _lines(import_id: str, seen: ImportStatus) -> Iterator[str]:
    size = f", {size_text(seen.file_size_bytes)}" if seen.file_size_bytes is not None else ""
    yield f"{import_id}: {seen.status} ({seen.filename}{size})"
    times = {"created": seen.created_at, "updated": seen.updated_at}
    yield from (f"  {name} {moment}" for name, moment in times.items() if moment)
    if seen.errors is not None or seen.warnings is not None:
        yield f"  errors {seen.errors or 0:,}, warnings {seen.warnings or 0:,}"
    yield from (f"  {c.column_name} -> {c.trait_group}.{c.trait_name}" for c in seen.columns)


def create_import(given: Mapping[str, Any]) -> None:
    """Create an import task for a file, and upload it."""
    path = Path(given["file"])
    with opened(given) as (hand, signals):
        size_bytes = _size_of(path)
        columns = _columns(given["columns"], hand.schema().traits)
        _check_header(path, columns)
        if not hand.emulator:
            question = (
                f"Send {path.name} ({size_text(size_bytes)}, {counted(len(columns), 'column')}) unchecked to"
                f" {hand.store_id} on {hand.host}?"
            )
            if not ask(question, NoProgress(), "--yes", yes=given["yes"]):
                raise ConfigError("nothing was sent: nobody agreed", hint="give --yes to not be asked")
        signals.begun()
        import_id = _send(hand, path, size_bytes, columns)
        show({"accepted": True, "import_id": import_id}, _sent(import_id), as_json=given["as_json"])


def _sent(import_id: str) -> Iterator[str]:
    yield import_id
    yield f"accepted: follow it with `memory-importer imports get {import_id} --wait`"


def _send(hand: ByHand, path: Path, size_bytes: int, columns: Sequence[ColumnMapping]) -> str:
    made = hand.write(lambda: hand.client.create_import(path.name, size_bytes, columns))
    try:
        with path.open("rb") as content:
            hand.client.upload(made.url, content, size_bytes)
    except ImporterError as error:
        left = f"{made.import_id} was made and waits for its file in vain; do it again for a new one"
        error.hint = f"{error.hint}; {left}" if error.hint else left
        raise
    return made.import_id


def _size_of(path: Path) -> int:
    size_bytes = path.stat().st_size
    if not 1 <= size_bytes <= IMPORT_MAX_FILE_BYTES:
        raise ConfigError(
            f"{path.name} has {size_text(size_bytes)}; an import file has 1 byte to {size_text(IMPORT_MAX_FILE_BYTES)}",
            hint="`memory-importer import` cuts a larger file into parts",
        )
    return size_bytes


def _columns(texts: Sequence[str], traits: Mapping[str, TraitDefinition]) -> tuple[ColumnMapping, ...]:
    pairs = [text.rpartition("=") for text in texts]
    for number, (_, equals, ref) in enumerate(pairs, 1):
        if not equals or ref not in traits:
            raise ConfigError(
                f"--column {number} names no trait of the store",
                hint="write --column NAME=Group.trait; `schema show` lists the traits",
            )
    columns = tuple(ColumnMapping(name, traits[ref].group, traits[ref].name) for name, _, ref in pairs)
    if not IMPORT_MIN_COLUMNS <= len(columns) <= IMPORT_MAX_COLUMNS:
        raise ConfigError(
            f"an import has {IMPORT_MIN_COLUMNS} to {IMPORT_MAX_COLUMNS} columns, not {len(columns)}",
            hint="give --column for each",
        )
    return columns


def _check_header(path: Path, columns: Sequence[ColumnMapping]) -> None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error):
        raise SettingsError(f"{path.name}: the header cannot be read", hint="an import file is CSV in UTF-8") from None
    missing = [column.column_name for column in columns if column.column_name not in header]
    if missing:
        raise ConfigError(f"{path.name} has no column {missing[0]!r}", hint="check --column and the file's first line")
