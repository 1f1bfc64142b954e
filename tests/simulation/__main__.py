"""Replays one seed and says what happened: ``python -m tests.simulation SEED``.

With a second number it runs all seeds from the first to before that one, and stops at the first that fails.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter

from tests.simulation.trace import BrokenInvariantError
from tests.simulation.world import World, simulate

USAGE = "python -m tests.simulation SEED [UP_TO]"


def main(arguments: list[str]) -> int:
    """Replay one seed, or look for one that fails."""
    if not arguments or len(arguments) > 2 or not all(argument.isdigit() for argument in arguments):
        say(USAGE)
        return 2
    first, *rest = map(int, arguments)
    return search(first, rest[0]) if rest else replay(first)


def replay(seed: int) -> int:
    """Show what happens in one seed."""
    try:
        world = simulate(seed, traced=True)
    except BrokenInvariantError as error:
        say(*error.world.trace.lines, describe(error.world))
        if error.__cause__ is not None:
            say(*traceback.format_exception(error.__cause__))
        say(f"broken: {error}")
        return 1
    say(*world.trace.lines, describe(world))
    return 0


def describe(world: World) -> str:
    """Say what a seed is about."""
    fate = world.fate
    sent = f"{len(fate.scenario.row_of)} of them sent in {len(fate.scenario.specs)} batches"
    return "\n".join(
        (
            f"\nseed {fate.seed}: {fate.scenario.rows.count} rows, {sent}",
            str(fate.service),
            str(fate.machine),
            str(fate.options(0)),
            f"{world.network.sent} requests, {world.clock.now_s:.1f} virtual seconds",
            f"processes: {', '.join(world.reasons)}",
        )
    )


def search(first: int, stop: int) -> int:
    """Run seeds until one fails."""
    met: Counter[str] = Counter()
    for seed in range(first, stop):
        try:
            met.update(simulate(seed).trace.met)
        except BrokenInvariantError as error:
            say(f"seed {seed}: {error}", f"replay it: python -m tests.simulation {seed}")
            return 1
    say(f"{stop - first} seeds hold; what they met:")
    say(*(f"{count:8} {what}" for what, count in sorted(met.items())))
    return 0


def say(*lines: str) -> None:
    """Write lines to standard output."""
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
