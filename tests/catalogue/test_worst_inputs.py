"""The worst inputs are refused or survived in little time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

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
