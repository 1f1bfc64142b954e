"""The API's Starlette application: every route of the contract, checked against it before anything happens."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from importer.emulator import control_plane, data_plane, identifier_plane
from importer.emulator.admin import build_admin
from importer.emulator.contract import Operation, load_operations
from importer.emulator.ids import new_id
from importer.emulator.misbehaviour import misbehave
from importer.emulator.problems import Code, RefusedError, error_body, not_found
from importer.emulator.service import Call, Reply, Service
from importer.emulator.settings import EmulatorSettings
from importer.emulator.switches import BULK, CODES, REQUESTS, Switch
from importer.emulator.throttle import Throttle

MAX_READ_BYTES = 64 << 20
_FIRST_REDIRECT, _FIRST_ERROR = 300, 400

Endpoint = Callable[[Service, Call], Reply]
ENDPOINTS: dict[str, Endpoint] = {
    "ListProfiles": data_plane.list_profiles,
    "CreateProfile": data_plane.create_profile,
    "UpdateProfilesBulk": data_plane.update_profiles_bulk,
    "CreateProfilesLookup": data_plane.lookup_profiles,
    "ListProfileImportsV2": data_plane.list_imports,
    "CreateProfilesImportV2": data_plane.create_import,
    "FetchProfileImportV2": data_plane.fetch_import,
    "FetchProfile": data_plane.fetch_profile,
    "PatchProfileTraits": data_plane.patch_profile_traits,
    "DeleteProfile": data_plane.delete_profile,
    "ListProfileTraits": data_plane.list_profile_traits,
    "ListProfileIdentifiers": identifier_plane.list_identifiers,
    "CreateProfileIdentifier": identifier_plane.create_identifier,
    "FetchProfileIdentifier": identifier_plane.fetch_identifier,
    "PatchProfileIdentifier": identifier_plane.patch_identifier,
    "DeleteProfileIdentifier": identifier_plane.delete_identifier,
    "ListStores": control_plane.list_stores,
    "FetchStore": control_plane.fetch_store,
    "ListTraitGroups": control_plane.list_trait_groups,
    "CreateTraitGroup": control_plane.create_trait_group,
    "FetchTraitGroup": control_plane.fetch_trait_group,
    "PatchTraitGroup": control_plane.patch_trait_group,
    "FetchIdentityResolutionSettings": control_plane.fetch_identity_settings,
    "FetchOperation": control_plane.fetch_operation,
}
# It waits for the batch being applied, and must not hold up every other request meanwhile.
WAITING = frozenset({"CreateProfile"})


def build_app(service: Service) -> Starlette:
    """Return the API of one store, and beside it the switches of its faults."""
    gate = Gate(service)
    routes = [
        Route(operation.path, gate.build_endpoint(operation), methods=[operation.method])
        for operation in load_operations()
    ]
    handlers: dict[Any, Any] = {HTTPException: gate.refuse_route}
    return Starlette(routes=[*_join_methods(routes), *build_admin(service.switches)], exception_handlers=handlers)


def _join_methods(routes: list[Route]) -> list[Route]:
    """Starlette answers 405 at the first path that matches: one route a path, with all its methods."""
    joined: dict[str, dict[str, Any]] = {}
    for route in routes:
        for method in (route.methods or set()) - {"HEAD"}:
            joined.setdefault(route.path, {})[method] = route.endpoint

    def dispatch(endpoints: dict[str, Any]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            response: Response = await endpoints["GET" if request.method == "HEAD" else request.method](request)
            return response

        return endpoint

    return [Route(path, dispatch(endpoints), methods=list(endpoints)) for path, endpoints in joined.items()]


class Gate:
    """What every request passes: faults, request ID, rate, credentials, contract; and its line in the journal."""

    def __init__(self, service: Service) -> None:
        self._service = service
        settings = service.settings
        self._throttle = Throttle(settings.max_requests_per_s, settings.burst, time.monotonic)

    def build_endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        """Return the ASGI endpoint of one operation of the contract."""

        async def serve(request: Request) -> Response:
            switch = self._service.switches.take(REQUESTS, operation.operation_id)
            try:
                if switch is None:
                    return await self._serve(operation, request)
                return await misbehave(
                    request, switch, lambda: self._serve(operation, request), lambda fault: self._fail(request, fault)
                )
            except ClientDisconnect:
                return Response(status_code=499)

        return serve

    async def _serve(self, operation: Operation, request: Request) -> Response:
        endpoint = ENDPOINTS[operation.operation_id]
        raw = b""
        call: Call | None = None
        request_id = _new_request_id()
        try:
            raw = await _read_body(request)
            self._throttle.check()
            call = self._admit(operation, request, raw, request_id)
            if operation.operation_id in WAITING:
                reply = await run_in_threadpool(endpoint, self._service, call)
            else:
                reply = endpoint(self._service, call)
        except RefusedError as refusal:
            reply = self._refuse(refusal)
        profile_count = len(call.body["profiles"]) if call and operation.operation_id == BULK else 0
        return self._answer(request, reply, request_id, len(raw), profile_count)

    def _fail(self, request: Request, switch: Switch) -> Response:
        """Answer a status that is switched on."""
        code = switch.code or CODES[switch.status]
        reply = self._refuse(RefusedError(switch.status, code, "a fault is switched on"))
        return self._answer(request, reply, _new_request_id(), 0, 0)

    async def refuse_route(self, request: Request, error: HTTPException) -> Response:
        """Answer a path or method that the contract does not have."""
        refusal = not_found("the resource")
        if error.status_code == 405:
            refusal = RefusedError(405, Code.METHOD_NOT_ALLOWED, "the method is not allowed", (), error.headers or {})
        return self._answer(request, self._refuse(refusal), _new_request_id(), 0, 0)

    def _admit(self, operation: Operation, request: Request, raw: bytes, request_id: str) -> Call:
        settings = self._service.settings
        _check_credentials(request.headers.get("authorization", ""), settings)
        path = operation.read_path(request.path_params)
        if path.get("storeId", settings.store_id) != settings.store_id:
            raise RefusedError(404, Code.STORE_MISSING, "the store does not exist")
        query = operation.read_query(request.query_params.multi_items())
        limit = settings.max_body_bytes
        if limit is not None and operation.operation_id == BULK and len(raw) > limit:
            raise RefusedError(413, Code.BODY_TOO_LARGE, "the body is too large")
        body = operation.read_body(raw, request.headers.get("content-type", ""))
        return Call(path, query, body, raw, request_id, request.headers.get("if-match"))

    def _refuse(self, refusal: RefusedError) -> Reply:
        if _FIRST_REDIRECT <= refusal.status < _FIRST_ERROR:
            body = {"message": refusal.message, "uri": refusal.headers["Location"]}
            return Reply(refusal.status, body, refusal.headers)
        body = error_body(refusal, pointers=self._service.settings.error_pointers)
        return Reply(refusal.status, body, refusal.headers)

    def _answer(self, request: Request, reply: Reply, request_id: str, size: int, profile_count: int) -> Response:
        self._service.journal.add(request.method, request.url.path, reply.status, size, profile_count)
        headers = {**reply.headers, "twilio-request-id": request_id}
        return Response(orjson.dumps(reply.body), reply.status, headers, media_type="application/json")


def _new_request_id() -> str:
    return "RQ" + new_id("")


async def _read_body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        # What is above the limit is read and dropped: an answer in the middle of a body looks like a broken pipe.
        if size <= MAX_READ_BYTES:
            parts.append(part)
    if size > MAX_READ_BYTES:
        raise RefusedError(413, Code.BODY_TOO_LARGE, "the body is too large")
    return b"".join(parts)


def _check_credentials(header: str, settings: EmulatorSettings) -> None:
    scheme, _, encoded = header.partition(" ")
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        user = colon = password = ""
    accepted = scheme.lower() == "basic" and bool(colon) and bool(user)
    for expected, given in ((settings.api_key, user), (settings.api_secret, password)):
        accepted = accepted and (expected is None or hmac.compare_digest(expected.encode(), given.encode()))
    if not accepted:
        headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'}
        raise RefusedError(401, Code.UNAUTHORISED, "authentication failed", (), headers)
