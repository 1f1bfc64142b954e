"""Members of answers as values: what is written down or shown is believed only where it has the right form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from importer.memory_api.connection import Connection
from importer.memory_api.reply import Reply
from importer.memory_api.translate import protocol_error
from importer.ports import Accepted

_ID: Final = re.compile(r"[A-Za-z0-9_.:~-]{1,512}")
"""IDs are written down and shown, so what could be anything else is none."""

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]{5,18}(Z|[+-]\d\d:?\d\d)")


def is_id(value: object) -> bool:
    """Tell whether a value can be an ID."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def text_of(reply: Reply, answer: Mapping[str, Any], name: str) -> str:
    """Return a member that must be a text.

    Raises:
        ProtocolError: it is not, or it is empty.
    """
    value = answer.get(name)
    if isinstance(value, str) and value:
        return value
    raise protocol_error(reply.endpoint, f"the answer has no {name}", reply.status, reply.request_id)


def ids_of(reply: Reply, values: object) -> tuple[str, ...]:
    """Return a list of IDs.

    Raises:
        ProtocolError: it is something else.
    """
    if isinstance(values, list) and all(map(is_id, values)):
        return tuple(values)
    raise protocol_error(reply.endpoint, "the answer has something else for an ID", reply.status, reply.request_id)


def objects_of(reply: Reply, values: object, what: str) -> tuple[Mapping[str, Any], ...]:
    """Return a list of objects.

    Raises:
        ProtocolError: it is something else.
    """
    if isinstance(values, list) and all(isinstance(value, dict) for value in values):
        return tuple(values)
    raise protocol_error(reply.endpoint, f"the answer has no list of {what}", reply.status, reply.request_id)


def moment_of(answer: Mapping[str, Any], name: str) -> str | None:
    """Return a point in time as the service wrote it; None where there is none."""
    value = answer.get(name)
    return value if isinstance(value, str) and _MOMENT.fullmatch(value) else None


def whole_of(answer: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number; None where there is none."""
    value = answer.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def accepted(connection: Connection, reply: Reply, profile_id: str | None = None) -> Accepted:
    """Return what a 202 says: in its body where it comes from the data plane, in its headers from the control plane.

    Args:
        connection: Tells which URLs are on the API host.
        reply: The answer.
        profile_id: The profile that it is about.

    Raises:
        ProtocolError: the body is no JSON object.
    """
    answer = reply.json()
    operation_id = answer.get("operationId") or reply.headers.get("operation-id")
    status_url = answer.get("statusUrl") or reply.headers.get("location")
    return Accepted(
        request_id=reply.request_id,
        operation_id=operation_id if is_id(operation_id) else None,
        # Kept as a path: nothing that is stored can point at another host or carry a signature.
        status_url=connection.path_of(status_url) if isinstance(status_url, str) else None,
        retry_after_s=reply.wait_s(connection.now),
        profile_id=profile_id,
    )
