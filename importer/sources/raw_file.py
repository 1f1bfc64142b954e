"""The bytes of a file as they stand on the disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from blake3 import blake3

from importer.sources.files import check_unchanged, io_failure

if TYPE_CHECKING:
    from concurrent.futures import Future

    from importer.ports import SourceFile

_LEAST_BYTES = 64 * 1024


class RawFile:
    """The bytes of one file; hashed in a thread of its own as they pass, where that is wanted.

    Args:
        file: As it was found.
        hashed: Whether its hash is wanted, of `finish`.
    """

    def __init__(self, file: SourceFile, *, hashed: bool = False) -> None:
        self._file = file
        self._is_hashed = hashed
        self._digest = blake3()
        self._hashing = ThreadPoolExecutor(1, "source-hash")
        self._hashed: Future[blake3] | None = None
        try:
            self._content = Path(file.path).open("rb", buffering=0)  # noqa: SIM115 - closed by close()
        except OSError as exc:
            check_unchanged(file)
            raise io_failure(file, exc) from None
        self.read_bytes = 0

    def read_buffer(self, size: int) -> pa.Buffer:
        """Read into memory of Arrow's pool: fresh pages for every block would double the cost of reading."""
        size = min(size, max(_LEAST_BYTES, self._file.size_bytes - self.read_bytes))
        buffer = pa.allocate_buffer(size, resizable=True)
        with memoryview(buffer) as space:
            try:
                count = self._content.readinto(space) or 0
            except OSError as exc:
                raise io_failure(self._file, exc) from None
        self.read_bytes += count
        content = buffer if count == size else buffer.slice(0, count)
        if self._is_hashed:
            self._wait_for_hash()
            self._hashed = self._hashing.submit(self._digest.update, content)
        return content

    def finish(self) -> str | None:
        """Return the BLAKE3 of the whole file after its last byte was read; None where nobody wanted it.

        Raises:
            SourceChangedError: the file is no longer what it was when it was opened.
        """
        while self.read_buffer(1024 * 1024).size:
            pass
        check_unchanged(self._file)
        self._wait_for_hash()
        return self._digest.hexdigest() if self._is_hashed else None

    def close(self) -> None:
        """Close the file."""
        self._hashing.shutdown()
        self._content.close()

    def _wait_for_hash(self) -> None:
        """At most one block waits to be hashed."""
        if self._hashed is not None:
            self._hashed.result()
