"""Reads answers of the service into values, leniently where they speak of errors and strictly where they speak of work.

Nothing of a message text is kept: it may quote values of a row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

_POINTER: Final = re.compile(r"^#?/?profiles[/.\[](\d{1,7})(?:[/.\]]|$)")
_MAPPING_POINTER: Final = re.compile(
    r"#?/?(columnMappings)(?:[/.\[](\d{1,3})\]?(?:[/.](columnName|traitGroup|traitName))?)?"
)
"""What an answer may name of an import's columns: words of the contract and a number, nothing of a row."""
_RETRY_AFTER_CEILING_S: Final = 10.0 * 365 * 86400
_S3_CODE: Final = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What an error body says that may be kept.

    Attributes:
        code: The service's error code.
        rows: Indices into the body's profiles that it names.
        mappings: Pointers to columns of an import that it names, such as ``columnMappings/3/traitName``.
    """

    code: int | None = None
    rows: tuple[int, ...] = ()
    mappings: tuple[str, ...] = ()


def error_detail(body: bytes) -> ErrorDetail:
    """Read any of the documented error shapes; anything else says nothing."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ErrorDetail()
    if not isinstance(parsed, dict):
        return ErrorDetail()
    errors = parsed.get("errors")
    entries = [entry for entry in errors if isinstance(entry, dict)] if isinstance(errors, list) else []
    codes = [parsed.get("code"), *(entry.get("code") for entry in entries)]
    pointers = [pointer for entry in entries if (pointer := _pointer_of(entry)) is not None]
    rows = {int(found.group(1)) for found in map(_POINTER.match, pointers) if found}
    mappings = dict.fromkeys(
        "/".join(filter(None, found.groups())) for found in map(_MAPPING_POINTER.fullmatch, pointers) if found
    )
    code = next((code for code in map(_code, codes) if code is not None), None)
    return ErrorDetail(code, tuple(sorted(rows)), tuple(mappings))


def _code(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else None


def error_code(error: object) -> int | None:
    """Return the service's code of an error that is part of an answer; None where there is none."""
    return _code(error.get("code")) if isinstance(error, dict) else None


def _pointer_of(entry: Mapping[str, Any]) -> str | None:
    pointer = entry.get("pointer")
    source = entry.get("source")
    if pointer is None and isinstance(source, dict):
        pointer = source.get("pointer")
    return pointer if isinstance(pointer, str) else None


def bucket_code(body: bytes) -> str | None:
    """Return the code of an S3 error document."""
    found = _S3_CODE.search(body)
    return found.group(1).decode() if found else None


def bucket_says_expired(body: bytes) -> bool:
    """Tell whether an S3 error document says that a signed URL is no longer valid."""
    return b"expired" in body.lower() or bucket_code(body) == "ExpiredToken"


def retry_after_s(value: str | None, now: datetime, answered: str | None = None) -> float | None:
    """Read ``Retry-After``: whole seconds or an HTTP date; None when absent, unreadable or negative.

    Args:
        value: The header.
        now: Wall clock of this machine.
        answered: The header ``Date``: a date to wait for was taken from the same clock, which ours may differ from.

    Example:
        >>> retry_after_s("3", datetime(2026, 1, 1, tzinfo=UTC))
        3.0
        >>> retry_after_s("-1", datetime(2026, 1, 1, tzinfo=UTC)) is None
        True
        >>> retry_after_s("soon", datetime(2026, 1, 1, tzinfo=UTC)) is None
        True
    """
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"\d{1,18}(\.\d{1,9})?", text, re.ASCII):
        return min(float(text), _RETRY_AFTER_CEILING_S)
    at = _http_date(text)
    if at is None:
        return None
    return min(max((at - (_http_date(answered or "") or now)).total_seconds(), 0.0), _RETRY_AFTER_CEILING_S)


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def count_of(value: object, name: str) -> int | None:
    """Return a count of a summary; None where there is none."""
    if not isinstance(value, dict):
        return None
    count = value.get(name)
    return count if isinstance(count, int) and not isinstance(count, bool) else None
