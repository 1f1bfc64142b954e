"""TLS as the settings have it: from the environment of a command to the handshake."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
import pytest

from importer.errors import RejectedRequestError, SettingsError
from importer.settings import Settings
from importer.wiring.looking import store_schema
from tests.support.client import STORE
from tests.support.loopback import LoopbackServer, Reply, Seen

TLS: Final = Path(__file__).parents[1] / "data" / "tls"
ANSWERS: Final = {
    "IdentityResolutionSettings": {"identifierConfigs": [], "matchingRules": [], "version": 1},
    "TraitGroups": {"traitGroups": [{"displayName": "Contact", "version": 1, "traits": {}}]},
    STORE: {"id": STORE, "displayName": "s", "status": "ACTIVE", "version": 1},
}


def answer(seen: Seen) -> Reply:
    """Be a store without traits."""
    return Reply(200, orjson.dumps(ANSWERS[seen.path.partition("?")[0].rsplit("/", 1)[1]]))


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Run a store behind a certificate of an authority of our own; return what a command would be given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    with LoopbackServer(answer, tls=context) as server:
        yield {
            "MEMORY_API_URL": server.url,
            "MEMORY_STORE_ID": STORE,
            "TWILIO_API_KEY": "key",
            "TWILIO_API_SECRET": "secret",
        }


def test_an_authority_is_named_by_the_environment(environment: dict[str, str]) -> None:
    """MEMORY_CA_BUNDLE is read, and that of other programs is not."""
    settings = Settings.from_env(environment | {"MEMORY_CA_BUNDLE": str(TLS / "ca.pem")})
    assert store_schema(settings, emulator=False).store_id == STORE
    with pytest.raises(RejectedRequestError, match="certificate is not valid"):
        store_schema(Settings.from_env(environment | {"SSL_CERT_FILE": str(TLS / "ca.pem")}), emulator=False)


def test_one_that_cannot_be_read_is_a_setting_to_mend(environment: dict[str, str]) -> None:
    """Exit code 2, as for any setting; an empty one counts as none."""
    with pytest.raises(SettingsError) as caught:
        store_schema(Settings.from_env(environment | {"MEMORY_CA_BUNDLE": "nowhere.pem"}), emulator=False)
    assert "nowhere.pem" in caught.value.message
    assert Settings.from_env({"MEMORY_CA_BUNDLE": ""}).ca_bundle is None
