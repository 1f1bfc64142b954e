"""What a report says of sending once another command wrote it anew, or where the run stopped before its end."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from threading import Event

from importer.core.report import Report
from importer.reports.html_page import PAGE_NAME
from importer.reports.summary import summary_lines
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.runs import plan
from importer.wiring.verifying import VerifyRequest, verify
from tests.support.runs import QUICK, Workbench, bench_of
from tests.support.strict_store import MAPPING, POINTERS, deliver_strictly, people, send_again, write_source

bench = bench_of(MAPPING, POINTERS)


def seconds_between(earlier: str, later: str | None) -> float:
    """Return how long after one moment another is."""
    assert later is not None
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def shown(report: Report) -> str:
    """Return the summary of a report."""
    return "\n".join(line.text for line in summary_lines(report))


def test_times_of_sending_outlive_later_commands(bench: Workbench) -> None:
    """`verify` tells its own times and leaves those of the import; a retry is a delivery, and goes on from them."""
    report = deliver_strictly(bench, write_source(bench, *people([1, 50])), 10)
    sent = report.delivery
    assert sent is not None
    assert seconds_between(report.started_at, sent.started_at) > -1
    assert seconds_between(sent.finished_at, report.finished_at) > -1
    looked = verify(VerifyRequest(report.run_id, bench.settings, everything=True))
    assert (looked.delivery, looked.started_at > report.started_at) == (sent, True)
    assert "Rows sent" in (Path(looked.folder or "") / PAGE_NAME).read_text(encoding="utf-8")
    again = send_again(bench, report).delivery
    assert again is not None
    assert (again.started_at, again.finished_at > sent.finished_at) == (sent.started_at, True)


def test_routes_of_a_run_that_did_not_begin_say_so(bench: Workbench) -> None:
    """The plan stays in the report, and nobody takes it for requests that were made."""
    planned = plan(bench.request(write_source(bench, *people(3))), Hooks())
    assert (planned.routes["bulk"].sent_rows, planned.delivery) == (0, None)
    declined = resume(ResumeRequest(planned.run_id, bench.settings), Hooks(confirm=lambda _: False), QUICK)
    bulk = declined.routes["bulk"]
    assert (bulk.rows, bulk.requests, bulk.sent_rows, bulk.sent_requests) == (3, 1, 0, 0)
    assert "nothing of it was sent" in shown(declined)
    assert "nothing of it was sent" not in shown(planned)


def test_routes_of_a_stopped_run_say_what_left(bench: Workbench) -> None:
    """Of 2,500 rows in three requests the first 1,000 left before the signal."""
    stop = Event()

    class StopAfterOne:
        """Asks to stop once rows are settled."""

        def stage(self, name: str, total: int | None) -> None:
            """Ignore it."""

        def advance(self, rows: int, **fields: int | str) -> None:  # noqa: ARG002 - the port's signature
            """Look whether any row is."""
            if rows and sending:
                stop.set()

        def finish(self) -> None:
            """Ignore it."""

    sending: list[bool] = []

    def agree(question: str) -> bool:
        sending.append(True)
        return True

    planned = plan(bench.request(write_source(bench, *people(2500))), Hooks())
    hooks = Hooks(progress=StopAfterOne(), confirm=agree, stop=stop)
    stopped = resume(ResumeRequest(planned.run_id, bench.settings), hooks, type(QUICK)(concurrency=1))
    bulk = stopped.routes["bulk"]
    left = stopped.outcomes["accepted"]
    assert (stopped.exit_code, bulk.rows, bulk.requests) == (130, 2500, 3)
    assert 0 < left < 2500
    assert (bulk.sent_rows, bulk.sent_requests) == (left, left // 1000)
    assert f"sent: {left:,} rows" in shown(stopped)
    done = resume(ResumeRequest(planned.run_id, bench.settings), Hooks(), QUICK)
    assert (done.routes["bulk"].sent_rows, done.routes["bulk"].sent_requests) == (2500, 3)
    assert "sent: " not in shown(done)
