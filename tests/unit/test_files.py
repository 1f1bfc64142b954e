"""Files written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import DiskError, StateError
from importer.files import WholeFile, make_private_folder, open_private, replaced, storage_error, write_whole, writing


def mode(path: Path) -> int:
    """Return a path's permission bits."""
    return path.stat().st_mode & 0o777


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """A file is 0600 and a folder 0700, those above it included where they are made; one that was there as well."""
    folder = tmp_path / "a" / "b" / "c"
    make_private_folder(folder)
    assert [mode(path) for path in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3
    path = folder / "f"
    path.write_bytes(b"older and longer")
    path.chmod(0o644)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600
    os.close(open_private(folder / "lock", os.O_RDWR | os.O_CREAT))
    assert mode(folder / "lock") == 0o600
    folder.chmod(0o755)
    make_private_folder(folder)
    assert mode(folder) == 0o700


def test_folders_above_that_were_there_keep_their_mode(tmp_path: Path) -> None:
    """Only what is made here is made private."""
    above = tmp_path / "shared"
    above.mkdir(mode=0o755)
    make_private_folder(above / "mine")
    assert mode(above) == 0o755


def test_a_file_is_replaced_only_when_its_block_ends_well(tmp_path: Path) -> None:
    """An error while writing leaves the file as it was, and nothing beside it."""
    path = tmp_path / "f"
    write_whole(path, b"old")

    def break_off() -> None:
        with replaced(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_does_not_get_in_the_way(tmp_path: Path) -> None:
    """A part file of an earlier attempt is overwritten."""
    path = tmp_path / "f"
    (tmp_path / ".f.part").write_bytes(b"left over and much longer")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """A whole file takes the place of a symbolic link; the link's target stays untouched."""
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    path = tmp_path / "f"
    path.symlink_to(target)
    (tmp_path / ".f.part").symlink_to(target)
    write_whole(path, b"new")
    assert target.read_bytes() == b"mine"
    assert not path.is_symlink()


def test_a_file_that_is_thrown_away_was_never_there(tmp_path: Path) -> None:
    """Aborting leaves nothing; after a commit it does nothing."""
    thrown = WholeFile(tmp_path / "thrown")
    thrown.stream.write(b"half")
    thrown.abort()
    assert list(tmp_path.iterdir()) == []
    kept = WholeFile(tmp_path / "kept")
    kept.stream.write(b"whole")
    kept.commit()
    kept.abort()
    assert (tmp_path / "kept").read_bytes() == b"whole"


def test_what_is_settled_is_on_the_disk_before_the_file_is_whole(tmp_path: Path) -> None:
    """A long file leaves little to its end: what is written of it has left the process, under no name of its own."""
    file = WholeFile(tmp_path / "f")
    file.stream.write(b"first")
    file.settle()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"first"]
    assert not (tmp_path / "f").exists()
    file.stream.write(b", second")
    file.commit()
    assert (tmp_path / "f").read_bytes() == b"first, second"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_full_or_failing_disk_can_be_mended(number: int) -> None:
    """Such an error names file and folder, and is of the kind after which a run can be resumed."""
    error = storage_error(OSError(number, os.strerror(number)), Path("/runs/r/report.json"))
    assert isinstance(error, DiskError)
    assert "report.json in /runs/r" in error.message
    assert "resume" in error.hint


def test_a_place_that_cannot_be_written_to_is_another_thing(tmp_path: Path) -> None:
    """Permissions and read-only file systems do not mend themselves: no disk error, and the hint says what to do."""
    read_only = OSError(errno.EROFS, os.strerror(errno.EROFS))
    with pytest.raises(StateError, match="Read-only") as caught, writing(tmp_path / "f"):
        raise read_only
    assert not isinstance(caught.value, DiskError)
    assert "--runs-dir" in caught.value.hint
