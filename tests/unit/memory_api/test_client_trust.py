"""Whom the client trusts and what it lets decide about its way: certificates, proxies, the environment."""

from __future__ import annotations

import base64
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from importer.errors import RejectedRequestError, RetryableApiError, SettingsError
from importer.memory_api.client import ClientOptions, MemoryClient
from tests.support.client import BODY, STORE
from tests.support.loopback import LoopbackServer, Reply

TLS: Final = Path(__file__).parents[2] / "data" / "tls"
AUTHORITY: Final = str(TLS / "ca.pem")
ACCEPTED: Final = Reply(202, b'{"message":"ok"}')


def tls_server(name: str) -> LoopbackServer:
    """Run a server with one of the certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.pem")
    made = LoopbackServer(tls=context)
    made.replies = [ACCEPTED]
    return made


@pytest.fixture
def trusted() -> Iterator[LoopbackServer]:
    """Run a server whose certificate the test authority signed."""
    with tls_server("server") as made:
        yield made


def test_an_authority_that_is_named_is_trusted_beside_the_usual_ones(trusted: LoopbackServer) -> None:
    """That of a company's proxy, for example: API and bucket alike."""
    options = ClientOptions(ca_bundle=AUTHORITY)
    with MemoryClient(trusted.url, STORE, ("a", "b"), options) as client:
        client.put_bulk(BODY)
    assert [seen.method for seen in trusted.seen] == ["PUT"]


def test_a_certificate_that_is_not_trusted_is_final(trusted: LoopbackServer) -> None:
    """Nothing is sent, it is not tried again, and the hint says how to name an authority."""
    with MemoryClient(trusted.url, STORE, ("a", "b")) as client, pytest.raises(RejectedRequestError) as caught:
        client.put_bulk(BODY)
    assert trusted.seen == []
    assert "MEMORY_CA_BUNDLE" in caught.value.hint


def test_a_certificate_must_be_of_the_host_and_of_today(trusted: LoopbackServer) -> None:
    """Also one that a trusted authority signed."""
    options = ClientOptions(ca_bundle=AUTHORITY)
    with tls_server("expired") as expired:
        for url in (expired.url, trusted.url.replace("127.0.0.1", "localhost")):
            with MemoryClient(url, STORE, ("a", "b"), options) as client, pytest.raises(RejectedRequestError):
                client.put_bulk(BODY)
        assert expired.seen == trusted.seen == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_authorities_that_cannot_be_read_are_said(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing or holds something else ends the command before a request."""
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="certificates cannot be read"):
        MemoryClient("https://127.0.0.1:9", STORE, ("a", "b"), ClientOptions(ca_bundle=str(path)))


def test_the_environment_does_not_say_whom_to_trust(
    trusted: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the authority in every usual way, to no effect; and no session keys are written for it."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, AUTHORITY)
    monkeypatch.setenv("SSL_CERT_DIR", str(TLS))
    keys = tmp_path / "keys.txt"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    with MemoryClient(trusted.url, STORE, ("a", "b")) as client, pytest.raises(RejectedRequestError):
        client.put_bulk(BODY)
    with MemoryClient(trusted.url, STORE, ("a", "b"), ClientOptions(ca_bundle=AUTHORITY)) as client:
        client.put_bulk(BODY)
    assert not keys.exists() or "SECRET" not in keys.read_text(encoding="utf-8")


def test_the_environment_does_not_say_how_to_go_nor_who_one_is(
    server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its proxies nor its exceptions from them nor a .netrc have a say."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login stranger password stranger\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server.replies = [ACCEPTED]
    with MemoryClient(server.url, STORE, ("a", "b")) as client:
        client.put_bulk(BODY)
    assert base64.b64decode(server.seen[0].headers["authorization"].split()[1]) == b"a:b"


def test_a_proxy_that_is_given_is_used(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--proxy` takes the requests, whatever NO_PROXY says; its password is for it alone."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,*")
    server.replies = [ACCEPTED]
    proxy = server.url.replace("//", "//me:canary@")
    with MemoryClient("http://127.0.0.1:9", STORE, ("a", "b"), ClientOptions(proxy=proxy)) as client:
        client.put_bulk(BODY)
    (seen,) = server.seen
    assert seen.path.startswith("http://127.0.0.1:9/")
    assert base64.b64decode(seen.headers["proxy-authorization"].split()[1]) == b"me:canary"


def test_a_proxy_is_told_where_to_and_nothing_else(server: LoopbackServer) -> None:
    """By TLS it sees a host and a port; one that refuses may let us through later."""
    server.replies = [Reply(407, b"", {"proxy-authenticate": "Basic"})]
    options = ClientOptions(proxy=server.url.replace("//", "//me:canary@"))
    with (
        MemoryClient("https://memory.example.com", STORE, ("a", "b"), options) as client,
        pytest.raises(RetryableApiError) as caught,
    ):
        client.put_bulk(BODY)
    assert [(seen.method, seen.path) for seen in server.seen] == [("CONNECT", "memory.example.com:443")]
    assert "authorization" not in server.seen[0].headers
    assert "--proxy" in caught.value.hint


@pytest.mark.parametrize("url", ["me:canary@proxy", "ftp://me:canary@proxy", "http://me:canary@[::1", "//me:canary@x"])
def test_a_proxy_url_that_cannot_be_one_is_refused_without_its_password(url: str) -> None:
    """Not even a traceback shows it."""
    with pytest.raises(SettingsError) as caught:
        MemoryClient("https://memory.example.com", STORE, ("a", "b"), ClientOptions(proxy=url))
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["http://memory.example.com", "ftp://127.0.0.1", "https://"])
def test_credentials_never_travel_in_the_clear(url: str) -> None:
    """Plain http is for loopback."""
    with pytest.raises(SettingsError):
        MemoryClient(url, STORE, ("a", "b"))


def test_options_show_no_password() -> None:
    """Neither in `repr` nor, with it, in a traceback that shows locals."""
    assert "canary" not in repr(ClientOptions(proxy="http://me:canary@proxy:3128"))
