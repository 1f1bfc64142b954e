"""Files of JSON that carry a version: one that a newer version of this program wrote is told from a damaged one."""

from __future__ import annotations

from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from importer.errors import StateError

Content = TypeVar("Content", bound=BaseModel)

_UNKNOWN: Final = "extra_forbidden"


class _Versioned(BaseModel):
    """The one field that every version has."""

    version: int


def parse_versioned(content: bytes, model: type[Content], newest: int, *, what: str, hint: str) -> Content:
    """Return what a file says.

    Args:
        content: Of the file.
        model: What it is to be.
        newest: The newest version that this program reads.
        what: What the file is called in messages.
        hint: What to do where a newer version wrote it.

    Raises:
        StateError: a newer version wrote it: it says so, or has keys that are not known here and is sound but for them.
        ValidationError: it is damaged.
    """
    version = _Versioned.model_validate_json(content).version
    told = f"format {version}; this one reads up to {newest}"
    if version <= newest:
        try:
            return model.model_validate_json(content)
        except ValidationError as exc:
            if any(fault["type"] != _UNKNOWN for fault in exc.errors(include_url=False, include_input=False)):
                raise
        told = f"format {version}, with keys that this one does not know"
    raise StateError(f"{what} was written by a newer version of this tool ({told})", hint=hint)
