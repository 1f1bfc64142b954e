"""Operations: what became of accepted work."""

from __future__ import annotations

from typing import Final

from importer.errors import RejectedRequestError
from importer.memory_api.answers import count_of, error_code
from importer.memory_api.connection import Call, Connection
from importer.memory_api.fields import is_id, moment_of, text_of
from importer.ports import OperationStatus

_GET: Final = "GET /Operations/{operationId}"


class Operations:
    """Operations of the account; every method is one request and raises the ApiError its answer means."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, status_url_or_id: str) -> OperationStatus:
        """Read the state of an operation; a URL must be on the API host."""
        path = self._connection.path_of(status_url_or_id)
        if path is None and is_id(status_url_or_id):
            path = f"/v1/ControlPlane/Operations/{status_url_or_id}"
        if path is None:
            raise RejectedRequestError("a status URL is not on the API host", endpoint=_GET, status=404)
        reply = self._connection.call(Call("GET", path, _GET))
        answer = reply.json()
        result = answer.get("result")
        counts = result if isinstance(result, dict) and "errors" in result else answer.get("summary")
        operation_id = answer.get("operationId")
        return OperationStatus(
            status=text_of(reply, answer, "status"),
            errors=count_of(counts, "errors"),
            warnings=count_of(counts, "warnings"),
            request_id=reply.request_id,
            retry_after_s=reply.wait_s(self._connection.now),
            operation_id=operation_id if is_id(operation_id) else None,
            created_at=moment_of(answer, "createdAt"),
            completed_at=moment_of(answer, "completedAt"),
            error_code=error_code(answer.get("error")),
        )
