"""A run that looks profiles up, writes them and then removes values, killed in each of these."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import httpx
import orjson

from tests.support.cli import outcomes
from tests.support.crashes import COLUMNS, batches, crash_of, write_mapping
from tests.support.journals import Journal, JournalServer, journal_server

ROWS: Final = 1200
WITHOUT: Final = 3
"""Every third row has no points: what is stored is to go."""
REMOVALS: Final = ROWS // WITHOUT
KNOWN: Final = REMOVALS * 9 // 10
"""So many of these have a profile before the run; of the others nothing is to be removed."""
CONCURRENCY: Final = 8


def removal_rows() -> list[int]:
    """Return the numbers of the rows that remove a value."""
    return list(range(0, ROWS, WITHOUT))


def write_rows(path: Path) -> Path:
    """Write the source."""
    lines = (f"K{n},p{n}@example.com,note {n},{'' if n % WITHOUT == 0 else n}\n" for n in range(ROWS))
    path.write_text("id,email,note,points\n" + "".join(lines), encoding="utf-8")
    return path


def store_profiles(server: JournalServer, user: str) -> None:
    """Write profiles as somebody else would have, before the run."""
    traits = [
        {"Contact": {"email": f"p{n}@example.com"}, "Account": {"note": "old", "points": -1}}
        for n in removal_rows()[:KNOWN]
    ]
    for at in range(0, KNOWN, 500):
        body = orjson.dumps({"profiles": [{"traits": each} for each in traits[at : at + 500]]})
        url = f"{server.api_url}/v1/Stores/{server.store_id}/Profiles/Bulk"
        httpx.put(url, content=body, auth=(user, "secret"), trust_env=False).raise_for_status()


def stored(journal: Journal) -> dict[str, dict[str, Any]]:
    """Return what the service holds after all it applied, in that order."""
    profiles: dict[str, dict[str, Any]] = {}
    for entry in journal.entries():
        if entry.kind == "bulk":
            for profile in orjson.loads(entry.body)["profiles"]:
                email = profile["traits"]["Contact"]["email"]
                profiles.setdefault(email, {}).update(profile["traits"]["Account"])
        elif entry.kind == "patch":
            (removed,) = orjson.loads(entry.body)["traits"].items()
            assert removed == ("Account", {"points": None})
            profiles[entry.more["email"]].pop("points", None)
    return profiles


def test_killed_while_looking_up_writing_and_removing(tmp_path: Path) -> None:
    """After four kills every value is there, every removal is made, and little was asked or sent twice."""
    source = write_rows(tmp_path / "source.csv")
    columns = COLUMNS | {"points": {"to": "Account.points", "type": "number", "on_missing": "remove"}}
    mapping = write_mapping(tmp_path / "mapping.yaml", columns)
    with journal_server(tmp_path / "journals", latency_s=0.01, settle_s=0.3, seed=1) as server:
        crash = crash_of(server, tmp_path / "run", "removals", source)
        journal = crash.journal
        store_profiles(server, "removals")
        before = journal.count("bulk")

        first = ("import", source, "-m", mapping, "--via", "bulk")
        resume = ("resume", "last")
        assert crash.killed(first, lambda: journal.count("lookup") >= REMOVALS // 3)
        assert crash.killed(resume, lambda: journal.count("lookup") >= REMOVALS * 2 // 3)
        assert crash.killed(resume, lambda: journal.count("patch") >= KNOWN // 4)
        assert crash.killed(resume, lambda: journal.count("patch") >= KNOWN * 2 // 3)
        report = crash.ends(resume)
        journal.settle()

        assert {state: count for state, count in report["outcomes"].items() if count} == {"accepted": ROWS}
        assert outcomes(crash.run)["state"].to_list() == ["accepted"] * ROWS
        assert {state for state, _ in batches(crash.run).values()} == {"accepted"}
        kept = {f"p{n}@example.com": {"note": f"note {n}", "points": n} for n in range(ROWS) if n % WITHOUT}
        removed = {f"p{n}@example.com": {"note": f"note {n}"} for n in removal_rows()}
        assert stored(journal) == kept | removed
        assert not journal.count("violation")

        kills = len(crash.kills)
        assert REMOVALS <= journal.count("lookup") <= REMOVALS + kills * CONCURRENCY
        assert KNOWN <= journal.count("patch") <= KNOWN + kills * CONCURRENCY
        out = sum(len(kill.out) for kill in crash.kills)
        assert len(batches(crash.run)) <= journal.count("bulk") - before <= len(batches(crash.run)) + out
