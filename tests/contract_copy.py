"""Writes the emulator's contract as JSON: `python -m tests.contract_copy`; a test compares it with the YAML.

`importer/emulator/openapi.yaml` is what is kept; the emulator reads the copy, which lets it start sooner.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from ruamel.yaml import YAML

CONTRACT = Path(__file__).parents[1] / "importer" / "emulator" / "openapi.yaml"
COPY = CONTRACT.with_suffix(".json")


def contract() -> dict[str, Any]:
    """Return the contract as plain values."""
    document: dict[str, Any] = YAML(typ="safe").load(CONTRACT)
    return document


def copy_of(document: dict[str, Any]) -> bytes:
    """Return the copy's content; keys that are no text are refused, as JSON would change them."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    COPY.write_bytes(copy_of(contract()))
