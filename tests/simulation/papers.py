"""What a run leaves for people: report, issue files and logs. None of it holds what only the package may hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from importer.core.report import FinalState
from importer.pipeline.outcomes import Delivered
from importer.wiring.finishing import Ending, finish
from tests.simulation.rows import CANARY, PHONE_CANARY
from tests.simulation.scenario import SEEDS_A_SCENARIO
from tests.simulation.trace import must

if TYPE_CHECKING:
    from tests.simulation.world import World

SECRETS: Final = (CANARY, PHONE_CANARY)
SHOWN: Final = frozenset({".json", ".csv", ".html", ".txt", ".md"})
_LOG: Final = logging.getLogger("memory_importer")


def is_read(world: World) -> bool:
    """Tell whether somebody reads the papers of this seed: of one in each scenario, for they take time."""
    return world.fate.seed % SEEDS_A_SCENARIO == 0


def check_text(text: str, where: str) -> None:
    """Check that a text holds no cell, credential or presigned URL."""
    for secret in SECRETS:
        must(secret not in text, "I7", f"a secret or a value in {where}: {text[:300]}")


class _Listener(logging.Handler):
    def __init__(self, told: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.append(f"{record.getMessage()} {record.args}")


@contextmanager
def listening(world: World) -> Iterator[None]:
    """Keep what is logged during a block, at the most talkative level."""
    if not is_read(world):
        yield
        return
    listener, level = _Listener(world.told), _LOG.level
    _LOG.addHandler(listener)
    _LOG.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        _LOG.setLevel(level)
        _LOG.removeHandler(listener)


def check_papers(world: World, delivered: Delivered) -> None:
    """Write the report of a complete run as `import` does, and read everything that lies beside it."""
    if not is_read(world):
        return
    run = world.fate.scenario.run
    end = Ending("import", world.clock.utc_now_iso(), FinalState.NOT_SENT, delivered)
    report = finish(run, end)
    rows = world.fate.scenario.rows.count
    must(sum(report.outcomes.values()) == report.rows_read == rows, "I1", f"the report counts {report.outcomes}")
    must(report.exit_code in (0, 3), "I3", f"a complete run ends with exit code {report.exit_code}")
    for path in run.folder.path.iterdir():
        if path.suffix in SHOWN and not path.name.startswith("rejected"):
            check_text(path.read_text(encoding="utf-8"), path.name)
