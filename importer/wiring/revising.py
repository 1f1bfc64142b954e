"""What has a say in a run's groups beside its own rows: the profiles the store has, and what earlier runs decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from importer.core.identity import IdentityResult
from importer.core.stored_lookup import StoredLookup
from importer.pipeline.prepare import Prepared
from importer.ports import PackageAccess
from importer.state.decisions import Decisions
from importer.state.memory import give_back
from importer.state.run_folder import RunFolder
from importer.wiring.clock import SystemClock
from importer.wiring.grouping import MOST_BESIDE, Recalling, recall
from importer.wiring.looking_up import Lookup, look_up_rows, told
from importer.wiring.opening import Opened
from importer.wiring.requests import Hooks, RunRequest


class Revision:
    """Revises what identity decided about a run: an `importer.pipeline.decide.Revise`.

    Args:
        request: Says what is looked up.
        hooks: Progress, stopping, and the question what looking up may cost.
        inputs: Store, schema and plan.
        folder: Of the run.

    Attributes:
        stored: What looking up found; None where nothing was.
        notes: What a person should know.
    """

    def __init__(self, request: RunRequest, hooks: Hooks, inputs: Opened, folder: RunFolder) -> None:
        self._request = request
        self._hooks = hooks
        self._inputs = inputs
        self._folder = folder
        self.stored: StoredLookup | None = None
        self.notes: tuple[str, ...] = ()

    def __call__(self, identity: IdentityResult, prepared: Prepared, package: PackageAccess) -> IdentityResult:
        """Look rows up if that was asked for, hear what is known, then do with groups what was decided before."""
        options = self._request.options
        if options.lookup or options.lookup_sample is not None:
            seed = self._folder.seed
            lookup = Lookup(self._request, self._inputs, self._hooks, SystemClock(), seed)
            identity, self.stored = look_up_rows(lookup, identity, prepared, package)
        earlier = self._inputs.earlier
        if earlier is not None:
            identity = earlier.revise(identity, prepared)
        decisions = Decisions(Path(self._request.settings.runs_dir), self._inputs.target)
        recalling = Recalling(self._inputs.plan, decisions, keeps=earlier is not None)
        identity, remembered = recall(identity, prepared, package, recalling)
        if np.count_nonzero(identity.fates.group >= 0) > MOST_BESIDE:
            give_back()  # the texts of so many groups; the index of all rows is made next
        # A sync knows what it delivered itself.
        self.notes = (*remembered, *(told(self.stored) if earlier is None else ()))
        return identity
