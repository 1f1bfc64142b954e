"""What the CSV engine reads: the rows of one file as UTF-8, watched as they pass and never far ahead.

Arrow reads up to 32 blocks ahead on a thread of its own; 128 MiB held for nothing. `Feed` makes it wait.
"""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from importer.sources.decode import Utf8Stream

_BLOCKS_AHEAD = 2
_TAIL_BYTES = 64 * 1024
# The engine gives no batch for a block of malformed rows only, so while it waits for one it gets more blocks, slowly.
_PATIENCE_S = 0.05
_FAREWELL_S = 1.0
_NUL, _QUOTE, _CR = 0, ord('"'), ord("\r")
_EMPTY = b""


@dataclass(frozen=True, slots=True)
class Seen:
    """Bytes that have passed, and so may stand in cells.

    Attributes:
        quote: Quotes: cells may hold line ends.
        cr: Carriage returns.
        nul: NUL bytes.
        bad_bytes: Bytes that could not be decoded.
    """

    quote: bool = False
    cr: bool = False
    nul: bool = False
    bad_bytes: bool = False


class Feed(io.RawIOBase):
    """A readable file for Arrow.

    Attributes:
        tail: The last bytes that passed.
        failure: What a read raised; Arrow may word it anew, so the first cause is kept.
    """

    def __init__(self, stream: Utf8Stream, skip_bytes: int) -> None:
        super().__init__()
        self._stream = stream
        self._skip_bytes = skip_bytes
        self._turn = threading.Condition()
        self._reading = threading.Lock()
        self._ended = threading.Event()
        self._handed = self._taken = 0
        self._wanted = self._left = False
        self._nul = self._quote = self._cr = False
        self._held = self.tail = _EMPTY
        self._answers = np.empty(0, np.bool_)
        self.failure: BaseException | None = None

    def seen(self) -> Seen:
        """Return what has passed so far, at least all that is in batches handed out."""
        return Seen(self._quote, self._cr, self._nul, self._stream.bad_bytes)

    def readable(self) -> bool:
        """Say so to Arrow."""
        return True

    def read_buffer(self, size: int) -> pa.Buffer:
        """Give Arrow its next block; called on Arrow's thread."""
        self._wait_for_room()
        with self._reading:
            if self._left:
                self._ended.set()
                return pa.py_buffer(_EMPTY)
            try:
                buffer = self._next(size)
                self._watch(buffer)
            except BaseException as exc:
                self.failure = exc
                self._ended.set()
                raise
            if not buffer.size:
                self._ended.set()
        return buffer

    def read(self, size: int = -1) -> bytes:
        """Read as bytes, for callers that know no buffers."""
        content: bytes = self.read_buffer(size if size > 0 else _TAIL_BYTES).to_pybytes()
        return content

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Tell that the engine is waited for, to open or to give one batch."""
        with self._turn:
            self._wanted = True
        try:
            yield
        finally:
            with self._turn:
                self._wanted = False
                self._taken += 1
                self._turn.notify_all()

    def leave(self) -> None:
        """End the stream for Arrow and close what is below.

        Returns once Arrow's thread was told the end, so that it will not call again.
        """
        with self._turn:
            self._left = True
            self._turn.notify_all()
        if self._handed:
            self._ended.wait(_FAREWELL_S)
        with self._reading:
            self._stream.close()

    def _wait_for_room(self) -> None:
        def room() -> bool:
            return self._left or self._handed - self._taken <= _BLOCKS_AHEAD

        with self._turn:
            while not self._turn.wait_for(room, _PATIENCE_S) and not self._wanted:
                pass
            self._handed += 1

    def _next(self, size: int) -> pa.Buffer:
        while self._skip_bytes:
            passed = self._stream.read_buffer(min(size, self._skip_bytes)).size
            self._skip_bytes = self._skip_bytes - passed if passed else 0
        buffer = self._whole_line_end(size)
        if not buffer.size and self.tail and self.tail[-1:] not in {b"\n", b"\r"}:
            # At the bare end of a file the engine takes an empty cell behind a quoted one for quoted too.
            return pa.py_buffer(b"\n")
        return buffer

    def _whole_line_end(self, size: int) -> pa.Buffer:
        """Read a block that does not end between CR and LF: the engine drops that LF, also inside a quoted cell."""
        buffer = self._full(size - len(self._held))
        while self._held or _ends_in_cr(buffer):
            if not buffer.size:
                break
            content = self._held + buffer.to_pybytes()
            self._held = b"\r" if content.endswith(b"\r") else b""
            buffer = pa.py_buffer(content[: len(content) - len(self._held)])
            if buffer.size:
                return buffer
            buffer = self._full(size - 1)
        if not buffer.size and self._held:
            buffer, self._held = pa.py_buffer(self._held), b""
        return buffer

    def _full(self, size: int) -> pa.Buffer:
        """Read a whole block: a row that goes over more than two of them is lost to the engine.

        A stream gives less at the end of a gz member, for example, and members may be small.
        """
        buffer = self._stream.read_buffer(size)
        if not buffer.size or buffer.size == size:
            return buffer
        parts = [buffer]
        missing = size - buffer.size
        while missing and (buffer := self._stream.read_buffer(missing)).size:
            parts.append(buffer)
            missing -= buffer.size
        return parts[0] if len(parts) == 1 else pa.py_buffer(b"".join(parts))

    def _watch(self, buffer: pa.Buffer) -> None:
        if not buffer.size:
            return
        values = np.frombuffer(buffer, np.uint8)
        self._nul = self._nul or int(values.min()) == _NUL
        self._quote = self._quote or self._holds(values, _QUOTE)
        self._cr = self._cr or self._holds(values, _CR)
        self.tail = (self.tail + buffer.slice(max(0, buffer.size - _TAIL_BYTES)).to_pybytes())[-_TAIL_BYTES:]

    def _holds(self, values: npt.NDArray[np.uint8], byte: int) -> bool:
        # Answers have a place of their own: for each block they would take fresh memory of its size.
        if self._answers.size < values.size:
            self._answers = np.empty(values.size, np.bool_)
        return bool(np.equal(values, byte, out=self._answers[: values.size]).any())


def _ends_in_cr(buffer: pa.Buffer) -> bool:
    return bool(buffer.size and buffer[buffer.size - 1] == _CR)
