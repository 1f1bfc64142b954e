"""Giving memory back to the system between two large steps: what one freed, the allocator of the other cannot use."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

import pyarrow as pa

_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Of the C library of Linux; None where there is another one."""


def give_back() -> None:
    """Give back what is free: of a run of a million rows, some 150 MB."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    if _TRIM is not None:
        _TRIM(0)
