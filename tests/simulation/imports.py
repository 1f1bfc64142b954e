"""Imports of the simulated service, and the bucket their files go to."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation.http import BUCKET_HOST, Reply
from tests.simulation.profiles import Store, Value, Write
from tests.simulation.rows import CANARY, REMOVABLE, row_of_ref
from tests.simulation.trace import VirtualClock, must

ENDS: Final = (*("fine",) * 12, "errors", "warnings", "bare", "failed", "stuck", "strange", "back", "gone")
REMOVAL: Final = "\\N"
NUMBERS: Final = frozenset({"Account.points"})
PAGE: Final = 3
LIFE_S: Final = 1800.0
"""How long an upload URL is good for."""


@dataclass
class Import:
    """One import task.

    Attributes:
        columns: ``Group.trait`` of each column of its file, by header.
        end: What becomes of it, one of `ENDS`.
        polls: How often it was asked for since its file came.
    """

    filename: str
    size: int
    columns: Mapping[str, str]
    created_s: float
    end: str
    signature: str
    writes: Sequence[Write] | None = None
    polls: int = 0


@dataclass
class Imports:
    """All import tasks, by ID.

    Attributes:
        is_settling: Tells whether the client knows that the file of an import arrived. Only then may its state go
            backwards: nobody could tell an import that lies about its file from one that has none.
    """

    rng: random.Random
    clock: VirtualClock
    store: Store
    is_settling: Callable[[str], bool] = lambda _: True
    known: dict[str, Import] = field(default_factory=dict)

    def create(self, asked: Mapping[str, Any]) -> dict[str, str]:
        """Create a task for a file."""
        must(all(task.filename != asked["filename"] for task in self.known.values()), "contract", "a name came twice")
        columns = {
            entry["columnName"]: f"{entry['traitGroup']}.{entry['traitName']}" for entry in asked["columnMappings"]
        }
        must(2 <= len(columns) <= 100, "contract", "an import needs 2 to 100 columns")
        import_id = f"imp{len(self.known)}"
        signature = f"{CANARY}{self.rng.randrange(10**9)}"
        end = self.rng.choice(ENDS)
        self.known[import_id] = Import(asked["filename"], asked["fileSize"], columns, self.clock.now_s, end, signature)
        url = f"https://{BUCKET_HOST}/imports/{import_id}?X-Amz-Signature={signature}"
        return {"importId": import_id, "url": url}

    def upload(self, path: str, query: Mapping[str, str], content: bytes) -> Reply:
        """Take a file, if its URL is good."""
        task = self.known[path.rsplit("/", 1)[1]]
        must(query.get("X-Amz-Signature") == task.signature, "contract", "the signature was not kept")
        must(len(content) == task.size, "contract", "the file has another size than was said")
        must(task.writes is None, "I4", "a file was uploaded twice to one import")
        if self.clock.now_s > task.created_s + LIFE_S or self.rng.random() < 0.1:
            return Reply(403, f"<Error><Code>AccessDenied</Code>Request has expired {CANARY}</Error>".encode())
        lines = csv.DictReader(io.StringIO(content.decode(), newline=""))
        task.writes = [self._accept(task, line) for line in lines]
        if task.end in ("failed", "errors", "warnings"):
            for write in task.writes:
                write.is_dropped = self.rng.random() < 0.3
        return Reply(200, b"")

    def _accept(self, task: Import, line: Mapping[str, str]) -> Write:
        values: dict[str, Value] = {}
        removed: list[str] = []
        for header, ref in task.columns.items():
            if line[header] == REMOVAL:
                removed.append(ref)
            else:
                values[ref] = int(line[header]) if ref in NUMBERS else line[header]
        must(set(removed) <= REMOVABLE, "I6", "an import removes what the mapping keeps")
        row = row_of_ref(str(values["Account.ref"]))
        must(row not in self.store.received, "I4", f"row {row} went out in a second file")
        return self.store.accept(self.clock.now_s, Write(row, values, tuple(removed)))

    def listed(self, token: str | None) -> dict[str, Any]:
        """Return a page of task IDs, newest first, some of them of others."""
        ids = ["other0", *reversed(self.known), "other1"]
        at = int(token or 0)
        meta = {"nextToken": str(at + PAGE)} if at + PAGE < len(ids) else {}
        return {"imports": ids[at : at + PAGE], "meta": meta}

    def seen(self, import_id: str) -> Reply:
        """Answer a poll."""
        task = self.known.get(import_id)
        if task is None:
            return Reply(200, {"status": "COMPLETED", "filename": "other.csv", "fileSize": 1})
        answer: dict[str, Any] = {"filename": task.filename, "fileSize": task.size, "status": "PENDING"}
        if task.writes is None:
            return Reply(200, answer)
        task.polls += 1
        settling = self.is_settling(import_id)
        if task.end == "gone" and task.polls > 2 and settling:
            return Reply(404, {"code": 20404, "message": "no such import", "status": 404})
        if task.polls < 2 or task.end == "stuck" or not all(write.is_over for write in task.writes):
            return Reply(200, answer | {"status": "PROCESSING"})
        if task.end in ("strange", "back") and task.polls < 5 and settling:
            word = "SOMETHING_NEW" if task.end == "strange" else ("PROCESSING", "PENDING")[task.polls % 2]
            return Reply(200, answer | {"status": word})
        return Reply(200, answer | _ENDED[task.end])


_FINE: Final = {"status": "COMPLETED", "summary": {"errors": 0, "warnings": 0}}
_ENDED: Final[dict[str, Any]] = {
    **dict.fromkeys(("fine", "strange", "back", "gone"), _FINE),
    "bare": {"status": "COMPLETED"},
    "errors": {"status": "COMPLETED", "summary": {"errors": 1, "warnings": 0}},
    "warnings": {"status": "COMPLETED", "summary": {"errors": 0, "warnings": 2}},
    "failed": {"status": "FAILED"},
}
