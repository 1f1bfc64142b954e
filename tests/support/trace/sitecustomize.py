"""Loaded by Python at its start in commands that tests run: notes every connection, and allows none beyond loopback."""

import os
import sys


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host, port = arguments[1][:2]
        with open(os.environ["SOCKET_TRACE"], "a", encoding="utf-8") as trace:  # noqa: PTH123 - start-up stays quick
            trace.write(f"{host}:{port}\n")
        if host not in ("127.0.0.1", "::1"):
            raise PermissionError("a test's command tried to leave this machine")


if "SOCKET_TRACE" in os.environ:
    sys.addaudithook(_note)
