"""What it means that a request did not succeed, whoever asked: the engine that sends, or somebody who only reads."""

from __future__ import annotations

from typing import Final

from importer.core.delivery import ApiFailure, FailureKind
from importer.errors import (
    AmbiguousRequestError,
    ApiError,
    ProtocolError,
    RejectedRequestError,
    RetryableApiError,
)

STOP_CODES: Final = frozenset({520041, 520047, 520049, 520050})
"""Store missing, trait group missing, store ID invalid, protected trait: no batch can fare better."""

PROFILE_ACCESS_DENIED: Final = 520008
"""A 403 that speaks of one profile."""

PROTOCOL_FAILURES: Final = 8
"""Answers in a row that break the contract, after which what answers is not the service."""

_KINDS: Final[tuple[tuple[type[ApiError], FailureKind], ...]] = (
    (RetryableApiError, FailureKind.RETRYABLE),
    (RejectedRequestError, FailureKind.REJECTED),
    (AmbiguousRequestError, FailureKind.AMBIGUOUS),
    (ProtocolError, FailureKind.PROTOCOL),
)


def failure_of(error: ApiError) -> ApiFailure:
    """Return what the engine must know of an error of the service."""
    kind = next((kind for errors, kind in _KINDS if isinstance(error, errors)), FailureKind.PROTOCOL)
    if error.status == 413:
        kind = FailureKind.TOO_LARGE
    rows, mappings = error.context.get("rows"), error.context.get("mappings")
    return ApiFailure(
        kind=kind,
        status=error.status,
        code=error.code,
        retry_after_s=error.retry_after_s,
        pointers=rows if isinstance(rows, tuple) else (),
        request_id=error.request_id,
        mappings=mappings if isinstance(mappings, tuple) else (),
    )
