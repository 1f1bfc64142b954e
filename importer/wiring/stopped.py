"""Why a delivery ended before its end, in words, and what mends it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from importer.core.delivery import ApiFailure, FailureKind
from importer.core.lifecycle import FinishReason
from importer.core.mapping_checks import quoted
from importer.core.report_parts import ErrorReport
from importer.core.suggested import run_command, sync_command
from importer.errors import StateError
from importer.pipeline.deliver import DeliveryResult
from importer.wiring.finishing import error_report

_REASON_TEXTS: Final = {
    FinishReason.REFUSED: "the service refused the run",
    FinishReason.STALLED: "the service accepted nothing for too long",
    FinishReason.INCOMPLETE: "some requests were never answered, and rows that depend on them were not sent",
    FinishReason.INTERRUPTED: "stopped by a signal",
    FinishReason.FAULT: "a fault of this program stopped the run",
}
_MEND: Final = {
    401: "check TWILIO_API_KEY and TWILIO_API_SECRET; then ",
    403: "see to it that the key may write to this store; then ",
    None: "the service's certificate, or the host of its upload URLs, is not one to trust "
    "(MEMORY_CA_BUNDLE and MEMORY_BUCKET_HOSTS name others); if it is, ",
}
"""What comes first where a request was refused, by HTTP status; None where it was not even sent."""

_OF_WHAT_IS_SENT: Final = frozenset({400, 422})
"""Statuses that speak against the rows or columns themselves: the same ones would be refused once more."""

_CHECK: Final = (
    "check the store's traits against the mapping (outcomes.parquet has what was refused and its code; "
    "`memory-importer explain refused-by-service`)"
)


_PROTECTED: Final = 520050
"""Code of a trait, or a whole trait group, that nobody may write; the store's schema does not say which are."""


def why_stopped(
    run: Path, groups: Iterable[str], result: DeliveryResult | None, error: StateError | None
) -> ErrorReport | None:
    """Return what ended a delivery, and what to do about it; None where it came to its end.

    Args:
        run: Folder of the run.
        groups: Trait groups that the run writes to.
        result: How the delivery ended; None where it could not go on.
        error: What it could not go on for.
    """
    if error is not None:
        return error_report(error)
    if result is None or result.reason is FinishReason.COMPLETED:
        return None
    failure = result.failure
    said = _said(failure) if failure is not None and failure.status else ""
    mend = ""
    if failure is not None and failure.kind is FailureKind.REJECTED:
        if failure.code == _PROTECTED:
            named = ", ".join(map(quoted, groups))
            by_sync = sync_command(run)
            again = f"run {by_sync}" if by_sync is not None else "import the source again"
            hint = (
                f"the run writes to the trait groups {named}: one of them, or a trait in one, is protected; take it "
                f"out of the mapping and {again}, as this run would be refused once more"
            )
            return ErrorReport(message=_REASON_TEXTS[result.reason] + said, hint=hint)
        if failure.status in _OF_WHAT_IS_SENT:
            return ErrorReport(message=_REASON_TEXTS[result.reason] + said, hint=f"{_CHECK}; then {_anew(run)}")
        mend = _MEND.get(failure.status, "")
    hint = f"{mend}{run_command(run, 'resume')} goes on where it stopped"
    return ErrorReport(message=_REASON_TEXTS[result.reason] + said, hint=hint)


def _anew(run: Path) -> str:
    """Say what plans the rest of a run anew."""
    by_sync = sync_command(run)
    if by_sync is not None:
        return f"{by_sync} reads the source again and sends what is left"
    return f"{run_command(run, 'resume', '--replan')} checks and plans what is left anew"


def _said(failure: ApiFailure) -> str:
    code = f", code {failure.code}" if failure.code is not None else ""
    about = f", about {', '.join(failure.mappings)}" if failure.mappings else ""
    return f" (HTTP {failure.status}{code}{about})"
