"""The worst inputs are refused or survived in little time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.catalogue import worst_mappings
from tests.catalogue.trial import COLUMNS, write_schema
from tests.catalogue.worst import WORST
from tests.support.cli import LIMIT_S, ROOT

CPU_S: Final = 5.0
"""Of the process itself: a machine that is busy with others makes nobody fail."""


@pytest.mark.parametrize("name", WORST)
def test_the_worst_inputs_are_survived(name: str, tmp_path: Path) -> None:
    """An answer comes after 5 seconds of work at most, and the process never holds more than 512 MiB."""
    worst = WORST[name]
    worst.make(tmp_path / "source")
    (tmp_path / "mapping.yaml").write_text(json.dumps({"version": 1, "columns": COLUMNS}), encoding="utf-8")
    write_schema(tmp_path / "mapping.yaml", tmp_path / "schema.json")
    command = [sys.executable, "-m", "tests.catalogue.worst", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    found = json.loads(ended.stdout)
    assert worst.words in found["answer"], found
    assert found["peak_mib"] <= worst.peak_mib, found
    assert found["cpu_s"] <= CPU_S, found
    (tmp_path / "source").unlink()


MEMORY_MIB: Final = 512


@pytest.fixture(scope="module")
def mappings_tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Try the worst mappings in one process and the worst patterns in another: most of a start is imports."""
    found: dict[str, dict[str, Any]] = {}
    for patterns in (False, True):
        names = [name for name, worst in worst_mappings.WORST.items() if (worst.pattern is not None) is patterns]
        folder = tmp_path_factory.mktemp("mappings")
        command = [sys.executable, "-m", "tests.catalogue.worst_mappings", str(folder), *names]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert ended.returncode == 0, ended.stderr
        found |= json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("name", worst_mappings.WORST)
def test_the_worst_mappings_are_survived(name: str, mappings_tried: dict[str, dict[str, Any]]) -> None:
    """Hostile YAML, expressions and store patterns: each is answered within the same bounds, whatever came before."""
    found = mappings_tried[name]
    assert worst_mappings.WORST[name].words in found["answer"], found["answer"][:500]
    assert found["peak_mib"] <= MEMORY_MIB, found["peak_mib"]
    assert found["cpu_s"] <= CPU_S, found["cpu_s"]
