"""The send order of a run and its batches: rows get their place, the ledger their batches."""

from __future__ import annotations

import orjson
import polars as pl

from importer.core.delivery import BatchSpec
from importer.core.manifest import Counts, RouteCounts
from importer.core.route import Reason, Via
from importer.core.transform import RoutingPolicy
from importer.pipeline.overwritten import overwritten
from importer.pipeline.schedule import ORDER_SCHEMA, Choice, Layout, Schedule, schedule_rows
from importer.state.ledger import SqliteLedger
from importer.state.memory import give_back
from importer.state.payloads import PackagePayloads
from importer.state.run_folder import PARTS_FOLDER
from importer.wiring.run import Run

ROUTES_META = "routes"
"""Name under which the ledger keeps what was put in the send order, by route: it is true with the batches alone."""


def extend(
    run: Run, ledger: SqliteLedger, choice: Choice, *, via: Via | None = None, why: Reason | None = None
) -> None:
    """Put rows that go out and have no position in the send order, and plan their batches.

    `via` takes the place of the run's own, `why` that of the reasons the routes give. The batches are the word that
    counts: a longer order without them, or they without index and record, is what a killed process leaves;
    `importer.wiring.reopening` puts it right.
    """
    options = run.manifest.options
    order = pl.DataFrame(schema=ORDER_SCHEMA)
    if run.folder.has_order():
        order = run.folder.read_order().cast(ORDER_SCHEMA)
    layout = Layout(
        run.manifest.filled_sets(),
        run.manifest.wire_traits(),
        RoutingPolicy(import_min_rows=options.import_min_rows, part_rows=options.part_rows),
        via or Via(options.via),
    )
    schedule = schedule_rows(run.index, layout, first=order.height, choice=choice)
    order = pl.concat([order, schedule.order])
    run.index = schedule.index
    payloads = payloads_of(run, order)
    first = ledger.next_batch_id()
    counts = _with_values(run, _with_routes(run.manifest.counts, schedule, why))
    with run.folder.index_beside(run.index):
        run.folder.write_order(order)
        ledger.add_batches(
            (
                BatchSpec(first + at, cut.route, cut.start, cut.stop, cut.wave, payloads.digest(cut.start, cut.stop))
                for at, cut in enumerate(schedule.cuts)
            ),
            {ROUTES_META: orjson.dumps({route: entry.model_dump() for route, entry in counts.routes.items()}).decode()},
        )
    run.manifest = run.manifest.model_copy(update={"counts": counts})
    give_back(run.index.height)


def payloads_of(run: Run, order: pl.DataFrame) -> PackagePayloads:
    """Return what makes bodies from a run's package."""
    manifest = run.manifest
    return PackagePayloads(
        run.package,
        order["slot"].to_numpy(),
        manifest.wire_traits(),
        manifest.filled_sets(),
        parts=run.folder.path / PARTS_FOLDER,
        salt=f"{manifest.mapping_fingerprint}:{manifest.schema_fingerprint}",
    )


def _with_routes(counts: Counts, schedule: Schedule, why: Reason | None) -> Counts:
    routes = dict(counts.routes)
    for route, scheduled in schedule.routes.items():
        added = scheduled.model_copy(update={"reasons": {why.value: scheduled.rows}}) if why is not None else scheduled
        routes[route] = routes.get(route, RouteCounts()).plus(added)
    return counts.model_copy(update={"routes": routes})


def _with_values(run: Run, counts: Counts) -> Counts:
    """Count what rows in the send order do to stored values; before there was one, all valid rows were counted."""
    manifest = run.manifest
    found = overwritten(run.index, run.package, manifest.filled_sets(), manifest.wire_traits(), counts.constant)
    kept = dict.fromkeys(counts.constant, 0)  # the record knows the constants by these names alone
    changed = {"cleared": found.cleared, "removed": found.removed, "constant": kept | dict(found.constant)}
    return counts.model_copy(update=changed)


def recorded_routes(ledger: SqliteLedger) -> dict[str, RouteCounts] | None:
    """Return what was put in the send order by route, as the ledger knows it; None where it does not."""
    text = ledger.meta().get(ROUTES_META)
    if text is None:
        return None
    return {route: RouteCounts.model_validate(entry) for route, entry in orjson.loads(text).items()}
