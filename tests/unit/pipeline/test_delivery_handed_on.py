"""What one delivery learned of the service's patience, and the next requests to the same service."""

# ruff: noqa: ARG002 - fakes have the signatures of their ports
from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from importer.core import pacing
from importer.core.delivery import BatchSpec, EngineOptions
from importer.core.lifecycle import FinishReason
from importer.core.route import Route
from importer.errors import RetryableApiError
from importer.pipeline.deliver import DeliveryPorts, DeliveryResult, deliver
from importer.ports import Accepted
from importer.state.ledger import SqliteLedger


class Clock:
    """Real time."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()

    def utc_now_iso(self) -> str:
        """Never asked for here."""
        raise NotImplementedError


class Payloads:
    """Bodies that hold nothing."""

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Encode nothing."""
        return b"{}"

    def digest(self, start: int, stop: int) -> str:
        """Return what was planned."""
        return "digest"


@dataclass
class Service:
    """A service that refuses each body once where it is told to, and keeps when bodies came."""

    refuses: list[float] = field(default_factory=list)
    came_s: list[float] = field(default_factory=list)

    def put_bulk(self, body: bytes) -> Accepted:
        """Take a body, or ask to wait."""
        self.came_s.append(time.monotonic())
        if self.refuses:
            asked_s = self.refuses.pop()
            raise RetryableApiError("slow down", endpoint="PUT", status=429, retry_after_s=asked_s)
        return Accepted("RQ", None, None)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    """A ledger with one batch to send."""
    with SqliteLedger.create(tmp_path / "ledger.db", {}) as made:
        made.add_batches([BatchSpec(0, Route.BULK, 0, 10, digest="digest")])
        yield made


def send(ledger: SqliteLedger, service: Service, known: pacing.Pacer | None = None) -> DeliveryResult:
    """Deliver what is not over."""
    ports = DeliveryPorts(Payloads(), service, ledger, Clock(), threading.Event())  # type: ignore[arg-type]
    return deliver(ports, EngineOptions("run"), known=known)


def test_a_wait_asked_for_before_a_delivery_holds_in_it(ledger: SqliteLedger) -> None:
    """As after a first delivery whose last answer asked to wait, when rows are sent again."""
    now_s = time.monotonic()
    service = Service()
    result = send(ledger, service, pacing.told_to_wait(pacing.begun(None, now_s), now_s, 0.3, 0.0))
    assert result.reason is FinishReason.COMPLETED
    assert service.came_s[0] - now_s >= 0.3


def test_a_delivery_says_what_it_learned(ledger: SqliteLedger) -> None:
    """A refusal's wait and rate are known to whoever asks the service next."""
    service = Service(refuses=[0.1])
    result = send(ledger, service)
    assert len(service.came_s) == 2
    assert result.pacer is not None
    assert result.pacer.rate is not None
    assert result.pacer.asked_until_s >= service.came_s[0] + 0.1
    handed_on = pacing.handed_on(result.pacer, None, time.monotonic())
    assert (handed_on.rate, handed_on.asked_until_s) == (result.pacer.rate, result.pacer.asked_until_s)
