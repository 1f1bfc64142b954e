"""Decisions about merge groups are kept: the same group goes in a later run without asking, another one does not."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from importer.core.report import Report
from importer.errors import ConfigError, StateError
from importer.state.decisions import Decisions
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan, validate
from tests.support.runs import Workbench, outcomes_of, workbench

MAPPING = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "phone": "Contact.phone", "note": "Account.note"},
}
HEAD = "id,email,phone,note"
PAIR = ["1,ann@example.com,+13175550001,a", "2,bob@example.com,+13175550001,b"]
OTHER = ["3,cat@example.com,,c", "4,cat@example.com,+13175550004,d"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """Start a store without profiles."""
    with workbench(tmp_path / "bench", MAPPING) as started:
        yield started


def write(bench: Workbench, *rows: str) -> Path:
    """Write a source."""
    source = bench.folder / "source.csv"
    source.write_text("\n".join([HEAD, *rows, ""]), encoding="utf-8")
    return source


def decisions_of(bench: Workbench, report: Report) -> Decisions:
    """Return the decisions about the store of a run."""
    return Decisions(bench.folder / "runs", RunFolder(Path(report.folder or "")).read_manifest().target)


def states(report: Report) -> list[str]:
    """Return the states of the rows in order."""
    return outcomes_of(report).sort("row_number")["state"].to_list()


def test_a_group_that_was_released_goes_in_later_runs(bench: Workbench) -> None:
    """In any order of rows, with other values that identify nobody; the other group is asked about again."""
    first = bench.deliver(write(bench, *PAIR, *OTHER))
    assert states(first) == ["held"] * 4
    bench.go_on(first, release=(1,))
    again = bench.deliver(write(bench, *OTHER, PAIR[1], f"{PAIR[0]} changed"))
    assert states(again) == ["held", "held", "processed", "processed"]
    assert any("earlier run: 1" in note for note in again.notes)
    dry = validate(bench.request(write(bench, *PAIR)), Hooks())
    assert (dry.merge_groups.held, dry.merge_groups.allowed) == (0, 1)


def test_a_group_with_another_member_is_asked_about_anew(bench: Workbench) -> None:
    """One row, one identifier or one key more or less makes it another group."""
    bench.go_on(bench.deliver(write(bench, *PAIR)), release=())
    for rows in (
        [*PAIR, "5,eve@example.com,+13175550001,e"],
        [PAIR[0], "2,bo@example.com,+13175550001,b"],
        [PAIR[0], "9,bob@example.com,+13175550001,b"],
        [PAIR[0], "2,,+13175550001,b"],
    ):
        assert set(states(plan(bench.request(write(bench, *rows)), Hooks()))) == {"held"}
    assert states(plan(bench.request(write(bench, *PAIR)), Hooks())) == ["planned", "planned"]


def test_what_allow_merges_sent_is_kept_and_a_plan_alone_is_not(bench: Workbench) -> None:
    """A plan decides nothing for later runs; rows that were sent by `--allow-merges` do."""
    planned = plan(bench.request(write(bench, *PAIR), allow_merges=1), Hooks())
    assert states(planned) == ["planned", "planned"]
    assert decisions_of(bench, planned).read() == {}
    assert states(plan(bench.request(write(bench, *PAIR)), Hooks())) == ["held", "held"]
    sent = bench.deliver(write(bench, *PAIR), allow_merges=1)
    (decision,) = decisions_of(bench, sent).read().values()
    assert (decision.decision, decision.run_id, decision.rows) == ("released", sent.run_id, 2)
    assert states(bench.deliver(write(bench, *PAIR))) == ["processed", "processed"]


def test_what_the_mapping_allows_is_no_decision(tmp_path: Path) -> None:
    """A group that `on_shared` lets go is held again once the mapping does not say so any more."""
    allowing = MAPPING | {"identity": {"on_shared": {"phone": "allow"}}}
    with workbench(tmp_path / "bench", allowing) as bench:
        sent = bench.deliver(write(bench, *PAIR))
        assert states(sent) == ["processed", "processed"]
        assert decisions_of(bench, sent).read() == {}


def test_a_group_that_somebody_holds_stays_held(bench: Workbench) -> None:
    """Whatever `--allow-merges` and `--release all`, in this run and later ones, until its number is given."""
    first = bench.deliver(write(bench, *PAIR, *OTHER))
    held = bench.go_on(first, hold=(2,))
    assert held.merge_groups.held == 2
    released = bench.go_on(first, release=())
    assert states(released) == ["processed", "processed", "held", "held"]
    again = bench.deliver(write(bench, *PAIR, *OTHER), allow_merges=9)
    assert states(again) == ["processed", "processed", "held", "held"]
    groups = pl.read_parquet(Path(again.folder or "") / "groups.parquet")
    assert groups["decided_by"].to_list() == ["earlier"] * 4
    assert states(bench.go_on(again, release=(2,))) == ["processed"] * 4
    assert states(bench.deliver(write(bench, *PAIR, *OTHER))) == ["processed"] * 4


def test_a_number_that_is_no_held_group_cannot_be_held(bench: Workbench) -> None:
    """It is refused, and nothing is kept."""
    first = bench.deliver(write(bench, *PAIR))
    with pytest.raises(ConfigError, match="no held group 7"):
        bench.go_on(first, hold=(1, 7))
    assert decisions_of(bench, first).read() == {}


def test_decisions_are_private_and_hold_no_values(bench: Workbench) -> None:
    """Files and folder are their owner's alone; there is a fingerprint and no key or identifier in them."""
    report = bench.go_on(bench.deliver(write(bench, *PAIR)), release=())
    decisions = decisions_of(bench, report)
    folder = decisions.path.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        content = path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not [text for text in (b"ann", b"bob", b"3175550001", b"example") if text in content]


def test_decisions_of_the_emulator_are_not_those_of_a_live_store(bench: Workbench) -> None:
    """The same store ID on another host, or in the local emulator, has a file of its own."""
    report = bench.deliver(write(bench, *PAIR))
    target = RunFolder(Path(report.folder or "")).read_manifest().target
    others = [target.model_copy(update=update) for update in ({"emulator": True}, {"host": "memory.example.com"}, {})]
    assert len({Decisions(bench.folder, one).path for one in others}) == 3


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "damaged"),
        ('{"version": 2, "groups": {}}', "newer version"),
        ('{"version": 1, "groups": {"x": 1}}', "damaged"),
    ],
)
def test_a_file_that_cannot_be_read_stops_before_anything_is_sent(bench: Workbench, content: str, why: str) -> None:
    """Nobody guesses what was decided: the error says which file to move away."""
    report = bench.go_on(bench.deliver(write(bench, *PAIR)), release=())
    path = decisions_of(bench, report).path
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StateError, match=why) as error:
        plan(bench.request(write(bench, *PAIR)), Hooks())
    assert "move it away" in error.value.hint
    path.unlink()
    assert states(plan(bench.request(write(bench, *PAIR)), Hooks())) == ["held", "held"]
