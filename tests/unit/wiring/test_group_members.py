"""Which rows are in groups, and by which values, as it is kept beside a package."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from importer.core.identity import IdentityResult, IdentityRows, identifier_hash, resolve_identity
from importer.core.transform import IdentityPolicy
from importer.wiring.grouping import read_members, write_members
from tests.support.fakes import FakePackage

COLUMNS = ("Contact.email", "Contact.phone")
TEXTS = pl.DataFrame(
    {
        "Contact.email": [None, "b@x.com", "a@x.com", "b@x.com", "a@x.com", None],
        "Contact.phone": [f"+1202555010{last}" for last in (2, 3, 2, 4, 1, 4)],
    }
)


def grouped() -> IdentityResult:
    """Group the rows: 0, 2 and 4; 1, 3 and 5."""
    hashes = {name: identifier_hash(TEXTS[name]) for name in COLUMNS}
    rows = IdentityRows(TEXTS.height, None, hashes, {"Contact.email": "email", "Contact.phone": "phone"})
    return resolve_identity(rows, IdentityPolicy(), {}, lambda name, at: TEXTS[name].gather(at))


def test_members_are_the_same_however_many_are_written_at_once(tmp_path: Path) -> None:
    """Groups whose rows are far apart are cut by the stretches, and lose neither rows nor links."""
    package = FakePackage(valid=[TEXTS])
    kept = []
    for at_once in (1, 2, 100):
        write_members(tmp_path, grouped(), package, at_once)
        kept.append(read_members(tmp_path))
    whole = kept[-1]
    assert whole["line"].to_list() == [0, 1, 2, 3, 4, 5]
    assert whole["linking_value"].to_list() == [
        ["+12025550102"],
        ["b@x.com"],
        ["+12025550102", "a@x.com"],
        ["+12025550104", "b@x.com"],
        ["a@x.com"],
        ["+12025550104"],
    ]
    assert kept[0].equals(whole)
    assert kept[1].equals(whole)
