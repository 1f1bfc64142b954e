"""Compiled templates: kept for the next process, and never needed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from jinja2 import DictLoader, Environment

from importer.reports.template_cache import template_cache

TEMPLATES = {"page": "Hello {{ name }}"}


class Counting(Environment):
    """Counts what it compiles."""

    compiled = 0

    def compile(self, *given: Any, **named: Any) -> Any:
        """Compile and count."""
        self.compiled += 1
        return super().compile(*given, **named)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this user below a temporary one of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"_jinja2-cache-{os.getuid()}"


def compiled_in_a_new_process() -> int:
    """Render as a process does that has rendered nothing yet; return how many templates it compiled."""
    environment = Counting(loader=DictLoader(TEMPLATES), bytecode_cache=template_cache())
    assert environment.get_template("page").render(name="you") == "Hello you"
    return environment.compiled


def test_a_template_is_compiled_by_the_first_process_alone(place: Path) -> None:
    """What it made is in a folder that nobody else may enter."""
    assert [compiled_in_a_new_process() for _ in range(3)] == [1, 0, 0]
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_damaged_file_is_as_good_as_none(place: Path) -> None:
    """Cut anywhere, it is made anew."""
    compiled_in_a_new_process()
    (file,) = place.iterdir()
    whole = file.read_bytes()
    for length in (0, 5, 20, 40, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert compiled_in_a_new_process() == 1
    assert compiled_in_a_new_process() == 0


def test_a_folder_that_is_not_safe_is_not_used(place: Path) -> None:
    """What somebody else may have put there is never run."""
    place.write_text("not a folder")
    assert template_cache() is None
    assert compiled_in_a_new_process() == 1


def test_a_place_that_cannot_be_written_to_costs_no_page(place: Path) -> None:
    """The folder may go, or its disk be full, while a page is made."""
    environment = Counting(loader=DictLoader(TEMPLATES), bytecode_cache=template_cache())
    shutil.rmtree(place)
    assert environment.get_template("page").render(name="you") == "Hello you"
