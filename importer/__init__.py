"""Bulk import and sync of customer profiles into Twilio Conversation Memory, with every row accounted for.

    >>> import importer, os, pathlib
    >>> request = importer.RunRequest(
    ...     source=("samples/customers.csv",),
    ...     mapping=pathlib.Path("mappings/customers.yaml"),
    ...     settings=importer.Settings.from_env(os.environ),
    ...     emulator=True,  # leave it out for the store that MEMORY_STORE_ID names
    ... )
    >>> report = importer.validate(request)  # sends nothing
    >>> report.outcomes["rejected"], report.issues["invalid-phone"]
    (25, 3)
    >>> report = importer.run(request)  # sends; `plan` and `resume` go in two steps
    >>> report.exit_code, report.folder  # outcomes.parquet there has every row
    (3, 'runs/20261122-052629-417-9b3bc1')

Rows never raise: what is wrong with them is in the report and its files. What ends a run is an `ImporterError`, with
`.message` and `.hint`. Everything is imported when it is first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importer.core.manifest import RunOptions
    from importer.core.report import ExitCode, FinalState, Report
    from importer.errors import (
        AmbiguousRequestError,
        ApiError,
        ConfigError,
        DiskError,
        GuardError,
        ImporterError,
        LedgerDamagedError,
        LockedError,
        MappingError,
        MergedProfileError,
        PackageChangedError,
        Problem,
        ProblemsError,
        ProtocolError,
        RejectedRequestError,
        RetryableApiError,
        RunInterrupted,
        SettingsError,
        SourceChangedError,
        SourceError,
        StateError,
        SyncFileError,
    )
    from importer.ports import SourceOptions
    from importer.settings import Settings
    from importer.wiring.requests import Hooks, RunRequest, SendOptions
    from importer.wiring.resuming import ResumeRequest, resume
    from importer.wiring.retrying import RetryRequest, retry
    from importer.wiring.run_status import status
    from importer.wiring.runs import plan, validate
    from importer.wiring.sending import run_import as run
    from importer.wiring.sync_opening import SyncRequest
    from importer.wiring.syncing import run_sync
    from importer.wiring.verifying import VerifyRequest, verify

_PLACES = {
    "importer.core.manifest": ("RunOptions",),
    "importer.core.report": ("ExitCode", "FinalState", "Report"),
    "importer.ports": ("SourceOptions",),
    "importer.settings": ("Settings",),
    "importer.wiring.requests": ("Hooks", "RunRequest", "SendOptions"),
    "importer.wiring.resuming": ("ResumeRequest", "resume"),
    "importer.wiring.retrying": ("RetryRequest", "retry"),
    "importer.wiring.run_status": ("status",),
    "importer.wiring.runs": ("plan", "validate"),
    "importer.wiring.sync_opening": ("SyncRequest",),
    "importer.wiring.syncing": ("run_sync",),
    "importer.wiring.verifying": ("VerifyRequest", "verify"),
}

__all__ = [
    "AmbiguousRequestError",
    "ApiError",
    "ConfigError",
    "DiskError",
    "ExitCode",
    "FinalState",
    "GuardError",
    "Hooks",
    "ImporterError",
    "LedgerDamagedError",
    "LockedError",
    "MappingError",
    "MergedProfileError",
    "PackageChangedError",
    "Problem",
    "ProblemsError",
    "ProtocolError",
    "RejectedRequestError",
    "Report",
    "ResumeRequest",
    "RetryRequest",
    "RetryableApiError",
    "RunInterrupted",
    "RunOptions",
    "RunRequest",
    "SendOptions",
    "Settings",
    "SettingsError",
    "SourceChangedError",
    "SourceError",
    "SourceOptions",
    "StateError",
    "SyncFileError",
    "SyncRequest",
    "VerifyRequest",
    "plan",
    "resume",
    "retry",
    "run",
    "run_sync",
    "status",
    "validate",
    "verify",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name on its first use."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "run":
            return import_module("importer.wiring.sending").run_import
        place = next((module for module, names in _PLACES.items() if name in names), "importer.errors")
        return getattr(import_module(place), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
