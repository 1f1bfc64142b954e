"""Planning a run again that was stopped while it was sending: what left stays, and nobody's decision is taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from importer.core.delivery import BatchEntry, Changes
from importer.core.lifecycle import BatchState
from importer.core.manifest import Stage
from importer.emulator import StoreSeed
from importer.state.ledger import SqliteLedger
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.retrying import RetryRequest, retry
from importer.wiring.runs import plan
from tests.integration.test_plan_again import MAPPING, SHORT, again, found, moved, source
from tests.support.runs import IDLE_S, QUICK, outcomes_of, workbench

SHARED = cast(
    "StoreSeed",
    {
        "identifierConfigs": [{"idType": "member", "normalization": "trim", "enforceUnique": False}],
        "matchingRules": ["member"],
    },
)
"""A store in which several profiles may have one member number."""

ROWS = 3100
LONG = range(0, ROWS, 100)
"""Rows that no longer fit, some of each batch."""


def marked(entry: BatchEntry, state: BatchState) -> BatchEntry:
    """Return a batch in another state."""
    return replace(entry, state=state, attempts=0 if state is BatchState.PENDING else 1)


def test_what_left_stays_whatever_its_place(tmp_path: Path) -> None:
    """A batch that left among others keeps its rows; one that was on its way is unknown; all others are planned anew.

    A row that the new identity settings hold, as it would be one person with one that left, has no place any more.
    """
    with workbench(tmp_path / "bench", MAPPING, store=SHARED) as bench:
        lines = [
            f"{n},p{n}@x.org,{'longer' if n in LONG else 'nick'},,{n},,{'m' if n in (7, 8) else n}" for n in range(ROWS)
        ]
        planned = plan(bench.request(source(bench, *lines)), Hooks())
        assert found(planned) == {"planned": ROWS}
        folder = RunFolder(Path(planned.folder or ""))
        with SqliteLedger.open(folder.ledger) as ledger:
            entries = list(ledger.entries())
            places = folder.read_index()["position"].gather([7, 8]).to_list()
            early, late = (next(n for n, entry in enumerate(entries) if at < entry.spec.stop) for at in places)
            assert 0 < early < late == len(entries) - 1
            states = [BatchState.SENT] * len(entries)
            states[0] = states[early] = BatchState.PENDING
            states[late] = BatchState.ACCEPTED
            ledger.apply(Changes(batches=tuple(map(marked, entries, states))))
            accepted = entries[late].spec.rows
            unknown = sum(entry.spec.rows for entry, state in zip(entries, states, strict=True) if state == "sent")
        folder.write_manifest(folder.read_manifest().model_copy(update={"stage": Stage.SENDING}))
        with moved(bench, {"Contact.nick": SHORT}, enforceUnique=True) as other:
            report = again(other, planned)
            assert len(other.stored()) == report.outcomes["processed"]
            frame = outcomes_of(report)
            states_by_row = dict(frame.select("row_number", "state").rows())
            assert (report.outcomes["accepted"], report.outcomes["unknown"]) == (accepted, unknown)
            assert report.outcomes["held"] == 1
            assert report.outcomes["rejected"] == len([n for n in LONG if states_by_row[n + 1] == "rejected"]) > 0
            assert sum(report.outcomes.values()) == ROWS
            assert (states_by_row[8], states_by_row[9]) == ("held", "accepted")
            assert other.go_on(report).outcomes == report.outcomes, "opening it again releases nothing"
            anew = retry(RetryRequest(report.run_id, other.settings, states=("unknown",)), Hooks(), QUICK)
            other.emulator.wait_idle(IDLE_S)
    assert anew.outcomes["unknown"] == 0
    assert anew.outcomes["accepted"] == accepted
