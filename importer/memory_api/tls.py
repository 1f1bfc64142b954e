"""Whom TLS trusts: the usual authorities, and those of a file the user names. The environment has no say."""

from __future__ import annotations

import ssl

import httpx

from importer.errors import SettingsError


def ssl_context(*, is_plain: bool, ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return the TLS settings.

    Args:
        is_plain: Plain http on loopback: nobody is trusted, which is quicker to set up.
        ca_bundle: PEM file of authorities that are trusted as well, for example that of a company's proxy.

    Raises:
        SettingsError: the file cannot be read, or holds no certificate.
    """
    if is_plain:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = httpx.create_ssl_context(trust_env=False)
    # Python takes SSLKEYLOGFILE from the environment by itself; with the keys in it every request could be read.
    context.keylog_filename = None  # type: ignore[assignment]  # None switches it off; the stubs do not know
    if ca_bundle is not None:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except (OSError, ssl.SSLError) as exc:
            reason = "it holds no certificate" if isinstance(exc, ssl.SSLError) else exc.strerror
            raise SettingsError(
                f"{ca_bundle}: certificates cannot be read ({reason})",
                hint="MEMORY_CA_BUNDLE names a PEM file of certificate authorities",
            ) from None
    return context
