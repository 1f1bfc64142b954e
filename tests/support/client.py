"""What tests of the client say: a store, a profile, a body that holds somebody's address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import orjson

STORE: Final = "mem_store_00000000000000000000000000"
SECRET: Final = "s3cr3t-canary"
VALUE: Final = "jane.doe+canary@example.com"
BODY: Final = orjson.dumps({"profiles": [{"traits": {"Contact": {"email": VALUE}}}]})
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


def profile(number: int) -> str:
    """Return a profile ID."""
    return f"mem_profile_{number:026d}"


def place(number: int) -> str:
    """Return the path of a profile."""
    return f"/v1/Stores/{STORE}/Profiles/{profile(number)}"
