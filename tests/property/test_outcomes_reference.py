"""Outcomes against a reference that looks at one row after the other."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from importer.core.index import INDEX_STATES
from importer.core.packing import ROWS_SCHEMA
from importer.core.report import FinalState
from importer.pipeline.outcomes import OVERRIDES_SCHEMA, RANGES_SCHEMA, Delivered, outcome_frames
from tests.support.fakes import FakePackage, index_of

TRACE: Final = ("route", "batch_id", "request_id", "operation_id", "import_id")
TOLD: Final = ("state", "code", *TRACE, "carried_by", "group", "verified")

Row = dict[str, Any]


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[int], list[Row | None], list[Row], list[Row], list[Row]]:
    """Draw heights of chunks, a line of the index for each valid row, batches, own results and what was read back."""
    heights = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))
    valid = [draw(st.booleans()) for _ in range(sum(heights))]
    count = sum(valid)
    places = draw(st.permutations(range(count)))
    sent = draw(st.integers(0, count))
    lines: list[Row | None] = []
    number = 0
    for row, is_valid in enumerate(valid):
        if not is_valid:
            lines.append(None)
            continue
        state = draw(st.sampled_from(INDEX_STATES))
        goes = state in INDEX_STATES[:2]
        lines.append(
            {
                "row": row,
                "state": state,
                "code": None if goes else draw(st.sampled_from([None, "merge-group", "duplicate-key"])),
                "carried_by": draw(st.integers(0, count - 1)) if state == "combined" else -1,
                "group": draw(st.sampled_from([-1, 3, 1200])),
                "position": places[number] if goes and places[number] < sent else -1,
            }
        )
        number += 1
    cuts = sorted(draw(st.sets(st.integers(0, max(sent, 1)), max_size=4)))
    ranges = [
        {"start": start, "stop": stop, "batch_id": str(start), "route": "bulk", "request_id": f"R{start}"}
        | {"state": draw(st.sampled_from(["accepted", "failed"])), "code": draw(st.sampled_from([None, "part-failed"]))}
        for start, stop in pairwise(cuts)
        if draw(st.booleans())
    ]
    positions = st.sets(st.integers(0, max(sent, 1)), max_size=4)
    own = [
        {"position": position, "state": "failed", "code": draw(st.sampled_from([None, "refused-by-service"]))}
        for position in draw(positions)
    ]
    read = [{"position": position, "result": "missing"} for position in sorted(draw(positions))]
    return heights, lines, draw(st.permutations(ranges)), own, read


def expected(lines: list[Row | None], ranges: list[Row], own: list[Row], read: list[Row]) -> list[Row]:
    """Say what becomes of each row."""
    index = [line for line in lines if line is not None]
    told = []
    for line in lines:
        if line is None:
            told.append(dict.fromkeys(TOLD) | {"state": "skipped", "code": "where"})
            continue
        position = line["position"]
        batch: Row = next((entry for entry in ranges if entry["start"] <= position < entry["stop"]), {})
        result: Row = next((entry for entry in own if entry["position"] == position), {})
        state, code = line["state"], result.get("code") or batch.get("code") or line["code"]
        if state in INDEX_STATES[:2]:
            state = result.get("state") or batch.get("state") or "not_sent"
            if position < 0:
                state, code = "skipped", "limit"
        carrier = index[line["carried_by"]] if line["carried_by"] >= 0 else None
        sent_at = position if carrier is None else carrier["position"]
        told.append(
            {
                "state": state,
                "code": code,
                **{name: batch.get(name) for name in TRACE},
                "carried_by": None if carrier is None else carrier["row"] + 1,
                "group": str(line["group"]) if line["group"] >= 0 else None,
                "verified": next((entry["result"] for entry in read if entry["position"] == sent_at), None),
            }
        )
    return told


@given(runs())
def test_every_row_is_told_what_became_of_it(
    run: tuple[list[int], list[Row | None], list[Row], list[Row], list[Row]],
) -> None:
    """Chunk by chunk the frames say of every row what looking at that row alone says."""
    heights, lines, ranges, own, read = run
    package = FakePackage()
    start = 0
    for height in heights:
        rows = [
            (0, row + 1, row + 2, *((None, None) if lines[row] else ("skipped", "where")))
            for row in range(start, start + height)
        ]
        package.rows.append(pl.DataFrame(rows, schema=ROWS_SCHEMA, orient="row"))
        start += height
    delivered = Delivered(
        pl.DataFrame([{name: entry.get(name) for name in RANGES_SCHEMA} for entry in ranges], schema=RANGES_SCHEMA),
        pl.DataFrame(own, schema=OVERRIDES_SCHEMA),
    )
    frames = outcome_frames(
        package,
        index_of(*(line for line in lines if line is not None)),
        delivered,
        sending_state=FinalState.NOT_SENT,
        verified=pl.DataFrame(read, schema={"position": pl.Int64, "result": pl.String}),
    )
    found = pl.concat(list(frames))
    assert found["row_number"].to_list() == list(range(1, len(lines) + 1))
    assert found.select(TOLD).to_dicts() == expected(lines, ranges, own, read)
