"""A whole simulated run: one process after the other over one ledger and one service, until it is complete."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from importer.core.lifecycle import FinishReason
from importer.core.manifest import Stage
from importer.errors import StateError
from importer.memory_api.client import ClientOptions, MemoryClient
from importer.pipeline.carrier import Carrier
from importer.pipeline.deliver import DeliveryPorts, DeliveryProgress, deliver
from importer.state.ledger import SqliteLedger
from importer.state.run_folder import MANIFEST_FILE, RunFolder
from tests.simulation.checks import Checks
from tests.simulation.ends import check_end, check_life
from tests.simulation.fate import Fate, fate_of
from tests.simulation.http import API_URL
from tests.simulation.machine import Books, BrittlePayloads, Machine, VirtualExecutor
from tests.simulation.network import Network, SimulatedBugError
from tests.simulation.packaging import ENDS, STORE_ID, WHOLE, package, packaged_with
from tests.simulation.papers import listening
from tests.simulation.scenario import room
from tests.simulation.service import CREDENTIALS, Api
from tests.simulation.trace import BrokenInvariantError, Killed, Trace, VirtualClock, must

MOST_LIVES: Final = 60
CALM_AFTER: Final = 12
"""Processes after which nothing goes wrong any more: a run must end then."""


@dataclass
class World:
    """Everything of one seed.

    Attributes:
        path: The ledger.
        left: Batches one of whose bodies reached the network.
        lost: Batches with a request that may have been done, and was not answered so.
        unsure: Batches that may have left when a process was killed.
        told: Texts that people or files were given since the last check.
        life: Number of the process.
        reasons: Why each process ended.
    """

    fate: Fate
    clock: VirtualClock
    trace: Trace
    rng: random.Random
    api: Api
    network: Network
    checks: Checks
    path: Path
    left: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    life: int = 0
    reasons: list[str] = field(default_factory=list)

    def saw(self, progress: DeliveryProgress) -> None:
        """Take what a person would have been shown."""
        self.told.append(repr(progress))


def make_world(seed: int, *, traced: bool = False) -> World:
    """Make the world of a seed as it is before the first process."""
    fate = fate_of(seed)
    clock = VirtualClock()
    trace = Trace(clock, kept=traced)
    rng = random.Random(f"world {seed}")
    api = Api(fate.service, clock, rng, fate.scenario.row_of)
    network = Network(api, fate.service, clock, rng, trace, enders=fate.service.enders)
    checks = Checks(fate.scenario)
    api.store.watch = checks.accepted
    api.imports.is_settling = checks.is_settling
    network.before = checks.leaving
    path = room("life") / "ledger.db"
    shutil.copyfile(fate.scenario.template, path)
    return World(fate, clock, trace, rng, api, network, checks, path)


def simulate(seed: int, *, traced: bool = False) -> World:
    """Run a seed to its end, over kills and stops.

    Raises:
        BrokenInvariantError: a promise was broken; the world is in its `world`.
    """
    world = make_world(seed, traced=traced)
    try:
        _package_with_faults(world)
        world.network.is_open = True
        for world.life in range(MOST_LIVES):
            reason = _live(world)
            world.reasons.append(reason)
            world.trace.met[f"process {reason}"] += 1
            world.trace.note("process", world.life, "ended:", reason)
            if reason == FinishReason.COMPLETED:
                break
            world.clock.now_s += 60.0
        else:
            must(False, "liveness", f"{MOST_LIVES} processes did not finish the run")
        check_end(world)
        ends = [operation.end for operation in world.api.operations.known.values()]
        world.trace.met.update(f"operation {end}" for end in ends)
        world.trace.met.update(f"import {task.end}" for task in world.api.imports.known.values())
    except Exception as error:  # whatever comes out of a run that nobody foresaw is a bug
        broken = error if isinstance(error, BrokenInvariantError) else BrokenInvariantError("bug", repr(error))
        broken.world = world
        raise broken from error
    return world


def _package_with_faults(world: World) -> None:
    """Package the source once more, if the seed says that something goes wrong: nothing may be sent by that."""
    fault = world.fate.machine.packaging
    if fault is None:
        return
    scenario = world.fate.scenario
    path = room("packaging")
    client = _client(world)
    end = packaged_with(fault, path, scenario.source, scenario.request, world.rng, client)
    world.trace.met[f"packaging {fault}"] += 1
    world.trace.note("packaging", fault, end)
    world.told.append(end)
    must(end.startswith(ENDS[fault]), "source", f"{fault} while packaging ended in: {end}")
    record = RunFolder(path).path / MANIFEST_FILE
    is_packaged = record.exists() and RunFolder(path).read_manifest().stage is not Stage.PACKAGING
    must(is_packaged == (end == WHOLE), "source", "half a package counts as a whole one, or the other way round")
    again = package(RunFolder(path), scenario.source, scenario.request, client=client)
    must(again.index.equals(scenario.run.index), "source", "packaged anew, the same source became another run")


def _client(world: World) -> MemoryClient:
    options = ClientOptions(transport=world.network, bucket_transport=world.network)
    return MemoryClient(API_URL, STORE_ID, CREDENTIALS, options, now=world.clock.wall)


def _live(world: World) -> str:
    """Run one process; return why it ended."""
    fate, clock = world.fate, world.clock
    machine = Machine(fate.machine, clock, world.rng, world.trace, is_calm=world.life >= CALM_AFTER)
    world.network.is_calm = machine.is_calm
    world.network.not_before_s = clock.now_s  # a new process cannot know what the last one was told
    with SqliteLedger.open(world.path) as ledger:
        batches = {entry.spec.batch_id: entry for entry in ledger.entries()}
        must(world.life == 0 or batches == world.checks.batches, "ledger", "it lost what was committed")
        books = Books(machine, ledger, batches)
        is_changed = world.life > 0 and machine.fails(fate.machine.changed)
        world.checks.begin(batches, is_changed=is_changed)
        payloads = BrittlePayloads(machine, fate.scenario.payloads(world.path.parent / "parts"), is_changed)
        client = _client(world)
        engine = fate.options(world.life)
        executor = VirtualExecutor(world, machine, books, Carrier(payloads, client, clock), engine)
        try:
            ports = DeliveryPorts(payloads, client, books, clock, machine)
            with listening(world):
                reason = deliver(ports, engine, world.saw, executor).reason.value
        except Killed:
            reason = "killed"
        except (StateError, SimulatedBugError) as error:
            world.told.append(f"{error!r} {getattr(error, 'hint', '')} {getattr(error, 'context', '')}")
            reason = type(error).__name__
        check_life(world, ledger, books, executor, reason)
    return reason
