"""What `--lookup` found, as a run records it and its report has it: counts alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class StoredLookup(BaseModel):
    """What looking rows up in the store found, before anything was sent.

    Attributes:
        rows: Rows that were looked up.
        of_rows: Rows that would go out; equal to `rows` where it was no sample.
        values: Distinct values asked for, by idType; each is a billable read.
        known_values: Those of them that a profile has.
        profiles: Profiles that they have, each billed for being read.
        known_rows: Rows that match a profile.
        merging_rows: Rows that match two or more: sending one may merge them.
        meeting_rows: Rows of different keys that match one profile; in a sample only those whose partner is in it.
        unread: Values that could not be read.
        requests: Reads made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)

    rows: Count
    of_rows: Count
    values: dict[str, Count] = Field(default_factory=dict)
    known_values: dict[str, Count] = Field(default_factory=dict)
    profiles: Count = 0
    known_rows: Count = 0
    merging_rows: Count = 0
    meeting_rows: Count = 0
    unread: Count = 0
    requests: Count = 0
