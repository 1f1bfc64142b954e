"""The vendor's own Python client, with its requests led to the emulator on loopback."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.memory.v1.bulk import BulkList
from twilio.rest.memory.v1.identifier import IdentifierList
from twilio.rest.memory.v1.identity_resolution_setting import IdentityResolutionSettingList
from twilio.rest.memory.v1.import_ import ImportList
from twilio.rest.memory.v1.lookup import LookupList
from twilio.rest.memory.v1.profile import ProfileList
from twilio.rest.memory.v1.trait_group import TraitGroupList

from importer.emulator import Emulator

SERVICE_HOST: Final = "memory.twilio.com"
ACCOUNT: Final = "AC" + "0" * 32
LIMIT_S: Final = 20

BODIES: Final = SimpleNamespace(
    profile=ProfileList.ProfileData,
    patch=ProfileList.ProfilePatch,
    bulk=BulkList.UpdateProfilesBulkRequest,
    lookup=LookupList.Identifier,
    identifier=IdentifierList.Identifier,
    identifier_update=IdentifierList.IdentifierUpdate,
    new_import=ImportList.CreateProfilesImportV2Request,
    trait_group=TraitGroupList.TraitGroupRequest,
    trait_group_patch=TraitGroupList.PatchTraitGroupRequest,
    identity=IdentityResolutionSettingList.IdentityResolutionSettingsCore,
)
"""The client's request bodies; each takes the JSON it is to send."""


class LoopbackHttpClient:
    """Sends what the client asks for, path and query and headers unchanged, to a port of this machine.

    Attributes:
        asked: Method and path of every request, in order.
    """

    is_async = False

    def __init__(self, api_url: str) -> None:
        self._client = TwilioHttpClient(timeout=LIMIT_S)
        self._client.session.trust_env = False
        self._root = urlsplit(api_url)
        self.asked: list[tuple[str, str]] = []

    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> Response:
        """Send one request; the client must have meant the service."""
        target = urlsplit(url)
        assert (target.scheme, target.hostname) == ("https", SERVICE_HOST)
        self.asked.append((method.upper(), target.path))
        led = urlunsplit((self._root.scheme, self._root.netloc, target.path, target.query, ""))
        return self._client.request(method, led, *arguments, **options)


def connect_official(emulator: Emulator) -> tuple[Any, LoopbackHttpClient]:
    """Return `client.memory.v1` and the HTTP client under it."""
    http = LoopbackHttpClient(emulator.api_url)
    return Client(ACCOUNT, "secret", http_client=http, environment={}).memory.v1, http
