"""Pages of a list and the tokens that lead to the next one; a token is bound to its list and its order."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from importer.emulator.problems import RefusedError, invalid_request

_TAG_BYTES = 12


@dataclass(frozen=True, slots=True)
class Page:
    """What a list request asks for."""

    name: str
    size: int
    after: int | None
    ascending: bool


class Pager:
    """Makes and reads page tokens with the store's own secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def open(self, name: str, query: Mapping[str, Any], max_items: int, *, scope: str = "") -> Page:
        """Read the paging parameters of a request, or raise the refusal of a token that is not ours.

        Args:
            name: The list's property in the answer.
            query: The request's query parameters.
            max_items: The most the contract allows in one answer, whatever the page size.
            scope: What the list belongs to, where there are several of that name.
        """
        ascending = query.get("orderBy") == "ASC"
        token = query.get("pageToken")
        after = None if token is None else self._read(token, f"{name}/{scope}/{ascending}")
        return Page(name, min(query["pageSize"], max_items), after, ascending)

    def close(
        self, page: Page, rows: Sequence[Any], key: Callable[[Any], int], *, scope: str = ""
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """Return the rows of the page and its `meta`; one row more than the size says that there is a next page."""
        meta: dict[str, Any] = {"key": page.name, "pageSize": page.size}
        shown = rows[: page.size]
        if len(rows) > page.size:
            meta["nextToken"] = self._make(key(shown[-1]), f"{page.name}/{scope}/{page.ascending}")
        return shown, meta

    def _make(self, after: int, scope: str) -> str:
        body = orjson.dumps(after)
        return base64.urlsafe_b64encode(self._tag(body, scope) + body).decode()

    def _read(self, token: str, scope: str) -> int:
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii"))
        except (binascii.Error, ValueError) as error:
            raise _bad_token() from error
        tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(body, scope)):
            raise _bad_token()
        return int(orjson.loads(body))

    def _tag(self, body: bytes, scope: str) -> bytes:
        return hmac.digest(self._secret, scope.encode() + b"\0" + body, hashlib.sha256)[:_TAG_BYTES]


def _bad_token() -> RefusedError:
    return invalid_request("the page token is not valid")


def cut(items: Sequence[Any], page: Page) -> list[tuple[int, Any]]:
    """Return the page's items (and one more) of a list held in memory, each with its position."""
    numbered = list(enumerate(items))
    ordered = numbered if page.ascending else numbered[::-1]
    if page.after is not None:
        after = page.after
        ordered = [entry for entry in ordered if (entry[0] > after if page.ascending else entry[0] < after)]
    return ordered[: page.size + 1]
