"""Memory that nobody uses and that the allocators of this process keep for later."""

from __future__ import annotations

import ctypes

import pyarrow as pa


def give_back() -> None:
    """Return unused memory to the system, between stages that ask different allocators for it.

    Arrow, polars and numpy each have an allocator of their own: what one keeps is of no use to the others, and all of
    it together is what a run is measured by.
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)
