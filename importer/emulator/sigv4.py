"""Presigned upload URLs as S3 makes them: Signature Version 4 in the query, over the host header alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from urllib.parse import quote, urlencode

ALGORITHM = "AWS4-HMAC-SHA256"
REGION = "us-east-1"
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_PARAMETERS = {
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
}


class Verdict(Enum):
    """What a presigned request turns out to be."""

    VALID = "valid"
    INCOMPLETE = "incomplete"
    MISMATCH = "mismatch"
    EXPIRED = "expired"


class Signer:
    """Signs and checks the uploads of one bucket."""

    def __init__(self, access_key: str, secret: str) -> None:
        self._access_key = access_key
        self._secret = secret

    def presign(self, host: str, path: str, now: datetime, expires_s: int) -> str:
        """Return a URL that allows one kind of request: PUT of this path on this host until it expires."""
        scope = f"{now:%Y%m%d}/{REGION}/s3/aws4_request"
        query = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self._access_key}/{scope}",
            "X-Amz-Date": now.strftime(_TIME_FORMAT),
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": "host",
        }
        signature = self._sign("PUT", host, path, query)
        return f"http://{host}{path}?{_encode(query)}&X-Amz-Signature={signature}"

    def check(self, host: str, path: str, query: Mapping[str, str], now: datetime) -> Verdict:
        """Judge a PUT by its query; the signature is checked before the time, as S3 does."""
        if query.keys() < _PARAMETERS or query.get("X-Amz-Algorithm") != ALGORITHM:
            return Verdict.INCOMPLETE
        unsigned = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
        try:
            signed_at = datetime.strptime(query["X-Amz-Date"], _TIME_FORMAT).replace(tzinfo=UTC)
            expires_s = int(query["X-Amz-Expires"])
            expected = self._sign("PUT", host, path, unsigned)
        except (ValueError, KeyError):
            return Verdict.INCOMPLETE
        if not hmac.compare_digest(expected.encode(), query["X-Amz-Signature"].encode()):
            return Verdict.MISMATCH
        return Verdict.EXPIRED if now >= signed_at + timedelta(seconds=expires_s) else Verdict.VALID

    def _sign(self, method: str, host: str, path: str, query: Mapping[str, str]) -> str:
        scope = query["X-Amz-Credential"].partition("/")[2]
        canonical = "\n".join(
            [method, quote(path), _encode(query), f"host:{host}", "", query["X-Amz-SignedHeaders"], "UNSIGNED-PAYLOAD"]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{self._secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), hashlib.sha256)
        text = "\n".join([ALGORITHM, query["X-Amz-Date"], scope, digest])
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _encode(query: Mapping[str, str]) -> str:
    return urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
