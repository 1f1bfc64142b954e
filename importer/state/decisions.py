"""What was decided about merge groups, kept beside the runs and read by later ones: fingerprints, never a value.

One file a store, so that what was allowed on the local emulator lets nothing go to a live store; a new database of the
emulator is a store of its own. Whoever writes it has
the store's sending lock.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from importer.core.manifest import Target
from importer.errors import StateError
from importer.files import make_private_folder, replaced, write_whole, writing
from importer.state.run_folder import keep_out_of_git
from importer.state.sealed import unreadable
from importer.state.versions import parse_versioned

FOLDER: Final = "decisions"
KEY_FILE: Final = "fingerprint.key"
_KEY_BYTES: Final = 32
_VERSION: Final = 1
_AWAY: Final = "move it away: groups that were released or held before are then asked about again"


class Decision(BaseModel):
    """What was decided about one group: when, and in which run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["released", "held"]
    decided_at: str
    run_id: str
    rows: int = 0


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = _VERSION
    groups: dict[str, Decision] = {}


class Decisions:
    """The decisions about one store's groups.

    Args:
        runs_dir: Folder of the runs.
        target: The store.
    """

    def __init__(self, runs_dir: Path, target: Target) -> None:
        self._folder = runs_dir / FOLDER
        where = "emulator" if target.emulator else re.sub(r"[^A-Za-z0-9.-]", "_", target.host)
        database = f"-{target.database}" if target.database else ""
        self.path = self._folder / f"{target.store_id}@{where}{re.sub(r'[^A-Za-z0-9.-]', '_', database)}.json"

    def read(self) -> dict[str, Decision]:
        """Return all decisions, by fingerprint of the group; none where there is no file.

        Raises:
            StateError: the file cannot be read, is damaged, or of a newer version.
        """
        try:
            content, hint = self.path.read_bytes(), f"use that version, or a newer one; or {_AWAY}"
            return parse_versioned(content, _File, _VERSION, what=str(self.path), hint=hint).groups
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise unreadable(self.path, exc) from None
        except ValidationError as exc:
            raise StateError(f"{self.path} is damaged ({exc.error_count()} faults)", hint=_AWAY) from None

    def record(self, fingerprints: Iterable[tuple[str, int]], decision: Decision) -> None:
        """Keep a decision about groups; it takes the place of an earlier one.

        Args:
            fingerprints: Fingerprint and rows of each group.
            decision: What was decided; its rows are replaced by the group's.

        Raises:
            StateError: the file cannot be read or written.
        """
        groups = self.read()
        changed = {
            mark: decision.model_copy(update={"rows": rows})
            for mark, rows in fingerprints
            if mark not in groups or groups[mark].decision != decision.decision
        }
        if not changed:
            return
        groups |= changed
        self._prepare()
        write_whole(self.path, _File(groups=groups).model_dump_json(indent=1).encode() + b"\n")

    def key(self, *, make: bool) -> bytes | None:
        """Return the key of the fingerprints, one for all stores.

        Args:
            make: Make it where there is none yet.

        Raises:
            StateError: it cannot be read or written, or has been cut.
        """
        path = self._folder / KEY_FILE
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return self._new_key(path) if make else None
        except OSError as exc:
            raise unreadable(path, exc) from None
        if len(content) != _KEY_BYTES:
            raise StateError(f"{path} is damaged", hint=f"move {self._folder} away: groups are then asked about again")
        return content

    def _new_key(self, path: Path) -> bytes | None:
        self._prepare()
        beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with replaced(beside) as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
        with writing(path):
            try:
                path.hardlink_to(beside)  # of two processes that make a key at once, both get the one that was first
            except FileExistsError:
                pass
            finally:
                beside.unlink(missing_ok=True)
        return self.key(make=False)

    def _prepare(self) -> None:
        with writing(self._folder):
            make_private_folder(self._folder)
        keep_out_of_git(self._folder)
