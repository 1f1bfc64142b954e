"""Where to send and with which credentials: read once at the edge from the environment and the options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from importer.errors import SettingsError

DEFAULT_API_URL: Final = "https://memory.twilio.com"
DEFAULT_BUCKET_HOSTS: Final = ("*.amazonaws.com",)
DEFAULT_RUNS_DIR: Final = "./runs"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Settings(BaseModel):
    """Frozen settings of one process; `repr` masks the secret.

    Attributes:
        api_url: Base URL of the service; https, except on loopback.
        store_id: The store to read and write; None until one is chosen.
        api_key: User of Basic auth.
        api_secret: Its password.
        bucket_hosts: Host patterns that a presigned URL may point at.
        runs_dir: Folder of run folders.
        proxy: Proxy URL; the environment's proxies are not read.
        ca_bundle: PEM file of certificate authorities that are trusted beside the usual ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: str = DEFAULT_API_URL
    store_id: str | None = None
    api_key: str | None = None
    api_secret: SecretStr | None = None
    bucket_hosts: tuple[str, ...] = DEFAULT_BUCKET_HOSTS
    runs_dir: str = DEFAULT_RUNS_DIR
    proxy: str | None = Field(default=None, repr=False)
    ca_bundle: str | None = None

    @classmethod
    def from_env(cls, environment: Mapping[str, str], **given: str | None) -> Self:
        """Build settings from environment variables; options that were given win.

        Args:
            environment: Usually ``os.environ``; this function reads nothing else.
            given: Options by field name; None means not given.

        Raises:
            SettingsError: a value is not usable.
        """
        values: dict[str, object] = {
            "store_id": environment.get("MEMORY_STORE_ID") or None,
            "runs_dir": environment.get("MEMORY_RUNS_DIR") or DEFAULT_RUNS_DIR,
            "ca_bundle": environment.get("MEMORY_CA_BUNDLE") or None,
        }
        # Left out where nobody gave it, so that a run that has an address of its own can tell.
        if environment.get("MEMORY_API_URL"):
            values["api_url"] = environment["MEMORY_API_URL"]
        hosts = environment.get("MEMORY_BUCKET_HOSTS")
        if hosts:
            values["bucket_hosts"] = tuple(host.strip() for host in hosts.split(",") if host.strip())
        user, secret = _credentials(environment)
        values |= {"api_key": user, "api_secret": SecretStr(secret) if secret else None}
        values |= {name: value for name, value in given.items() if value is not None}
        try:
            settings = cls.model_validate(values)
        except ValidationError as exc:
            names = ", ".join(sorted({str(error["loc"][0]) for error in exc.errors() if error["loc"]}))
            raise SettingsError(f"a setting cannot be used: {names}") from None
        check_api_url(settings.api_url)
        return settings

    def credentials(self) -> tuple[str, str]:
        """Return user and password of Basic auth.

        Raises:
            SettingsError: there are none.
        """
        if not self.api_key or self.api_secret is None:
            raise SettingsError(
                "no credentials for the service",
                hint="set TWILIO_API_KEY and TWILIO_API_SECRET, or use --emulator to try without an account",
            )
        return self.api_key, self.api_secret.get_secret_value()


def _credentials(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    if environment.get("TWILIO_API_KEY"):
        return environment.get("TWILIO_API_KEY"), environment.get("TWILIO_API_SECRET")
    return environment.get("TWILIO_ACCOUNT_SID"), environment.get("TWILIO_AUTH_TOKEN")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise SettingsError("the API URL is not a URL", hint="it looks like https://memory.twilio.com") from None
    return parts


def is_loopback(url: str) -> bool:
    """Tell whether a URL points at this machine."""
    return _split(url).hostname in _LOOPBACK


def check_api_url(url: str) -> None:
    """Refuse an API URL that would send credentials in the clear.

    Raises:
        SettingsError: not https, and not on loopback; or it carries a user name, which would be shown and logged.
    """
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            "the API URL holds a user name or password",
            hint="take it out of the URL; credentials come from TWILIO_API_KEY and TWILIO_API_SECRET",
        )
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and is_loopback(url):
        return
    raise SettingsError(
        "the API URL must be https (plain http is for this machine only)",
        hint="set MEMORY_API_URL or --api-url to an https:// address",
    )
