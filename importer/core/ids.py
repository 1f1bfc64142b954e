"""Identifiers of the service and their patterns."""

from __future__ import annotations

import re
from typing import Final

STORE_ID_PATTERN: Final = re.compile(r"^mem_(store|service)_[0-7][0-9a-z]{25}$")
PROFILE_ID_PATTERN: Final = re.compile(r"^mem_profile_[0-7][0-9a-z]{25}$")


def is_store_id(text: str) -> bool:
    """Tell whether `text` has the form of a store ID.

    Example:
        >>> is_store_id("mem_store_00000000000000000000000000")
        True
    """
    return STORE_ID_PATTERN.fullmatch(text) is not None
