"""The package on disk."""

from __future__ import annotations

import hashlib
import random
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pytest
from blake3 import blake3

from importer.core.index import INDEX_SCHEMA
from importer.errors import StateError
from importer.state.frames import FrameFile, FrameWriter, read_frame, write_frame
from importer.state.package import PackageReader, PackageWriter
from importer.state.sealed import SEAL_BYTES


def make_rows(count: int, *, first: int = 0) -> pl.DataFrame:
    """Make typed rows with text, numbers, truth values and nulls."""
    return pl.DataFrame(
        {
            "row": pl.int_range(first, first + count, dtype=pl.UInt64, eager=True),
            "text": [None if n % 7 == 0 else f"text {n} \u00e9\U0001f600" for n in range(first, first + count)],
            "number": pl.Series([n % 5 or None for n in range(count)], dtype=pl.Int32),
            "flag": [n % 3 == 0 for n in range(count)],
        }
    )


def write_package(folder: Path, frame: pl.DataFrame, chunk_rows: int = 70) -> None:
    """Write a package of some chunks."""
    with PackageWriter(folder) as writer:
        for chunk in frame.iter_slices(chunk_rows):
            writer.append(chunk.select("row"), chunk)
        assert writer.row_count == frame.height


def slots(*numbers: int) -> npt.NDArray[np.int64]:
    """Make an array of slots."""
    return np.array(numbers, dtype=np.int64)


def test_a_package_gives_back_what_was_appended(tmp_path: Path) -> None:
    """Frames come back in order, with their types and nulls, all columns or some, as often as asked."""
    rows = make_rows(500)
    write_package(tmp_path, rows)
    reader = PackageReader(tmp_path)
    for _ in range(2):
        assert pl.concat(reader.valid_frames()).equals(rows)
    assert pl.concat(reader.valid_frames(["flag", "text"])).equals(rows.select("flag", "text"))
    assert pl.concat(reader.rows_frames()).equals(rows.select("row"))
    assert reader.take_rows(slots(499, 3, 3, 71)).equals(rows.select("row")[[499, 3, 3, 71]])
    assert [frame.height for frame in reader.valid_frames()] == [70] * 7 + [10]
    reader.close()


class Waiting(pl.DataFrame):
    """Rows that are not written until somebody says so."""

    def __init__(self, rows: pl.DataFrame) -> None:
        super().__init__(rows)
        self.wanted = Event()

    def to_arrow(self, *, compat_level: pl.CompatLevel | None = None) -> pa.Table:
        """Wait, and give them."""
        self.wanted.wait()
        return super().to_arrow(compat_level=compat_level)


def test_a_frame_is_let_go_of_before_it_is_written(tmp_path: Path) -> None:
    """Compressing and writing take a while, and do so from a copy of the texts: nobody holds the frame meanwhile."""
    part = tmp_path / ".valid.arrow.part"
    written: list[int] = []
    with PackageWriter(tmp_path) as writer:
        frame = make_rows(20_000)
        rows = Waiting(frame.select("row"))  # they are written first
        weakref.finalize(frame, lambda: written.append(part.stat().st_size))
        writer.append(rows, frame)
        del frame
        rows.wanted.set()
    assert len(written) == 1
    assert written[0] < (tmp_path / "valid.arrow").stat().st_size // 2


def in_polars(table: pa.Table) -> pl.DataFrame:
    """Return what `take_table` returned as a frame."""
    return cast("pl.DataFrame", pl.from_arrow(table))


def test_rows_are_taken_in_the_order_asked_for(tmp_path: Path) -> None:
    """Any order, repeated rows included, across more chunks than are kept in memory."""
    rows = make_rows(1000)
    write_package(tmp_path, rows)
    reader = PackageReader(tmp_path)
    chance = np.random.default_rng(1)
    for wanted in (
        np.arange(1000),
        np.arange(999, -1, -1),
        chance.permutation(1000),
        chance.integers(0, 1000, 300),
        slots(999, 0, 999),
        slots(70),
        slots(),
    ):
        assert reader.take(wanted).equals(rows[wanted])
        assert in_polars(reader.take_table(wanted, ["text", "row"])).equals(rows[wanted].select("text", "row"))
    reader.close()


def test_a_file_of_frames_gives_rows_in_any_order(tmp_path: Path) -> None:
    """As frames and as Arrow has them."""
    rows = make_rows(300)
    write_package(tmp_path, rows)
    file = FrameFile(tmp_path / "valid.arrow")
    wanted = np.random.default_rng(3).integers(0, 300, 200)
    assert file.take(wanted).equals(rows[wanted])
    assert in_polars(file.take_table(wanted, ["number", "text"])).equals(rows[wanted].select("number", "text"))
    file.close()


def test_taking_no_rows_keeps_the_columns(tmp_path: Path) -> None:
    """No slots give an empty frame of the package's types, also where the package has no rows at all."""
    rows = make_rows(10)
    write_package(tmp_path, rows)
    assert PackageReader(tmp_path).take(slots()).schema == rows.schema
    with PackageWriter(tmp_path) as writer:
        writer.append(rows.select("row"), rows.clear())
        writer.append(rows.select("row"), rows.clear())
    reader = PackageReader(tmp_path)
    assert reader.take(slots()).schema == rows.schema
    assert list(reader.valid_frames(["text"])) == []
    reader.append_extra(rows)
    assert reader.take(slots()).schema == rows.schema
    assert reader.take(slots(3, 1)).equals(rows[[3, 1]])


def test_a_package_of_a_source_without_rows_is_readable(tmp_path: Path) -> None:
    """A run over nothing at all has a package too."""
    PackageWriter(tmp_path).close()
    reader = PackageReader(tmp_path)
    assert list(reader.valid_frames(["row", "text"])) == []
    assert list(reader.rows_frames()) == []
    assert reader.take(slots()).is_empty()
    reader.close()


def test_extra_rows_take_the_slots_after_the_valid_ones(tmp_path: Path) -> None:
    """Each round of changed rows continues the numbering, for this reader and for one opened later."""
    rows, first, second = make_rows(100), make_rows(50, first=1000), make_rows(30, first=2000)
    write_package(tmp_path, rows, 40)
    reader = PackageReader(tmp_path)
    assert reader.append_extra(first) == 100
    assert reader.append_extra(second) == 150
    everything = pl.concat([rows, first, second])
    wanted = np.random.default_rng(2).permutation(180)
    for each in (reader, PackageReader(tmp_path)):
        assert each.take(wanted).equals(everything[wanted])
        assert in_polars(each.take_table(wanted, ["text"])).equals(everything[wanted].select("text"))
        assert pl.concat(each.valid_frames()).equals(rows)
        each.close()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_an_extra_file_cut_short_by_a_kill_is_not_part_of_the_package(tmp_path: Path) -> None:
    """A round that was not finished leaves nothing that a later reader would open."""
    rows = make_rows(20)
    write_package(tmp_path, rows)
    (tmp_path / ".extra-001.arrow.part").write_bytes(b"half")
    reader = PackageReader(tmp_path)
    assert reader.append_extra(rows) == 20
    assert PackageReader(tmp_path).take(slots(25)).equals(rows[[5]])


def test_threads_share_a_reader(tmp_path: Path) -> None:
    """Rows taken from many threads at once are the right ones."""
    rows = make_rows(2000)
    write_package(tmp_path, rows, 50)
    reader = PackageReader(tmp_path)
    reader.append_extra(rows)
    both = pl.concat([rows, rows])

    def take(seed: int) -> bool:
        wanted = np.random.default_rng(seed).integers(0, 4000, 200)
        return reader.take(wanted).equals(both[wanted])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(take, range(64)))


@pytest.mark.parametrize("content", [None, b"", b"ARROW1", b"no arrow file at all" * 100])
def test_a_missing_or_foreign_file_is_damaged_state(tmp_path: Path, content: bytes | None) -> None:
    """A package file that is not one is a StateError that names the file, and the way out."""
    write_package(tmp_path, make_rows(10))
    path = tmp_path / "valid.arrow"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(StateError, match=r"valid\.arrow is (missing|damaged)") as caught:
        PackageReader(tmp_path)
    assert "import the source again" in caught.value.hint
    with pytest.raises(StateError):
        read_frame(path)


def test_no_damage_is_overlooked(tmp_path: Path) -> None:
    """Whatever bytes a disk loses, turns or adds, a package file is refused when it is opened."""
    path = tmp_path / "f.arrow"
    rows = make_rows(600)
    writer = FrameWriter(path)
    for chunk in rows.iter_slices(200):
        writer.append(chunk)
    writer.close()
    writer.close()
    good = path.read_bytes()
    chance = random.Random(1)
    for attempt in range(150):
        damaged = bytearray(good)
        match attempt % 3:
            case 0:
                del damaged[chance.randrange(len(good)) :]
            case 1:
                damaged += chance.randbytes(1 + chance.randrange(50))
            case _:
                damaged[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(StateError, match=r"f\.arrow is damaged"):
            FrameFile(path)
        with pytest.raises(StateError, match=r"f\.arrow is damaged"):
            read_frame(path)
    path.write_bytes(good)
    assert FrameFile(path).take(np.arange(600)).equals(rows)


def test_what_an_earlier_version_sealed_is_read(tmp_path: Path) -> None:
    """It has a mark of its own and BLAKE2b; damage of it is seen, and neither mark goes with the other hash."""
    path, rows = tmp_path / "f.arrow", make_rows(600)
    write_frame(path, rows)
    content = path.read_bytes()[:-SEAL_BYTES]
    earlier = hashlib.blake2b(content, digest_size=32).digest()
    path.write_bytes(content + b"sealed1\n" + earlier)
    assert FrameFile(path).take(np.arange(600)).equals(rows)
    assert FrameFile(path).digest == earlier
    assert read_frame(path).equals(rows)
    wrong = b"?" + content[1:]
    now = blake3(content).digest()
    for bad in (
        wrong + b"sealed1\n" + earlier,
        *(content + mark for mark in (b"sealed1\n" + now, b"sealed2\n" + earlier)),
    ):
        path.write_bytes(bad)
        with pytest.raises(StateError, match=r"f\.arrow is damaged"):
            FrameFile(path)
        with pytest.raises(StateError, match=r"f\.arrow is damaged"):
            read_frame(path)


def test_damage_is_seen_while_a_package_is_open(tmp_path: Path) -> None:
    """Whoever writes to a file that is being read from is found out at the next row that is read."""
    write_package(tmp_path, make_rows(600), 100)
    reader = PackageReader(tmp_path)
    reader.take(slots(1))
    path = tmp_path / "valid.arrow"
    with path.open("r+b") as content:
        content.seek(path.stat().st_size // 2)
        content.write(b"?")
    with pytest.raises(StateError, match=r"valid\.arrow is damaged \(it was written to while it was in use\)"):
        reader.take(slots(599))
    with pytest.raises(StateError, match="in use"):
        list(reader.valid_frames(["text"]))


def test_columns_are_read_alone(tmp_path: Path) -> None:
    """Whoever needs some columns gets those, in the order asked for, whatever was read before."""
    rows, extra = make_rows(100), make_rows(10, first=1000)
    write_package(tmp_path, rows, 30)
    reader = PackageReader(tmp_path)
    reader.append_extra(extra)
    both = pl.concat([rows, extra])
    wanted = np.random.default_rng(3).permutation(110)
    for columns in (["text"], ["text", "row"], None, ["flag", "number"], ["text"]):
        chosen = both.columns if columns is None else columns
        assert reader.take(wanted, columns).equals(both[wanted].select(chosen))
        assert reader.take(slots(), columns).schema == both.select(chosen).schema


def test_seals_tell_the_content_of_the_files_that_hold_the_rows(tmp_path: Path) -> None:
    """The same files say the same to whoever opens them; rows that are added leave what was there."""
    rows = make_rows(100)
    write_package(tmp_path, rows, 30)
    reader = PackageReader(tmp_path)
    before = reader.seals(slots(0, 99))
    reader.append_extra(rows)
    assert reader.seals(slots(7)) == PackageReader(tmp_path).seals(slots(5, 5)) == before
    assert reader.seals(slots(100)) not in (before, b"")
    assert reader.seals(slots(0, 100)) == before + reader.seals(slots(100))
    write_package(tmp_path, rows.with_columns(pl.col("row") + 1), 30)
    assert PackageReader(tmp_path).seals(slots(0)) != before


def test_a_package_is_there_when_it_is_whole(tmp_path: Path) -> None:
    """An error while it is written leaves no file of it, whole or half."""

    def break_off() -> None:
        with PackageWriter(tmp_path) as writer:
            writer.append(make_rows(10), make_rows(10))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_with_a_chunk_is_raised_by_the_next_call(tmp_path: Path) -> None:
    """A chunk is written while the next one is made; that it could not be is not lost, and leaves no file."""
    other = pl.DataFrame({"row": ["text where numbers were"]})
    writer = PackageWriter(tmp_path)
    writer.append(make_rows(5), make_rows(5))
    writer.append(other, other)
    assert writer.row_count == 6
    with pytest.raises(pa.ArrowException):
        writer.close()
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_seal_is_believed_of_the_file_it_was_put_on_alone(tmp_path: Path) -> None:
    """Whoever wrote a package need not read it whole again, unless something wrote to it since."""
    with PackageWriter(tmp_path) as writer:
        writer.append(make_rows(5), make_rows(5))
    assert set(writer.seals) == {"rows.arrow", "valid.arrow"}
    assert PackageReader(tmp_path, writer.seals).seals(slots(0)) == PackageReader(tmp_path).seals(slots(0))
    path = tmp_path / "valid.arrow"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(StateError, match="damaged"):
        PackageReader(tmp_path, writer.seals)


def test_a_frame_too_large_for_its_offsets_is_written_in_pieces(tmp_path: Path) -> None:
    """Texts have offsets of 32 bits, so what they do not reach goes to further batches; nothing else changes."""
    rows = make_rows(100)
    writer = FrameWriter(tmp_path / "frame", most_bytes=1_000)
    writer.append(rows)
    writer.close()
    file = FrameFile(tmp_path / "frame")
    frames = list(file.frames())
    assert len(frames) > 3
    assert pl.concat(frames).equals(rows)
    assert writer.height == file.height == 100
    assert file._schema.field("text").type == pa.string()
    file.close()


def test_a_package_that_does_not_last_is_read_by_its_writer_alone(tmp_path: Path) -> None:
    """Nothing is hashed or made small; whoever did not see it written cannot tell it from a damaged one."""
    rows = make_rows(500)
    with PackageWriter(tmp_path, lasting=False) as writer:
        writer.append(rows.select("row"), rows)
    reader = PackageReader(tmp_path, writer.seals)
    assert pl.concat(reader.valid_frames()).equals(rows)
    assert reader.take(slots(7, 3), ["row"])["row"].to_list() == [7, 3]
    reader.close()
    path = tmp_path / "valid.arrow"
    assert path.stat().st_mode & 0o777 == 0o600
    quick = path.stat().st_size
    with pytest.raises(StateError, match="damaged"):
        PackageReader(tmp_path)
    write_package(tmp_path, rows, 500)
    assert path.stat().st_size < quick


def test_one_frame_is_written_whole_and_read_back(tmp_path: Path) -> None:
    """A frame keeps its types, those of the index included, and is replaced as a whole."""
    path = tmp_path / "index.arrow"
    line = dict.fromkeys(INDEX_SCHEMA, 0) | {"state": "send", "code": None}
    index = pl.DataFrame([line, line | {"state": "held", "code": "merge-group", "group": 1}], schema=INDEX_SCHEMA)
    for frame in (index, index.clear(), index.head(1)):
        write_frame(path, frame)
        assert read_frame(path).equals(frame)
        assert read_frame(path).schema == INDEX_SCHEMA
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StateError):
        read_frame(path)
