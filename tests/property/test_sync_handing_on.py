"""Random histories of numbers that are handed on and of people who get other keys, told truly when a mirror asks."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.core.sync_brakes import Brake
from importer.core.sync_handed import Decision
from importer.wiring.requests import Hooks
from importer.wiring.sync_handed import Choice, sync_decide
from importer.wiring.sync_standing import HandedOnStanding, sync_status
from tests.support.mirrors import MIRROR, is_mirror
from tests.support.runs import workbench
from tests.support.strict_store import POINTERS
from tests.support.syncs import MAPPING, At, Row, Synced

PEOPLE = range(4)
MOST_RUNS = 9
"""Runs after which nobody may be waiting any more; each brings somebody one link further."""

steps = st.tuples(
    st.sampled_from(["leaves", "comes", "inherits", "moves", "renamed", "swap"]),
    st.sampled_from(PEOPLE),
    st.sampled_from(PEOPLE),
)
histories = st.lists(st.tuples(st.lists(steps, min_size=1, max_size=3), st.booleans()), min_size=1, max_size=3)


@dataclass
class World:
    """Who is who in truth: an e-mail address is somebody's for ever, a phone and a key are not."""

    keys: dict[int, str] = field(default_factory=dict)
    phones: dict[int, str] = field(default_factory=dict)
    owners: dict[str, int] = field(default_factory=dict)
    made: int = 0

    def fresh(self) -> int:
        """Return a number that nothing had before."""
        self.made += 1
        return self.made

    def comes(self, person: int, phone: str | None = None) -> None:
        """Let somebody in under a new key."""
        key = f"K{self.fresh():03d}"
        self.keys[person], self.owners[key] = key, person
        self.phones[person] = phone or f"+1206555{self.fresh():04d}"

    def leaves(self, person: int) -> str | None:
        """Let somebody go; return the phone they leave behind."""
        self.keys.pop(person, None)
        return self.phones.pop(person, None)

    def step(self, what: str, one: int, other: int) -> None:
        """Let something happen, where it can."""
        if what == "comes" and one not in self.keys:
            self.comes(one)
        elif what == "leaves":
            self.leaves(one)
        elif what == "inherits" and one in self.keys and other not in self.keys:
            self.comes(other, self.leaves(one))
        elif what == "moves" and one in self.keys and other in self.keys and one != other:
            self.phones[other] = self.leaves(one) or ""
        elif what == "renamed" and one in self.keys:
            self.comes(one, self.phones[one])
        elif what == "swap" and one in self.keys and other in self.keys:
            self.phones[one], self.phones[other] = self.phones[other], self.phones[one]

    def rows(self) -> dict[str, Row]:
        """Return what the source says."""
        return {key: (f"p{person}@example.com", self.phones[person], 1) for person, key in self.keys.items()}

    def choice(self, known: str, about: list[HandedOnStanding]) -> Choice:
        """Say what is true of a key."""
        if about[0].gone is False:
            return Choice(Decision.ANEW, (known,))
        same = [one.key for one in about if self.owners[one.key] == self.owners[known]]
        if same:
            return Choice(Decision.RENAMED, (known,), to=same[0])
        return Choice(Decision.REMOVED, (known,))


def tell(synced: Synced, world: World) -> None:
    """Decide about all that waits."""
    waiting: dict[str, list[HandedOnStanding]] = {}
    for one in sync_status(synced.file).handed_on:
        if one.decided is None:
            waiting.setdefault(one.known, []).append(one)
    for known, about in sorted(waiting.items()):
        sync_decide(synced.file, world.choice(known, about))


def apart(synced: Synced) -> bool:
    """Tell whether no profile has two people in it."""
    return all(len(profile["identifiers"]["email"]) == 1 for profile in synced.bench.stored())


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_a_store_follows_a_source_that_hands_numbers_on(history: list[tuple[list[tuple[str, int, int]], bool]]) -> None:
    """Once it was said who is who the store is the source, run by run nobody is merged, and nobody waits for ever."""
    with tempfile.TemporaryDirectory() as folder, workbench(Path(folder), MAPPING, POINTERS) as bench:
        brakes = {**MIRROR["brakes"], "allow_empty": True}
        synced, world = Synced(bench, {**MIRROR, "brakes": brakes}), World()
        for person in PEOPLE:
            world.comes(person)
        synced.write(world.rows())
        synced.run(first_run=True)
        for happened, is_stopped in history:
            for step in happened:
                world.step(*step)
            synced.write(world.rows())
            hooks = Hooks()
            stopping = Hooks(progress=At("remove", hooks.stop.set), stop=hooks.stop) if is_stopped else hooks
            for _ in range(MOST_RUNS):
                # All four may have left: a source without rows empties no mirror without that word.
                report = synced.run(stopping, override=[Brake.REMOVALS])
                assert apart(synced)
                if report.exit_code == 0 and is_mirror(synced, world.rows()):
                    break
                tell(synced, world)
                stopping = Hooks()
            assert is_mirror(synced, world.rows())
