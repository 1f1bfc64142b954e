"""What a run of a sync found, as the run records it and its report has it: counts alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class SyncCounts(BaseModel):
    """What a run found the source's keys to be, beside what was delivered before.

    Attributes:
        mode: ``full``, ``upsert`` or ``mirror``.
        number: Of the run; 0 in a dry run.
        whole: Every row of the source was asked for, none left out by a cursor.
        keys_before: Keys delivered before.
        new: Keys that were never delivered.
        changed: Keys that say something else now.
        due: Keys that were refused, or of which nobody knows whether they arrived.
        unchanged: Keys that say what was delivered last.
        parked: Keys that were refused so often that they wait until they change.
        brakes: Names of the brakes that hold the run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)

    mode: str
    number: Count = 0
    whole: bool = True
    keys_before: Count = 0
    new: Count = 0
    changed: Count = 0
    due: Count = 0
    unchanged: Count = 0
    parked: Count = 0
    brakes: tuple[str, ...] = ()
