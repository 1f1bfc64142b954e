"""The Python API is `importer.__all__`: no more, no less, and free until it is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import importer
from importer import errors
from tests.support.cli import CUSTOMERS, CUSTOMERS_MAPPING

HEAVY = {"polars", "pyarrow", "numpy", "httpx", "pydantic", "click", "rich"}


def test_every_public_name_is_there_and_explained() -> None:
    """Each resolves, has a docstring, and `dir` names it."""
    for name in importer.__all__:
        assert inspect.getdoc(getattr(importer, name)), name
    assert dir(importer) == sorted(importer.__all__)


def test_no_other_name_is_there() -> None:
    """Beside what Python puts into a package, and its own subpackages."""
    with pytest.raises(AttributeError, match="no attribute 'Loader'"):
        getattr(importer, "Loader")  # noqa: B009 - a type checker refuses the attribute, rightly


def test_type_checkers_see_the_same_names() -> None:
    """What is imported under TYPE_CHECKING is `__all__`."""
    tree = ast.parse(Path(importer.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name)]
    names = [
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assert sorted(names) == sorted(importer.__all__)


def test_every_error_is_public() -> None:
    """Whoever catches them needs them."""
    public = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert public <= set(importer.__all__)


def test_the_whole_of_it_fits_a_screen() -> None:
    """At most forty-five names, half of them errors."""
    assert len(importer.__all__) <= 45
    assert importer.__all__ == sorted(importer.__all__)


def test_importing_it_costs_nothing() -> None:
    """No polars, no pydantic, nothing but the standard library."""
    script = f"import sys, importer; sys.exit(' '.join(sorted({HEAVY!r} & set(sys.modules))) or 0)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_example_of_the_docstring_runs(tmp_path: Path) -> None:
    """Validate, import, and resume the sample from Python, with the numbers the docstring shows."""
    request = importer.RunRequest(
        source=(str(CUSTOMERS),),
        mapping=CUSTOMERS_MAPPING,
        settings=importer.Settings.from_env({"MEMORY_RUNS_DIR": str(tmp_path / "runs")}),
        emulator=True,
    )
    report = importer.validate(request)
    shown = (report.outcomes["rejected"], report.issues["invalid-phone"])
    assert f"    {shown}\n" in (importer.__doc__ or "")
    report = importer.run(request)
    assert report.exit_code == importer.ExitCode.ROWS
    released = importer.resume(
        importer.ResumeRequest(run=report.run_id, settings=request.settings, release=frozenset())
    )
    assert released.outcomes[importer.FinalState.HELD] == 0


def test_errors_are_raised_with_a_way_out(tmp_path: Path) -> None:
    """What ends a run is an `ImporterError` with `.message` and `.hint`."""
    request = importer.RunRequest(
        source=("nothing.csv",),
        mapping=CUSTOMERS_MAPPING,
        settings=importer.Settings(runs_dir=str(tmp_path / "runs")),
        emulator=True,
    )
    with pytest.raises(importer.SourceError, match="no such file") as caught:
        importer.validate(request)
    assert caught.value.hint
    assert isinstance(caught.value, importer.ImporterError)
