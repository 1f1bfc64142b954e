"""How a run that has not ended stands, as lines of text: what its process does, how far it is, what holds it up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from importer.core.lifecycle import BatchState
from importer.core.live import LastError, Live
from importer.reports.progress_file import OPENING, QUESTION, REPORTING
from importer.reports.spans import span_text

_DOES: Final = {
    "read and check": "reads and checks the source",
    "identity": "looks for rows of one person",
    "look up": "looks for profiles in the store",
    "plan": "plans what goes where",
    QUESTION: "waits for an answer on its terminal",
    "send": "sends",
    "verify": "reads rows back",
    OPENING: "opens the run and its store",
    REPORTING: "writes the outcomes",
}
_BATCHES: Final = {
    BatchState.PENDING: "waiting",
    BatchState.OPENED: "begun",
    BatchState.SENT: "on their way",
    BatchState.PATCHING: "followed up row by row",
    BatchState.APPLYING: "being applied",
    BatchState.CREATING: "being created",
    BatchState.UPLOADING: "uploading",
    BatchState.IMPORTING: "being imported",
}
"""Words for states that are no row states; those speak for themselves."""

_APPLIED_LATER: Final = (BatchState.PATCHING, BatchState.APPLYING, BatchState.IMPORTING)


def standing(live: Live) -> str:
    """Return in a few words whether a process works on the run."""
    if not live.running:
        return "no process works on it"
    return "running" + (f" (process {live.pid})" if live.pid is not None else "")


def live_lines(live: Live) -> Iterator[tuple[str, str]]:
    """Yield label and text of each line."""
    if live.running:
        yield "now", _now(live)
    if live.rows_to_send and live.stage != "send":
        taken = live.rows_to_send - live.rows_left
        yield "taken", f"{taken:,} of {live.rows_to_send:,} rows by the service"
    if live.wait_s:
        yield (
            "waiting",
            f"all requests wait {span_text(live.wait_s)} more: the service asked for it, or does not answer",
        )
    if live.batches:
        ordered = [state for state in BatchState if live.batches.get(state)]
        yield "batches", ", ".join(f"{live.batches[state]:,} {_BATCHES.get(state, state.value)}" for state in ordered)
    if live.attempts:
        yield "attempts", _attempts(live)


def live_line(live: Live) -> str:
    """Return all of it in one line, for a log."""
    parts = [standing(live)]
    if live.running:
        parts.append(_now(live))
    elif live.rows_to_send:
        parts.append(f"{live.rows_to_send - live.rows_left:,} of {live.rows_to_send:,} rows taken")
    if live.wait_s:
        parts.append(f"all requests wait {span_text(live.wait_s)} more")
    if live.failures:
        parts.append(f"{live.failures:,} failed so far")
    return "; ".join(parts)


def _now(live: Live) -> str:
    stage = live.stage or ""
    parts = [_DOES.get(stage, stage)]
    if stage == "send" and live.rows_to_send and not live.rows_left:
        open_batches = sum(live.batches.get(state, 0) for state in _APPLIED_LATER)
        parts = [f"all {live.rows_to_send:,} rows are taken; waits until {open_batches:,} batches are applied"]
    elif stage == "send" and live.rows_to_send:
        parts.append(f"{live.rows_to_send - live.rows_left:,} of {live.rows_to_send:,} rows taken")
        if live.rows_per_s:
            parts.append(f"{live.rows_per_s:,.0f}/s")
        if live.left_s is not None:
            parts.append(f"about {span_text(live.left_s)} left")
        if live.one_at_a_time:
            parts.append(f"{live.one_at_a_time:,} rows go one at a time")
        if live.in_flight:
            parts.append(f"{live.in_flight} in flight")
    elif live.stage_done:
        of = f" of {live.stage_total:,}" if live.stage_total is not None else ""
        parts.append(f"{live.stage_done:,}{of} rows")
    return ", ".join(parts)


def _attempts(live: Live) -> str:
    parts = [f"{live.attempts:,}"]
    if live.failures:
        parts.append(f"{live.failures:,} failed and went again")
    if live.throttled:
        parts.append(f"{live.throttled:,} answered 429")
    text = ", ".join(parts)
    return text if live.last_error is None else f"{text}; last error {_error(live.last_error, live.at)}"


def _error(error: LastError, at: str) -> str:
    ago = (datetime.fromisoformat(at) - datetime.fromisoformat(error.at)).total_seconds()
    parts = [f"{error.request} {error.kind}"]
    if error.http_status is not None:
        parts.append(f"HTTP {error.http_status}")
    if error.service_code is not None:
        parts.append(f"code {error.service_code}")
    if error.request_id is not None:
        parts.append(f"request {error.request_id}")
    return f"{span_text(ago)} ago: {', '.join(parts)}"
