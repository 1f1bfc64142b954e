"""Running the emulator: two loopback ports in a background thread, in process or until a signal comes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import orjson

from importer.emulator import operations, profiles
from importer.emulator.app import build_app
from importer.emulator.bucket import build_bucket
from importer.emulator.database import Database
from importer.emulator.http_server import HttpServer
from importer.emulator.ids import profile_id
from importer.emulator.service import Service
from importer.emulator.settings import EmulatorSettings

HOST = "127.0.0.1"
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20

StoreSeed = Mapping[str, Any]
DEFAULT_SETTINGS = EmulatorSettings()


class Emulator:
    """A local Conversation Memory service with one store.

    Use it as a context manager, or call `start` and `stop`. Everything but the constructor needs it started.

    Args:
        db: SQLite file that keeps the store (mode 0600), or ":memory:" for one that goes with the emulator.
        settings: What can be switched.
        schema: Seed applied at the start, see `seed`.
    """

    def __init__(
        self,
        db: Path | str,
        settings: EmulatorSettings = DEFAULT_SETTINGS,
        schema: StoreSeed | None = None,
    ) -> None:
        self._db = db
        self._settings = settings
        self._seed = schema
        self._started: _Running | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Open the database and serve; work that an earlier emulator accepted is applied first.

        Raises:
            EmulatorInUseError: Another emulator serves the same file.
            DatabaseFormatError: The file is no emulator database.
            OSError: A port is taken.
        """
        if self._started is not None:
            raise RuntimeError("the emulator is started already")
        self._started = _Running(Database(self._db), self._settings)
        try:
            if self._seed is not None:
                self.seed(self._seed)
            self._started.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop serving; accepted work that is not applied yet stays stored."""
        running, self._started = self._started, None
        if running is not None:
            running.stop()

    @property
    def _running(self) -> _Running:
        if self._started is None:
            raise RuntimeError("the emulator is not started")
        return self._started

    @property
    def api_url(self) -> str:
        """Root of the API, without a slash at its end."""
        return self._running.service.api_url

    @property
    def bucket_url(self) -> str:
        """Root of the upload bucket, without a slash at its end."""
        return f"http://{self._running.service.bucket_host}"

    @property
    def store_id(self) -> str:
        """The one store."""
        return self._settings.store_id

    def seed(self, seed: StoreSeed) -> list[str]:
        """Add the trait groups, traits, identifier configs and matching rules that the store lacks.

        In process, not through the API. Existing definitions are left alone, whatever the seed says of them.

        Args:
            seed: `{"traitGroups": [{"displayName", "traits": {name: TraitDefinition}}], "identifierConfigs":
                [IdentifierConfig], "matchingRules": [idType]}`, each member optional.

        Returns:
            What was added, in words for people.

        Raises:
            ValueError: The seed breaks the contract; nothing was added.
        """
        return self._running.service.catalogue.seed(seed)

    def switch_on(self, specification: Mapping[str, Any]) -> dict[str, Any]:
        """Switch a fault on, as POST `/_emulator/faults` does; return it with its `id`.

        Raises:
            ValueError: The specification is not one.
        """
        return self._running.service.switches.add(specification)

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that are on, each with how many requests (imports, profiles) it has `seen` and `hits`."""
        return self._running.service.switches.show()

    def switch_off(self) -> None:
        """Switch all faults off."""
        self._running.service.switches.remove()

    def wait_idle(self, timeout_s: float = 30) -> None:
        """Wait until everything accepted has been applied; TimeoutError otherwise."""
        self._running.service.worker.wait_idle(timeout_s)

    def profiles(self) -> list[dict[str, Any]]:
        """Return all canonical profiles `{id, traits, identifiers: {idType: [values]}}`, sorted by ID."""
        service = self._running.service
        shown = []
        for number, document in service.database.query("SELECT number, document FROM profiles ORDER BY number"):
            loaded = orjson.loads(document)
            identifiers = profiles.show_identifiers(loaded, service.catalogue.schema.rules)
            traits = profiles.show_traits(loaded)
            shown.append({"id": profile_id(number), "traits": traits, "identifiers": identifiers})
        return shown

    def journal(self) -> list[dict[str, Any]]:
        """Return every request served since the start: sequence, method, path, status, size_bytes, profile_count."""
        return self._running.service.journal.entries()

    def events(self) -> list[dict[str, Any]]:
        """Return the service's log of what went wrong behind a 202: 520010, 520034; never a value."""
        return operations.list_events(self._running.service.database)


class _Running:
    """Everything a started emulator holds."""

    def __init__(self, database: Database, settings: EmulatorSettings) -> None:
        self._database = database
        self._sockets: list[socket.socket] = []
        self._servers: list[HttpServer] = []
        self._thread: threading.Thread | None = None
        self._worker_started = False
        try:
            self._sockets = [_bind(settings.port), _bind(settings.bucket_port)]
            api_port, bucket_port = (bound.getsockname()[1] for bound in self._sockets)
            self.service = Service(database, settings, f"http://{HOST}:{api_port}", f"{HOST}:{bucket_port}")
        except BaseException:
            self._close()
            raise

    def start(self) -> None:
        """Start the worker and both servers; return when both listen."""
        self.service.worker.start()
        self._worker_started = True
        listening = threading.Semaphore(0)
        self._servers = [
            HttpServer(build_app(self.service), listening),
            HttpServer(build_bucket(self.service), listening),
        ]
        self._thread = threading.Thread(target=self._serve, name="emulator-http", daemon=True)
        self._thread.start()
        if not all(listening.acquire(timeout=START_TIMEOUT_S) for _ in self._servers):
            raise TimeoutError("the emulator did not start listening")

    def _serve(self) -> None:
        asyncio.run(self._serve_both())

    async def _serve_both(self) -> None:
        pairs = zip(self._servers, self._sockets, strict=True)
        await asyncio.gather(*(server.serve(sockets=[bound]) for server, bound in pairs))

    def stop(self) -> None:
        """Answer what is in hand, end the threads, close the files."""
        for server in self._servers:
            server.ask_to_end()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)
        if self._worker_started:
            self.service.worker.stop()
        self.service.log.close()
        self._close()

    def _close(self) -> None:
        for bound in self._sockets:
            bound.close()
        self._database.close()


def _bind(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every answer waits 40 ms for an ACK.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound


def serve(
    db: Path | str,
    settings: EmulatorSettings,
    on_ready: Callable[[dict[str, Any]], None],
    schema: StoreSeed | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; call it from the main thread, which alone gets signals.

    Args:
        db: SQLite file of the store.
        settings: What can be switched.
        on_ready: Called once when both ports listen, with `api_url`, `bucket_url`, `store_id` and `pid`.
        schema: Seed applied at the start, see `Emulator.seed`.
    """
    asked = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        asked.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Emulator(db, settings, schema) as emulator:
            ready = {"api_url": emulator.api_url, "bucket_url": emulator.bucket_url, "store_id": emulator.store_id}
            on_ready({**ready, "pid": os.getpid()})
            asked.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
