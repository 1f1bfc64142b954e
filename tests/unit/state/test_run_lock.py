"""The lock of a run, and looking at it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from importer.errors import LockedError
from importer.state.lock import RUN_LOCK, PackagingLock, RunLock, is_held


def test_it_is_seen_while_it_is_held(tmp_path: Path) -> None:
    """Whoever works on a run, packaging or later, holds the one lock that `status` looks at; looking makes no file."""
    assert not is_held(tmp_path / RUN_LOCK)
    assert not (tmp_path / RUN_LOCK).exists()
    for lock in (PackagingLock(tmp_path), RunLock(tmp_path)):
        with lock:
            assert is_held(tmp_path / RUN_LOCK)
        assert not is_held(tmp_path / RUN_LOCK)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Who packages a run keeps everybody else from working on it."""
    with PackagingLock(tmp_path), pytest.raises(LockedError, match=tmp_path.name), RunLock(tmp_path):
        pass


def test_a_thread_may_take_it_again(tmp_path: Path) -> None:
    """A command that holds it calls others that take it; it is free when the first of them lets go."""
    found: list[str] = []

    def elsewhere() -> None:
        try:
            with RunLock(tmp_path):
                found.append("taken")
        except LockedError:
            found.append("refused")

    with RunLock(tmp_path):
        with RunLock(tmp_path):
            pass
        assert is_held(tmp_path / RUN_LOCK)
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
    assert found == ["refused"]
    assert not is_held(tmp_path / RUN_LOCK)
    with RunLock(tmp_path):
        pass


def test_looking_takes_it_from_nobody(tmp_path: Path) -> None:
    """However often somebody looks, whoever takes the lock gets it."""
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            is_held(tmp_path / RUN_LOCK)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(100):
            with RunLock(tmp_path):
                pass
    finally:
        over.set()
        for looker in lookers:
            looker.join()
