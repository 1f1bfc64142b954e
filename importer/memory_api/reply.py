"""An answer as it came, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import orjson

from importer.errors import ApiError
from importer.memory_api.answers import ErrorDetail, error_detail, retry_after_s
from importer.memory_api.translate import protocol_error, status_error


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read whole or up to its cap."""

    endpoint: str
    status: int
    headers: httpx.Headers
    body: bytes
    is_whole: bool

    @property
    def request_id(self) -> str | None:
        """``twilio-request-id``, if it looks like one."""
        found = self.headers.get("twilio-request-id")
        return found if found and len(found) <= 128 and found.isascii() and found.isprintable() else None

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            ProtocolError: it is not one.
        """
        try:
            parsed = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            parsed = None
        if not isinstance(parsed, dict):
            raise protocol_error(self.endpoint, "the answer is not a JSON object", self.status, self.request_id)
        return parsed

    def wait_s(self, now: Callable[[], datetime]) -> float | None:
        """Return the seconds that ``Retry-After`` asks for, None where it names no wait.

        Args:
            now: Wall clock, for a date where the answer does not say when it was made.
        """
        return retry_after_s(self.headers.get("retry-after"), now(), self.headers.get("date"))

    def error(self, now: Callable[[], datetime], detail: ErrorDetail | None = None) -> ApiError:
        """Return the error this answer means."""
        return status_error(
            self.endpoint, self.status, detail or error_detail(self.body), self.request_id, self.wait_s(now)
        )
