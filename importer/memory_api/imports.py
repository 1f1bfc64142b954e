"""Import tasks of a store: create, list, get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson

from importer.memory_api.answers import count_of
from importer.memory_api.connection import Call, Connection
from importer.memory_api.fields import ids_of, moment_of, text_of, whole_of
from importer.memory_api.paging import FIRST, Page, PageRequest, page_of
from importer.ports import ColumnMapping, CreatedImport, ImportStatus

_LIST: Final = "GET /Profiles/Imports"
_CREATE: Final = "POST /Profiles/Imports"
_GET: Final = "GET /Profiles/Imports/{importId}"


class Imports:
    """Import tasks of the connection's store; every method is one request and raises the ApiError its answer means."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._path = f"{connection.store_path}/Profiles/Imports"

    def list(self, page: PageRequest = FIRST) -> Page[str]:
        """Return one page of import IDs; older services answer without `meta`, which makes it the only one."""
        reply = self._connection.call(Call("GET", self._path, _LIST, query=page.query()))
        answer = reply.json()
        return page_of(reply, answer, ids_of(reply, answer.get("imports") or []))

    def create(self, filename: str, size_bytes: int, columns: Sequence[ColumnMapping]) -> CreatedImport:
        """Create an import task; its file is put to the URL that comes back."""
        mappings = [
            {"columnName": c.column_name, "traitGroup": c.trait_group, "traitName": c.trait_name} for c in columns
        ]
        body = orjson.dumps({"filename": filename, "fileSize": size_bytes, "columnMappings": mappings})
        reply = self._connection.call(Call("POST", self._path, _CREATE, expected=201, body=body))
        answer = reply.json()
        (import_id,) = ids_of(reply, [text_of(reply, answer, "importId")])
        return CreatedImport(import_id, text_of(reply, answer, "url"), reply.request_id)

    def get(self, import_id: str) -> ImportStatus:
        """Read the state of an import task."""
        reply = self._connection.call(Call("GET", f"{self._path}/{quote(import_id, safe='')}", _GET))
        answer = reply.json()
        return ImportStatus(
            status=text_of(reply, answer, "status"),
            filename=text_of(reply, answer, "filename"),
            file_size_bytes=whole_of(answer, "fileSize"),
            errors=count_of(answer.get("summary"), "errors"),
            warnings=count_of(answer.get("summary"), "warnings"),
            request_id=reply.request_id,
            created_at=moment_of(answer, "createdAt"),
            updated_at=moment_of(answer, "updatedAt"),
            columns=_columns(answer.get("columnMappings")),
        )


def _columns(entries: object) -> tuple[ColumnMapping, ...]:
    """Return the columns as far as they are understood: they are shown, and nothing is decided by them."""
    listed: Sequence[Any] = entries if isinstance(entries, list) else []
    named = [_names(entry) for entry in listed if isinstance(entry, dict)]
    return tuple(ColumnMapping(*names) for names in named if all(isinstance(name, str) for name in names))


def _names(entry: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return entry.get("columnName"), entry.get("traitGroup"), entry.get("traitName")
