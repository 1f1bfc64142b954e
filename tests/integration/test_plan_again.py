"""A store that changes under a plan: it is refused with what changed, and planned again from its package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from importer.core.manifest import Stage
from importer.core.mapping_seed import seed_for
from importer.core.report import Report
from importer.emulator import Emulator, EmulatorSettings, StoreSeed
from importer.errors import GuardError
from importer.reports.summary import summary_lines
from importer.reports.wording import alarms_of
from importer.state.run_folder import RunFolder
from importer.wiring.opening import read_mapping
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.retrying import RetryRequest, retry
from importer.wiring.runs import plan
from tests.support.runs import IDLE_S, QUICK, Workbench, outcomes_of, workbench

MAPPING: dict[str, Any] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {
        "email": "Contact.email",
        "nick": "Contact.nick",
        "code": {"to": "Contact.code", "on_invalid": "drop"},
        "points": {"to": "Loyalty.points", "type": "number", "on_missing": "remove"},
        "tier": {"to": "Loyalty.tier", "on_missing": "clear"},
        "member": {"to": "Account.member", "identifier": "member"},
    },
    "constants": {"Account.origin": "crm"},
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A local service that has what the mapping needs."""
    with workbench(tmp_path / "bench", MAPPING) as made:
        yield made


@contextmanager
def moved(bench: Workbench, traits: dict[str, dict[str, Any]], **config: Any) -> Iterator[Workbench]:
    """Serve the same store where traits, or the settings of the identifier type email, are others."""
    groups: dict[str, dict[str, Any]] = {}
    for ref, definition in traits.items():
        group, _, name = ref.partition(".")
        groups.setdefault(group, {})[name] = {"dataType": "STRING"} | definition
    seed: dict[str, Any] = {"traitGroups": [{"displayName": name, "traits": held} for name, held in groups.items()]}
    if config:
        seed["identifierConfigs"] = [{"idType": "member", "normalization": "trim"} | config]
        seed["matchingRules"] = ["member"]
    store = cast("StoreSeed", seed)
    with Emulator(":memory:", EmulatorSettings(store_id=bench.emulator.store_id), store) as emulator:
        emulator.seed(seed_for(read_mapping(bench.mapping)))
        yield replace(bench, emulator=emulator)


def source(bench: Workbench, *lines: str) -> Path:
    """Write a source."""
    path = bench.folder / "source.csv"
    path.write_text("\n".join(["id,email,nick,code,points,tier,member", *lines]) + "\n", encoding="utf-8")
    return path


ROWS = ("1,a@x.org,anna,AB,1,gold,", "2,b@x.org,benedict,CDEF,,,", "3,c@x.org,cy,GH,3,silver,", "4,,dan,,4,x,")


def again(bench: Workbench, report: Report, hooks: Hooks | None = None, **options: Any) -> Report:
    """Resume a run against a store that moved."""
    made = resume(ResumeRequest(report.run_id, bench.settings, replan=True, **options), hooks or Hooks(), QUICK)
    bench.emulator.wait_idle(IDLE_S)
    return made


def found(report: Report) -> dict[str, int]:
    """Return the states that have rows."""
    return {state: count for state, count in report.outcomes.items() if count}


SHORT: dict[str, Any] = {"validationRule": {"ruleType": "STRING", "maxLength": 4}}


def test_a_moved_store_refuses_and_says_what_moved(bench: Workbench) -> None:
    """The refusal names each change and the command that plans again; nothing is sent."""
    planned = plan(bench.request(source(bench, *ROWS)), Hooks())
    changes: dict[str, dict[str, Any]] = {"Contact.nick": SHORT, "Loyalty.tier": {"dataType": "NUMBER"}}
    with moved(bench, changes, enforceUnique=False) as other:
        with pytest.raises(GuardError) as refused:
            resume(ResumeRequest(planned.run_id, other.settings), Hooks(), QUICK)
        assert other.writes() == []
    for part in (
        "the rule of Contact.nick changed: none before, max_length=4 now",
        "Loyalty.tier was STRING and is NUMBER",
        "enforce_unique of identifier type member was True and is False",
    ):
        assert part in refused.value.message
    assert "--replan" in refused.value.hint


def test_rows_that_no_longer_fit_are_rejected_and_the_others_go(bench: Workbench) -> None:
    """A rule of the store rejects one row and drops one value; removals, clears and constants stay what they were."""
    planned = plan(bench.request(source(bench, *ROWS)), Hooks())
    assert found(planned) == {"rejected": 1, "planned": 3}
    with moved(
        bench, {"Contact.nick": SHORT, "Contact.code": {"validationRule": {"ruleType": "STRING", "maxLength": 1}}}
    ) as other:
        report = again(other, planned)
        stored = {profile["traits"]["Contact"]["email"]: profile["traits"] for profile in other.stored()}
    assert (found(report), report.exit_code) == ({"rejected": 2, "processed": 2}, 3)
    assert sorted(stored) == ["a@x.org", "c@x.org"]
    assert stored["a@x.org"] == {
        "Account": {"origin": "crm"},
        "Contact": {"email": "a@x.org", "nick": "anna"},
        "Loyalty": {"points": 1, "tier": "gold"},
    }
    frame = outcomes_of(report)
    assert frame.filter(pl.col("row_number") == 2).select("state", "code").row(0) == ("rejected", "too-long")
    issues = pl.read_parquet(Path(report.folder or "") / "issues.parquet")
    told = issues.select("id", "code", "severity", "column").rows()
    assert ("2", "too-long", "error", "nick") in told
    assert ("1", "too-long", "warning", "code") in told
    assert report.issues == dict(issues["code"].value_counts().iter_rows())
    assert "planned again, as the store changed" in report.notes[0]
    assert report.constant == {"Account.origin": 2}


def test_values_that_are_dropped_anew_are_a_warning(bench: Workbench) -> None:
    """Rows go without them, so it is said before anything is sent: which trait, how many, and in the question."""
    lines = [f"{n},p{n}@x.org,n{n},{'AB' if n % 2 else n},{n},gold," for n in range(1, 2003)]
    planned = plan(bench.request(source(bench, *lines, "9999,,dan,,4,x,")), Hooks())
    asked: list[str] = []

    def agree(question: str) -> bool:
        asked.append(question)
        return True

    with moved(bench, {"Contact.code": {"dataType": "NUMBER"}}) as other:
        report = again(other, planned, Hooks(confirm=agree))
    told = "values that no longer fit are left out, while their rows go: 1,001 of Contact.code (type-mismatch; "
    assert report.notes[0].endswith(": no row is rejected")
    assert alarms_of(report) == (report.notes[1],)
    assert any(line.label == "warning" and told in line.text for line in summary_lines(report))
    assert told[1:] in asked[0]


def test_values_are_cast_from_text_exactly(bench: Workbench) -> None:
    """A STRING that became a NUMBER is cast as the source would be; what is no number is rejected."""
    mapping = MAPPING | {"columns": MAPPING["columns"] | {"tier": "Loyalty.tier"}}
    with workbench(bench.folder / "second", mapping) as first:
        planned = plan(first.request(source(first, "1,a@x.org,anna,,1,7,", "2,b@x.org,ben,,2,gold,")), Hooks())
        with moved(first, {"Loyalty.tier": {"dataType": "NUMBER"}}) as other:
            report = again(other, planned)
            tiers = [profile["traits"]["Loyalty"]["tier"] for profile in other.stored()]
    assert (tiers, found(report)) == ([7], {"rejected": 1, "processed": 1})


@pytest.mark.parametrize(
    ("traits", "why"),
    [
        ({"Loyalty.points": {"dataType": "STRING"}}, "`Loyalty.points` is STRING in the store"),
        ({"Loyalty.tier": {"dataType": "BOOLEAN"}}, "`Loyalty.tier` is BOOLEAN"),
        ({"normalization": "none"}, "Account.member: its values were normalised"),
    ],
)
def test_what_the_package_does_not_tell_is_refused(bench: Workbench, traits: dict[str, Any], why: str) -> None:
    """Where only the source says how a value was written, the run is refused and stays as it was."""
    planned = plan(bench.request(source(bench, *ROWS)), Hooks())
    folder = RunFolder(Path(planned.folder or ""))
    before = folder.read_manifest()
    changes = {} if "normalization" in traits else traits
    settings = traits if "normalization" in traits else {}
    with moved(bench, changes, **settings) as other, pytest.raises(GuardError, match="cannot be planned") as refused:
        again(other, planned)
    assert why in refused.value.message
    assert refused.value.hint == "plan the source again"
    assert folder.read_manifest() == before
    assert bench.go_on(planned).outcomes["processed"] == 3


def test_what_was_sent_stays_and_the_rest_is_planned_again(bench: Workbench) -> None:
    """After a canary only the other rows are checked against the new schema, and nothing goes twice."""
    canary = bench.deliver(source(bench, *ROWS[:3], "5,e@x.org,eleonore,,,,"), limit=2)
    assert found(canary) == {"processed": 2, "skipped": 2}
    with moved(bench, {"Contact.nick": SHORT}) as other:
        report = again(other, canary, rest=True)
        sent = sorted(profile["traits"]["Contact"]["email"] for profile in other.stored())
        assert retry(RetryRequest(report.run_id, other.settings), Hooks(), QUICK).exit_code == 3
    assert sent == ["c@x.org"]
    assert found(report) == {"rejected": 1, "processed": 3}
    assert "2 rows were sent before and stay as they are" in report.notes[0]
    frame = outcomes_of(report)
    assert frame.filter(pl.col("state") == "processed")["id"].to_list() == ["1", "2", "3"]
    assert report.operations.at_least == 3


def test_new_identity_settings_decide_anew(bench: Workbench) -> None:
    """Rows that shared an identifier merge no more where it is not unique, and are not sent unasked all the same."""
    planned = plan(bench.request(source(bench, "1,a@x.org,anna,,1,,m", "2,b@x.org,ben,,2,,m", ROWS[2])), Hooks())
    assert found(planned) == {"held": 2, "planned": 1}
    with moved(bench, {}, enforceUnique=False) as other:
        report = again(other, planned)
    assert found(report) == {"held": 2, "processed": 1}


def test_a_declined_question_leaves_a_new_plan(bench: Workbench) -> None:
    """Planning again sends nothing by itself: it asks as usual, and the new plan can be sent later."""
    planned = plan(bench.request(source(bench, *ROWS)), Hooks())
    with moved(bench, {"Contact.nick": SHORT}) as other:
        declined = again(other, planned, Hooks(confirm=lambda _: False))
        assert other.writes() == []
        assert (declined.exit_code, found(declined)) == (2, {"rejected": 2, "not_sent": 2})
        assert RunFolder(Path(planned.folder or "")).read_manifest().stage is Stage.PLANNED
        assert found(other.go_on(planned)) == {"rejected": 2, "processed": 2}


def test_a_store_that_did_not_move_needs_no_new_plan(bench: Workbench) -> None:
    """`--replan` then does what `resume` does."""
    planned = plan(bench.request(source(bench, *ROWS)), Hooks())
    ledger = RunFolder(Path(planned.folder or "")).ledger.stat().st_ino
    assert found(again(bench, planned)) == {"rejected": 1, "processed": 3}
    assert RunFolder(Path(planned.folder or "")).ledger.stat().st_ino == ledger


def test_another_encoding_refuses(bench: Workbench) -> None:
    """A plan of a version that wrote other bytes is refused with the way on, and `--replan` is that way."""
    planned = plan(bench.request(source(bench, *ROWS)), Hooks())
    folder = RunFolder(Path(planned.folder or ""))
    folder.write_manifest(folder.read_manifest().model_copy(update={"encoder_version": 0}))
    with pytest.raises(GuardError, match="encodes rows in another way") as refused:
        bench.go_on(planned)
    assert "--replan" in refused.value.hint
    assert found(again(bench, planned)) == {"rejected": 1, "processed": 3}
