"""Files written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.state.files import create_private, make_private_folder, replaced, write_private


def mode(path: Path) -> int:
    """Return a path's permission bits."""
    return path.stat().st_mode & 0o777


@pytest.fixture(params=[0o000, 0o022, 0o077])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """A file is 0600 and a folder 0700; one that was there gets the same mode."""
    folder = tmp_path / "a" / "b"
    (tmp_path / "a").mkdir(mode=0o755)
    make_private_folder(folder)
    assert mode(folder) == 0o700
    path = folder / "f"
    path.write_bytes(b"older and longer")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600
    path.chmod(0o644)
    with create_private(path) as stream:
        assert mode(path) == 0o600
        stream.write(b"x")
        stream.seek(0)
        assert stream.read() == b"x"
    folder.chmod(0o755)
    make_private_folder(folder)
    assert mode(folder) == 0o700


def test_a_file_is_replaced_only_when_its_block_ends_well(tmp_path: Path) -> None:
    """An error while writing leaves the file as it was, and nothing beside it."""
    path = tmp_path / "f"
    write_private(path, b"old")

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
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """A private file takes the place of a symbolic link; the link's target stays untouched."""
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    link = tmp_path / "f"
    link.symlink_to(target)
    create_private(link).close()
    write_private(link, b"new")
    assert target.read_bytes() == b"mine"
    assert not link.is_symlink()
