"""Rows taken from frames, and what they keep in memory."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from importer.core.compact import compact


def test_a_few_rows_do_not_keep_the_texts_of_all() -> None:
    """Once the frame is gone that rows were taken from, only their own bytes are left of it."""
    before = pa.total_allocated_bytes()
    whole = pl.DataFrame(pa.table({"text": pa.array([f"{number:0>200}" for number in range(10_000)])}))
    few = compact(whole[[1, 9_999]])
    del whole
    assert few["text"].to_list() == ["1".zfill(200), "9999".zfill(200)]
    assert pa.total_allocated_bytes() - before < 10_000


def test_types_and_nulls_stay() -> None:
    """The copy is the same frame, states and lists with it."""
    frame = pl.DataFrame(
        {"state": ["held", None], "tags": [["a"], []], "row": [1, 2], "at": [None, "x"]},
        schema={"state": pl.Enum(["send", "held"]), "tags": pl.List(pl.String), "row": pl.UInt32, "at": pl.String},
    )
    copied = compact(frame)
    assert copied.equals(frame)
    assert copied.schema == frame.schema
