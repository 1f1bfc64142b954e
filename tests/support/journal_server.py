"""A service of its own, for crash tests: it applies what it is sent before it answers, and writes a journal of that.

It speaks the part of the contract that a run needs and shares no code with the importer or the emulator. It is a
process of its own (`python journal_server.py FOLDER`) and prints one JSON line with its addresses when it is ready.

Each write waits a random while, is applied, waits again and is answered: a client that dies meanwhile leaves requests
behind that were applied and not answered, that are applied after its death, or never (of those that wait then, every
other one is dropped), and bodies that ended half way.

To apply is to append the raw body to `FOLDER/<user>.journal`: every user of Basic auth is an account of its own with
its own journal, so that several runs for one store can be told apart. A journal is entries of one JSON line and then
`size` bytes of body; what breaks the contract is an entry of kind `violation`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import hashlib
import os
import random
import re
import secrets
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

STORE_ID: Final = "mem_store_00000000000000000000crash0"
FOLLOWED: Final = "-followed"
"""Bulk answers to a user whose name ends so carry a `statusUrl`; to others they are a message alone."""

GROUPS: Final[dict[str, dict[str, Any]]] = {
    "Contact": {"email": {"dataType": "STRING", "idTypePromotion": "email"}},
    "Account": {"note": {"dataType": "STRING"}, "points": {"dataType": "NUMBER"}},
}
IDENTITY: Final[dict[str, Any]] = {
    "identifierConfigs": [
        {"idType": "email", "normalization": "email", "enforceUnique": True, "limit": 5, "limitPolicy": "fifo"}
    ],
    "matchingRules": ["email"],
    "version": 1,
}

_USER: Final = re.compile(r"[a-z0-9-]{1,64}")
_MOST_PROFILES: Final = 1000
_MOST_FILE_BYTES: Final = 104_857_600


class RefusedError(Exception):
    """A request that breaks the contract."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass
class Import:
    """An import task; its state is a matter of time once its file was applied."""

    filename: str
    file_size: int
    mappings: list[dict[str, str]]
    signature: str
    taken_at: float | None = None
    done_at: float = 0.0

    def status(self, now: float) -> str:
        """Return its state; a file that arrived is not noticed at once."""
        if self.taken_at is None or now < self.taken_at:
            return "PENDING"
        return "PROCESSING" if now < self.done_at else "COMPLETED"


@dataclass
class Account:
    """Everything one user did."""

    journal: int
    number: int = 0
    open: int = 0
    imports: dict[str, Import] = field(default_factory=dict)
    operations: dict[str, float] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)

    def write(self, kind: str, number: int, body: bytes, **more: Any) -> None:
        """Append an entry; whoever reads the file sees it whole or, for a moment, cut off."""
        line = orjson.dumps({"kind": kind, "number": number, "at": time.monotonic(), "size": len(body), **more})
        rest = memoryview(line + b"\n" + body + b"\n")
        while rest:
            rest = rest[os.write(self.journal, rest) :]


class Service:
    """The API and the bucket.

    Args:
        folder: Where the journals go.
        latency_s: How long a write takes, half as long again or half of it at random.
        settle_s: How long an accepted body or a file takes from one of its states to the next, on average; some take
            several times as long.
        seed: Of the delays.
    """

    def __init__(self, folder: Path, latency_s: float, settle_s: float, seed: int) -> None:
        self._folder = folder
        self._latency_s = latency_s
        self._settle_s = settle_s
        self._random = random.Random(seed)
        self._accounts: dict[str, Account] = {}
        self.api_url = self.bucket_url = ""
        self.bucket_port = 0

    def app(self) -> Starlette:
        """Return the application of both ports."""
        store, control = f"/v1/Stores/{STORE_ID}/Profiles", f"/v1/ControlPlane/Stores/{STORE_ID}"
        return Starlette(
            routes=[
                Route(control, self._api(self._store)),
                Route(f"{control}/TraitGroups", self._api(self._groups)),
                Route(f"{control}/IdentityResolutionSettings", self._api(self._identity)),
                Route("/v1/ControlPlane/Operations/{id}", self._api(self._operation)),
                Route(f"{store}/Bulk", self._api(self._bulk), methods=["PUT"]),
                Route(f"{store}/Lookup", self._api(self._lookup), methods=["POST"]),
                Route(f"{store}/Imports", self._api(self._list_imports)),
                Route(f"{store}/Imports", self._api(self._create_import), methods=["POST"]),
                Route(f"{store}/Imports/{{id}}", self._api(self._import)),
                Route(f"{store}/{{id}}", self._api(self._patch), methods=["PATCH"]),
                Route("/uploads/{user}/{id}", self._upload, methods=["PUT"]),
                Route("/idle/{user}", self._idle),
            ]
        )

    # --- the way in ---

    def _api(
        self, endpoint: Callable[[Request, Account, bytes, int], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            user = _user(request)
            if user is None or _port(request) == self.bucket_port:
                raise HTTPException(401 if user is None else 404)
            account = self._account(user)
            with _counted(account) as number:
                try:
                    return await endpoint(request, account, await request.body(), number)
                except ClientDisconnect:
                    return Response(status_code=499)
                except RefusedError as refusal:
                    return _refuse(account, number, refusal)

        return serve

    def _account(self, user: str) -> Account:
        if user not in self._accounts:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._accounts[user] = Account(os.open(self._folder / f"{user}.journal", flags, 0o600))
        return self._accounts[user]

    async def _delays(self, request: Request) -> float:
        """Wait the first part of a delay; return the second."""
        whole_s = self._latency_s * self._random.uniform(0.5, 1.5)
        first_s = whole_s * self._random.random()
        await asyncio.sleep(first_s)
        if await request.is_disconnected() and self._random.random() < 0.5:
            raise ClientDisconnect  # as a gateway does that sees nobody waiting for the answer
        return whole_s - first_s

    async def _idle(self, request: Request) -> Response:
        account = self._accounts.get(request.path_params["user"])
        return _json(200, {"open": account.open if account else 0})

    # --- reads ---

    async def _store(self, *_: object) -> Response:
        return _json(200, {"id": STORE_ID, "displayName": "crash", "status": "ACTIVE", "version": 1})

    async def _groups(self, *_: object) -> Response:
        groups = [{"displayName": name, "version": 1, "traits": traits} for name, traits in GROUPS.items()]
        return _json(200, {"traitGroups": groups, "meta": {"key": "traitGroups", "pageSize": 100}})

    async def _identity(self, *_: object) -> Response:
        return _json(200, IDENTITY)

    async def _operation(self, request: Request, account: Account, *_: object) -> Response:
        name = request.path_params["id"]
        if name not in account.operations:
            return _json(404, {"code": 20404, "message": "not found", "status": 404})
        answer: dict[str, Any] = {"operationId": name, "status": "RUNNING", "createdAt": "2026-01-01T00:00:00Z"}
        if time.monotonic() >= account.operations[name]:
            answer |= {"status": "COMPLETED", "result": {"errors": 0, "warnings": 0}}
        return _json(200, answer)

    async def _import(self, request: Request, account: Account, *_: object) -> Response:
        task = account.imports.get(request.path_params["id"])
        if task is None:
            return _json(404, {"code": 20404, "message": "not found", "status": 404})
        answer: dict[str, Any] = {"status": task.status(time.monotonic()), "filename": task.filename}
        answer |= {"fileSize": task.file_size, "columnMappings": task.mappings}
        if answer["status"] == "COMPLETED":
            answer["summary"] = {"errors": 0, "warnings": 0}
        return _json(200, answer)

    async def _list_imports(self, request: Request, account: Account, *_: object) -> Response:
        size, first = int(request.query_params.get("pageSize", 50)), int(request.query_params.get("pageToken", 0))
        newest = [*account.imports][::-1]
        meta: dict[str, Any] = {"key": "imports", "pageSize": size}
        if first + size < len(newest):
            meta["nextToken"] = str(first + size)
        return _json(200, {"imports": newest[first : first + size], "meta": meta})

    async def _lookup(self, request: Request, account: Account, body: bytes, number: int) -> Response:
        later_s = await self._delays(request)
        account.write("lookup", number, body, rows=0)
        asked = orjson.loads(body)
        value = str(asked["value"]).lower()
        profile = _profile_id(value)
        await asyncio.sleep(later_s)
        found = [profile] if asked["idType"] == "email" and profile in account.profiles else []
        return _json(200, {"normalizedValue": value, "profiles": found})

    # --- writes ---

    async def _bulk(self, request: Request, account: Account, body: bytes, number: int) -> Response:
        emails = _bulk_emails(body)
        later_s = await self._delays(request)
        account.write("bulk", number, body, rows=len(emails))
        account.profiles.update((_profile_id(email), email) for email in emails)
        answer = {"message": f"{len(emails)} profiles accepted for processing."}
        if (_user(request) or "").endswith(FOLLOWED):
            operation = f"mem_operation_{secrets.token_hex(13)}"
            account.operations[operation] = time.monotonic() + self._random.expovariate(1 / self._settle_s)
            answer |= {"operationId": operation, "createdAt": "2026-01-01T00:00:00Z"}
            answer["statusUrl"] = f"{self.api_url}/v1/ControlPlane/Operations/{operation}"
        await asyncio.sleep(later_s)
        return _json(202, answer)

    async def _patch(self, request: Request, account: Account, body: bytes, number: int) -> Response:
        profile = request.path_params["id"]
        if profile not in account.profiles:
            raise RefusedError(404, "a patch of a profile that is not there")
        later_s = await self._delays(request)
        account.write("patch", number, body, rows=1, email=account.profiles[profile])
        await asyncio.sleep(later_s)
        return _json(202, {"message": "Accepted for processing."})

    async def _create_import(self, request: Request, account: Account, body: bytes, number: int) -> Response:
        asked = orjson.loads(body)
        if set(asked) != {"filename", "fileSize", "columnMappings"}:
            raise RefusedError(400, "an import is a filename, a fileSize and columnMappings")
        if not 0 < asked["fileSize"] <= _MOST_FILE_BYTES or len(asked["columnMappings"]) < 2:
            raise RefusedError(400, "an import has a size within the limit, and two columns")
        later_s = await self._delays(request)
        name, signature = f"mem_import_0{secrets.token_hex(12)}0", secrets.token_hex(16)
        account.imports[name] = Import(asked["filename"], asked["fileSize"], asked["columnMappings"], signature)
        account.write("create", number, body, rows=0, id=name)
        await asyncio.sleep(later_s)
        url = f"{self.bucket_url}/uploads/{_user(request)}/{name}?X-Amz-Signature={signature}"
        return _json(201, {"importId": name, "url": url})

    async def _upload(self, request: Request) -> Response:
        if _port(request) != self.bucket_port or request.path_params["user"] not in self._accounts:
            raise HTTPException(404)
        account = self._accounts[request.path_params["user"]]
        with _counted(account) as number:
            try:
                return await self._take_file(request, account, await request.body(), number)
            except ClientDisconnect:
                return Response(status_code=499)
            except RefusedError as refusal:
                return _refuse(account, number, refusal)

    async def _take_file(self, request: Request, account: Account, body: bytes, number: int) -> Response:
        task = _checked_upload(request, account, body)
        later_s = await self._delays(request)
        columns = [f"{mapping['traitGroup']}.{mapping['traitName']}" for mapping in task.mappings]
        account.write("upload", number, body, rows=body.count(b"\n") - 1, columns=columns)
        task.taken_at = time.monotonic() + self._random.expovariate(1 / self._settle_s)
        task.done_at = task.taken_at + self._random.expovariate(1 / self._settle_s)
        await asyncio.sleep(later_s)
        return Response(status_code=200, headers={"ETag": f'"{hashlib.sha256(body).hexdigest()}"'})


@contextmanager
def _counted(account: Account) -> Iterator[int]:
    """Give a request its number, in order of arrival, and count it as open meanwhile."""
    account.number += 1
    account.open += 1
    try:
        yield account.number
    finally:
        account.open -= 1


def _user(request: Request) -> str | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return user if scheme == "Basic" and colon and password and _USER.fullmatch(user) else None


def _port(request: Request) -> int:
    port: int = request.scope["server"][1]
    return port


def _profile_id(email: str) -> str:
    return "mem_profile_0" + hashlib.sha256(email.encode()).hexdigest()[:25]


def _bulk_emails(body: bytes) -> list[str]:
    """Return whose profiles a body holds; anything the contract does not allow is refused."""
    try:
        profiles = orjson.loads(body)["profiles"]
        emails = [profile["traits"]["Contact"]["email"] for profile in profiles]
        values = [value for profile in profiles for group in profile["traits"].values() for value in group.values()]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise RefusedError(400, "not a Bulk body") from None
    if not 0 < len(emails) <= _MOST_PROFILES or None in values or len(set(emails)) < len(emails):
        raise RefusedError(400, "a Bulk body has 1 to 1000 profiles, none twice, and no null")
    return emails


def _checked_upload(request: Request, account: Account, body: bytes) -> Import:
    task = account.imports.get(request.path_params["id"])
    if task is None or request.query_params.get("X-Amz-Signature") != task.signature:
        raise RefusedError(403, "an upload without a signature of ours")
    if {"authorization", "cookie", "transfer-encoding"}.intersection(request.headers):
        raise RefusedError(400, "an upload with credentials, or in chunks")
    if task.taken_at is not None or len(body) != task.file_size:
        raise RefusedError(409, "an upload that came twice, or is not as long as was said")
    return task


def _refuse(account: Account, number: int, refusal: RefusedError) -> Response:
    account.write("violation", number, b"", rows=0, why=refusal.why)
    return _json(refusal.status, {"code": 20001, "message": refusal.why, "status": refusal.status})


def _json(status: int, body: dict[str, Any]) -> Response:
    headers = {"twilio-request-id": f"RQ{secrets.token_hex(16)}"}
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def main() -> NoReturn:
    """Serve until SIGTERM; what was begun is then still applied."""
    parser = argparse.ArgumentParser(description="A service that applies before it answers, and keeps a journal.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency-s", type=float, default=0.1)
    parser.add_argument("--settle-s", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    service = Service(given.folder, given.latency_s, given.settle_s, given.seed)
    listening = [socket.create_server(("127.0.0.1", 0), backlog=128) for _ in range(2)]
    service.api_url, service.bucket_url = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in listening)
    service.bucket_port = listening[1].getsockname()[1]
    config = uvicorn.Config(service.app(), log_level="critical", access_log=False, lifespan="off", ws="none")
    sys.stdout.write(orjson.dumps({"api_url": service.api_url, "store_id": STORE_ID}).decode() + "\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=listening)
    raise SystemExit(0)


if __name__ == "__main__":
    main()
