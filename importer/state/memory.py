"""Memory that nobody uses and that the allocators of this process keep for later."""

from __future__ import annotations

import ctypes
from typing import Final

import pyarrow as pa

_FEW_ROWS: Final = 2_000_000


def give_back(rows: int | None = None) -> None:
    """Return unused memory to the system, between stages that ask different allocators for it.

    Arrow, polars and numpy each have an allocator of their own: what one keeps is of no use to the others, and all of
    it together is what a run is measured by.

    Args:
        rows: Of the run: where they are few, all of this is little, and asking for it again takes longer.
    """
    if rows is not None and rows < _FEW_ROWS:
        return
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)
