"""Byte streams: the raw file, what it decompresses to, and that as UTF-8.

A stream has ``read_buffer(size)``, which returns an empty buffer at the end only, and ``close()``. An input error is
never the end. What comes out of `utf8_stream` is always valid UTF-8: a byte that could not be decoded becomes the
character U+10FF00 + byte, so the row it stands in can be found later (`contains_bad_bytes`) and its original bytes
restored (`restore_bytes`); the CSV engine cannot hand out a row that is not UTF-8.
"""

from __future__ import annotations

import codecs
import io
import re
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from importer.errors import SourceError
from importer.sources.files import shown
from importer.sources.raw_file import RawFile

if TYPE_CHECKING:
    from importer.ports import SourceFile

BAD_BYTES = re.compile("[\U0010ff00-\U0010ffff]")
"""Matches the stand-ins for bytes that could not be decoded."""

BAD_BYTES_PATTERN = r"[\x{10FF00}-\x{10FFFF}]"
"""The same for the regex engine of polars."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_STAND_IN = 0x10FF00
UNDECODABLE = "importer-stand-in"
"""Name of the codec error handler that puts stand-ins."""

_RATIO_CAP = 200
_RATIO_FREE_BYTES = 64 * 1024 * 1024
_DENSE_RATIO = 32
_MEASURED_BYTES = 4 * 1024 * 1024
_CODECS = {"gz": "gzip", "zst": "zstd"}
_WIDEST_GROWTH = 4
_MAX_TAIL = 3


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_STAND_IN + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(UNDECODABLE, _stand_in)


def restore_bytes(text: str, encoding: str) -> bytes:
    """Encode a row as it stood in the file, undecodable bytes included."""
    parts = []
    end = 0
    for match in BAD_BYTES.finditer(text):
        parts += [text[end : match.start()].encode(encoding, "replace"), bytes([ord(match.group()) - _STAND_IN])]
        end = match.end()
    parts.append(text[end:].encode(encoding, "replace"))
    return b"".join(parts)


class ByteStream(Protocol):
    """Bytes, one buffer after the other."""

    def read_buffer(self, size: int) -> pa.Buffer:
        """Return up to `size` bytes; an empty buffer at the end only."""
        ...

    def close(self) -> None:
        """Give back what is held; may be called again."""
        ...


class _PythonFile(io.RawIOBase):
    """Shows a stream to Arrow as a readable file."""

    def __init__(self, stream: ByteStream) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read_buffer(self, size: int) -> pa.Buffer:
        return self._stream.read_buffer(size)

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._stream.read_buffer(size if size > 0 else 1024 * 1024).to_pybytes()
        return content


class Decompressed:
    """What a gz or zst file holds, member after member, under a cap.

    Where it grows faster than a table does, the whole of it is measured at once: many rows of a bomb would be read and
    checked before the cap is met.

    Raises:
        SourceError: from `read_buffer`, when it is truncated, damaged, or grows beyond the caps.
    """

    def __init__(self, raw: RawFile, file: SourceFile, compression: str, cap_bytes: int) -> None:
        self._raw, self._file, self._compression, self._cap_bytes = raw, file, compression, cap_bytes
        self._inner = pa.CompressedInputStream(pa.PythonFile(_PythonFile(raw), "r"), _CODECS[compression])
        self._count = 0
        self._measured = False

    def read_buffer(self, size: int) -> pa.Buffer:
        """Decompress the next bytes."""
        buffer = self._read(size)
        if not self._measured and self._count > max(_MEASURED_BYTES, _DENSE_RATIO * self._raw.read_bytes):
            self._measured = True
            self._measure()
        return buffer

    def _measure(self) -> None:
        """Decompress the file to its end, or to where it meets a cap."""
        whole = Decompressed(RawFile(self._file), self._file, self._compression, self._cap_bytes)
        try:
            whole._measured = True
            while whole._read(_MEASURED_BYTES).size:
                pass
        finally:
            whole.close()

    def _read(self, size: int) -> pa.Buffer:
        try:
            buffer = self._inner.read_buffer(size)
        except OSError as exc:
            what = "ends too early" if "runcated" in str(exc) else "is damaged"
            raise SourceError(
                f"{shown(self._file.name)}: the {self._compression} file {what}", hint="copy or download it again"
            ) from None
        self._count += buffer.size
        too_dense = self._count > max(_RATIO_FREE_BYTES, _RATIO_CAP * self._file.size_bytes)
        if self._count > self._cap_bytes or too_dense:
            cause = f"more than {_RATIO_CAP} times its size" if too_dense else f"more than {self._cap_bytes} bytes"
            raise SourceError(
                f"{shown(self._file.name)}: decompresses to {cause}", hint="decompress it yourself if it is genuine"
            )
        return buffer

    def close(self) -> None:
        """Close the decompressor and the file below."""
        self._inner.close()
        self._raw.close()


class _Utf8:
    """Passes UTF-8 through untouched; blocks with undecodable bytes get stand-ins."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._tail = b""
        self._pending: pa.Buffer | None = None
        self.bad_bytes = False

    def read_buffer(self, size: int) -> pa.Buffer:
        if self._pending is not None:
            return self._cut(self._pending, size)
        buffer = self._stream.read_buffer(size)
        if not self._tail and (not buffer.size or int(np.frombuffer(buffer, np.uint8).max()) < 128):
            return buffer
        at_end = not buffer.size
        if self._tail:
            buffer = pa.py_buffer(self._tail + buffer.to_pybytes())
            self._tail = b""
        if not at_end:
            buffer = self._keep_tail(buffer)
        if not is_utf8(buffer):
            self.bad_bytes = True
            buffer = pa.py_buffer(buffer.to_pybytes().decode("utf-8", UNDECODABLE).encode())
        return self._cut(buffer, size) if buffer.size or at_end else self.read_buffer(size)

    def _cut(self, buffer: pa.Buffer, size: int) -> pa.Buffer:
        if buffer.size <= size:
            self._pending = None
            return buffer
        self._pending = buffer.slice(size)
        return buffer.slice(0, size)

    def _keep_tail(self, buffer: pa.Buffer) -> pa.Buffer:
        """Hold back the beginning of a character that goes on in the next block."""
        end = buffer.slice(max(0, buffer.size - _MAX_TAIL)).to_pybytes()
        for back in range(1, len(end) + 1):
            byte = end[-back]
            if byte >= 0xC0:
                width = 2 + (byte >= 0xE0) + (byte >= 0xF0)
                if back < width:
                    self._tail = end[-back:]
                    return buffer.slice(0, buffer.size - back)
            if byte < 0x80 or byte >= 0xC0:
                break
        return buffer

    def close(self) -> None:
        self._stream.close()


class _Transcoded:
    """Any other encoding as UTF-8, block by block."""

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        self._stream = stream
        self._decoder: Any = codecs.getincrementaldecoder(encoding)(UNDECODABLE)
        self._pending: pa.Buffer = pa.py_buffer(b"")
        self._ended = False
        self.bad_bytes = False

    def read_buffer(self, size: int) -> pa.Buffer:
        while not self._pending.size and not self._ended:
            raw = self._stream.read_buffer(max(1, size // _WIDEST_GROWTH))
            self._ended = not raw.size
            text = self._decoder.decode(raw.to_pybytes(), self._ended)
            if not self.bad_bytes and not text.isascii() and BAD_BYTES.search(text):
                self.bad_bytes = True
            self._pending = pa.py_buffer(self._encoded(text))
        end = min(size, self._pending.size)
        buffer, self._pending = self._pending.slice(0, end), self._pending.slice(end)
        return buffer

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            # A lenient codec let a lone surrogate through; it is as undecodable as a bad byte.
            self.bad_bytes = True
            return _SURROGATE.sub(chr(_STAND_IN + 0xFF), text).encode()

    def close(self) -> None:
        self._stream.close()


Utf8Stream = _Utf8 | _Transcoded


def is_utf8(buffer: pa.Buffer) -> bool:
    """Tell whether bytes are UTF-8, without making a text of them."""
    offsets = pa.py_buffer(np.array([0, buffer.size], np.int32))
    try:
        pa.Array.from_buffers(pa.utf8(), 1, [None, offsets, buffer]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def open_bytes(
    file: SourceFile, compression: str | None, cap_bytes: int, *, hashed: bool = False
) -> tuple[RawFile, ByteStream]:
    """Open a file and, where it is compressed, its content; see `RawFile`.

    Raises:
        SourceError: it cannot be opened.
    """
    raw = RawFile(file, hashed=hashed)
    return raw, raw if compression is None else Decompressed(raw, file, compression, cap_bytes)


def utf8_stream(stream: ByteStream, encoding: str) -> Utf8Stream:
    """Read a stream as valid UTF-8; its flag `bad_bytes` rises before any stand-in is handed out."""
    return _Utf8(stream) if encoding == "utf-8" else _Transcoded(stream, encoding)


def read_up_to(stream: ByteStream, size: int) -> bytes:
    """Read `size` bytes, fewer only where the stream ends."""
    parts: list[bytes] = []
    missing = size
    while missing and (buffer := stream.read_buffer(missing)).size:
        parts.append(buffer.to_pybytes())
        missing -= buffer.size
    return b"".join(parts)
