"""What a run of a sync would move beside what may move: the brakes, before anything is sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from importer.core.cost import Cost
from importer.core.sync_brakes import Brake, Extent, Tripped, tripped
from importer.core.sync_counts import SyncCounts
from importer.core.sync_state import SyncState
from importer.errors import GuardError
from importer.wiring.counting import rejected_rows
from importer.wiring.run import Run
from importer.wiring.runs import cost_now
from importer.wiring.sync_opening import Planned, has_no_byte
from importer.wiring.sync_removing import PlannedRemovals


def brakes_on(
    run: Run, plan: Planned, state: SyncState, removals: PlannedRemovals | None, override: Collection[Brake]
) -> tuple[Tripped, ...]:
    """Return the brakes that hold a run, and record them with it.

    Args:
        run: Planned.
        plan: What it read.
        state: What the sync remembers of runs before.
        removals: What is to be removed; None in other modes than mirror.
        override: Brakes that this run may pass.
    """
    found = run.manifest.sync or SyncCounts(mode=plan.sync.mode.value)
    rejected, judged = rejected_rows(run)
    cost = cost_now(run) + (removals.cost if removals is not None else Cost())
    extent = Extent(
        rows_read=run.manifest.counts.rows_read,
        rows_before=state.rows_whole if plan.whole else None,
        judged=judged,
        rejected=rejected,
        keys_before=found.keys_before,
        changed=found.changed,
        removals=removals.newly if removals is not None else 0,
        operations=cost.billable_at_most,
    )
    brakes = plan.sync.brakes_of()
    if not plan.whole:
        brakes = replace(brakes, allow_empty=True)  # no row changed, and that is well
    held = tripped(extent, brakes, override)
    found = found.model_copy(update={"brakes": tuple(one.brake.value for one in held)})
    run.manifest = run.manifest.model_copy(update={"sync": found})
    run.folder.write_manifest(run.manifest)
    return held


def refuse_nothing(plan: Planned, override: Collection[Brake]) -> None:
    """Judge files without one byte, which could not even be opened, as a table without rows is judged.

    Raises:
        GuardError: the brake holds.
        SourceError: no file is of that name.
    """
    if not has_no_byte(plan.request):
        return
    nothing = Extent(0, None, judged=0, rejected=0, keys_before=0, changed=0, removals=0, operations=0)
    held = tripped(nothing, plan.sync.brakes_of(), override)
    if held:
        raise brakes_error(held, override)


def brakes_error(held: Collection[Tripped], overridden: Collection[Brake]) -> GuardError:
    """Return the error of a run that brakes hold: what they say, and how to let it pass.

    Args:
        held: The brakes that hold it.
        overridden: Brakes that it might pass: the next run needs them as well.
    """
    named = {*overridden, *(one.brake for one in held)}
    options = " ".join(f"--override {brake}" for brake in Brake if brake in named)
    return GuardError(
        f"{'; '.join(one.cause for one in held)}; nothing was sent",
        hint=f"look at the source; if it is right, run once with {options}",
    )
