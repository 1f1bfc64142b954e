"""Requests and answers of the simulated service, as HTTP has them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tests.simulation.rows import CANARY

API_HOST: Final = "127.0.0.1"
API_URL: Final = f"http://{API_HOST}:9"
"""Loopback, so that no client needs certificates; nothing listens there, and nothing is sent there."""
BUCKET_HOST: Final = "bucket.s3.amazonaws.com"


@dataclass(frozen=True)
class Asked:
    """One HTTP request.

    Attributes:
        position: Of the row a patch is about, as the client has it: a body of nulls does not say.
    """

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    position: int = -1

    @property
    def is_upload(self) -> bool:
        """Whether it goes to the bucket."""
        return self.host == BUCKET_HOST


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return self.content if isinstance(self.content, bytes) else orjson.dumps(self.content)


def refusal(status: int, code: int, rng: random.Random, pointers: tuple[int, ...] = ()) -> Reply:
    """Return an error in one of the documented shapes; its texts quote what no client may repeat."""
    text = f"value {CANARY} is not valid"
    problem: dict[str, Any] = {"type": "about:blank", "title": text, "status": status, "code": code, "detail": text}
    if pointers:
        problem["errors"] = [{"pointer": f"/profiles/{index}/traits", "detail": text} for index in pointers]
        return Reply(status, problem)
    shapes = (
        problem,
        {"code": code, "message": text, "more_info": text, "status": status},
        {"code": code, "httpStatusCode": status, "message": text, "userError": True, "params": {}},
        {"errors": [{"code": code, "message": text, "infoUrl": text, "context": {}}]},
    )
    return Reply(status, rng.choice(shapes))
