"""Answers become typed values or errors: what is not as documented is not believed, and never quoted."""

from __future__ import annotations

from typing import Any, Final

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.errors import ApiError, ProtocolError
from importer.memory_api.client import ClientOptions, MemoryClient
from tests.support.client import STORE, VALUE, profile
from tests.support.operations import CALLS, FOLLOWING, Ids

WRONG: Final[dict[str, list[Any]]] = {
    "ListProfiles": [[], {"profiles": [VALUE]}, {"profiles": {VALUE: 1}}, {"profiles": [7]}],
    "CreateProfile": [{}, {"id": VALUE}, {"id": None}],
    "UpdateProfilesBulk": [[], VALUE, None],
    "CreateProfilesLookup": [{"profiles": [VALUE]}, {"profiles": VALUE}],
    "ListProfileImportsV2": [{"imports": [VALUE]}, {"imports": 7}],
    "CreateProfilesImportV2": [{"importId": VALUE, "url": "u"}, {"importId": "i"}, {"url": "u"}],
    "FetchProfileImportV2": [{}, {"status": "PENDING"}, {"status": 7, "filename": "f"}],
    "FetchProfile": [{"id": VALUE}, {"id": profile(1), "traits": {"Contact": VALUE}}, {"traits": {}}],
    "PatchProfileTraits": [[], VALUE],
    "DeleteProfile": [[], VALUE],
    "ListProfileTraits": [{"traits": VALUE}, {"traits": [VALUE]}, {"traits": [{"name": "n", "value": VALUE}]}],
    "ListProfileIdentifiers": [
        {"identifiers": VALUE},
        {"identifiers": [VALUE]},
        {"identifiers": [{"idType": "email", "values": VALUE}]},
        {"identifiers": [{"idType": "email", "values": [7, VALUE]}]},
        {"identifiers": [{"values": [VALUE]}]},
    ],
    "CreateProfileIdentifier": [[], VALUE],
    "FetchProfileIdentifier": [{"idType": 7, "values": [VALUE]}, {"idType": "email", "values": VALUE}],
    "PatchProfileIdentifier": [[], VALUE],
    "DeleteProfileIdentifier": [[], VALUE],
    "ListStores": [{"stores": [VALUE]}, {"stores": 7}],
    "FetchStore": [{}, {"id": VALUE}, {"id": STORE, "displayName": "s"}],
    "ListTraitGroups": [{"traitGroups": VALUE}, {"traitGroups": [VALUE]}, {"traitGroups": [{"version": 1}]}],
    "CreateTraitGroup": [[], VALUE],
    "FetchTraitGroup": [
        {},
        {"traitGroup": VALUE},
        {"traitGroup": {"displayName": "A", "traits": {"a": {"dataType": VALUE}}}},
        {"traitGroup": {"displayName": "A", "traits": {"a": VALUE}}},
        {"traitGroup": {"displayName": "A", "traits": [VALUE]}},
    ],
    "PatchTraitGroup": [[], VALUE],
    "FetchIdentityResolutionSettings": [
        {},
        {"identifierConfigs": VALUE, "matchingRules": []},
        {"identifierConfigs": [{"idType": "email", "normalization": VALUE}], "matchingRules": []},
        {"identifierConfigs": [], "matchingRules": 7},
        {"identifierConfigs": [], "matchingRules": VALUE},
        {"identifierConfigs": {}, "matchingRules": []},
    ],
    "FetchOperation": [{}, {"status": 7}, {"status": ""}],
}
"""Answers of success that are not as documented, by operation."""


def asked(operation: str, answer: object, **headers: str) -> object:
    """Return what the client makes of an answer of success."""
    status = {"CreateProfilesImportV2": 201}.get(operation)
    if status is None:
        status = 200 if operation.startswith(("Fetch", "List")) or operation.endswith("Lookup") else 202
    body = orjson.dumps(answer)

    def give(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))

    options = ClientOptions(transport=httpx.MockTransport(give))
    with MemoryClient("http://127.0.0.1:9", STORE, ("a", "b"), options) as client:
        return FOLLOWING.get(operation, CALLS[operation])(client, Ids())


@pytest.mark.parametrize("operation", CALLS)
def test_an_answer_that_is_not_as_documented_is_not_believed(operation: str) -> None:
    """It breaks the contract, and the error says where without quoting it."""
    for answer in WRONG[operation]:
        with pytest.raises(ProtocolError) as caught:
            asked(operation, answer)
        assert VALUE not in repr((caught.value, caught.value.hint, caught.value.context))


NAMES: Final = (
    *(
        "profiles",
        "id",
        "message",
        "traits",
        "createdAt",
        "meta",
        "nextToken",
        "identifiers",
        "idType",
        "values",
        "key",
    ),
    *("imports", "importId", "url", "status", "filename", "fileSize", "summary", "errors", "columnMappings", "stores"),
    *("displayName", "version", "traitGroups", "traitGroup", "dataType", "validationRule", "identifierConfigs", "code"),
    *("matchingRules", "limit", "operationId", "result", "error", "statusUrl", "name", "value", "normalizedValue"),
)
JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", VALUE, "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@given(operation=st.sampled_from(sorted(CALLS)), answer=JSON)
@settings(max_examples=400, deadline=None)
def test_whatever_comes_is_a_value_or_an_error_of_ours(operation: str, answer: object) -> None:
    """No answer makes the client fall over, and no error quotes one."""
    said: list[object] = []
    try:
        asked(operation, answer)
    except ApiError as error:
        said = [error, error.message, error.hint, error.context]
    assert VALUE not in repr(said)


def test_what_is_absent_is_none() -> None:
    """Times, sizes, counts and lists that the service leaves out, or writes in another way."""
    import_status = asked("FetchProfileImportV2", {"status": "PENDING", "filename": "f", "createdAt": VALUE})
    assert (import_status.created_at, import_status.columns) == (None, ())  # type: ignore[attr-defined]
    listed = asked("ListProfileImportsV2", {"imports": ["a"]})
    assert (listed.items, listed.next_token) == (("a",), None)  # type: ignore[attr-defined]
    assert asked("ListProfiles", {"profiles": None, "meta": {"nextToken": 7}}).items == ()  # type: ignore[attr-defined]


def test_an_operation_is_named_by_body_or_headers() -> None:
    """The data plane names it in the body, the control plane in headers; a URL elsewhere is not kept."""
    answer = asked(
        "CreateTraitGroup",
        {"message": "m"},
        **{"operation-id": "op1", "location": "/v1/ControlPlane/Operations/op1", "retry-after": "2"},
    )
    assert (answer.operation_id, answer.status_url, answer.retry_after_s) == (  # type: ignore[attr-defined]
        "op1",
        "/v1/ControlPlane/Operations/op1",
        2.0,
    )
    elsewhere = asked("CreateTraitGroup", {}, location="https://evil.example/v1/ControlPlane/Operations/op1")
    assert elsewhere.status_url is None  # type: ignore[attr-defined]
