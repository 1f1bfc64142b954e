"""Carries out one request of the engine: encodes, sends, and turns what comes back into an event.

Presigned URLs and part files live here, so that neither the engine nor the ledger ever sees one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from importer.core import limits
from importer.core.delivery import ApiFailure, FailureKind, Pin
from importer.core.engine_messages import (
    Added,
    AddIdentifier,
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
from importer.core.failures import STOP_CODES, failure_of
from importer.errors import (
    ApiError,
    PackageChangedError,
    RejectedRequestError,
)
from importer.ports import Clock, PartFile, Payloads, ProfileWriter
from importer.ports.request_context import RequestContext, in_context


class TooLargeError(Exception):
    """A body or part came out larger than the service takes; nothing was sent."""


Send = Callable[[], Answer]
"""Lets a request leave that is encoded and checked."""


class Carrier:
    """Carries out requests; safe to use from several threads.

    Args:
        payloads: What rows look like on the wire.
        writer: The service.
        clock: Time of events.

    Attributes:
        fault: The first thing that went wrong on this side.
    """

    def __init__(self, payloads: Payloads, writer: ProfileWriter, clock: Clock) -> None:
        self._payloads = payloads
        self._writer = writer
        self._clock = clock
        self._urls: dict[str, str] = {}
        self._parts: dict[int, PartFile] = {}
        self._failures: dict[tuple[type[Request], int | str | None], int] = {}
        self.fault: BaseException | None = None

    def discard(self, batch_id: int) -> None:
        """Remove the part file of a batch; one that cannot be removed stays for the next session to remove."""
        part = self._parts.pop(batch_id, None)
        if part is not None:
            with suppress(OSError):  # it must not take the place of what ended the delivery
                Path(part.path).unlink(missing_ok=True)

    def discard_all(self) -> None:
        """Remove every part file."""
        for batch_id in tuple(self._parts):
            self.discard(batch_id)

    def carry_out(self, request: Request) -> Event:
        """Carry out a request to its end, whatever that is."""
        number = request.task_id
        same = (type(request), _about(request))
        failures = self._failures.pop(same, 0)
        send: Send | None = None
        try:
            send = self._ready(request)
            with in_context(RequestContext(failures + 1, getattr(request, "batch_id", None))):
                answer = send()
        except ApiError as error:
            self._failures[same] = failures + 1
            return Refused(self._clock.monotonic_s(), number, failure_of(error))
        except TooLargeError:
            return Refused(self._clock.monotonic_s(), number, ApiFailure(FailureKind.TOO_LARGE))
        except BaseException as fault:  # noqa: BLE001 - raised again by the thread that owns the delivery
            self.fault = self.fault or fault
            return WorkerFailed(self._clock.monotonic_s(), number, left=send is not None)
        return Answered(self._clock.monotonic_s(), number, answer)

    def _ready(self, request: Request) -> Send:
        """Do all that can fail on this side before anything leaves."""
        match request:
            case SendBulk():
                return self._bulk(request)
            case CreateImport():
                return self._creation(request)
            case Upload():
                return self._file(request)
            case PollImport():
                return lambda: self._import_seen(request.import_id)
            case ListImports():
                return lambda: ImportsListed(*self._writer.list_imports(request.page_token))
            case PollOperation():
                return lambda: self._operation_seen(request.status_url)
            case Lookup():
                return self._lookup(request)
            case Patch() | AddIdentifier():
                return self._follow_up(request)

    def _bulk(self, request: SendBulk) -> Send:
        self._check(request.check)
        body = self._payloads.bulk_body(request.start, request.stop, request.skip)
        is_one_row = request.stop - request.start - len(request.skip) == 1
        # The limit is this tool's own: one row alone is sent whatever its size, and the service judges.
        if len(body) > limits.BULK_MAX_BODY_BYTES and not is_one_row:
            raise TooLargeError

        def send() -> BulkAccepted:
            accepted = self._writer.put_bulk(body)
            return BulkAccepted(accepted.request_id, accepted.operation_id, accepted.status_url)

        return send

    def _creation(self, request: CreateImport) -> Send:
        self._check(request.check)
        part = self._part(request.batch_id, request.start, request.stop)
        if part.size_bytes > limits.IMPORT_MAX_FILE_BYTES:
            raise TooLargeError

        def send() -> Created:
            created = self._writer.create_import(request.filename, part.size_bytes, part.columns)
            self._urls[created.import_id] = created.url
            return Created(created.import_id, part.size_bytes, created.request_id)

        return send

    def _file(self, request: Upload) -> Send:
        part = self._part(request.batch_id, request.start, request.stop)
        url = self._urls.pop(request.import_id)
        content = Path(part.path).open("rb")  # noqa: SIM115 - opened before anything leaves, closed after

        def send() -> Uploaded:
            with content:
                self._writer.upload(url, content, part.size_bytes)
            return Uploaded()

        return send

    def _lookup(self, request: Lookup) -> Send:
        identifiers = self._payloads.identifiers(request.position)
        id_type, value = identifiers[request.identifier]
        more = request.identifier + 1 < len(identifiers)

        def send() -> LookedUp:
            found = self._found(id_type, value)
            nobody = not (found or more or request.is_sent)
            return LookedUp(found, more, expected=nobody and self._payloads.follows(request.position))

        return send

    def _follow_up(self, request: Patch | AddIdentifier) -> Send:
        if isinstance(request, Patch):
            body = self._payloads.patch_body(request.position)
            return lambda: Patched(self._writer.patch_profile(request.profile_id, body).request_id)
        further = self._payloads.further_identifiers(request.position)
        id_type, value = further[request.identifier]
        more = request.identifier + 1 < len(further)
        return lambda: Added(self._writer.add_identifier(request.profile_id, id_type, value).request_id, more)

    def _found(self, id_type: str, value: str) -> tuple[str, ...]:
        """Return the profiles of an identifier; a 404 that does not speak of the store may mean that there is none.

        A store that is really gone refuses the body that follows.
        """
        try:
            return self._writer.lookup(id_type, value)
        except RejectedRequestError as error:
            if error.status != 404 or error.code in STOP_CODES:
                raise
            return ()

    def _import_seen(self, import_id: str) -> ImportSeen:
        seen = self._writer.get_import(import_id)
        return ImportSeen(seen.status, seen.filename, seen.file_size_bytes, seen.errors, seen.warnings, seen.request_id)

    def _operation_seen(self, status_url: str) -> OperationSeen:
        seen = self._writer.get_operation(status_url)
        return OperationSeen(seen.status, seen.errors, seen.warnings, seen.request_id, seen.retry_after_s)

    def _part(self, batch_id: int, start: int, stop: int) -> PartFile:
        part = self._parts[batch_id] = self._payloads.part(batch_id, start, stop)
        return part

    def _check(self, pin: Pin | None) -> None:
        if pin is not None and self._payloads.digest(pin.start, pin.stop) != pin.digest:
            raise PackageChangedError(
                f"the package of the run does not hold what was planned for positions {pin.start} to {pin.stop}",
                hint="the run folder was changed or damaged; import the source again as a new run",
                context={"start": pin.start, "stop": pin.stop},
            )


def _about(request: Request) -> int | str | None:
    """Return what tells a request from others of its type."""
    match request:
        case SendBulk() | CreateImport() | Upload():
            return request.batch_id
        case Lookup() | AddIdentifier():
            return f"{request.position}:{request.identifier}"
        case Patch():
            return request.position
        case PollImport():
            return request.import_id
        case PollOperation():
            return request.status_url
        case ListImports():
            return request.page_token
