"""Start-up without the garbage collector, and without threads that nobody needs.

Importing makes some two hundred thousand objects, nearly all of which stay. Python would look through them time and
again meanwhile, and once more when it ends: a tenth of the processor time of a command that reads a small file. What
works for long calls `end`; the rest is over before it makes much.

numpy's linear algebra starts a thread for each core, which spin a while when they have nothing to do, and they never
have: no matrix is multiplied here.

polars' allocator has four arenas a core, and what one of them frees another does not use: planning ten million rows
on two cores touches 3.4 GB of fresh pages beside Arrow's, with one arena a core 2.2 GB.

Arrow's allocator asks for huge pages, and fills them badly: reading takes 45 MB less without. On the virtual machine
measured, 200 MB of them took 0.04 to 0.5 s of the system's time, by the minute, and 0.1 in small pages. What it hears
here switches them off for the whole process.

numpy sorts with AVX-512 where there is some, which on AMD's Zen 4 takes five times as long as AVX2: 51 ms against 11
for a million hashes. Zen 3, which is of the same family 25, has none.

A thread that wants the interpreter lets the one that has it go on for 5 ms before it interrupts it, which is what many
columns take. After 1 ms instead, threads switch a sixth less often, and a million rows take a few per cent less.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import Final

_CPU_INFO_BYTES: Final = 512
_SWITCH_S: Final = 0.001


def begin(cpu_info: bytes | None = None) -> None:
    """Switch off what would cost time, when the process starts and nothing is imported yet.

    That is the collector, long waits for the interpreter, numpy's threads, huge pages and, where it is slow, numpy's
    AVX-512.

    Args:
        cpu_info: The head of Linux's list of processors; read if None.
    """
    gc.disable()
    sys.setswitchinterval(_SWITCH_S)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("_RJEM_MALLOC_CONF", f"narenas:{max(2, os.cpu_count() or 2)}")
    os.environ.setdefault("MIMALLOC_ALLOW_THP", "0")
    # numpy is not imported where both are set.
    is_asked = "NPY_ENABLE_CPU_FEATURES" in os.environ
    if not is_asked and sorts_slowly(_cpu_info() if cpu_info is None else cpu_info):
        os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", "X86_V4")


def sorts_slowly(cpu_info: bytes) -> bool:
    """Tell by the head of Linux's list of processors whether numpy had better sort without AVX-512."""
    return b"AuthenticAMD" in cpu_info and b"cpu family\t: 25\n" in cpu_info


def _cpu_info() -> bytes:
    with suppress(OSError), open("/proc/cpuinfo", "rb") as told:  # noqa: PTH123 - pathlib is not imported yet
        return told.read(_CPU_INFO_BYTES)
    return b""


def end() -> None:
    """Switch it on again where `begin` switched it off; what start-up made is not looked through from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
