"""The upload bucket: S3's behaviour for one presigned PUT, on a port of its own."""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from importer.emulator import import_tasks
from importer.emulator.backlog import Kind
from importer.emulator.database import PRIVATE_FILE
from importer.emulator.ids import new_id
from importer.emulator.misbehaviour import misbehave
from importer.emulator.operations import now_us
from importer.emulator.service import Service
from importer.emulator.sigv4 import Verdict
from importer.emulator.switches import REQUESTS, UPLOAD, Switch

PREFIX = "/memory-imports/"


class BucketError(NamedTuple):
    """One refusal in S3's words."""

    status: int
    code: str
    message: str


NOT_A_PUT = BucketError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
TWO_MECHANISMS = BucketError(400, "InvalidArgument", "Only one auth mechanism allowed")
CHUNKED = BucketError(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
NO_LENGTH = BucketError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
NOT_SIGNED = BucketError(403, "AccessDenied", "Access Denied")
MISMATCH = BucketError(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
)
EXPIRED = BucketError(403, "AccessDenied", "Request has expired")
NO_KEY = BucketError(404, "NoSuchKey", "The specified key does not exist.")
WRONG_SIZE = BucketError(400, "InvalidRequest", "The length of the body differs from the announced file size.")
ALREADY_UPLOADED = BucketError(409, "OperationAborted", "The object was uploaded before.")
_VERDICTS = {Verdict.INCOMPLETE: NOT_SIGNED, Verdict.MISMATCH: MISMATCH, Verdict.EXPIRED: EXPIRED}


def build_bucket(service: Service) -> Starlette:
    """Return the bucket's application."""
    bucket = Bucket(service)
    methods = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]
    return Starlette(routes=[Route("/{key:path}", bucket.serve, methods=methods)])


class Bucket:
    """Takes uploads: streamed to a part file, then made visible together with the import's turn in the backlog."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def serve(self, request: Request) -> Response:
        """Answer one request; a refused body is still read, so that the client sees the answer."""
        switch = self._service.switches.take(REQUESTS, UPLOAD) if request.method == "PUT" else None
        try:
            if switch is None:
                return await self._serve(request)
            return await misbehave(
                request, switch, lambda: self._serve(request), lambda fault: self._fail(request, fault)
            )
        except ClientDisconnect:
            # Nothing was stored: the import stays pending and the URL can be used again.
            return Response(status_code=499)

    def _fail(self, request: Request, switch: Switch) -> Response:
        """Answer a status that is switched on."""
        code = {500: "InternalError", 503: "SlowDown"}.get(switch.status, "AccessDenied")
        return self._answer(request, BucketError(switch.status, code, "a fault is switched on"), "", 0)

    async def _serve(self, request: Request) -> Response:
        size = 0
        refusal, etag = self._judge(request), ""
        if refusal is None:
            part = self._service.database.uploads / f"{secrets.token_hex(8)}.part"
            try:
                etag, size = await _receive(request, part)
                refusal = self._store(_import_id(request), part, size)
            finally:
                part.unlink(missing_ok=True)
        else:
            async for block in request.stream():
                size += len(block)
        return self._answer(request, refusal, etag, size)

    def _answer(self, request: Request, refusal: BucketError | None, etag: str, size: int) -> Response:
        request_id = secrets.token_hex(8).upper()
        status = 200 if refusal is None else refusal.status
        self._service.journal.add(request.method, request.url.path, status, size, 0)
        headers = {"x-amz-request-id": request_id, "Server": "AmazonS3"}
        if refusal is None:
            return Response(b"", 200, {**headers, "ETag": f'"{etag}"'})
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message>"
            f"<RequestId>{request_id}</RequestId></Error>"
        )
        return Response(body, status, headers, media_type="application/xml")

    def _judge(self, request: Request) -> BucketError | None:
        headers = request.headers
        if request.method != "PUT":
            return NOT_A_PUT
        if "authorization" in headers and "X-Amz-Signature" in request.query_params:
            return TWO_MECHANISMS
        if "transfer-encoding" in headers:
            return CHUNKED
        if "content-length" not in headers:
            return NO_LENGTH
        verdict = self._service.signer.check(
            headers.get("host", ""), request.url.path, dict(request.query_params), datetime.now(UTC)
        )
        if verdict is not Verdict.VALID:
            return _VERDICTS[verdict]
        return self._judge_import(request, int(headers["content-length"]))

    def _judge_import(self, request: Request, size: int) -> BucketError | None:
        task = self._find(_import_id(request))
        if task is None:
            return NO_KEY
        if task["uploaded"]:
            return ALREADY_UPLOADED
        return None if size == task["file_size"] else WRONG_SIZE

    def _find(self, import_id: str) -> dict[str, Any] | None:
        sql = "SELECT file_size, uploaded, operation_id FROM imports WHERE id = ?"
        rows = self._service.database.query(sql, (import_id,))
        return dict(zip(("file_size", "uploaded", "operation_id"), rows[0], strict=True)) if rows else None

    def _store(self, import_id: str, part: Path, size: int) -> BucketError | None:
        task = self._find(import_id)
        if task is None or task["uploaded"]:
            return ALREADY_UPLOADED
        if size != task["file_size"]:
            return WRONG_SIZE
        database = self._service.database
        part.replace(import_tasks.upload_path(database, import_id))
        with database.writing_front() as connection:
            connection.execute("UPDATE imports SET uploaded = 1, updated_at = ? WHERE id = ?", (now_us(), import_id))
            self._service.backlog.accept(
                connection,
                Kind.IMPORT,
                new_id("RQ"),
                operation_id=task["operation_id"],
                subject=import_id,
            )
        self._service.worker.wake()
        return None


def _import_id(request: Request) -> str:
    return request.url.path.removeprefix(PREFIX).removesuffix(".csv")


async def _receive(request: Request, part: Path) -> tuple[str, int]:
    """Stream the body to a file; return its MD5 (S3's ETag) and its length."""
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, PRIVATE_FILE)  # a umask can take the owner's own bits away
        async for block in request.stream():
            digest.update(block)
            size += len(block)
            file.write(block)
    return digest.hexdigest(), size
