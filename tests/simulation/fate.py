"""What a seed decides: what kind of service there is, and what goes wrong where, and how often."""

from __future__ import annotations

import random
from dataclasses import dataclass

from importer.core.delivery import EngineOptions
from tests.simulation.packaging import ENDS
from tests.simulation.scenario import SEEDS_A_SCENARIO, Scenario, scenario

NEVER = float("inf")


@dataclass(frozen=True)
class Service:
    """What the service is like.

    Attributes:
        in_order: It applies what it accepted for one identity in that order; else in any.
        status_urls: It answers operations that can be followed.
        most_lag_s: The longest time between accepting and applying.
        bad: Source rows it refuses.
        poison: A source row whose bodies are never answered.
        unpatchable: Share of patches it refuses.
        pointers: It names refused rows.
        max_bytes: A larger body is refused.
        fault_share: Share of requests that go wrong on the way.
        deaf: Source rows whose lookups are not answered for a long time.
        locked: From when until when credentials are refused.
        down: From when until when nothing works.
        enders: How many answers may be such that they end a run.
        bucket_down: From when until when no file arrives, while the API answers.
    """

    in_order: bool
    status_urls: bool
    most_lag_s: float
    bad: frozenset[int]
    poison: int | None
    unpatchable: float
    pointers: bool
    max_bytes: float
    fault_share: float
    deaf: frozenset[int]
    locked: tuple[float, float]
    down: tuple[float, float]
    enders: int
    bucket_down: tuple[float, float] = (NEVER, NEVER)

    @property
    def is_only_down(self) -> bool:
        """Whether all that goes wrong on the way is that nothing, or no file, is taken for a while."""
        return not self.fault_share and self.poison is None and not self.enders


@dataclass(frozen=True)
class Machine:
    """What the machine is like.

    Attributes:
        kill: Chance of being killed at each point where that makes a difference.
        ledger: Chance that a commit fails.
        disk: Chance that a package cannot be read, or a part cannot be written.
        changed: Chance that a process finds the package changed.
        stop_at_s: When somebody asks to stop.
        slow_s: Most time the loop loses between two looks at what came back.
        packaging: What goes wrong while the source is packaged; None for nothing.
    """

    kill: float
    ledger: float
    disk: float
    changed: float
    stop_at_s: float
    slow_s: float
    packaging: str | None


@dataclass(frozen=True)
class Fate:
    """Everything a seed decides."""

    seed: int
    scenario: Scenario
    service: Service
    machine: Machine
    concurrency: int
    max_batch_rows: int
    lookup_patience_s: float

    def options(self, life: int) -> EngineOptions:
        """Return the options of the process that is number `life`, from 0."""
        return EngineOptions(
            "run",
            seed=self.seed + life,
            concurrency=self.concurrency,
            max_batch_rows=self.max_batch_rows,
            operation_deadline_s=120.0,
            import_deadline_s=300.0,
            lookup_patience_s=self.lookup_patience_s,
            resumed=life > 0,
        )


def fate_of(seed: int) -> Fate:
    """Decide all that a seed decides."""
    sent = scenario(seed // SEEDS_A_SCENARIO)
    rng = random.Random(f"fate {seed}")
    rows = sorted(sent.position_of)
    return Fate(
        seed=seed,
        scenario=sent,
        service=_service(rng, rows),
        machine=_machine(rng),
        concurrency=rng.choice([1, 2, 8, 8]),
        max_batch_rows=rng.choice([3, 1000, 1000, 1000]),
        lookup_patience_s=rng.choice([60.0, 5.0]),
    )


def _service(rng: random.Random, rows: list[int]) -> Service:
    return Service(
        in_order=rng.random() < 0.6,
        status_urls=rng.random() < 0.5,
        most_lag_s=rng.choice([0.0, 2.0, 20.0, 200.0]),
        bad=frozenset(rng.sample(rows, min(len(rows), rng.choice([0, 0, 1, 3])))),
        poison=rng.choice([None, None, None, *rows[:1]]),
        unpatchable=rng.choice([0.0, 0.0, 0.3]),
        pointers=rng.random() < 0.5,
        max_bytes=rng.choice([NEVER, NEVER, 500, 900]),
        fault_share=rng.choice([0.0, 0.05, 0.3]),
        deaf=frozenset(rng.sample(rows, len(rows) // rng.choice([3, len(rows) + 1, len(rows) + 1]))),
        locked=(1.0, 30.0) if rng.random() < 0.15 else (NEVER, NEVER),
        down=(0.5, 0.5 + rng.choice([5.0, 120.0])) if rng.random() < 0.2 else (NEVER, NEVER),
        enders=rng.choice([0, 0, 0, 2]),
        bucket_down=(1.0, 1.0 + rng.choice([60.0, 300.0])) if rng.random() < 0.2 else (NEVER, NEVER),
    )


def _machine(rng: random.Random) -> Machine:
    return Machine(
        kill=rng.choice([0.0, 0.0, 0.005, 0.03]),
        ledger=rng.choice([0.0, 0.0, 0.0, 0.03]),
        disk=rng.choice([0.0, 0.0, 0.0, 0.05]),
        changed=rng.choice([0.0, 0.0, 0.0, 0.2]),
        stop_at_s=rng.uniform(0.0, 4.0) if rng.random() < 0.15 else NEVER,
        slow_s=rng.choice([0.0, 0.0, 0.5]),
        packaging=rng.choice(tuple(ENDS)) if rng.random() < 0.06 else None,
    )
