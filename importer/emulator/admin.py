"""The emulator's own endpoint, beside the contract: which faults are switched on."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from importer.emulator.switches import Switchboard

PATH = "/_emulator/faults"
MAX_BYTES = 1 << 16


def build_admin(switches: Switchboard) -> list[Route]:
    """Return the routes; they ask for no credentials, as the port is open to this machine alone."""

    async def serve(request: Request) -> Response:
        number = request.path_params.get("number")
        if request.method == "DELETE":
            found = switches.remove(number)
            return _answer(200 if found or number is None else 404, {"faults": switches.show()})
        if request.method == "POST":
            return await _add(request, switches)
        return _answer(200, {"faults": switches.show()})

    return [
        Route(PATH, serve, methods=["GET", "POST", "DELETE"]),
        Route(PATH + "/{number:int}", serve, methods=["DELETE"]),
    ]


async def _add(request: Request, switches: Switchboard) -> Response:
    # A browser sends this type to another site's address only after asking, which is not answered here.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _answer(400, {"message": "the body must be application/json"})
    raw = await request.body()
    try:
        return _answer(201, switches.add(orjson.loads(raw[:MAX_BYTES])))
    except ValueError as error:
        return _answer(400, {"message": str(error)})


def _answer(status: int, body: Any) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
