"""The console command in this process: all of it but the start of an interpreter, which takes most of the time."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final

import pytest

from importer.cli.main import main
from tests.support.cli import Argument, Ended

_LOG: Final = logging.getLogger("memory_importer")


def run_here(folder: Path, *arguments: Argument, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end, in a folder and with environment variables beside those there are."""
    out, err = io.StringIO(), io.StringIO()
    logging_before = _LOG.handlers[:], _LOG.level, _LOG.propagate
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["memory-importer", *map(str, arguments)])
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            _LOG.handlers[:], _LOG.level, _LOG.propagate = logging_before
    assert isinstance(ended.value.code, int)
    return Ended(ended.value.code, out.getvalue(), err.getvalue())
