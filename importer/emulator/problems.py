"""Refusals, in the error shapes the service documents.

No message ever holds a value of a trait, a cell or an identifier: only positions, names and reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

MORE_INFO = "https://www.twilio.com/docs/errors/"
MAX_POINTERS = 1000


class Code(IntEnum):
    """Error codes of the service that this emulator answers or logs."""

    UNAUTHORISED = 20003
    METHOD_NOT_ALLOWED = 20004
    FORBIDDEN = 20403
    NOT_FOUND = 20404
    CONFLICT = 20409
    PRECONDITION_FAILED = 20412
    BODY_TOO_LARGE = 20413
    TOO_MANY_REQUESTS = 20429
    INTERNAL = 20500
    UNAVAILABLE = 20503
    BULK_UPSERT_FAILED = 520010
    IDENTIFIER_SKIPPED = 520034
    STORE_MISSING = 520041
    INVALID_REQUEST = 520046
    TRAIT_GROUP_MISSING = 520047
    INVALID_STORE_ID = 520049
    TOO_MANY_GROUPS = 520053
    TOO_MANY_TRAITS = 520054


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a request body: where (a JSON pointer from the body's root) and why."""

    pointer: str
    detail: str


@dataclass(eq=False)
class RefusedError(Exception):
    """A request is answered with an error instead of a result."""

    status: int
    code: int
    message: str
    faults: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {int(self.code)}: {self.message}"


def error_body(refusal: RefusedError, *, pointers: bool) -> dict[str, Any]:
    """Return the answer's body, in RFC 9457 shape for a 400 when pointers are on."""
    code, status = int(refusal.code), refusal.status
    if pointers and status == 400:
        errors = [{"detail": fault.detail, "pointer": fault.pointer} for fault in refusal.faults[:MAX_POINTERS]]
        return {
            "type": f"{MORE_INFO}{code}",
            "title": "Bad Request",
            "status": status,
            "code": code,
            "detail": refusal.message,
            "errors": errors,
        }
    return {"code": code, "message": refusal.message[:1024], "more_info": f"{MORE_INFO}{code}", "status": status}


def invalid_request(message: str, faults: Sequence[Fault] = ()) -> RefusedError:
    """Return the 400 of a request that breaks the contract."""
    return RefusedError(400, Code.INVALID_REQUEST, message, faults)


def not_found(what: str) -> RefusedError:
    """Return the 404 of something this store does not hold."""
    return RefusedError(404, Code.NOT_FOUND, f"{what} was not found")
