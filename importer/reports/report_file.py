"""`report.json`: the report of a run, written whole, and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from importer.core.report import Report
from importer.core.suggested import run_command
from importer.errors import StateError
from importer.files import write_whole

REPORT_NAME: Final = "report.json"


def report_text(report: Report) -> str:
    """Return the report as `--json` prints it and `report.json` holds it."""
    return report.model_dump_json(indent=2) + "\n"


def write_report(folder: Path, report: Report) -> tuple[str, ...]:
    """Write `report.json` and return its name."""
    write_whole(folder / REPORT_NAME, report_text(report).encode())
    return (REPORT_NAME,)


def read_report(folder: Path) -> Report:
    """Read the report of a run.

    Raises:
        StateError: there is none, or it is damaged or of another version.
    """
    try:
        return Report.model_validate_json((folder / REPORT_NAME).read_bytes())
    except FileNotFoundError:
        raise StateError(f"{folder} has no {REPORT_NAME}", hint="name the folder of a run that ended") from None
    except (OSError, ValidationError) as exc:
        faults = f"{exc.error_count()} faults" if isinstance(exc, ValidationError) else exc.strerror
        raise StateError(
            f"{folder / REPORT_NAME} is damaged or was written by another version ({faults})",
            hint=f"delete it: {run_command(folder, 'status')} then says what the run's state knows; or read it "
            "with the version that wrote it",
        ) from None
