"""`resume`, `retry`, `verify`, `import --plan`: options to requests about runs that are there. Imported once used."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from importer.cli.calls import cost_shown, hooks_of, sending
from importer.cli.environ import settings_of
from importer.core.report import Report
from importer.errors import ConfigError
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.retrying import RETRIED, RetryRequest, retry
from importer.wiring.verifying import VerifyRequest, verify


def call_resume(given: Mapping[str, Any], *, command: str = "resume") -> Report:
    """Run `resume`, or `import --plan`."""
    request = ResumeRequest(
        run=given["run"],
        settings=settings_of(given),
        release=_groups(given.get("release"), "--release"),
        hold=_groups(given.get("hold"), "--hold"),
        rest=bool(given.get("rest")),
        stale_ok=bool(given.get("stale_ok")),
        max_rejected_percent=given.get("max_rejected"),
        max_operations=given.get("max_operations"),
        free_operations=given.get("free_operations"),
        replan=bool(given.get("replan")),
        rebuild_ledger=bool(given.get("rebuild_ledger")),
        ignore_later=bool(given.get("ignore_later")),
        planned_only=command == "import",
        command=command,
    )
    with hooks_of(given) as hooks:
        return resume(request, cost_shown(given, hooks), sending(given))


def call_retry(given: Mapping[str, Any]) -> Report:
    """Run `retry`."""
    request = RetryRequest(
        run=given["run"],
        settings=settings_of(given),
        states=tuple(dict.fromkeys(given["states"])) or RETRIED,
        ignore_later=given["ignore_later"],
        stale_ok=given["stale_ok"],
        max_operations=given["max_operations"],
        free_operations=given["free_operations"],
    )
    with hooks_of(given) as hooks:
        return retry(request, cost_shown(given, hooks), sending(given))


def call_verify(given: Mapping[str, Any]) -> Report:
    """Run `verify`; the cost is shown even where nobody is asked."""
    request = VerifyRequest(
        run=given["run"],
        settings=settings_of(given),
        sample=given["sample"],
        everything=given["everything"],
        rest=given["rest"],
        wait_s=given["wait_s"],
        show_values=given["show_values"],
    )
    with hooks_of(given) as hooks:
        return verify(request, cost_shown(given, hooks), sending(given))


def _groups(text: str | None, option: str) -> frozenset[int] | None:
    if text is None:
        return None
    if text == "all":
        return frozenset()
    with suppress(ValueError):
        return _numbers(text)
    try:
        return _numbers(Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no such file, or no name of one; or what is in it is no text, or no numbers
        raise ConfigError(
            f"{option} takes `all`, group numbers, or a file of them", hint="see groups.parquet"
        ) from None


def _numbers(text: str) -> frozenset[int]:
    """Read numbers between commas and blanks; none at all would mean every group, which is for `all` to say."""
    numbers = frozenset(map(int, text.replace(",", " ").split()))
    if not numbers:
        raise ValueError
    return numbers
