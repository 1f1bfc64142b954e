"""What a run takes out of what is sent, and what of that could be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from importer.core.snapshot import Verdict
from importer.core.sync_changes import VERDICT, settle_known
from importer.core.sync_handed import can_follow
from tests.support.fakes import index_of

SENT: Mapping[str, Any] = {"state": "send"}
IN_GROUP: Mapping[str, Any] = {"state": "held", "code": "merge-group", "group": 1}
WITH_STORED: Mapping[str, Any] = {"state": "held", "code": "merge-with-stored", "group": 1}
ALLOWED: Mapping[str, Any] = {"state": "sequence", "code": "merge-group", "group": 1}


def settled(line: Mapping[str, Any], verdict: Verdict) -> pl.DataFrame:
    """Return the index of one row once it was compared with what was delivered."""
    payloads = pl.DataFrame({"key": ["K"], "line": [0]})
    return settle_known(index_of(line), payloads, pl.Series([verdict.value], dtype=VERDICT))


@pytest.mark.parametrize(
    ("line", "code", "follows"),
    [
        (SENT, None, True),
        (ALLOWED, None, True),
        (WITH_STORED, "merge-with-stored", True),
        (IN_GROUP, "merge-group", False),
    ],
)
def test_an_unchanged_row_keeps_why_it_would_be_held(line: Mapping[str, Any], code: str | None, follows: bool) -> None:
    """Nothing is to be decided about it; with its profile gone it could be sent, but not beside one it merges with."""
    index = settled(line, Verdict.UNCHANGED)
    assert index.select("state", "code", "group", "apart", "wave").row(0) == ("unchanged", code, -1, -1, 0)
    assert can_follow(index).tolist() == [follows]


@pytest.mark.parametrize(
    ("line", "verdict", "follows"),
    [
        (SENT, Verdict.CHANGED, True),
        (WITH_STORED, Verdict.CHANGED, True),
        (IN_GROUP, Verdict.CHANGED, False),
        (SENT, Verdict.PARKED, False),
        ({"state": "held", "code": "shared-identifier"}, Verdict.NEW, False),
    ],
)
def test_only_what_waits_for_a_profile_can_follow_it(line: Mapping[str, Any], verdict: Verdict, follows: bool) -> None:
    """Rows that wait for somebody's decision or for another value are not sent for a profile that goes."""
    assert can_follow(settled(line, verdict)).tolist() == [follows]
