"""A profile is looked up, read, judged and deleted, and each deletion is written down before it is asked for."""

from __future__ import annotations

import pytest

from importer.core.lifecycle import FinishReason
from importer.core.sync_removals import Candidate, Profile, Removal
from importer.ports import Accepted, StoredProfile
from tests.support.removing import FakeProfiles, refusal, removed

EMAIL, PHONE = ("email", "a@example.com"), ("phone", "+12065550001")
OURS = Profile("P1", frozenset({EMAIL, PHONE}), frozenset({"Contact.email"}))
KEY = Candidate(7, (EMAIL, PHONE), frozenset({"Contact.email", "Contact.phone"}))


def test_one_lookup_is_enough_where_the_profile_has_all_identifiers() -> None:
    """The intent is kept before the deletion is asked for, and what came of it once it is seen to be done."""
    store = FakeProfiles({"P1": OURS})
    ended, kept = removed(store, [KEY])
    assert kept == [(7, Removal.DELETE, "P1"), (7, Removal.DELETED, "P1")]
    assert store.said == [
        ("lookup", EMAIL[1]),
        ("get", "P1"),
        ("identifiers", "P1"),
        ("keep", "delete"),
        ("delete", "P1"),
        ("get", "P1"),
        ("keep", "deleted"),
    ]
    assert ended.requests == {"lookup": 1, "get-profile": 2, "get-identifiers": 1, "delete-profile": 1}
    assert (ended.reason, ended.unread) == (FinishReason.COMPLETED, 0)


def test_an_identifier_that_the_profile_lost_is_looked_up() -> None:
    """Another profile that has it now may be the same person: nothing goes."""
    theirs = Profile("P2", frozenset({PHONE}), frozenset())
    store = FakeProfiles({"P1": Profile("P1", frozenset({EMAIL}), frozenset()), "P2": theirs})
    assert removed(store, [KEY])[1] == [(7, Removal.MERGED, "P1")]
    assert set(store.profiles) == {"P1", "P2"}


def test_the_first_that_names_nobody_is_not_the_last_word() -> None:
    """A later identifier may name the profile."""
    store = FakeProfiles({"P1": Profile("P1", frozenset({PHONE}), frozenset())})
    assert [entry[1] for entry in removed(store, [KEY])[1]] == [Removal.DELETE, Removal.DELETED]


def test_a_308_holds_the_profile() -> None:
    """It was merged after it was read."""
    store = FakeProfiles({"P1": OURS}, merged={"P1": "P0"})
    assert [entry[1] for entry in removed(store, [KEY])[1]] == [Removal.DELETE, Removal.MERGED]
    assert store.said.count(("delete", "P1")) == 1


@pytest.mark.parametrize(("status", "fate"), [(404, Removal.GONE), (409, Removal.REFUSED), (400, Removal.REFUSED)])
def test_a_deletion_that_is_not_taken(status: int, fate: Removal) -> None:
    """A 404 says that it is done already; anything else, that the profile stays."""

    class Refusing(FakeProfiles):
        """Refuses to delete."""

        def _say(self, what: str, about: str) -> None:
            super()._say(what, about)
            if what == "delete":
                raise refusal(status)

    ended, kept = removed(Refusing({"P1": OURS}), [KEY])
    assert [entry[1] for entry in kept] == [Removal.DELETE, fate]
    assert ended.unread == 0


@pytest.mark.parametrize(("status", "fates"), [(404, [Removal.GONE]), (400, []), (422, [])])
def test_only_a_404_says_that_nobody_has_a_value(status: int, fates: list[Removal]) -> None:
    """A lookup that is refused otherwise says nothing: its key stays, and is looked at again."""
    store = FakeProfiles({"P1": OURS}, refusals={value: refusal(status) for _, value in (EMAIL, PHONE)})
    ended, kept = removed(store, [KEY])
    assert ([entry[1] for entry in kept], ended.unread) == (fates, 0 if fates else 1)
    assert set(store.profiles) == {"P1"}


def test_what_speaks_against_every_request_ends_it() -> None:
    """Nothing is known of the candidates that follow."""
    store = FakeProfiles({"P1": OURS}, refusals={EMAIL[1]: refusal(401)})
    ended, kept = removed(store, [KEY, Candidate(8, (PHONE,), frozenset())])
    assert (ended.reason, kept) == (FinishReason.REFUSED, [])
    assert set(store.profiles) == {"P1"}


@pytest.mark.parametrize(("looks", "kept"), [(3, [Removal.DELETE, Removal.DELETED]), (99, [Removal.DELETE])])
def test_a_profile_counts_as_deleted_once_it_is_not_there(looks: int, kept: list[Removal]) -> None:
    """The service takes a deletion before it does it; where it takes too long, the next run looks again."""

    class Slow(FakeProfiles):
        """Deletes a profile some looks after it was asked to."""

        left = looks

        def delete_profile(self, profile_id: str) -> Accepted:
            self._say("delete", profile_id)
            return Accepted(None, profile_id=profile_id)

        def get_profile(self, profile_id: str) -> StoredProfile | None:
            if ("delete", profile_id) in self.said:
                self.left -= 1
            return super().get_profile(profile_id) if self.left else None

    naps: list[float] = []

    def wait(seconds: float) -> bool:
        naps.append(seconds)
        return False

    ended, entries = removed(Slow({"P1": OURS}), [KEY], wait=wait)
    assert [entry[1] for entry in entries] == kept
    assert (ended.reason, ended.unread) == (FinishReason.COMPLETED, 0)
    assert naps == [0.1, 0.2] if looks == 3 else sum(naps) < 15


def test_a_profile_that_is_merged_while_it_goes_is_told() -> None:
    """What it became part of is somebody else's, too."""

    class Merging(FakeProfiles):
        """Takes the deletion, and merges the profile."""

        def delete_profile(self, profile_id: str) -> Accepted:
            self._say("delete", profile_id)
            return Accepted(None, profile_id=profile_id)

        def get_profile(self, profile_id: str) -> StoredProfile | None:
            found = super().get_profile(profile_id)
            return StoredProfile("P0", {}) if ("delete", profile_id) in self.said else found

    assert [entry[1] for entry in removed(Merging({"P1": OURS}), [KEY])[1]] == [Removal.DELETE, Removal.MERGED]
