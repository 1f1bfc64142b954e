"""Settings from options and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from importer.settings import Settings


def settings_of(given: Mapping[str, Any]) -> Settings:
    """Build settings from options and the environment."""
    return Settings.from_env(
        os.environ,
        store_id=given.get("store"),
        api_url=given.get("api_url"),
        runs_dir=given.get("runs_dir"),
        proxy=given.get("proxy"),
    )
