"""Where compiled templates are kept between processes: compiling them takes longer than a whole small run otherwise.

They are in a folder of the user's own below the system's temporary one, which nobody else may write to. Where there is
none, or it fails, templates are compiled as ever: nothing depends on what is kept.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import metadata
from pickle import UnpicklingError

from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket


def template_cache() -> FileSystemBytecodeCache | None:
    """Return the place for compiled templates; None where no safe one can be made."""
    versions = "-".join(f"{name}-{metadata.version(name)}" for name in ("memory-importer", "jinja2"))
    try:
        return _Cache(pattern=f"{versions}_%s.cache")
    except (OSError, RuntimeError):
        return None


class _Cache(FileSystemBytecodeCache):
    """A full disk or a damaged file costs time, not the page."""

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except (OSError, EOFError, UnpicklingError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)
