"""What is checked at the very moment it happens: before a request leaves, and when the service accepts a write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from importer.core.delivery import BatchEntry
from importer.core.engine_messages import AddIdentifier, CreateImport, Lookup, Patch, Request, SendBulk, Upload
from importer.core.lifecycle import CODE_LOOKUP_UNANSWERED, FINAL, BatchState
from importer.core.route import Route
from tests.simulation.http import Asked
from tests.simulation.profiles import Identities, Value, Write, identifiers_of
from tests.simulation.rows import row_of_ref
from tests.simulation.scenario import Scenario
from tests.simulation.trace import must

ANSWERED = FINAL | {BatchState.APPLYING, BatchState.PATCHING, BatchState.IMPORTING}
"""States in which no row of a batch may be sent again."""


@dataclass
class Checks:
    """Checks of one seed.

    Attributes:
        batches: What the ledger of the process holds, made durable by now.
        request: The request that is carried out.
        settled: Positions whose batch had an answer when the process began.
        is_changed: The package is not what it was when the process before it ended.
        identities: Newest row of each identity.
    """

    scenario: Scenario
    batches: Mapping[int, BatchEntry] = field(default_factory=dict)
    request: Request | None = None
    settled: frozenset[int] = frozenset()
    is_changed: bool = False
    identities: Identities = field(default_factory=Identities)

    def begin(self, batches: Mapping[int, BatchEntry], *, is_changed: bool) -> None:
        """Take it that a process begins with these batches."""
        self.batches, self.is_changed = batches, is_changed
        self.settled = frozenset(
            position
            for entry in batches.values()
            if entry.state in ANSWERED and entry.state is not BatchState.SPLIT
            for position in range(entry.spec.start, entry.spec.stop)
        )

    def is_settling(self, import_id: str) -> bool:
        """Tell whether it is on record that the file of an import arrived."""
        return any(
            entry.trace.import_id == import_id and entry.state is BatchState.IMPORTING
            for entry in self.batches.values()
        )

    # --- before a request leaves ---

    def submitting(self, request: Request) -> None:
        """Check that what is about to happen is on record, and its turn."""
        self.request = request
        match request:
            case SendBulk(batch_id=batch_id):
                self._durable(batch_id, BatchState.SENT)
                self._its_turn(self.batches[batch_id])
            case CreateImport(batch_id=batch_id):
                entry = self._durable(batch_id, BatchState.CREATING)
                must(entry.trace.filename == request.filename, "ledger", "a creation under a name not on record")
            case Upload(batch_id=batch_id):
                entry = self._durable(batch_id, BatchState.UPLOADING)
                must(entry.trace.import_id == request.import_id, "ledger", "an upload to an import not on record")
            case Lookup(position=position) if self.scenario.adding[position]:
                self._open(position, BatchState.PATCHING)
            case Lookup(position=position):
                self._its_turn(self._open(position, BatchState.OPENED))
            case Patch(position=position) | AddIdentifier(position=position):
                self._open(position, BatchState.PATCHING)

    def _durable(self, batch_id: int, state: BatchState) -> BatchEntry:
        entry = self.batches[batch_id]
        must(entry.state is state, "ledger", f"batch {batch_id} is sent, and the ledger has {entry.state}")
        return entry

    def _open(self, position: int, state: BatchState) -> BatchEntry:
        found = [e for e in self.batches.values() if e.state is state and e.spec.start <= position < e.spec.stop]
        must(len(found) == 1, "ledger", f"a request about row {position}, which is in no batch that is {state}")
        return found[0]

    def _its_turn(self, entry: BatchEntry) -> None:
        wave = entry.spec.wave
        for other in self.batches.values():
            # Rows that stand alone, and could not be looked up, keep nobody waiting.
            is_left = other.spec.wave == 0 and other.trace.code == CODE_LOOKUP_UNANSWERED
            if other.spec.route is not Route.IMPORT and other.spec.wave < wave and not is_left:
                must(
                    other.state in FINAL, "I5", f"wave {wave} began while batch {other.spec.batch_id} is {other.state}"
                )

    def leaving(self, asked: Asked) -> None:
        """Check that a body holds just the rows it was made for."""
        request = self.request
        is_body = isinstance(request, SendBulk | CreateImport)
        must(not (is_body and self.is_changed), "I2", "rows of a package that is not what was planned")
        if isinstance(request, SendBulk):
            rows = [row_of_ref(profile["traits"]["Account"]["ref"]) for profile in orjson.loads(asked.body)["profiles"]]
            positions = [p for p in range(request.start, request.stop) if p not in request.skip]
            must(rows == [self.scenario.row_of[p] for p in positions], "I2", "a body holds other rows than its batch")

    # --- when a write is accepted ---

    def accepted(self, write: Write) -> None:
        """Check one accepted write."""
        position = self.scenario.position_of.get(write.row, -1)
        must(position >= 0, "I2", f"row {write.row} was sent and is not in the send order")
        if write.added:
            must(write.added <= self.scenario.adding[position], "I2", f"row {write.row} has no such further identifier")
            self.identities.joined(write.added | self.scenario.own[position])
            return
        if write.profile_id is not None:
            must(set(write.removed) == self.scenario.removing[position], "I6", f"wrong removals for row {write.row}")
            return
        must(position not in self.settled, "I4", f"row {write.row} was sent again, and had been answered before")
        newest = int(self.identities.joined(identifiers_of(write.values)))
        self.identities.note(identifiers_of(write.values), write.row)
        must(newest <= write.row, "I5", f"row {write.row} was accepted after row {newest} of the same identity")
        if write.row in self.scenario.alone:
            must(write.values == expected(self.scenario, write.row), "I2", f"row {write.row} came out changed")


def expected(scenario: Scenario, row: int) -> dict[str, Value]:
    """Return the values of a row that nobody else's values went into."""
    cells = scenario.rows.cells[row]
    values: dict[str, Value | None] = {
        "Contact.email": cells["email"],
        "Contact.phone": cells["phone"],
        "Account.ref": cells["ref"],
        "Account.points": int(cells["points"] or 0),
        "Account.tier": cells["tier"],
        "Account.city": cells["city"],
    }
    return {ref: value for ref, value in values.items() if value is not None}
