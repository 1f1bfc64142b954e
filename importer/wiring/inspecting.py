"""`inspect`: a source alone, without a mapping, a store or a run's folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from importer.core.inspect import SourceProfile
from importer.pipeline.inspect_source import inspect_source
from importer.ports import SourceOptions
from importer.sources import open_source
from importer.wiring.requests import Hooks


@dataclass(frozen=True)
class InspectRequest:
    """A source to look at.

    Attributes:
        source: Paths or patterns, or ``-``; one may be given alone.
        source_options: How to read it.
        sample_rows: Look at the first rows only, so many; all of them if None.
    """

    source: tuple[str, ...] | str | Path
    source_options: SourceOptions = field(default_factory=SourceOptions)
    sample_rows: int | None = None


def inspect(request: InspectRequest, hooks: Hooks | None = None) -> SourceProfile:
    """Look at a source; nothing is written and nothing is sent.

    Args:
        request: What to look at.
        hooks: Progress and stopping; nothing of the kind if None.

    Returns:
        The profile. Its examples are cell values.

    Raises:
        SourceError: it cannot be read as a table.
        RunInterrupted: somebody asked to stop.
    """
    hooks = hooks or Hooks()
    spec = (str(request.source),) if isinstance(request.source, str | Path) else tuple(request.source)
    source = open_source(spec, request.source_options)
    profile = inspect_source(source, hooks.progress, hooks.stop, sample_rows=request.sample_rows)
    hooks.progress.finish()
    return profile
