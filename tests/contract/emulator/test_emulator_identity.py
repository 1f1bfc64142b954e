"""The pure rules of identity: normalisation, matching, the three readings of a clash, merged documents."""

from __future__ import annotations

import random

import pytest

from importer.emulator import Clash, ids, profiles
from importer.emulator.identity import Identifier, find_matches, normalise, normalise_phone, resolve
from importer.emulator.schema import DEFAULT_CONFIGS, DEFAULT_GROUPS, DEFAULT_RULES, IdentifierRule, StoreSchema

EMAIL = Identifier("email", "a@example.com")
PHONE = Identifier("phone", "+13175551234")
SHARED = Identifier("household", "h1", unique=False)
SHARED_TOO = Identifier("device", "d1", unique=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+13175551234", "+13175551234"),
        ("(317) 555-1234", "+13175551234"),
        ("3175551234", "+13175551234"),
        ("13175551234", "+13175551234"),
        ("1-317-555-1234", "+13175551234"),
        ("+49 151 23456789", "+4915123456789"),
        ("4915123456789", "+4915123456789"),
        ("0301234567", "+10301234567"),
        ("015123456789", "+1015123456789"),
        ("612345678", "+1612345678"),
        ("07911 123456", "+107911123456"),
        ("", None),
        ("call me", None),
        ("+1 317 555 1234 x5", None),
        ("12", None),
        ("+1234567890123456", None),
        ("\u0663\u0661\u0667\u0665\u0665\u0665\u0661\u0662\u0663\u0664", None),
    ],
)
def test_phone_is_read_as_the_service_reads_it(text: str, expected: str | None) -> None:
    """US numbers and country codes are understood; a national number of elsewhere is misread as a US number."""
    assert normalise_phone(text) == expected


@pytest.mark.parametrize("normalization", ["phone", "email", "trim", "none"])
def test_normalising_twice_is_normalising_once(normalization: str) -> None:
    """A normalised value is its own normal form."""
    for text in (" Ann@Example.COM ", "317 555 1234", "  x  y ", "+49 151 23456789"):
        value = normalise(normalization, text)
        assert value is None or normalise(normalization, value) == value


def test_email_trim_and_none_differ() -> None:
    """An e-mail loses its case and all spaces, trim keeps inner spaces, none keeps everything."""
    text = " Ann Lee@Example.com "
    assert normalise("email", text) == "annlee@example.com"
    assert normalise("trim", text) == "Ann Lee@Example.com"
    assert normalise("none", text) == text
    assert normalise("trim", "   ") is None
    assert normalise("none", "x" * 256) is None


def test_one_unique_match_links_and_one_shared_match_does_not() -> None:
    """A value of a type without enforceUnique links only together with a second one."""
    assert find_matches([(EMAIL, [4])]) == [4]
    assert find_matches([(SHARED, [4])]) == []
    assert find_matches([(SHARED, [4, 5]), (SHARED_TOO, [5])]) == [5]
    assert find_matches([(SHARED, [4]), (EMAIL, [4])]) == [4]


def test_no_match_makes_a_new_profile_and_one_match_updates_it() -> None:
    """Below two matches all readings of a clash agree."""
    for clash in Clash:
        assert resolve([(PHONE, []), (EMAIL, [])], clash).target is None
        found = resolve([(PHONE, []), (EMAIL, [7])], clash)
        assert (found.target, found.absorbed, found.withheld) == (7, (), ())


def test_several_matches_merge_into_the_earliest() -> None:
    """MERGE keeps the earliest profile, whatever the priority of the match."""
    found = resolve([(PHONE, [9]), (EMAIL, [4])], Clash.MERGE)
    assert (found.target, found.absorbed, found.withheld) == (4, (9,), ())


@pytest.mark.parametrize("clash", [Clash.FIRST_MATCH, Clash.SKIP])
def test_several_matches_without_merging_go_to_the_strongest(clash: Clash) -> None:
    """The match of highest priority takes the write; identifiers of other profiles stay there."""
    found = resolve([(PHONE, [9]), (EMAIL, [4])], clash)
    assert (found.target, found.absorbed, found.withheld) == (9, (), (EMAIL,))


def test_an_addressed_profile_comes_first() -> None:
    """A write that names a profile may still merge it, or leave a foreign identifier where it is."""
    assert resolve([(EMAIL, [4])], Clash.MERGE, addressed=6).target == 4
    found = resolve([(EMAIL, [4])], Clash.SKIP, addressed=6)
    assert (found.target, found.withheld) == (6, (EMAIL,))
    assert resolve([], Clash.MERGE, addressed=6).target == 6


def test_identifiers_come_in_the_order_of_the_matching_rules() -> None:
    """Phone is stronger than e-mail in a new store; a value that is no phone number is reported, not guessed."""
    configs = [{"idType": name, "normalization": n} for name, n in DEFAULT_CONFIGS.items()]
    schema = StoreSchema(DEFAULT_GROUPS, configs, DEFAULT_RULES)
    found, bad = schema.read_identifiers({"Contact": {"email": "A@b.c", "phone": "3175551234"}})
    assert [identifier.id_type for identifier in found] == ["phone", "email"]
    assert not bad
    found, bad = schema.read_identifiers({"Contact": {"email": "", "phone": "none"}})
    assert found == []
    assert [promotion.trait for promotion in bad] == ["phone"]


def test_merged_documents_keep_the_newest_write_of_each_trait() -> None:
    """A union of traits; identifiers in order of time, cut by the limit of their type."""
    older, newer = profiles.new_document(), profiles.new_document()
    rule = IdentifierRule("email", limit=2)
    profiles.write_traits(older, {"Contact": {"firstName": "old", "city": "Rome"}}, 1)
    profiles.write_traits(newer, {"Contact": {"firstName": "new"}}, 2)
    profiles.add_identifier(older, rule, "first", 1)
    profiles.add_identifier(newer, rule, "second", 2)
    profiles.add_identifier(older, rule, "third", 3)
    evicted = profiles.absorb(older, newer, {"email": rule})
    assert profiles.show_traits(older) == {"Contact": {"city": "Rome", "firstName": "new"}}
    assert evicted == [("email", "first")]
    assert profiles.show_identifiers(older, {"email": rule}) == {"email": ["second", "third"]}


def test_limit_policies_evict_from_opposite_ends() -> None:
    """Fifo drops the oldest value, lifo the newest, and each lists its values in its own order."""
    for newest_first, evicted, shown in ((False, "a", ["b", "c"]), (True, "c", ["b", "a"])):
        document = profiles.new_document()
        rule = IdentifierRule("email", limit=2, newest_first=newest_first)
        for stamp, value in enumerate("abc"):
            last = profiles.add_identifier(document, rule, value, stamp)
        assert last == [evicted]
        assert profiles.show_identifiers(document, {"email": rule})["email"] == shown


def test_removing_the_last_trait_of_a_group_removes_the_group() -> None:
    """A null removes; removing what is not there is no error."""
    document = profiles.new_document()
    profiles.write_traits(document, {"Contact": {"firstName": "Ann"}}, 1)
    profiles.write_traits(document, {"Contact": {"firstName": None, "lastName": None}}, 2)
    assert profiles.show_traits(document) == {}


def test_profile_ids_grow_with_their_numbers() -> None:
    """The earliest profile has the smallest ID; only IDs of this form lead back to a number."""
    numbers = sorted(random.Random(5).sample(range(1, 10**9), 200))
    names = [ids.profile_id(number) for number in numbers]
    assert names == sorted(names)
    assert [ids.profile_number(name) for name in names] == numbers
    assert ids.profile_number("mem_profile_7zzzzzzzzzzzzzzzzzzzzzzzzz") is None
    assert ids.profile_number("mem_profile_0iiiiiiiiiiiiiiiiiiiiiiiii") is None
