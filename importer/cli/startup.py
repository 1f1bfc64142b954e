"""Start-up without the garbage collector.

Importing makes some two hundred thousand objects, nearly all of which stay. Python would look through them time and
again meanwhile, and once more when it ends: a tenth of the processor time of a command that reads a small file. What
works for long calls `end`; the rest is over before it makes much.
"""

from __future__ import annotations

import gc


def begin() -> None:
    """Switch the collector off, when the process starts."""
    gc.disable()


def end() -> None:
    """Switch it on again where `begin` switched it off; what start-up made is not looked through from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
