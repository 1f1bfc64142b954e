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
        parked: Keys of the source that were refused so often that they wait until they change.
        parked_keys: All such keys, those that this run did not read among them; what it sends again is none.
        handed_on: Keys that are gone from the source, or may be, whose identifiers held rows of other keys have, and
            about which somebody must decide.
        still_there: Keys that are still in the source, whose identifiers held rows of other keys have, and about which
            somebody must decide.
        decided: Keys whose identifiers held rows of other keys have, and about which somebody decided, or the
            sync file.
        ended_earlier: An earlier run was made an end of first, and sent or removed something.
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
    parked_keys: Count = 0
    handed_on: Count = 0
    still_there: Count = 0
    decided: Count = 0
    ended_earlier: bool = False
    brakes: tuple[str, ...] = ()


class Removals(BaseModel):
    """What became of profiles whose keys are gone from the source, or are to begin anew, as a mirror removes them.

    All but these two, `candidates` and `anew`, add up to the former. In a dry run `open` are those that the store would
    be asked about.

    Attributes:
        candidates: Keys that were delivered before and are gone, and those to begin anew.
        anew: Those of them that are to begin anew: they are still in the source.
        deleted: Profiles that the service took to delete (202).
        gone: Keys whose profile is not there any more, or never was.
        held: Profiles that stay, by reason: ``shared``, ``handed-on``, ``foreign`` or ``merged``.
        failed: Profiles that the service did not want to delete.
        open: Keys that a later run looks at again: the service did not answer, or was not asked.
        off: Why nothing is removed in this run; None where it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)

    candidates: Count = 0
    anew: Count = 0
    deleted: Count = 0
    gone: Count = 0
    held: dict[str, Count] = Field(default_factory=dict)
    failed: Count = 0
    open: Count = 0
    off: str | None = None
