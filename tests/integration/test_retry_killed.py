"""A retry that is killed at its worst moment loses no row, doubles none, and leaves none without a batch."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event

import pytest

from importer.core.manifest import Stage
from importer.emulator import BadProfile, EmulatorSettings
from importer.errors import ConfigError
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.run_status import status
from tests.support.commands import kill_when, run, start
from tests.support.runs import outcomes_of, workbench
from tests.support.strict_store import (
    MAPPING,
    POINTERS,
    bodies,
    deliver_strictly,
    found,
    notes_in,
    people,
    send_again,
    write_source,
)

STAGE, ORDER, LEDGER, INDEX = "run.json", "package/order.arrow", "ledger.db", "package/index.arrow"


@pytest.mark.parametrize("written", [(), (ORDER,), (ORDER, LEDGER), (ORDER, LEDGER, INDEX)])
def test_killed_while_rows_get_their_new_place(tmp_path: Path, written: tuple[str, ...]) -> None:
    """Whichever of its files it had written, a resume goes on, and a further retry sends what is left.

    The files of the run are put together from before and after a retry that was stopped before it sent anything.
    """
    mapping = MAPPING | {"identity": {"on_shared": {"email": "allow"}}}
    with workbench(tmp_path / "bench", mapping, POINTERS) as bench:
        shared = "one@example.com"
        rows = [("A", shared, "a", 1), ("B", shared, "b", 50), ("C", shared, "c", 3), ("D", "d@example.com", "d", 60)]
        report = deliver_strictly(bench, write_source(bench, *rows), 10)
        assert found(report) == {"accepted": 2, "failed": 2}
        folder, before, after = Path(report.folder or ""), tmp_path / "before", tmp_path / "after"
        shutil.copytree(folder, before)
        sent = bodies(bench)
        stop = Event()

        def stopping(question: str) -> bool:
            stop.set()
            return True

        stopped = send_again(bench, report, Hooks(confirm=stopping, stop=stop))
        assert stopped.exit_code == 130
        assert bodies(bench) == sent
        shutil.copytree(folder, after)
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        for name in written:
            shutil.copy(after / name, folder / name)
        # The stage is the first that is written, the counts in the same file the last.
        record = RunFolder(folder)
        record.write_manifest(record.read_manifest().model_copy(update={"stage": Stage.SENDING}))

        assert found(status(report.run_id, bench.settings)) == {"accepted": 2, "failed": 2}
        with pytest.raises(ConfigError, match="not over"):
            send_again(bench, report)
        resumed = bench.go_on(report)
        queued = LEDGER in written
        assert found(resumed) == ({"accepted": 4} if queued else {"accepted": 2, "failed": 2})
        assert resumed.routes["bulk"].rows == (7 if queued else 4)
        done = send_again(bench, report)
        assert (found(done), done.exit_code) == ({"accepted": 4}, 0)
        assert outcomes_of(done)["row_number"].to_list() == [1, 2, 3, 4]
        assert done.routes["bulk"].rows == 7
        assert notes_in(bench) == {shared: "c", "d@example.com": "d"}
        total = bodies(bench)
        assert found(bench.go_on(report)) == {"accepted": 4}
        assert bodies(bench) == total


def test_killed_in_the_middle_of_sending_again(tmp_path: Path) -> None:
    """After SIGKILL between batches, `resume` sends the rest, and every row arrives."""
    rows = 8_000
    mapping = MAPPING | {"routing": {"import_min_rows": 1000, "part_rows": rows}}
    settings = EmulatorSettings(bad_profile=BadProfile.ACCEPT_THEN_DROP, status_url=False)
    with workbench(tmp_path, mapping, settings) as bench:
        report = deliver_strictly(bench, write_source(bench, *people([1] * (rows - 1) + [50])), 10)
        assert found(report) == {"unattributed": rows}
        process = start(bench, "retry", "last", "--yes", "--max-rps", "8", "--concurrency", "2")
        kill_when(process, lambda: bodies(bench) >= 2)
        sent = bodies(bench)
        assert 2 <= sent < rows // 1000, "it was not killed in the middle"
        code, refused = run(bench, "retry", "last", "--yes")
        assert (code, refused["outcomes"]) == (2, None)
        assert "resume" in refused["error"]["hint"]
        code, resumed = run(bench, "resume", "last", "--yes")
        assert (code, resumed["outcomes"]["accepted"]) == (0, rows), resumed["error"]
        assert rows // 1000 <= bodies(bench) <= rows // 1000 + 2
        bench.emulator.wait_idle(60)
        assert len(bench.emulator.profiles()) == rows
        assert [resumed["operations"][name] for name in ("at_least", "at_most")] == [rows, 2 * rows]
