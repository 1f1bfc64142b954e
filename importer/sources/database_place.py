"""Naming databases: what the user wrote becomes a place to run a query, or one line saying why not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from importer.errors import SettingsError, SourceError
from importer.sources.files import inspect_file, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from importer.ports import SourceOptions

POSTGRES: Final = "postgresql"
SQLITE: Final = "sqlite"
DUCKDB: Final = "duckdb"
_ENGINES: Final = {"postgresql": POSTGRES, "postgres": POSTGRES, "sqlite": SQLITE, "duckdb": DUCKDB}
_FROM_ENVIRONMENT: Final = "env:"
_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):")
_SECRET: Final = re.compile(r"(?i)(^|[?&;])[^=&?;]*(password|passwd|pwd|secret|token|private_key)[^=&?;]*=[^&;]")
_HEAD_BYTES: Final = 16
_OUT_OF_SIGHT: Final = (
    "leave the password out and give it as PGPASSWORD or in ~/.pgpass, or keep the whole address in an environment "
    "variable and write env:NAME as the source"
)


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Where a query runs.

    Attributes:
        engine: ``postgresql``, ``sqlite``, ``duckdb``, or empty where a driver is named.
        address: What the driver is given: an address, or a file's path; it may hold a password.
        name: How people are told; without user, password and options.
        driver: Name of an ADBC driver, or path of one; empty for the engines that come with this package.
        driver_options: What else the driver is given; it may hold passwords.
    """

    engine: str
    address: str = field(repr=False)
    name: str
    driver: str = ""
    driver_options: Mapping[str, str] = field(default_factory=dict, repr=False)


def is_database(spec: str) -> bool:
    """Tell whether a source can only be a database: an address of one, one from the environment, or a bare scheme."""
    return spec.startswith(_FROM_ENVIRONMENT) or _scheme(spec) in _ENGINES or _SCHEME.fullmatch(spec) is not None


def database_place(spec: str, options: SourceOptions, environment: Mapping[str, str]) -> DatabasePlace:
    """Return where a query runs.

    Args:
        spec: An address, ``env:NAME`` for one in the environment, or the path of a SQLite or DuckDB file; with a
            driver whose options say it all a bare scheme, such as ``snowflake:``.
        options: Names a driver and its options where there is none for the address.
        environment: Of the process.

    Raises:
        SourceError: there is no such file or variable, or nobody knows how to open it.
        SettingsError: a password stands where others can read it.
    """
    hidden = spec.startswith(_FROM_ENVIRONMENT)
    address = _from_environment(spec, environment) if hidden else spec
    if not hidden:
        _check_open(address)
    given = _driver_options(options.driver_options, environment)
    if options.driver:
        name = spec if hidden else _public(address)
        is_bare = _SCHEME.fullmatch(address) is not None
        return DatabasePlace("", "" if is_bare else address, name, options.driver, given)
    engine = _ENGINES.get(_scheme(address), "")
    if engine == POSTGRES:
        return DatabasePlace(engine, address, _public(address), driver_options=given)
    if not engine and "://" in address:
        raise SourceError(
            f"{spec if hidden else _public(address)}: no driver comes with this package for this kind of database",
            hint="name an ADBC driver with --driver, or under `source:` in the mapping",
        )
    path = _path(address) if engine else address
    inspect_file(shown(path), path)
    engine = engine or _engine_of(path)
    return DatabasePlace(engine, path, spec if hidden else shown(path), driver_options=given)


def _scheme(spec: str) -> str:
    found = _SCHEME.match(spec)
    return found["scheme"].lower() if found else ""


def _from_environment(spec: str, environment: Mapping[str, str]) -> str:
    variable = spec.removeprefix(_FROM_ENVIRONMENT)
    address = environment.get(variable, "")
    if not address:
        raise SourceError(
            f"{shown(spec)}: the environment has no {shown(variable)}", hint=f"set {shown(variable)} to the address"
        )
    return address


def _check_open(address: str) -> None:
    """Refuse a password among the arguments: everybody on the machine can read them."""
    try:
        parts = urlsplit(address)
        open_password = bool(parts.password) if "://" in address else False
    except ValueError:
        raise SourceError("the address of the database cannot be read", hint="check brackets and port") from None
    if open_password or ("://" in address and _SECRET.search(parts.query)):
        raise SettingsError("the address of the database holds a password", hint=_OUT_OF_SIGHT)


def _driver_options(given: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise SettingsError("an option of a driver is not NAME=VALUE", hint="for example sql.db=SALES")
        if value.startswith(_FROM_ENVIRONMENT):
            value = _from_environment(value, environment)
        elif _SECRET.search(one):
            raise SettingsError(
                f"the driver's option {shown(name)} looks like a secret",
                hint=f"keep it in an environment variable and write {shown(name)}=env:NAME",
            )
        options[name] = value
    return options


def _public(address: str) -> str:
    """Return an address without user, password and options."""
    if "://" not in address:
        return f"{_scheme(address)}:" if _scheme(address) else shown(address)
    parts = urlsplit(address)
    return shown(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def _path(address: str) -> str:
    """Return the path in ``sqlite:path``, ``sqlite:///path`` (relative) and ``sqlite:////path``."""
    rest = address.partition(":")[2]
    return rest.removeprefix("///") if rest.startswith("///") else rest


def _engine_of(path: str) -> str:
    with Path(path).open("rb") as content:
        head = content.read(_HEAD_BYTES)
    if head.startswith(b"SQLite format 3\0"):
        return SQLITE
    if head[8:12] == b"DUCK":
        return DUCKDB
    raise SourceError(
        f"{shown(path)}: --query needs a database, and this is no SQLite or DuckDB file",
        hint="leave --query out to read a table from a file",
    )
