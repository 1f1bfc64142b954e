"""Delivery against the local service: real client, real sockets, real ledger."""

# ruff: noqa: ARG002 - fakes have the signatures of their ports
from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from importer.core.delivery import BatchSpec, EngineOptions
from importer.core.lifecycle import FinishReason
from importer.core.route import Route
from importer.emulator import BadProfile, Emulator, EmulatorSettings
from importer.memory_api.client import MemoryClient
from importer.pipeline.deliver import DeliveryPorts, DeliveryResult, deliver
from importer.ports import ColumnMapping, PartFile
from importer.state.ledger import SqliteLedger

OPTIONS = EngineOptions("run", poll_first_s=0.05)


class RealClock:
    """Real time."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()

    def utc_now_iso(self) -> str:
        """Never asked for here."""
        raise NotImplementedError


@dataclass
class People:
    """Payloads of made-up people, one a position; `bad` ones have a number for a name."""

    folder: Path
    bad: frozenset[int] = frozenset()

    def _profile(self, position: int) -> dict[str, Any]:
        name: Any = position if position in self.bad else f"name {position}"
        return {"traits": {"Contact": {"email": f"u{position}@example.com", "firstName": name, "lastName": "L"}}}

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Encode profiles."""
        return orjson.dumps({"profiles": [self._profile(p) for p in range(start, stop) if p not in skip]})

    def part(self, batch_id: int, start: int, stop: int) -> PartFile:
        """Write a file of two columns."""
        lines = ["c001,c002", *(f"u{p}@example.com,name {p}" for p in range(start, stop))]
        content = ("\n".join(lines) + "\n").encode()
        path = self.folder / f"part-{batch_id}.csv"
        path.write_bytes(content)
        columns = (ColumnMapping("c001", "Contact", "email"), ColumnMapping("c002", "Contact", "firstName"))
        return PartFile(str(path), len(content), columns, hashlib.sha256(content).hexdigest())

    def identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return the e-mail address."""
        return (("email", f"u{position}@example.com"),)

    def further_identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return a telephone number."""
        return (("phone", f"+1415555{position:04d}"),)

    def follows(self, position: int) -> bool:
        """Nobody has an identifier of somebody else."""
        return False

    def patch_body(self, position: int) -> bytes:
        """Remove the last name."""
        return orjson.dumps({"traits": {"Contact": {"lastName": None}}})

    def digest(self, start: int, stop: int) -> str:
        """Return a pinned hash."""
        return f"{start}-{stop}"


@dataclass
class Bench:
    """An emulator, a client of it, and a ledger."""

    emulator: Emulator
    client: MemoryClient
    ledger: SqliteLedger
    people: People

    def go(self, *specs: BatchSpec, options: EngineOptions = OPTIONS) -> DeliveryResult:
        """Plan and deliver."""
        self.ledger.add_batches(specs)
        ports = DeliveryPorts(self.people, self.client, self.ledger, RealClock(), threading.Event())
        result = deliver(ports, options)
        self.emulator.wait_idle()
        return result

    def outcomes(self) -> Counter[str]:
        """Rows by state."""
        found: dict[int, str] = {}
        for outcome in self.ledger.outcomes():
            found |= dict.fromkeys(range(outcome.start, outcome.stop), outcome.state)
        found |= {row.position: row.state for row in self.ledger.row_outcomes()}
        return Counter(found.values())


@contextmanager
def bench(
    tmp_path: Path, settings: EmulatorSettings | None = None, bad: frozenset[int] = frozenset()
) -> Iterator[Bench]:
    """Run an emulator for a test."""
    with (
        Emulator(tmp_path / "service.db", settings or EmulatorSettings()) as emulator,
        MemoryClient(emulator.api_url, emulator.store_id, ("key", "secret")) as client,
        SqliteLedger.create(tmp_path / "ledger.db", {}) as ledger,
    ):
        yield Bench(emulator, client, ledger, People(tmp_path, bad))


def spec(batch_id: int, start: int, stop: int, route: Route = Route.BULK) -> BatchSpec:
    """Return a batch."""
    return BatchSpec(batch_id, route, start, stop, digest=f"{start}-{stop}")


@pytest.mark.parametrize("status_url", [True, False])
def test_all_routes_arrive(tmp_path: Path, status_url: bool) -> None:
    """Part, bodies and removals arrive; what the service lets us follow is processed, the rest accepted."""
    with bench(tmp_path, EmulatorSettings(status_url=status_url)) as made:
        made.go(spec(0, 0, 10))
        result = made.go(
            spec(1, 100, 400, Route.IMPORT), spec(2, 400, 900), spec(3, 900, 1400), spec(4, 0, 10, Route.BULK_PATCH)
        )
        assert result.reason is FinishReason.COMPLETED
        by_route = {(outcome.route, outcome.state) for outcome in made.ledger.outcomes()}
        bulk_state = "processed" if status_url else "accepted"
        assert by_route == {
            (Route.IMPORT, "processed"),
            (Route.BULK, bulk_state),
            (Route.BULK_PATCH, "accepted"),
        }
        contacts = [profile["traits"]["Contact"] for profile in made.emulator.profiles()]
    assert len(contacts) == 1310
    assert sum("lastName" in contact for contact in contacts) == 1000


@pytest.mark.parametrize("pointers", [True, False])
def test_bad_rows_are_found_and_the_rest_arrives(tmp_path: Path, pointers: bool) -> None:
    """A body the service refuses whole is brought down to the rows it means."""
    bad = frozenset({3, 499, 777})
    with bench(tmp_path, EmulatorSettings(error_pointers=pointers), bad) as made:
        result = made.go(spec(0, 0, 1000))
        failed = [row.position for row in made.ledger.row_outcomes()]
        failed += [o.start for o in made.ledger.outcomes() if o.state == "failed"]
        assert sorted(failed) == sorted(bad)
        assert made.outcomes() == {"processed": 997, "failed": 3}
        assert len(list(made.emulator.profiles())) == 997
        assert sum(result.requests.values()) < (10 if pointers else 110)


def test_rows_dropped_behind_a_202_make_their_body_unattributed(tmp_path: Path) -> None:
    """What the service only counts cannot be named: the body is unattributed, not processed."""
    with bench(tmp_path, EmulatorSettings(bad_profile=BadProfile.ACCEPT_THEN_DROP), frozenset({5})) as made:
        made.go(spec(0, 0, 100), spec(1, 100, 200))
        assert made.outcomes() == {"unattributed": 100, "processed": 100}


def test_a_limited_service_is_obeyed(tmp_path: Path) -> None:
    """429 and 413 slow a run down and lose nothing."""
    settings = EmulatorSettings(max_requests_per_s=40, max_body_bytes=40_000, status_url=False)
    with bench(tmp_path, settings) as made:
        result = made.go(*(spec(n, n * 500, n * 500 + 500) for n in range(20)))
        assert made.outcomes() == {"accepted": 10_000}
        assert result.reason is FinishReason.COMPLETED
        assert len(list(made.emulator.profiles())) == 10_000
