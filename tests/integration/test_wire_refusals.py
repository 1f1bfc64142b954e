"""Refusals as a command meets them: bad rows named in few requests, and services that refuse everything."""

from __future__ import annotations

import base64
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
import pytest

from importer.core.mapping_seed import seed_for
from importer.core.mapping_yaml import parse_mapping
from importer.emulator import Emulator, EmulatorSettings
from tests.support.cli import CREDENTIALS, Ended, Shell, new_shell, outcomes
from tests.support.here import run_here
from tests.support.interposed import Interposed, interposed, without_rules
from tests.support.loopback import Reply, Seen

MAPPING: Final = b'{"version": 1, "columns": {"email": "Contact.email", "note": "Account.note"}}'
RULE: Final = {"ruleType": "STRING", "pattern": "^[a-z]*$"}
CAP_BYTES: Final = 30_000
"""Of a body, where the service has one: less than a third of a full one."""


@dataclass(frozen=True)
class Case:
    """What a service is like, and which rows it will not have.

    Attributes:
        rows: Rows of the source.
        bad: Rows, by number from 0, that break a rule the client is not told of.
        settings: Of the service.
    """

    rows: int
    bad: Sequence[int] = ()
    settings: dict[str, Any] = field(default_factory=dict)


CASES: Final = {
    "1 bad row": Case(1000, [617]),
    "2 bad rows": Case(1000, [0, 617]),
    "10 bad rows": Case(1000, range(43, 1000, 100)),
    "10 bad rows, pointers": Case(1000, range(43, 1000, 100), {"error_pointers": True}),
    "every row": Case(5000, range(5000)),
    "too large": Case(4000, (), {"max_body_bytes": CAP_BYTES}),
}


@dataclass(frozen=True)
class Judged:
    """How a command ended, its run, and the bodies in the journal of the service."""

    ended: Ended
    run: Path
    bodies: list[dict[str, Any]]

    def rows(self, state: str) -> list[int]:
        """Return the rows in a state, by number from 0."""
        return sorted(number - 1 for number in outcomes(self.run).filter(pl.col("state") == state)["row_number"])


def strict_store(settings: dict[str, Any]) -> Emulator:
    """Return a service with a rule for notes."""
    seed = seed_for(parse_mapping(MAPPING, "mapping.yaml"))
    (account,) = (group for group in seed["traitGroups"] if group["displayName"] == "Account")
    account["traits"]["note"]["validationRule"] = RULE
    # Without operations to follow, an answer is all there is to wait for.
    return Emulator(":memory:", EmulatorSettings(status_url=False, **settings), seed)


def shell_for(folder: Path, between: Interposed, rows: int, bad: Sequence[int] = ()) -> Shell:
    """Write source and mapping, and return a shell in which the service is the live one."""
    folder.mkdir()
    wrong = set(bad)
    lines = (f"p{n}@example.com,{'WRONG' if n in wrong else 'right'}" for n in range(rows))
    (folder / "source.csv").write_text("\n".join(["email,note", *lines, ""]), encoding="utf-8")
    (folder / "mapping.yaml").write_bytes(MAPPING)
    address = {"MEMORY_API_URL": between.api.url, "MEMORY_STORE_ID": between.emulator.store_id}
    return new_shell(folder, **address, **CREDENTIALS)


SEND: Final = ("import", "source.csv", "-m", "mapping.yaml", "--via", "bulk", "--yes", "--json")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Judged]]:
    """Import to each service."""
    folder = tmp_path_factory.mktemp("refusals")
    with ExitStack() as stack:
        between = {
            name: stack.enter_context(
                interposed(stack.enter_context(strict_store(case.settings)), rewrite=without_rules)
            )
            for name, case in CASES.items()
        }
        shells = {
            name: shell_for(folder / name.replace(" ", "-"), between[name], case.rows, case.bad)
            for name, case in CASES.items()
        }
        ended = {name: run_here(s.folder, *SEND, environment=s.environment) for name, s in shells.items()}
        yield {
            name: Judged(
                ended[name],
                shells[name].runs()[0],
                [entry for entry in between[name].emulator.journal() if entry["path"].endswith("/Bulk")],
            )
            for name in CASES
        }


@pytest.mark.parametrize(
    ("name", "most"), [("1 bad row", 23), ("2 bad rows", 41), ("10 bad rows", 154), ("10 bad rows, pointers", 2)]
)
def test_bad_rows_are_named_in_few_requests(judged: dict[str, Judged], name: str, most: int) -> None:
    """Exactly those, the rest arrives; and where the service names them, it is asked twice."""
    made = judged[name]
    assert made.ended.code == 3, made.ended.stderr
    assert made.rows("failed") == sorted(CASES[name].bad)
    assert len(made.rows("accepted")) == 1000 - len(CASES[name].bad)
    assert len(made.bodies) <= most
    assert made.ended.report["requests"]["bulk"] == len(made.bodies)


def test_a_service_that_refuses_every_row_is_left_soon(judged: dict[str, Judged]) -> None:
    """Exit code 4 after a few dozen requests; what was not judged alone was not sent."""
    made = judged["every row"]
    assert made.ended.code == 4, made.ended.stderr
    assert len(made.bodies) <= 60
    assert {entry["status"] for entry in made.bodies} == {400}
    failed, not_sent = made.rows("failed"), made.rows("not_sent")
    assert 8 <= len(failed) < 60
    assert len(failed) + len(not_sent) == 5000
    assert "resume" in made.ended.report["error"]["hint"]


def test_a_size_that_is_refused_is_remembered(judged: dict[str, Judged]) -> None:
    """Only the bodies that were out already are refused for their size; all rows arrive."""
    made = judged["too large"]
    assert made.ended.code == 0, made.ended.stderr
    assert len(made.rows("accepted")) == 4000
    statuses = Counter(entry["status"] for entry in made.bodies)
    assert set(statuses) == {202, 413}
    # Four full bodies, then their halves and quarters as far as they were out before the first answer about them.
    assert statuses[413] <= 12
    accepted = [entry["size_bytes"] for entry in made.bodies if entry["status"] == 202]
    assert max(accepted) <= CAP_BYTES
    assert max(accepted) > CAP_BYTES / 3


def refusing_imports(seen: Seen) -> Reply | None:
    """Refuse to create an import, for a column; quote it, as no service should."""
    if seen.method != "POST" or not seen.path.endswith("/Imports"):
        return None
    errors = [
        {"pointer": "#/columnMappings/1/traitName", "detail": "canary@example.com"},
        {"pointer": "#/columnMappings/canary@example.com", "detail": "x"},
    ]
    body = {"type": "t", "title": "canary@example.com", "status": 400, "code": 20001, "errors": errors}
    return Reply(400, orjson.dumps(body))


def test_an_import_whose_columns_are_refused_names_them(tmp_path: Path) -> None:
    """Exit code 4 with the pointer of the answer and nothing else of it; and what to do is not to send it once more."""
    with strict_store({}) as emulator, interposed(emulator, refusing_imports) as between:
        shell = shell_for(tmp_path / "columns", between, 10)
        ended = run_here(shell.folder, *SEND[:4], "--via", "import", *SEND[6:], environment=shell.environment)
    assert ended.code == 4, ended.stderr
    error = ended.report["error"]
    assert "HTTP 400, code 20001, about columnMappings/1/traitName)" in error["message"]
    assert "explain refused-by-service" in error["hint"]
    assert "--replan" in error["hint"]
    assert "goes on where it stopped" not in error["hint"]
    assert "canary" not in ended.stdout + ended.stderr


@dataclass
class Rotated:
    """A service whose first key is no longer good after some bodies; any other key is."""

    after: int = 3
    refused_at_s: float | None = None
    _taken: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, seen: Seen) -> Reply | None:
        """Refuse the old key; let everything else through."""
        user = base64.b64decode(seen.headers["authorization"].split()[1]).split(b":")[0]
        if user != b"key":
            return None
        with self._lock:
            self._taken += seen.method == "PUT"
            if self._taken <= self.after:
                return None
            self.refused_at_s = self.refused_at_s or seen.at_s
        return Reply(401, b'{"code":20003,"message":"Authenticate","status":401}')


def test_a_key_that_is_withdrawn_stops_all_workers(tmp_path: Path) -> None:
    """No more than what was out already follows; exit code 4; with a new key the run goes on to its end."""
    script = Rotated()
    with strict_store({}) as emulator, interposed(emulator, script) as between:
        shell = shell_for(tmp_path / "rotated", between, 8000)
        stopped = shell.run(*SEND, "--concurrency", "4")
        assert stopped.code == 4, stopped.stderr
        assert "TWILIO_API_KEY" in stopped.stderr + stopped.stdout
        assert script.refused_at_s is not None
        after = [seen for seen in between.api.seen if seen.at_s > script.refused_at_s]
        assert len(after) < 4
        again = replace(shell, environment={**shell.environment, "TWILIO_API_KEY": "new"}).run(
            "resume", "last", "--yes", "--json"
        )
        assert again.code == 0, again.stderr
        assert again.report["outcomes"]["accepted"] == 8000
        emulator.wait_idle()
        assert len(emulator.profiles()) == 8000
        taken = [entry for entry in emulator.journal() if entry["path"].endswith("/Bulk") and entry["status"] == 202]
        assert sum(entry["profile_count"] for entry in taken) == 8000
