"""Settings from the environment and from options."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from importer.errors import SettingsError
from importer.settings import Settings, check_api_url, is_loopback


def test_an_empty_environment_gives_the_defaults() -> None:
    """Without anything set, the service, ./runs and Amazon's buckets are meant; empty variables count as unset."""
    settings = Settings.from_env({})
    assert settings.api_url == "https://memory.twilio.com"
    assert settings.runs_dir == "./runs"
    assert settings.bucket_hosts == ("*.amazonaws.com",)
    assert settings.store_id is None
    names = ("MEMORY_API_URL", "MEMORY_STORE_ID", "MEMORY_RUNS_DIR", "MEMORY_BUCKET_HOSTS", "TWILIO_API_KEY")
    assert Settings.from_env(dict.fromkeys(names, "")) == settings


def test_the_environment_is_read_and_options_win() -> None:
    """Each variable has its setting; an option that was given wins, one that was not does not."""
    environment = {
        "MEMORY_API_URL": "https://api.example.com",
        "MEMORY_STORE_ID": "store",
        "MEMORY_RUNS_DIR": "/runs",
        "MEMORY_BUCKET_HOSTS": " a.example.com, *.b.example.com ,",
        "HTTPS_PROXY": "http://ignored",
    }
    settings = Settings.from_env(environment, store_id="other", runs_dir=None, proxy="http://proxy:3128")
    assert (settings.api_url, settings.store_id, settings.runs_dir) == ("https://api.example.com", "other", "/runs")
    assert settings.bucket_hosts == ("a.example.com", "*.b.example.com")
    assert settings.proxy == "http://proxy:3128"
    assert Settings.from_env({"HTTPS_PROXY": "http://ignored"}).proxy is None


def test_an_api_key_is_preferred_to_the_account_s_own_token() -> None:
    """Key and secret come as a pair, never mixed with the account's."""
    account = {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "token"}
    key = {"TWILIO_API_KEY": "SK1", "TWILIO_API_SECRET": "secret"}
    assert Settings.from_env(account).credentials() == ("AC1", "token")
    assert Settings.from_env(account | key).credentials() == ("SK1", "secret")
    for missing in ({}, {"TWILIO_API_KEY": "SK1"}, account | {"TWILIO_API_KEY": "SK1"}, {"TWILIO_AUTH_TOKEN": "token"}):
        with pytest.raises(SettingsError, match="no credentials") as caught:
            Settings.from_env(missing).credentials()
        assert "TWILIO_API_KEY" in caught.value.hint


def test_secrets_are_not_shown() -> None:
    """Neither the secret nor a proxy's password is in the text of settings."""
    settings = Settings.from_env(
        {"TWILIO_API_KEY": "SK1", "TWILIO_API_SECRET": "hush"}, proxy="http://user:whisper@proxy"
    )
    for text in (repr(settings), str(settings)):
        assert "hush" not in text
        assert "whisper" not in text


def test_settings_do_not_change() -> None:
    """Settings are frozen once they are built."""
    settings = Settings.from_env({})
    with pytest.raises(ValidationError):
        settings.store_id = "other"  # type: ignore[misc]


def test_an_option_that_is_none_of_ours_is_refused_by_name() -> None:
    """What cannot be used is named; its value is not."""
    with pytest.raises(SettingsError, match="no_such_setting") as caught:
        Settings.from_env({}, no_such_setting="hush")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://memory.twilio.com", "https://h:8443/v1", "http://localhost:8000", "http://127.0.0.1", "http://[::1]:1"],
)
def test_https_and_this_machine_are_good_targets(url: str) -> None:
    """Plain http is for loopback only."""
    check_api_url(url)
    assert Settings.from_env({"MEMORY_API_URL": url}).api_url == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://memory.twilio.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.2",
        ),
        *(
            "ftp://localhost",
            "localhost",
            "https://",
            "file:///etc/passwd",
            "//localhost",
            "http://[::1",
            "https://h:x",
        ),
        *("https://user:pass@h", "https://user@h", "http://localhost@h", "http://:pass@localhost"),
    ],
)
def test_other_targets_are_refused(url: str) -> None:
    """Credentials never leave in the clear, to a look-alike of loopback, or inside the URL itself."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"MEMORY_API_URL": url})
    assert "pass" not in str(caught.value).replace("password", "")
    assert caught.value.hint


def test_loopback_is_this_machine_only() -> None:
    """Names and addresses of this machine, with any port and case."""
    assert is_loopback("http://LocalHost:1/x")
    assert is_loopback("https://[::1]")
    assert not is_loopback("http://localhost.example.com")
    assert not is_loopback("http://10.0.0.1")
    assert not is_loopback("localhost")
