"""Bodies and part files: the same rows of the package give the same bytes, whole or in pieces."""

from __future__ import annotations

import csv
import hashlib
import json
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.filled import FilledSet
from importer.core.schema import DataType
from importer.core.wire import WireTrait
from importer.ports import ColumnMapping
from importer.state.payloads import PackagePayloads
from tests.support.fakes import FakePackage

TRAITS: Final = (
    WireTrait("Contact.email", "Contact", "email", DataType.STRING, id_type="email"),
    WireTrait("Contact.phone", "Contact", "phone", DataType.STRING, id_type="phone"),
    WireTrait("Account.note", "Account", "note", DataType.STRING, removable=True),
    WireTrait("Account.points", "Account", "points", DataType.NUMBER, removable=True),
)
SETS: Final = (
    FilledSet(("Contact.email", "Account.note", "Account.points"), ()),
    FilledSet(("Contact.email", "Account.note"), ("Account.points",)),
    FilledSet(("Contact.email", "Contact.phone"), ("Account.note", "Account.points")),
)
SCHEMA: Final = pl.Schema(
    {
        "set": pl.UInt32,
        "Contact.email": pl.String,
        "Contact.phone": pl.String,
        "Account.note": pl.String,
        "Account.points": pl.Int32,
    }
)
ROWS: Final = [
    (0, "a@example.com", None, "one", 1),
    (1, "b@example.com", None, 'say "hi", ñ', None),
    (2, "c@example.com", "+13179580001", None, None),
    (0, "d@example.com", None, "four", -4),
]


def payloads_of(
    folder: Path, rows: Sequence[tuple[Any, ...]] = ROWS, slots: Sequence[int] | None = None, salt: str = "salt"
) -> PackagePayloads:
    """Make payloads over rows; the send order is that of `slots`."""
    package = FakePackage(valid=[pl.DataFrame(rows, schema=SCHEMA, orient="row")])
    order = np.array(slots if slots is not None else range(len(rows)), dtype=np.int64)
    return PackagePayloads(package, order, TRAITS, SETS, parts=folder / "parts", salt=salt)


def emails(body: bytes) -> list[str]:
    """Return the e-mail addresses of a Bulk body."""
    return [profile["traits"]["Contact"]["email"][0] for profile in json.loads(body)["profiles"]]


def test_a_body_holds_its_positions_in_order_without_those_left_out(tmp_path: Path) -> None:
    """Positions are places in the send order, not rows of the package; missing values are left out."""
    payloads = payloads_of(tmp_path, slots=[3, 1, 0, 2])
    assert emails(payloads.bulk_body(0, 4)) == ["d", "b", "a", "c"]
    assert emails(payloads.bulk_body(1, 3)) == ["b", "a"]
    assert emails(payloads.bulk_body(0, 4, frozenset({0, 2}))) == ["b", "c"]
    (profile,) = json.loads(payloads.bulk_body(1, 2))["profiles"]
    assert profile == {"traits": {"Contact": {"email": "b@example.com"}, "Account": {"note": 'say "hi", ñ'}}}


def test_a_part_is_a_private_file_with_exact_size_and_hash(tmp_path: Path) -> None:
    """Its columns are what its rows fill or remove, under generated names."""
    made = payloads_of(tmp_path).part(7, 0, 1)
    content = Path(made.path).read_bytes()
    assert content == b"c001,c002,c003\na@example.com,one,1\n"
    assert (made.size_bytes, made.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert made.columns == (
        ColumnMapping("c001", "Contact", "email"),
        ColumnMapping("c002", "Account", "note"),
        ColumnMapping("c003", "Account", "points"),
    )
    assert stat.S_IMODE(Path(made.path).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "parts").stat().st_mode) == 0o700


def test_rows_that_fill_and_rows_that_remove_share_a_part(tmp_path: Path) -> None:
    """A removal is a cell of the column that another row fills."""
    rows = [ROWS[0], (1, "b@example.com", None, "two", None)]
    content = Path(payloads_of(tmp_path, rows).part(0, 0, 2).path).read_text(encoding="utf-8")
    assert list(csv.reader(content.splitlines()))[1:] == [
        ["a@example.com", "one", "1"],
        ["b@example.com", "two", "\\N"],
    ]


def test_a_part_is_written_once_a_session_and_anew_if_it_went(tmp_path: Path) -> None:
    """A retry finds the file; a discarded one is made again with the same bytes."""
    payloads = payloads_of(tmp_path)
    first = payloads.part(3, 0, 1)
    stamp = Path(first.path).stat().st_mtime_ns
    assert payloads.part(3, 0, 1) is first
    assert Path(first.path).stat().st_mtime_ns == stamp
    Path(first.path).unlink()
    again = payloads.part(3, 0, 1)
    assert again == first
    assert Path(again.path).exists()


def test_a_part_does_not_trust_what_a_killed_session_left(tmp_path: Path) -> None:
    """A file of that name from before is written over."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "part-3.csv").write_bytes(b"half a fi")
    made = payloads_of(tmp_path).part(3, 0, 1)
    assert Path(made.path).stat().st_size == made.size_bytes


def test_dropping_parts_leaves_no_cell_value_behind(tmp_path: Path) -> None:
    """Whole files and half-written ones go; that there are none is fine."""
    payloads = payloads_of(tmp_path)
    payloads.drop_parts()
    payloads.part(1, 0, 1)
    (tmp_path / "parts" / ".part-2.csv.part").write_bytes(b"a@example.com")
    payloads.drop_parts()
    assert not (tmp_path / "parts").exists()
    assert Path(payloads.part(1, 0, 1).path).exists()


def test_a_long_part_is_written_in_bounded_pieces(tmp_path: Path) -> None:
    """The package is never asked for a whole part at once."""
    rows = [(0, f"p{number}@example.com", None, "x", number) for number in range(3)]
    package = FakePackage(valid=[pl.DataFrame(rows, schema=SCHEMA, orient="row")])
    slots = np.arange(120_001, dtype=np.int64) % 3
    made = PackagePayloads(package, slots, TRAITS, SETS, parts=tmp_path / "parts", salt="").part(0, 0, 120_001)
    assert max(package.takes) <= 50_000
    lines = Path(made.path).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 120_002
    assert lines[50_001] == f"p{50_000 % 3}@example.com,x,{50_000 % 3}"
    assert lines[-1] == f"p{120_000 % 3}@example.com,x,{120_000 % 3}"


def test_identifiers_and_removals_of_a_row(tmp_path: Path) -> None:
    """A row is looked up by all identifiers it has, and patched with nothing but nulls."""
    payloads = payloads_of(tmp_path)
    assert payloads.identifiers(0) == (("email", "a@example.com"),)
    assert payloads.identifiers(2) == (("email", "c@example.com"), ("phone", "+13179580001"))
    assert json.loads(payloads.patch_body(2)) == {"traits": {"Account": {"note": None, "points": None}}}
    assert json.loads(payloads.patch_body(1)) == {"traits": {"Account": {"points": None}}}


def test_a_digest_tells_what_would_be_sent_from_anything_else(tmp_path: Path) -> None:
    """The same rows of the same package give the same digest; whatever would change a body gives another."""
    digest = payloads_of(tmp_path).digest(0, 2)
    assert payloads_of(tmp_path).digest(0, 2) == digest
    other_value = [ROWS[0], (1, "b@example.com", None, "say hi", None), *ROWS[2:]]
    other_removal = [ROWS[0], (0, "b@example.com", None, 'say "hi", ñ', None), *ROWS[2:]]
    others = [
        payloads_of(tmp_path, other_value).digest(0, 2),
        payloads_of(tmp_path, other_removal).digest(0, 2),
        payloads_of(tmp_path, salt="other").digest(0, 2),
        payloads_of(tmp_path, slots=[1, 0]).digest(0, 2),
        payloads_of(tmp_path).digest(0, 1),
        payloads_of(tmp_path).digest(1, 2),
    ]
    assert len({digest, *others}) == 7


def test_a_digest_holds_while_rows_are_added_and_reads_none(tmp_path: Path) -> None:
    """What is added later is no part of what was pinned before, and is pinned by what it is itself."""
    package = FakePackage(valid=[pl.DataFrame(ROWS, schema=SCHEMA, orient="row")])
    slots = np.array([0, 1, 4, 5], dtype=np.int64)

    def digest(start: int, stop: int) -> str:
        return PackagePayloads(package, slots, TRAITS, SETS, parts=tmp_path / "parts", salt="").digest(start, stop)

    before = digest(0, 2)
    package.append_extra(pl.DataFrame(ROWS[:2], schema=SCHEMA, orient="row"))
    added = digest(2, 4)
    assert digest(0, 2) == before
    package.extra[0] = pl.DataFrame(ROWS[2:], schema=SCHEMA, orient="row")
    assert digest(2, 4) != added
    assert digest(0, 2) == before
    assert package.takes == []


def test_bodies_that_follow_each_other_are_encoded_together(tmp_path: Path) -> None:
    """The package is asked once for many whole bodies, each of which holds its own rows; a few rows are asked alone."""
    drawn = [(0, f"p{number}@example.com", None, "x", number) for number in range(3)]
    package = FakePackage(valid=[pl.DataFrame(drawn, schema=SCHEMA, orient="row")])
    slots = np.arange(45_000, dtype=np.int64) % 3
    payloads = PackagePayloads(package, slots, TRAITS, SETS, parts=tmp_path / "parts", salt="")
    bodies = [payloads.bulk_body(start, start + 1000, frozenset([start])) for start in range(0, 45_000, 1000)]
    assert sorted(package.takes) == [5_000, 20_000, 20_000]
    for start, body in zip(range(0, 45_000, 1000), bodies, strict=True):
        profiles = json.loads(body)["profiles"]
        assert len(profiles) == 999
        assert profiles[0]["traits"]["Contact"]["email"] == f"p{(start + 1) % 3}@example.com"
    payloads.bulk_body(7, 9)
    assert package.takes[3:] == [2]


def test_few_large_bodies_are_encoded_at_once(tmp_path: Path) -> None:
    """Where a body has few rows, they are large: no more of them are held than some bodies have."""
    package = FakePackage(valid=[pl.DataFrame(ROWS[:1], schema=SCHEMA, orient="row")])
    slots = np.zeros(9_000, dtype=np.int64)
    payloads = PackagePayloads(package, slots, TRAITS, SETS, parts=tmp_path / "parts", salt="")
    for start in range(0, 9_000, 150):
        assert emails(payloads.bulk_body(start, start + 150)) == ["a"] * 150
    assert package.takes == [3_000, 3_000, 3_000]


def test_a_thread_that_is_late_finds_its_rows_encoded(tmp_path: Path) -> None:
    """Threads ask for the bodies of two stretches in any order; each row is read once."""
    package = FakePackage(valid=[pl.DataFrame(ROWS[:1], schema=SCHEMA, orient="row")])
    slots = np.zeros(100_000, dtype=np.int64)
    payloads = PackagePayloads(package, slots, TRAITS, SETS, parts=tmp_path / "parts", salt="")
    for start in (0, 20_000, 19_000, 21_000, 18_000, 40_000, 39_000, 60_000, 59_000, 80_000):
        assert emails(payloads.bulk_body(start, start + 1000)) == ["a"] * 1000
    assert package.takes == [20_000] * 5


def test_bodies_that_are_sent_again_are_encoded_alone(tmp_path: Path) -> None:
    """Those behind the front, however late, do not make it begin anew."""
    package = FakePackage(valid=[pl.DataFrame(ROWS[:1], schema=SCHEMA, orient="row")])
    slots = np.zeros(200_000, dtype=np.int64)
    payloads = PackagePayloads(package, slots, TRAITS, SETS, parts=tmp_path / "parts", salt="")
    for start in range(0, 200_000, 1000):
        payloads.bulk_body(start, start + 1000)
        if start >= 90_000 and start % 5000 == 0:
            assert emails(payloads.bulk_body(start - 90_000, start - 89_000)) == ["a"] * 1000
    assert sum(package.takes) == 200_000 + 22 * 1000


class Watched(FakePackage):
    """A package that says when it is asked a second time."""

    def __init__(self) -> None:
        super().__init__(valid=[pl.DataFrame(ROWS[:1], schema=SCHEMA, orient="row")])
        self.second = Event()

    def take(self, slots: npt.NDArray[np.int64], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Say so."""
        if self.takes:
            self.second.set()
        return super().take(slots, columns)


def test_the_stretch_behind_is_encoded_before_anybody_asks_for_it(tmp_path: Path) -> None:
    """Whoever asks for the first body has the stretch behind it begun as well."""
    package = Watched()
    slots = np.zeros(41_000, dtype=np.int64)
    payloads = PackagePayloads(package, slots, TRAITS, SETS, parts=tmp_path / "parts", salt="")
    assert emails(payloads.bulk_body(0, 1000)) == ["a"] * 1000
    assert package.second.wait(60)


def test_threads_may_ask_at_once(tmp_path: Path) -> None:
    """Answers do not depend on who asks beside."""
    payloads = payloads_of(tmp_path)
    wanted = payloads.bulk_body(0, 4)
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: payloads.bulk_body(0, 4), range(64)))
        parts = list(pool.map(lambda number: payloads.part(number, 0, 1), range(16)))
    assert set(bodies) == {wanted}
    assert {part.sha256 for part in parts} == {payloads.part(0, 0, 1).sha256}


def test_a_row_follows_those_before_it_that_hold_one_of_its_identifiers(tmp_path: Path) -> None:
    """Places in the send order count, each kind of identifier by itself, and a missing one is nobody's."""
    rows = [
        (2, "a@example.com", "+13179580001", None, None),
        (0, "b@example.com", None, "no phone", 1),
        (0, "c@example.com", None, "no phone either", 1),
        (2, "a@example.com", "+13179580002", None, None),
        (2, "+13179580001", "+13179580003", None, None),
        (2, "d@example.com", "+13179580002", None, None),
    ]
    for slots, following in (([0, 1, 2, 3, 4, 5], [3, 5]), ([5, 4, 3, 2, 1, 0], [2, 5])):
        payloads = payloads_of(tmp_path, rows, slots)
        assert [position for position in range(6) if payloads.follows(position)] == following
