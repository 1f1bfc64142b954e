"""Reads of a store: its schema page by page, and lookups."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from importer.core.schema import StoreSchema
from importer.errors import (
    ApiError,
    ProtocolError,
    RejectedRequestError,
    RetryableApiError,
)
from importer.memory_api.client import MemoryClient
from tests.support.client import STORE, VALUE, profile
from tests.support.loopback import LoopbackServer, Reply

IDENTITY = {
    "identifierConfigs": [{"idType": "email", "normalization": "email"}],
    "matchingRules": ["email"],
    "version": 3,
}
ACTIVE = {"id": STORE, "displayName": "s", "status": "ACTIVE", "version": 1, "intelligenceServiceId": None}


def group(name: str, **traits: dict[str, Any]) -> dict[str, Any]:
    """Return a trait group."""
    return {"displayName": name, "version": 1, "traits": traits}


def test_the_schema_is_read_page_by_page(server: LoopbackServer, client: MemoryClient) -> None:
    """Trait groups of all pages, identity settings, nulls where there is nothing."""
    email = {"dataType": "STRING", "idTypePromotion": "email", "validationRule": None, "description": None}
    server.replies = [
        Reply(200, orjson.dumps(ACTIVE)),
        Reply(200, orjson.dumps({"traitGroups": [group("Contact", email=email)], "meta": {"nextToken": "t1"}})),
        Reply(200, orjson.dumps({"traitGroups": [group("Loyalty", points={"dataType": "NUMBER"})], "meta": None})),
        Reply(200, orjson.dumps(IDENTITY)),
    ]
    schema = client.fetch_schema()
    assert set(schema.traits) == {"Contact.email", "Loyalty.points"}
    assert schema.traits["Contact.email"].id_type == "email"
    assert "includeTraits=true" in server.seen[1].path
    assert "pageToken=t1" in server.seen[2].path


def _schema_replies(**changed: Any) -> list[Reply]:
    return [
        Reply(200, orjson.dumps(changed.get("store", ACTIVE))),
        *[Reply(200, orjson.dumps(page)) for page in changed.get("pages", [{"traitGroups": []}])],
        Reply(200, orjson.dumps(changed.get("identity", IDENTITY))),
    ]


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        (_schema_replies(store=ACTIVE | {"status": "PROVISIONING"}), RetryableApiError),
        (_schema_replies(store=ACTIVE | {"status": "FAILED"}), RejectedRequestError),
        (_schema_replies(pages=[{"meta": {"nextToken": "a"}}, {"meta": {"nextToken": "a"}}]), ProtocolError),
        (_schema_replies(pages=[{"traitGroups": {"a": 1}}]), ProtocolError),
        (_schema_replies(pages=[{"traitGroups": [group("A", b={"dataType": "MONEY"})]}]), ProtocolError),
        (_schema_replies(identity={"matchingRules": []}), ProtocolError),
        (_schema_replies(identity={"identifierConfigs": 5, "matchingRules": []}), ProtocolError),
    ],
)
def test_a_schema_that_cannot_be_used_is_said(
    server: LoopbackServer, client: MemoryClient, replies: list[Reply], kind: type[ApiError]
) -> None:
    """A store that is not active, a page that comes again, a type unknown to us: an error, not a guess."""
    server.replies = replies
    with pytest.raises(kind):
        client.fetch_schema()


def test_a_lookup_sends_one_value_and_never_says_it(server: LoopbackServer, client: MemoryClient) -> None:
    """Profiles come back; an error names neither value nor path."""
    server.replies = [Reply(200, orjson.dumps({"normalizedValue": VALUE, "profiles": [profile(1)]})), Reply(200, b"{}")]
    assert client.lookup("email", VALUE) == (profile(1),)
    assert orjson.loads(server.seen[0].body) == {"idType": "email", "value": VALUE}
    assert client.lookup("email", VALUE) == ()
    server.replies = [Reply(404, orjson.dumps({"message": VALUE}))]
    with pytest.raises(RejectedRequestError) as caught:
        client.lookup("email", VALUE)
    assert VALUE not in str(caught.value)


def test_only_what_is_documented_of_a_schema_is_written_down(server: LoopbackServer, client: MemoryClient) -> None:
    """The file that `schema pull` writes may be shared, whatever else the service put into its answers."""
    beside = {"message": VALUE, "echo": {"x": VALUE}}
    pages = [{"traitGroups": [group("Contact", email={"dataType": "STRING"}) | beside], **beside}]
    server.replies = _schema_replies(store=ACTIVE | beside, pages=pages, identity=IDENTITY | beside)
    schema = client.fetch_schema()
    assert VALUE.encode() not in schema.to_file()
    assert StoreSchema.from_file(schema.to_file()) == schema
