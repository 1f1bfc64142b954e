"""Executes the engine's requests on a bounded set of threads, and turns what comes back into its events.

Threads only execute: they encode, send and translate. Presigned URLs and part files live here, so that neither the
engine nor the ledger ever sees one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from importer.core import limits
from importer.core.delivery import ApiFailure, FailureKind
from importer.core.engine_messages import (
    Answer,
    Answered,
    BulkAccepted,
    Created,
    CreateImport,
    Event,
    ImportSeen,
    ImportsListed,
    ListImports,
    LookedUp,
    Lookup,
    OperationSeen,
    Patch,
    Patched,
    PollImport,
    PollOperation,
    Refused,
    Request,
    SendBulk,
    Upload,
    Uploaded,
    WorkerFailed,
)
from importer.errors import (
    AmbiguousRequestError,
    ApiError,
    PackageChangedError,
    ProtocolError,
    RejectedRequestError,
    RetryableApiError,
)
from importer.ports import Clock, PartFile, Payloads, ProfileWriter

_KINDS: Final[tuple[tuple[type[ApiError], FailureKind], ...]] = (
    (RetryableApiError, FailureKind.RETRYABLE),
    (RejectedRequestError, FailureKind.REJECTED),
    (AmbiguousRequestError, FailureKind.AMBIGUOUS),
    (ProtocolError, FailureKind.PROTOCOL),
)


class TooLargeError(Exception):
    """A body or part came out larger than the service takes; nothing was sent."""


class Executor:
    """Threads that execute requests; a context manager.

    Leaving it does not wait for requests that are out: the engine has decided by then that nobody does.

    Args:
        payloads: What rows look like on the wire.
        writer: The service.
        clock: Time of events.
        events: Where events go.
        threads: How many requests may be out at once.
    """

    def __init__(
        self, payloads: Payloads, writer: ProfileWriter, clock: Clock, events: SimpleQueue[Event], threads: int
    ) -> None:
        self._payloads = payloads
        self._writer = writer
        self._clock = clock
        self._events = events
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._urls: dict[str, str] = {}
        self._parts: dict[int, PartFile] = {}
        self._count = threads
        self.fault: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the threads for the length of a block."""
        # Daemons: a request nobody waits for any more must not keep the process alive.
        threads = [threading.Thread(target=self._work, name=f"send-{n}", daemon=True) for n in range(self._count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for _ in threads:
                self._requests.put(None)

    def submit(self, request: Request) -> None:
        """Execute a request as soon as a thread is free."""
        self._requests.put(request)

    def discard(self, batch_id: int) -> None:
        """Remove the part file of a batch."""
        part = self._parts.pop(batch_id, None)
        if part is not None:
            Path(part.path).unlink(missing_ok=True)

    def discard_all(self) -> None:
        """Remove every part file."""
        for batch_id in tuple(self._parts):
            self.discard(batch_id)

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            self._events.put(self._event(request))

    def _event(self, request: Request) -> Event:
        number = request.task_id
        try:
            answer = self._execute(request)
        except ApiError as error:
            return Refused(self._clock.monotonic_s(), number, failure_of(error))
        except TooLargeError:
            return Refused(self._clock.monotonic_s(), number, ApiFailure(FailureKind.TOO_LARGE))
        except BaseException as fault:  # noqa: BLE001 - raised again by the thread that owns the delivery
            self.fault = self.fault or fault
            return WorkerFailed(self._clock.monotonic_s(), number)
        return Answered(self._clock.monotonic_s(), number, answer)

    def _execute(self, request: Request) -> Answer:
        match request:
            case SendBulk():
                return self._send_bulk(request)
            case CreateImport():
                return self._create_import(request)
            case Upload():
                return self._upload(request)
            case PollImport():
                return self._import_seen(request)
            case ListImports():
                return ImportsListed(*self._writer.list_imports(request.page_token))
            case PollOperation():
                seen = self._writer.get_operation(request.status_url)
                return OperationSeen(seen.status, seen.errors, seen.warnings, seen.request_id, seen.retry_after_s)
            case Lookup():
                return self._look_up(request)
            case Patch():
                body = self._payloads.patch_body(request.position)
                return Patched(self._writer.patch_profile(request.profile_id, body).request_id)

    def _send_bulk(self, request: SendBulk) -> BulkAccepted:
        self._check(request.start, request.stop, request.check)
        body = self._payloads.bulk_body(request.start, request.stop, request.skip)
        is_one_row = request.stop - request.start - len(request.skip) == 1
        # The limit is this tool's own: one row alone is sent whatever its size, and the service judges.
        if len(body) > limits.BULK_MAX_BODY_BYTES and not is_one_row:
            raise TooLargeError
        accepted = self._writer.put_bulk(body)
        return BulkAccepted(accepted.request_id, accepted.operation_id, accepted.status_url)

    def _create_import(self, request: CreateImport) -> Created:
        self._check(request.start, request.stop, request.check)
        part = self._part(request.batch_id, request.start, request.stop)
        if part.size_bytes > limits.IMPORT_MAX_FILE_BYTES:
            raise TooLargeError
        created = self._writer.create_import(request.filename, part.size_bytes, part.columns)
        self._urls[created.import_id] = created.url
        return Created(created.import_id, part.size_bytes, created.request_id)

    def _upload(self, request: Upload) -> Uploaded:
        part = self._part(request.batch_id, request.start, request.stop)
        url = self._urls.pop(request.import_id)
        with Path(part.path).open("rb") as content:
            self._writer.upload(url, content, part.size_bytes)
        return Uploaded()

    def _import_seen(self, request: PollImport) -> ImportSeen:
        seen = self._writer.get_import(request.import_id)
        return ImportSeen(seen.status, seen.filename, seen.file_size_bytes, seen.errors, seen.warnings, seen.request_id)

    def _look_up(self, request: Lookup) -> LookedUp:
        found: dict[str, None] = {}
        for id_type, value in self._payloads.identifiers(request.position):
            found |= dict.fromkeys(self._writer.lookup(id_type, value))
        return LookedUp(tuple(found))

    def _part(self, batch_id: int, start: int, stop: int) -> PartFile:
        part = self._parts.get(batch_id)
        if part is None:
            part = self._parts[batch_id] = self._payloads.part(batch_id, start, stop)
        return part

    def _check(self, start: int, stop: int, digest: str) -> None:
        if digest and self._payloads.digest(start, stop) != digest:
            raise PackageChangedError(
                f"the package of the run does not hold what was planned for positions {start} to {stop}",
                hint="the run folder was changed or damaged; import the source again as a new run",
                context={"start": start, "stop": stop},
            )


def failure_of(error: ApiError) -> ApiFailure:
    """Return what the engine must know of an error of the service."""
    kind = next((kind for errors, kind in _KINDS if isinstance(error, errors)), FailureKind.PROTOCOL)
    if error.status == 413:
        kind = FailureKind.TOO_LARGE
    rows = error.context.get("rows")
    return ApiFailure(
        kind=kind,
        status=error.status,
        code=error.code,
        retry_after_s=error.retry_after_s,
        pointers=rows if isinstance(rows, tuple) else (),
        request_id=error.request_id,
    )
