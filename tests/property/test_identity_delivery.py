"""Identity from file to store: no body holds two rows of one identity, groups go one row after the other."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.delivery import BatchSpec
from importer.core.report import Report
from importer.core.route import Route
from importer.state.frames import read_frame
from importer.state.ledger import SqliteLedger
from importer.state.run_folder import RunFolder
from importer.wiring.grouping import GROUPS_FILE
from importer.wiring.requests import Hooks
from importer.wiring.run import Run
from importer.wiring.runs import plan
from importer.wiring.send_order import payloads_of
from tests.support.rules import Store, Value
from tests.support.runs import Workbench, outcomes_of, workbench

ID_TYPES: Final = {"Contact.email": "email", "Contact.phone": "phone"}
FINE: Final = {"processed", "combined", "skipped"}


@dataclass(frozen=True)
class Case:
    """Rows of (key, e-mail, phone), the mapping's policy and the run's options."""

    rows: tuple[tuple[str, str, str], ...]
    identity: dict[str, Any]
    keyed: bool
    allow_merges: int

    def mapping(self) -> dict[str, Any]:
        """Return the mapping: each row says in `note` which one it is."""
        return {
            "version": 1,
            "source": {"key": ["id"]} if self.keyed else {},
            "columns": {"email": "Contact.email", "phone": "Contact.phone", "note": "Account.note"},
            "identity": self.identity,
            "routing": {"import_min_rows": 4, "part_rows": 3},
        }

    def write(self, path: Path) -> None:
        """Write the source."""
        lines = [f"{key},{email},{phone},row {number}" for number, (key, email, phone) in enumerate(self.rows, start=1)]
        path.write_text("\n".join(["id,email,phone,note", *lines, ""]), encoding="utf-8")


@st.composite
def draw_case(draw: st.DrawFn) -> Case:
    """Draw keys and identifiers that meet in all ways: from many small groups to one large one.

    Cells come from a seeded generator: drawn one by one they are mostly alike, and everything is one group.
    """
    count, width = draw(st.sampled_from([(24, 40), (20, 24), (12, 5), (4, 2)]))
    dice = Random(draw(st.integers(0, 2**32)))
    policies = [None, None, "hold", "drop-value", "allow"]
    on_shared = {id_type: draw(st.sampled_from(policies)) for id_type in ("email", "phone")}
    identity = {
        "on_duplicate_key": draw(st.sampled_from(["last", "reject", "all"])),
        "on_shared": {id_type: policy for id_type, policy in on_shared.items() if policy is not None},
        "deny": draw(st.sampled_from([[], ["e1@example.com"], ["+1 (317) 958-0002", "E0@EXAMPLE.COM"]])),
    }
    rows = []
    for _ in range(count):
        email, phone = f"E{dice.randrange(width)}@example.com", f"+1317958{dice.randrange(width):04d}"
        rows.append((f"K{dice.randrange(width)}", *dice.choice([(email, phone), (email, ""), ("", phone)])))
    return Case(tuple(rows), identity, draw(st.sampled_from([True, True, False])), draw(st.sampled_from([0, 0, 1, 9])))


@dataclass(frozen=True)
class Sent:
    """One batch of a run: what it is, which rows are in it and what it says of them."""

    spec: BatchSpec
    rows: tuple[int, ...]
    groups: tuple[int, ...]
    waves: tuple[int, ...]
    values: tuple[dict[str, Value], ...]


def batches_of(folder: RunFolder) -> list[Sent]:
    """Return the batches of a run in the order of sending, with the values that leave in them."""
    groups = read_frame(folder.package / GROUPS_FILE)
    run = Run(folder, folder.read_manifest(), folder.reader(), folder.read_index(), groups)
    order = folder.read_order()
    payloads = payloads_of(run, order)
    lines = run.index[order["line"]]
    batches = []
    with SqliteLedger.open(folder.ledger) as ledger:
        for spec in (entry.spec for entry in ledger.entries()):
            body = json.loads(payloads.bulk_body(spec.start, spec.stop))
            part = lines.slice(spec.start, spec.rows)
            assert part["position"].to_list() == list(range(spec.start, spec.stop))
            values = tuple(
                {
                    f"{group}.{name}": value
                    for group, traits in profile["traits"].items()
                    for name, value in traits.items()
                }
                for profile in body["profiles"]
            )
            assert len(values) == spec.rows
            rows = tuple(number + 1 for number in part["row"].to_list())
            batches.append(Sent(spec, rows, tuple(part["group"]), tuple(part["wave"]), values))
    return batches


def check_bodies(batches: Sequence[Sent]) -> None:
    """No two rows of one identity are in one body or in bodies that are out together; groups keep their order."""
    store = Store(ID_TYPES)
    in_wave: dict[int, set[tuple[str, str]]] = defaultdict(set)
    last: dict[int, tuple[int, int]] = {}
    for batch in batches:
        for row, group, wave, values in zip(batch.rows, batch.groups, batch.waves, batch.values, strict=True):
            assert wave == batch.spec.wave
            identifiers = store.identifiers(values)
            assert identifiers
            assert not identifiers & in_wave[wave]
            in_wave[wave] |= identifiers
            if wave:
                assert batch.spec.route is not Route.IMPORT
                assert (row, wave) > last.get(group, (0, 0))
                assert wave == last.get(group, (0, 0))[1] + 1
                last[group] = row, wave
    order = [batch.spec.wave for batch in batches]
    assert order == sorted(order)


def check_policy(case: Case, batches: Sequence[Sent], frame: pl.DataFrame) -> None:
    """What the policy drops or holds is in no body."""
    sent = {value for batch in batches for values in batch.values for value in values.values()}
    assert not sent & {"e0@example.com", "e1@example.com", "+13179580002"} & denied(case)
    shared: dict[tuple[int, str], set[str]] = defaultdict(set)
    for key, email, phone in case.rows:
        shared[1, email.lower()].add(key)
        shared[2, phone].add(key)
    for place, id_type in ((1, "email"), (2, "phone")):
        if case.keyed and case.identity["on_shared"].get(id_type) == "drop-value":
            assert not {value for (at, value), keys in shared.items() if at == place and len(keys) > 1} & sent
    going = [row for batch in batches for row in batch.rows]
    assert sorted(going) == frame.filter(pl.col("state").is_in(["planned", "processed"]))["row_number"].to_list()
    notes = {str(values["Account.note"]) for batch in batches for values in batch.values}
    assert notes == {f"row {row}" for row in going}


def denied(case: Case) -> set[str]:
    """Return the denied values as the service would keep them."""
    normal = {"+1 (317) 958-0002": "+13179580002"}
    return {normal.get(value, value.lower()) for value in case.identity["deny"]}


def check_store(bench: Workbench, batches: Sequence[Sent]) -> None:
    """The store holds what the batches come to, one after the other, and nothing else."""
    store = Store(ID_TYPES)
    for batch in batches:
        for values in batch.values:
            store.write(values)
    assert bench.stored() == store.shown()


def check_outcomes(case: Case, report: Report) -> pl.DataFrame:
    """Each row is there once; exit codes and counts follow."""
    frame = outcomes_of(report)
    assert frame["row_number"].to_list() == list(range(1, len(case.rows) + 1))
    assert sum(report.outcomes.values()) == report.rows_read == len(case.rows)
    assert report.exit_code == (0 if set(frame["state"].to_list()) <= FINE else 3), report.error
    combined = frame.filter(pl.col("state") == "combined")
    carriers = frame.filter(pl.col("row_number").is_in(combined["carried_by"].implode()))
    assert carriers["state"].is_in(["processed", "planned"]).all()
    return frame


@settings(max_examples=25, deadline=None)
@given(draw_case())
def test_identity_holds_from_file_to_store(case: Case) -> None:
    """Planned, delivered and released: bodies are free of clashes, policies hold, and the store has the last word."""
    with TemporaryDirectory() as name, workbench(Path(name), case.mapping()) as bench:
        source = bench.folder / "source.csv"
        case.write(source)
        planned = plan(bench.request(source, allow_merges=case.allow_merges), Hooks())
        folder = RunFolder(Path(planned.folder or ""))
        batches = batches_of(folder)
        check_bodies(batches)
        check_policy(case, batches, outcomes_of(planned))

        report = bench.go_on(planned)
        frame = check_outcomes(case, report)
        check_policy(case, batches, frame)
        check_store(bench, batches)

        released = bench.go_on(planned, release=())
        frame = check_outcomes(case, released)
        assert frame.filter(pl.col("code") == "merge-group")["state"].is_in(["processed"]).all()
        assert released.merge_groups.held == 0
        more = batches_of(folder)
        assert more[: len(batches)] == batches
        check_bodies(more[len(batches) :])
        check_store(bench, more)
