"""Names, paths and kinds of files: one line saying why not, within a second."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.ports import SourceOptions
from importer.sources import open_source
from importer.sources.files import expand

OPTIONS = SourceOptions()


def refusal(spec: str) -> str:
    """Return why a name is refused."""
    with pytest.raises(SourceError) as caught:
        open_source(spec, OPTIONS)
    assert caught.value.hint
    return caught.value.message


def test_what_is_not_a_file(tmp_path: Path) -> None:
    """Missing files, folders, pipes, devices and addresses are refused at once."""
    os.mkfifo(tmp_path / "pipe")
    assert "no such file" in refusal(str(tmp_path / "none.csv"))
    assert "directory" in refusal(str(tmp_path))
    assert "pipe" in refusal(str(tmp_path / "pipe"))
    assert "device" in refusal("/dev/zero")
    assert "address" in refusal("https://example.com/a.csv")
    assert "not a file name" in refusal("a\0b")
    assert "no file matches" in refusal(str(tmp_path / "*.csv"))
    assert "\\x1b" in refusal(str(tmp_path / "\x1b[31m.csv"))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read at its start")
def test_an_input_error_is_not_the_end() -> None:
    """A read that fails refuses the file; it never passes for an empty or a shorter one."""
    assert "reading failed" in refusal("/proc/self/mem")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    """A file that may not be read is refused."""
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    path.chmod(0)
    assert "no permission" in refusal(str(path))


def test_an_existing_name_beats_a_pattern(tmp_path: Path) -> None:
    """A file named like a pattern is that file; patterns expand sorted, folders left out."""
    for name in ("a[1].csv", "a1.csv", "b2.csv", "b1.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "b3.csv").mkdir()
    assert [Path(name).name for name in expand(str(tmp_path / "a[1].csv"))] == ["a[1].csv"]
    assert [Path(name).name for name in expand(str(tmp_path / "b*.csv"))] == ["b1.csv", "b2.csv"]


def test_nothing_named() -> None:
    """An empty list of files is refused."""
    with pytest.raises(SourceError, match="no source"):
        open_source([], OPTIONS)


def test_text_and_parquet_do_not_mix(tmp_path: Path) -> None:
    """Files of two kinds are not one source."""
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").write_bytes(b"PAR1\x00\x00")
    with pytest.raises(SourceError, match="kind"):
        open_source([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")], OPTIONS)


def piped(content: bytes) -> io.TextIOWrapper:
    """Make a standard input that holds bytes."""
    return io.TextIOWrapper(io.BytesIO(content))


def test_standard_input_is_spooled_privately(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is piped in can be read twice, from a private copy that goes with the source."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", piped(b"a,b\n1,2\n"))
    source = open_source("-", OPTIONS)
    (spooled,) = tmp_path.iterdir()
    assert stat.S_IMODE(spooled.stat().st_mode) == 0o600
    assert [chunk.frame.rows() for _ in range(2) for chunk in source.chunks()] == [[("1", "2")]] * 2
    assert source.describe().files[0].name == "-"
    del source
    assert not list(tmp_path.iterdir())


def test_standard_input_that_is_refused_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The private copy goes with the refusal too."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", piped(b""))
    assert "empty" in refusal("-")
    assert not list(tmp_path.iterdir())
