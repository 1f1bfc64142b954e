"""Single operations by hand: what is typed, what is printed, and what the store has afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.by_hand import Desk, desk


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Run a store for all tests of this file; each has people of its own."""
    with desk(tmp_path_factory.mktemp("by-hand")) as made:
        yield made


def test_a_profile_by_hand(at: Desk) -> None:
    """Values have the types of the store's traits; what is printed first is the ID, alone on its line."""
    given = ("Contact.email=Ann@example.com", "Loyalty.points=-7", "Loyalty.vip=TRUE", 'Loyalty.tags=["a", 1, true]')
    profile_id, said = at.done("profiles", "create", *given).splitlines()
    assert said.startswith("accepted: its traits are applied later (request RQ")
    found = at.document("profiles", "get", profile_id)
    assert found["traits"] == {
        "Contact": {"email": "Ann@example.com"},
        "Loyalty": {"points": -7, "tags": ["a", 1, True], "vip": True},
    }
    assert found["profile_id"] == profile_id
    shown = at.done("profiles", "get", profile_id, "--group", "Loyalty").splitlines()
    assert shown[0].startswith(f"{profile_id}  created 20")
    assert shown[1:] == [
        "trait           value",
        "Loyalty.points  -7",
        'Loyalty.tags    ["a",1,true]',
        "Loyalty.vip     true",
    ]
    changes = ("Contact.lastName=Smith", "--remove", "Loyalty.tags", "--remove", "Loyalty.vip")
    assert f"accepted: changes of {profile_id}" in at.done("profiles", "patch", profile_id, *changes)
    names = [f"{each['group']}.{each['name']}" for each in at.lines("profiles", "traits", profile_id)]
    assert sorted(names) == ["Contact.email", "Contact.lastName", "Loyalty.points"]
    assert at.done("profiles", "lookup", "email", "-", text=" ann@EXAMPLE.com\n") == f"{profile_id}\n"


def test_whole_bodies_by_hand(at: Desk) -> None:
    """From a file or from standard input, as the API takes them; null removes a trait."""
    body = {"traits": {"Contact": {"email": "body@example.com", "firstName": "B"}}}
    (at.folder / "body.json").write_text(json.dumps(body), encoding="utf-8")
    profile_id = at.document("profiles", "create", "--json-body", "body.json")["profile_id"]
    body = {"traits": {"Contact": {"firstName": None}}}  # type: ignore[dict-item]
    at.done("profiles", "patch", profile_id, "--json-body", "-", text=json.dumps(body))
    assert at.document("profiles", "get", profile_id)["traits"] == {"Contact": {"email": "body@example.com"}}


def test_values_are_on_standard_output_alone(at: Desk) -> None:
    """Neither an error nor a refusal nor a log quotes one."""
    profile_id = at.profile("canary@example.com")
    shown = at.run("-vv", "profiles", "get", profile_id)
    assert "canary" in shown.stdout
    assert "canary" not in shown.stderr
    for arguments in (
        ("profiles", "create", "Contact.email=canary", "Loyalty.points=canary"),
        ("profiles", "patch", profile_id, "canary"),
        ("profiles", "patch", profile_id, "Loyalty.vip=canary"),
        ("profiles", "lookup", "nonsense", "canary@example.com"),
        ("identifiers", "add", profile_id, "phone", "canary"),
        ("identifiers", "replace", profile_id, "email", "canary@x.de", "canary@y.de"),
        ("profiles", "get", "canary@example.com"),
    ):
        for more in ((), ("--json",), ("-vv",)):
            ended = at.run(*arguments, *more)
            assert ended.code in (2, 4)
            assert "canary" not in ended.stdout + ended.stderr


def test_bodies_that_cannot_be_read_are_refused_unquoted(at: Desk) -> None:
    """Exit code 2, and nothing was sent."""
    before = len(at.emulator.journal())
    for text in ('{"traits": canary', "[1]", '{"traits": "canary"}', '{"canary": {}}', ""):
        ended = at.run("profiles", "create", "--json-body", "-", text=text)
        assert (ended.code, "canary" in ended.stderr) == (2, False), text
    assert at.run("profiles", "create", "--json-body", "missing.json").code == 2
    assert at.run("profiles", "create", "Contact.email=x@y.de", "--json-body", "-").code == 2
    assert at.run("profiles", "create").code == 2
    assert len(at.emulator.journal()) == before


def test_a_new_profile_needs_an_identifier(at: Desk) -> None:
    """Which one, says the hint, before anything is sent."""
    ended = at.run("profiles", "create", "Contact.firstName=Ann")
    assert ended.code == 2
    assert "Contact.email" in ended.stderr


def test_lists_are_cut_or_whole(at: Desk) -> None:
    """`--limit` cuts and says that there is more, `--all` reads page by page, `--order` turns it round."""
    made = [at.profile(f"list{number}@example.com") for number in range(3)]
    newest = at.done("profiles", "list", "--all").splitlines()
    assert newest[:3] == made[::-1]
    assert at.done("profiles", "list", "--all", "--order", "oldest").splitlines() == newest[::-1]
    cut = at.run("profiles", "list", "--limit", "2", "--json")
    assert [json.loads(line) for line in cut.stdout.splitlines()] == [{"profile_id": each} for each in newest[:2]]
    assert "there are more than 2" in cut.stderr
    assert at.run("profiles", "list", "--limit", str(len(newest))).stderr == ""


def test_identifiers_by_hand(at: Desk) -> None:
    """Added, shown, replaced, removed; removing asks, and without a terminal the answer is no."""
    profile_id = at.profile("ids@example.com")
    at.done("identifiers", "add", profile_id, "phone", "-", text="(317) 555-0100\n")
    assert at.done("identifiers", "list", profile_id).splitlines()[1:] == [
        "email       ids@example.com",
        "phone       +13175550100",
    ]
    at.done("identifiers", "replace", profile_id, "phone", "+13175550100", "+13175550101")
    assert at.done("identifiers", "get", profile_id, "phone") == "+13175550101\n"
    refused = at.run("identifiers", "remove", profile_id, "phone")
    assert refused.code == 2
    assert f"Remove 1 phone value of {profile_id}" in refused.stderr
    removed = at.document("identifiers", "remove", profile_id, "phone", "--yes")
    assert removed["profile_id"] == profile_id
    assert at.lines("identifiers", "list", profile_id) == [{"id_type": "email", "values": ["ids@example.com"]}]


def test_a_merged_profile_by_hand(at: Desk) -> None:
    """What is read and done is told of the canonical profile; removing an identifier waits to be told."""
    canonical, gone = at.merged("merged@example.com", "+13175550200")
    found = at.document("profiles", "get", gone)
    assert (found["profile_id"], found["merged_from"]) == (canonical, gone)
    assert f"{gone} was merged into it" in at.done("profiles", "get", gone)
    said = at.done("profiles", "patch", gone, "Contact.firstName=Ann")
    assert f"{gone} was merged into {canonical}" in said
    kept = at.run("identifiers", "remove", gone, "phone", "--yes")
    assert kept.code == 4
    assert canonical in kept.stderr
    assert "--follow-merged" in kept.stderr
    removed = at.document("identifiers", "remove", gone, "phone", "--yes", "--follow-merged")
    assert (removed["profile_id"], removed["merged_from"]) == (canonical, gone)


def test_an_import_by_hand(at: Desk) -> None:
    """The file is sent as it is, after asking; what is wrong with it on the face of it is said first."""
    columns = ("--column", "mail=Contact.email", "--column", "name=Contact.firstName")
    assert at.run("imports", "create", "f.csv", *columns).code == 2
    for wrong in (("--column", "no=Contact.email", *columns[2:]), columns[:2], (*columns, "--column", "x=No.trait")):
        assert at.run("imports", "create", "f.csv", *wrong, "--yes").code == 2
    import_id = at.document("imports", "create", "f.csv", *columns, "--yes")["import_id"]
    seen = at.document("imports", "get", import_id, "--wait")
    assert (seen["status"], seen["errors"], seen["filename"]) == ("COMPLETED", 0, "f.csv")
    assert "mail -> Contact.email" in at.done("imports", "get", import_id)
    assert at.done("imports", "list", "--limit", "1") == f"{import_id}\n"
    assert at.done("profiles", "lookup", "email", "zoe@example.com").startswith("mem_profile_")


def test_stores_by_hand(at: Desk) -> None:
    """IDs one a line; name and status; how identities match."""
    store_id = at.emulator.store_id
    assert at.done("stores", "list") == f"{store_id}\n"
    assert at.document("stores", "get", store_id)["status"] == "ACTIVE"
    assert f"store id: {store_id}" in at.done("stores", "get")
    assert at.done("stores", "identity").splitlines()[1].split() == [
        "phone",
        "1",
        "phone",
        "yes",
        "100",
        "fifo",
        "exact",
    ]
    assert at.document("stores", "identity")["matching_rules"][0] == "phone"


def test_trait_groups_by_hand(at: Desk) -> None:
    """Created, shown, changed under the version they have; removing a trait asks; `--wait` waits for the operation."""
    made = at.document("trait-groups", "create", "Tier", "--trait", "a=STRING", "--trait", "b=NUMBER", "--wait")
    assert made["status"] == "COMPLETED"
    assert at.done("trait-groups", "get", "Tier").splitlines() == ["Tier, version 1", "  a STRING", "  b NUMBER"]
    said = at.document("trait-groups", "patch", "Tier", "--description", "levels", "--trait", "c=ARRAY")
    assert at.document("operations", "get", said["operation_id"], "--wait")["status"] == "COMPLETED"
    late = at.run("trait-groups", "patch", "Tier", "--trait", "d=STRING", "--if-match", "1")
    assert (late.code, "412" in late.stderr, "read it again" in late.stderr) == (4, True, True)
    assert at.run("trait-groups", "patch", "Tier", "--remove-trait", "a").code == 2
    at.done("trait-groups", "patch", "Tier", "--remove-trait", "a", "--if-match", "2", "--yes", "--wait")
    group = at.document("trait-groups", "get", "Tier")
    assert ([trait["name"] for trait in group["traits"]], group["version"]) == (["b", "c"], 3)
    listed = {each["name"]: each for each in at.lines("trait-groups", "list", "--traits")}
    assert [trait["name"] for trait in listed["Tier"]["traits"]] == ["b", "c"]
    shown = at.done("trait-groups", "list")
    assert ("levels" in shown, "traits" in shown) == (True, False)
    assert "b NUMBER, c ARRAY" in at.done("trait-groups", "list", "--traits")
    assert at.run("trait-groups", "create", "Tier", "--trait", "x").code == 2


def test_the_emulator_beside_the_runs_by_hand(at: Desk) -> None:
    """`--emulator` needs no account; the next command finds what the one before did."""
    made = at.done("profiles", "create", "Contact.email=local@example.com", "--emulator").splitlines()[0]
    assert at.done("profiles", "list", "--emulator") == f"{made}\n"


def test_tables_stay_straight_and_show_what_cannot_be_seen(at: Desk) -> None:
    """Wide letters take two columns; a line end or an escape sequence is written out."""
    body = {
        "traits": {"Contact": {"email": "wide@example.com", "firstName": "\u5f20\u4f1f", "lastName": "a\n\x1b[31mb"}}
    }
    profile_id = at.document("profiles", "create", "--json-body", "-", text=json.dumps(body))["profile_id"]
    shown = at.done("profiles", "get", profile_id).splitlines()
    assert shown[3:] == ["Contact.firstName  \u5f20\u4f1f", "Contact.lastName   a\\n\\u001b[31mb"]
    listed = at.done("profiles", "traits", profile_id).splitlines()
    assert "\x1b" not in "".join(listed)
