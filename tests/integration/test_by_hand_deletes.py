"""Deleting profiles by hand: nothing goes unasked, unseen or beyond the cap, and each has one outcome."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.by_hand import Desk, desk
from tests.support.cli import command_line

NOBODY = "mem_profile_00000000000000000000000000"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Run a store for all tests of this file; each has people of its own."""
    with desk(tmp_path_factory.mktemp("deletes")) as made:
        yield made


def deletes(at: Desk) -> int:
    """Count the requests to delete that the store had."""
    return sum(entry["method"] == "DELETE" for entry in at.emulator.journal())


def test_what_goes_is_shown_by_counts_and_without_a_terminal_the_answer_is_no(at: Desk) -> None:
    """IDs, traits and identifiers, no values; exit code 2, and nothing was asked of the store but reads."""
    profile_id = at.profile("canary@example.com", firstName="Canary")
    before = deletes(at)
    for more in ((), ("--json",)):
        ended = at.run("profiles", "delete", profile_id, NOBODY, *more)
        assert ended.code == 2
        assert f"{profile_id}: 2 traits (Contact 2), 1 identifier (email 1)" in ended.stderr
        assert f"{NOBODY}: not found" in ended.stderr
        assert f"Delete 2 profiles of {at.emulator.store_id} on 127.0.0.1 for good?" in ended.stderr
        assert "canary" not in (ended.stdout + ended.stderr).lower()
    assert deletes(at) == before


@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("y", 0)])
def test_on_a_terminal_it_asks(at: Desk, answer: str, code: int) -> None:
    """Only a yes deletes."""
    profile_id = at.profile(f"asked{answer}@example.com")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command_line(("profiles", "delete", profile_id)),
        cwd=at.folder,
        env={**os.environ, **at.environment},
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.DEVNULL,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    ended = process.wait(60)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert ended == code, shown
    assert "for good? [y/N]" in shown
    at.emulator.wait_idle()
    assert (profile_id in at.done("profiles", "list", "--all")) == bool(code)


def test_many_are_deleted_from_a_file_each_with_its_outcome(at: Desk) -> None:
    """On standard output, and in a private file of its own that is never written over."""
    made = [at.profile(f"many{number}@example.com") for number in range(3)]
    (at.folder / "ids.txt").write_text("\n".join([*made, "", NOBODY, made[0], ""]), encoding="utf-8")
    arguments = ("profiles", "delete", "--from", "ids.txt", "--yes", "--json", "--results", "deleted.ndjson")
    ended = at.run(*arguments)
    assert ended.code == 0, ended.stderr
    outcomes = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(each["profile_id"], each["outcome"]) for each in outcomes] == [
        *((each, "accepted") for each in made),
        (NOBODY, "not_found"),
    ]
    assert all(each["request_id"] for each in outcomes)
    results = at.folder / "deleted.ndjson"
    assert results.read_text(encoding="utf-8") == ended.stdout
    assert stat.S_IMODE(results.stat().st_mode) == 0o600
    assert "3 accepted" in ended.stderr
    assert "1 not_found" in ended.stderr
    again = at.run(*arguments)
    assert (again.code, "File exists" in again.stderr) == (2, True)
    repeated = at.run(*arguments[:-2])
    assert repeated.code == 0, "doing it again is safe"
    assert {json.loads(line)["outcome"] for line in repeated.stdout.splitlines()} == {"not_found"}


def test_more_than_the_cap_deletes_nothing(at: Desk) -> None:
    """Exit code 6; a hundred if nothing is said."""
    ids = "".join(f"mem_profile_{number:026d}\n" for number in range(101))
    before = len(at.emulator.journal())
    ended = at.run("profiles", "delete", "--from", "-", "--yes", text=ids)
    assert (ended.code, "--max-deletes 101" in ended.stderr) == (6, True)
    assert at.run("profiles", "delete", "--from", "-", "--yes", "--max-deletes", "100", text=ids).code == 6
    assert len(at.emulator.journal()) == before
    allowed = at.run("profiles", "delete", "--from", "-", "--yes", "--max-deletes", "101", text=ids)
    assert (allowed.code, len(allowed.stdout.splitlines())) == (0, 101)


@pytest.mark.parametrize("text", ["canary@example.com\n", "", "\n \n", f"{NOBODY} canary\n", f"x{NOBODY}\n"])
def test_a_file_of_something_else_is_refused(at: Desk, text: str) -> None:
    """With the numbers of its lines and none of their text; nothing was sent."""
    before = len(at.emulator.journal())
    ended = at.run("profiles", "delete", "--from", "-", "--yes", text=text)
    assert (ended.code, "canary" in ended.stderr) == (2, False)
    assert len(at.emulator.journal()) == before


def test_names_and_a_file_are_not_given_together(at: Desk) -> None:
    """Nor a file that is not there, nor one that is no text, nor nothing."""
    (at.folder / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    for arguments in ((NOBODY, "--from", "-"), ("--from", "missing.txt"), ("--from", "bytes.txt"), (), ("x",)):
        assert at.run("profiles", "delete", *arguments, "--yes").code == 2


def test_what_was_merged_is_deleted_only_where_told_so(at: Desk) -> None:
    """Outcome merged with the canonical ID, exit code 3; with --follow-merged that one goes."""
    canonical, gone = at.merged("merged@example.com", "+13175550300")
    seen = at.run("profiles", "delete", gone)
    assert f"{gone}: merged into {canonical}, which stays: " in seen.stderr
    kept = at.run("profiles", "delete", gone, "--yes", "--json")
    assert kept.code == 3
    (outcome,) = map(json.loads, kept.stdout.splitlines())
    assert (outcome["outcome"], outcome["canonical_id"], outcome["status"]) == ("merged", canonical, 308)
    assert canonical in at.done("profiles", "list", "--all")
    went = at.run("profiles", "delete", gone, "--yes", "--follow-merged")
    assert went.code == 0
    assert f"into {canonical}" in went.stdout
    assert canonical not in at.done("profiles", "list", "--all")


def test_a_store_that_is_not_there_ends_it(at: Desk) -> None:
    """After the first refusal; the rest has an outcome all the same."""
    ids = f"{NOBODY}\nmem_profile_00000000000000000000000001\n"
    elsewhere = ("--store", "mem_store_00000000000000000000000000")
    ended = at.run("profiles", "delete", "--from", "-", "--yes", "--json", *elsewhere, text=ids)
    assert ended.code == 4
    assert [json.loads(line)["outcome"] for line in ended.stdout.splitlines()] == ["failed", "not_sent"]
    assert "check the store ID" in ended.stderr
