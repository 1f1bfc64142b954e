"""Random histories of a source, synced run by run, beside a plain account of what must be where."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.wiring.requests import Hooks
from tests.support.runs import workbench
from tests.support.strict_store import POINTERS, set_rule
from tests.support.syncs import LOOSE, MAPPING, At, Row, Synced, found

MOST: Final = 10
"""Points that a strict service takes."""

KEYS: Final = range(6)
people = st.dictionaries(
    st.sampled_from(KEYS),
    st.tuples(st.sampled_from("ab"), st.sampled_from([1, 2, MOST + 1, MOST + 2])),
    min_size=1,
)
histories = st.lists(st.tuples(people, st.booleans()), min_size=1, max_size=5)


def row(key: int, address: str, points: int) -> Row:
    """Return a row whose identifiers are its key's alone."""
    return f"p{key}{address}@example.com", f"+1206555{key:04d}", points


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_a_store_follows_its_source(history: list[tuple[dict[int, tuple[str, int]], bool]]) -> None:
    """What the service takes arrives at its newest value, what it refuses is due, what is unchanged costs nothing."""
    with tempfile.TemporaryDirectory() as folder, workbench(Path(folder), MAPPING, POINTERS) as bench:
        sync = Synced(bench, {"brakes": LOOSE, "refused_runs": 99})
        stored: dict[int, Row] = {}
        due: set[int] = set()
        for version, is_strict in history:
            rows = {key: row(key, *values) for key, values in version.items()}
            sync.write({f"K{key}": values for key, values in rows.items()})
            going = {key for key, values in rows.items() if stored.get(key) != values or key in due}
            refused = {key for key in going if is_strict and rows[key][2] > MOST}
            hooks = Hooks(progress=At("send", lambda: set_rule(bench, MOST))) if is_strict else Hooks()
            first = not sync.folder.snapshot.exists()
            journal = len(bench.writes())
            report = sync.run(hooks, first_run=first)
            set_rule(bench, None)
            counts = {"unchanged": len(rows) - len(going), "accepted": len(going - refused), "failed": len(refused)}
            assert found(report) == {state: count for state, count in counts.items() if count}
            bulk = [entry for entry in bench.writes()[journal:] if str(entry["path"]).endswith("/Bulk")]
            assert refused or sum(entry["profile_count"] for entry in bulk) == len(going)
            stored |= {key: rows[key] for key in going - refused}
            due = (due - going) | refused
            assert {line[1]: line for line in sync.stored().values()} == {line[1]: line for line in stored.values()}
