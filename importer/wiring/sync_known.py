"""What a sync delivered before, brought into the packaging of a run: strange identifiers and known payloads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.forecast import StoreRules
from importer.core.identity import IdentityResult
from importer.core.snapshot import Verdict, is_parked_expr
from importer.core.sync_changes import counted, judge_keys, key_fingerprints, open_groups, sent_keys, settle_known
from importer.core.sync_counts import SyncCounts
from importer.core.sync_handed import without_leaving
from importer.core.sync_index import foreign_hits, hold_strange, owners_of, rows_in_question
from importer.pipeline.prepare import Prepared
from importer.pipeline.sync_payloads import payloads_of_run
from importer.reports.progress import ProgressSink
from importer.state.frames import read_frame, write_frame
from importer.wiring.clock import CLOCK
from importer.wiring.opening import Opened
from importer.wiring.run import Run
from importer.wiring.sync_beginning import Standing

KEYS_FILE: Final = "keys.arrow"
"""Of a package: what the keys say that go out, `importer.core.sync_changes.KEYS_SCHEMA`."""

_ENDLESS: Final = 2**32 - 1
_JUDGED_BY: Final = ("key", "fingerprint", "refused", "refused_fingerprint", "due")


class Known:
    """What was delivered before: an `importer.wiring.run.Earlier`.

    Args:
        inputs: Schema of the store, and the mapping's policies.
        before: What was delivered; an older copy of that tells who is who, but not which rows changed.
        counts: Mode and number of the run; what it finds is added.
        progress: Told when rows are compared.
        refused_runs: See the sync file.
        retries_parked: Send parked rows as well.
    """

    def __init__(
        self,
        inputs: Opened,
        before: Standing,
        counts: SyncCounts,
        progress: ProgressSink,
        *,
        refused_runs: int,
        retries_parked: bool = False,
    ) -> None:
        self._inputs = inputs
        self._progress = progress
        self._snapshot = before.snapshot
        self._counts = counts
        self._refused_runs = refused_runs
        self._is_copy = before.is_copy
        self._patience = _ENDLESS if retries_parked else refused_runs
        self._parked: list[pl.Series] = [pl.Series("key", [], dtype=pl.String)]

    def revise(self, identity: IdentityResult, prepared: Prepared) -> IdentityResult:
        """Hold rows with an identifier that another key was delivered with."""
        keys = prepared.key_hash
        if self._snapshot is None or keys is None:
            return identity
        plan, schema = self._inputs.plan, self._inputs.schema
        id_types = {trait.ref: trait.id_type for trait in plan.identifiers if trait.id_type is not None}
        now_ms = int(datetime.fromisoformat(CLOCK.utc_now_iso()).timestamp() * 1000)
        pieces = self._snapshot.pieces(["key", "identifiers", "held", "held_at"])
        owners = owners_of(without_leaving(piece, now_ms) for piece in pieces)
        rows = rows_in_question(identity)
        hits = foreign_hits(prepared.hashes, id_types, keys, rows, identity.drops, owners)
        rules = StoreRules(schema.identifiers, schema.matching_rules)
        return hold_strange(identity, hits, plan.identity.on_shared, keys, rules)

    def settle(self, run: Run) -> None:
        """Take rows out of what is sent that say what was delivered last, or that are parked; count keys."""
        self._progress.stage("compare", run.index.height)
        payloads = payloads_of_run(run.index, run.package, run.manifest.wire_traits())
        keys = key_fingerprints(payloads)
        verdicts = judge_keys(keys, self._before(), refused_runs=self._patience)
        run.index = settle_known(run.index, payloads, verdicts)
        run.groups = open_groups(run.groups, run.index)
        sent = sent_keys(keys, verdicts)
        write_frame(run.folder.package / KEYS_FILE, sent)
        parked = pl.concat(self._parked)
        self._progress.advance(run.index.height)
        found = counted(verdicts)
        counts = self._counts.model_copy(
            update={
                "keys_before": self._snapshot.height if self._snapshot is not None else 0,
                "new": found[Verdict.NEW],
                "changed": found[Verdict.CHANGED],
                "due": found[Verdict.DUE],
                "unchanged": found[Verdict.UNCHANGED],
                "parked": found[Verdict.PARKED],
                "parked_keys": int((~parked.is_in(sent["key"].implode())).sum()),
            }
        )
        run.manifest = run.manifest.model_copy(update={"sync": counts})

    def _before(self) -> Iterator[pl.DataFrame]:
        if self._snapshot is None:
            return
        for piece in self._snapshot.pieces(_JUDGED_BY):
            self._parked.append(piece.filter(is_parked_expr(self._refused_runs))["key"])
            # What another version made of a payload says nothing about what this one makes of it.
            is_comparable = not self._is_copy and self._snapshot.meta.is_comparable
            yield piece if is_comparable else piece.with_columns(fingerprint=pl.lit(b""))


def read_keys(package: Path) -> pl.DataFrame:
    """Read what the keys of a run said that went out.

    Raises:
        StateError: the file is missing or damaged.
    """
    return read_frame(package / KEYS_FILE)
