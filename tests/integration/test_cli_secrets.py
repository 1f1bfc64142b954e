"""Credentials are nowhere, and cells only where the documentation says: searched in all that commands leave behind."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import orjson
import pytest

from tests.support.canaries import MAPPING, canary_rows, found_in, source_of, texts_in, texts_of
from tests.support.cli import Ended, Shell, new_shell, run_all
from tests.support.hostile import MARKER, PRESIGNED, SAID, Hostile, hostile_store
from tests.support.interposed import Interposed, interposed

KEY: Final = "zqapikeyqz"
SECRET: Final = "zqapisecretqz"
PROXY_PASSWORD: Final = "zqproxypasswordqz"
ENVIRONMENT: Final = {
    "TWILIO_API_KEY": KEY,
    "TWILIO_API_SECRET": SECRET,
    "TWILIO_ACCOUNT_SID": "zqaccountsidqz",
    "TWILIO_AUTH_TOKEN": "zqauthtokenqz",
    "AWS_SECRET_ACCESS_KEY": "zqawssecretqz",
    "KEYRING_PROPERTY_PASSWORD": "zqkeyringqz",
}
NEVER: Final = (
    *ENVIRONMENT.values(),
    PROXY_PASSWORD,
    base64.b64encode(f"{KEY}:{SECRET}".encode()).decode(),
    base64.b64encode(f"me:{PROXY_PASSWORD}".encode()).decode(),
    PRESIGNED,
    "X-Amz-Signature",
    SAID,
)
"""What no file and no output may hold: credentials, presigned URLs, texts of the service."""

ROWS: Final = canary_rows()
CELLS: Final = sorted({text for row in ROWS for text in row.canaries() if text != row.cells["id"]})
KEYS: Final = sorted({row.cells["id"] for row in ROWS})
REJECTED: Final = {text for row in ROWS if row.kind in ("rejected", "malformed") for text in row.canaries()}
WITH_KEYS: Final = {
    *("issues.csv", "issues.parquet", "outcomes.parquet", "groups.parquet", "mismatches.csv", "report.html")
}
"""Files for people, in which a row goes by its key."""

DENIED: Final = "zqdeniedqz@example.com"
"""A value that somebody wrote into the mapping, which may be that of a person as well."""

GIVEN: Final = orjson.dumps(MAPPING | {"identity": {"deny": [DENIED]}})

IMPORT: Final = ("source.csv", "-m", "mapping.yaml")
ANYTHING: Final = ("--max-rejected", "100", "--yes")


@dataclass(frozen=True)
class Flow:
    """Commands in a folder of their own, one after the other, and how they ended."""

    shell: Shell
    ended: list[Ended] = field(default_factory=list)

    def go(self, *arguments: str, text: str | None = None) -> Ended:
        """Run one more command."""
        self.ended.append(self.shell.run(*arguments, text=text))
        return self.ended[-1]

    def files(self) -> Iterator[Path]:
        """Yield every file there is, but the source and the mapping as they were given."""
        given = {self.shell.folder / name for name in ("source.csv", "mapping.yaml", "connections.txt")}
        for path in sorted(self.shell.folder.rglob("*")):
            if path.is_file() and path not in given:
                yield path


def new_flow(folder: Path, **environment: str) -> Flow:
    """Lay source and mapping into a new folder."""
    shell = new_shell(folder, **ENVIRONMENT, TMPDIR=str(folder / "temporary"), **environment)
    (folder / "temporary").mkdir()
    (folder / "source.csv").write_text(source_of(ROWS), encoding="utf-8")
    (folder / "mapping.yaml").write_bytes(GIVEN)
    return Flow(shell)


def dry_runs(flow: Flow) -> Ended:
    """Look only, at standard input."""
    return flow.go("validate", "-", *IMPORT[1:], "--emulator", "-vv", text=source_of(ROWS))


def live(flow: Flow) -> Ended:
    """Plan, send, release what was held, read back, send again, ask."""
    flow.go("plan", *IMPORT, "-vv", "--json", "--max-rejected", "100")
    flow.go("-v", "import", "--plan", "last", "--yes", "-v", "--json")
    flow.go("-vv", "resume", "last", "--release", "all", "--yes")
    flow.go("-vv", "verify", "last", "--all", "--yes", "--json")
    flow.go("-vv", "retry", "last", "--yes")
    return flow.go("status", "last", "--json")


def refused(between: Interposed, flow: Flow) -> Ended:
    """Be turned away, by a proxy that wants a password."""
    proxy = between.api.url.replace("//", f"//me:{PROXY_PASSWORD}@")
    return flow.go("--debug", "-vv", "import", *IMPORT, *ANYTHING, "--proxy", proxy, "--json")


def shown(flow: Flow) -> Ended:
    """Ask for the values."""
    return flow.go("validate", *IMPORT, "--emulator", "--show-values", "--json", "-vv")


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Flow]:
    """Run everything against a service that says back whatever it is told."""
    folder = tmp_path_factory.mktemp("secrets")
    hostile = Hostile(user=f"{KEY}:{SECRET}")
    with hostile_store(status_url=False) as emulator, interposed(emulator, hostile.script, hostile.rewrite) as between:
        between.marker = MARKER
        stored = {"Contact": {"email": next(row.cells["email"] for row in ROWS if row.kind == "patch")}}
        body = {"profiles": [{"traits": stored | {"Account": {"note": "to be removed"}}}]}
        url = f"{emulator.api_url}/v1/Stores/{emulator.store_id}/Profiles/Bulk"
        httpx.put(url, json=body, auth=("any", "body"), trust_env=False).raise_for_status()
        emulator.wait_idle()
        address = {"MEMORY_API_URL": between.api.url, "MEMORY_STORE_ID": emulator.store_id}
        made = {
            "live": new_flow(folder / "live", **address),
            "refused": new_flow(folder / "refused", **address),
            "dry": new_flow(folder / "dry"),
            "shown": new_flow(folder / "shown"),
        }
        wrong = {**made["refused"].shell.environment, "TWILIO_API_SECRET": f"{SECRET}-wrong"}
        made["refused"] = Flow(replace(made["refused"].shell, environment=wrong))
        steps: dict[str, Callable[[Flow], Ended]] = {
            "live": live,
            "refused": partial(refused, between),
            "dry": dry_runs,
            "shown": shown,
        }
        run_all({name: partial(steps[name], flow) for name, flow in made.items()})
        assert between.bucket.seen, "nothing went by a file"
    return made


def test_the_flows_went_where_they_should(flows: dict[str, Flow]) -> None:
    """Otherwise a canary that is nowhere says little: every fate of a row, every kind of request, every failure."""
    codes = {name: [ended.code for ended in flow.ended] for name, flow in flows.items()}
    assert codes == {"live": [3, 3, 3, 3, 3, 0], "refused": [4], "dry": [3], "shown": [3]}, [
        ended.stderr[-300:] for flow in flows.values() for ended in flow.ended
    ]
    sent = flows["live"].ended[1].report
    states = {state for state, count in sent["outcomes"].items() if count}
    assert states >= {"rejected", "skipped", "held", "combined", "processed", "failed"}
    assert {"bulk", "patch", "lookup", "create-import", "upload"} <= {
        kind for kind, count in sent["requests"].items() if count
    }
    logged = flows["live"].ended[1].stderr
    assert all(f"status={status}" in logged for status in (202, 400, 429, 500, 502, 503))
    assert "401" in flows["refused"].ended[0].stderr


def test_what_is_never_shown_is_nowhere(flows: dict[str, Flow]) -> None:
    """Credentials, presigned URLs and texts of the service are in no output and in no file, not with --debug either."""
    for name, flow in flows.items():
        for number, ended in enumerate(flow.ended):
            for channel, text in (("stdout", ended.stdout), ("stderr", ended.stderr)):
                assert found_in(texts_in(text.encode()), NEVER) == set(), (name, number, channel)
        for path in flow.files():
            assert found_in(texts_of(path), NEVER) == set(), path


def test_no_cell_is_printed(flows: dict[str, Flow]) -> None:
    """Neither a value nor a key, by report, log, progress or error, however verbose."""
    for name, flow in flows.items():
        for number, ended in enumerate(flow.ended):
            for channel, text in (("stdout", ended.stdout), ("stderr", ended.stderr)):
                assert found_in(texts_in(text.encode()), [*CELLS, *KEYS]) == set(), (name, number, channel)


def test_cells_are_in_the_files_meant_to_hold_them_alone(flows: dict[str, Flow]) -> None:
    """Values in rejected.*, the package and the local service; keys in files for people too; and all of these 0600."""
    held: dict[str, set[str]] = {}
    for name in ("live", "refused", "dry"):
        for path in flows[name].files():
            found = found_in(texts_of(path), [*CELLS, *KEYS])
            if "package" in path.parts or "emulator" in path.parts:
                allowed = found
            elif path.name.startswith("rejected"):
                allowed = REJECTED
            elif path.name in WITH_KEYS:
                allowed = set(KEYS)
            else:
                allowed = set()
            assert found <= allowed, path
            assert not found or path.stat().st_mode & 0o077 == 0, path
            held.setdefault(path.name, set()).update(found)
    assert held["rejected.csv"] & REJECTED >= {row.cells["extra"] for row in ROWS if row.kind == "rejected"}
    assert set(held["outcomes.parquet"]) >= {row.cells["id"] for row in ROWS if row.kind == "import"}
    assert held["valid.arrow"] >= {row.cells["first"] for row in ROWS if row.kind == "bulk"}


def test_the_mapping_is_kept_as_it_was_given_and_nowhere_else(flows: dict[str, Flow]) -> None:
    """A run keeps a copy for --replan, which is private: what somebody wrote into a mapping may be a person's."""
    for name, flow in flows.items():
        copies = [path for path in flow.files() if path.name == "mapping.yaml"]
        planned = flow.shell.runs() if name == "live" else []  # nothing can be planned again of a dry run
        assert [path.parent for path in copies] == planned
        assert all(path.read_bytes() == GIVEN and path.stat().st_mode & 0o077 == 0 for path in copies)
        assert [path for path in flow.files() if found_in(texts_of(path), [DENIED])] == copies
        assert not any(DENIED in ended.stdout + ended.stderr for ended in flow.ended)
    assert len(flows["live"].shell.runs()) == 1


def test_values_are_shown_where_they_are_asked_for(flows: dict[str, Flow]) -> None:
    """In the issues and on the page about them alone."""
    texts = {path.name: found_in(texts_of(path), CELLS) for path in flows["shown"].files()}
    assert "zqbademailqz" in texts["issues.csv"] & texts["issues.parquet"] & texts["report.html"]
    assert texts["report.json"] == texts["run.json"] == texts["outcomes.parquet"] == texts["groups.parquet"] == set()


def test_nothing_is_left_behind(flows: dict[str, Flow]) -> None:
    """No temporary file but the page's own compiled templates, no import file, no package of a dry run."""
    for flow in flows.values():
        left = [path for path in flow.files() if {"temporary", "parts"} & set(path.parts)]
        templates = [path for path in left if path.match("temporary/_jinja2-cache-*/memory-importer-*.cache")]
        assert left == templates
        assert all(path.parent.stat().st_mode & 0o077 == 0 for path in templates)
    assert not [path for path in flows["dry"].files() if "package" in path.parts]


def test_every_cell_was_to_be_found(flows: dict[str, Flow]) -> None:
    """The search finds each canary in the source itself, also in other spellings."""
    source = flows["live"].shell.folder / "source.csv"
    assert found_in(texts_of(source), [*CELLS, *KEYS]) == {*CELLS, *KEYS}
    for text in (base64.b64encode(f"key:{SECRET}".encode()), SECRET.upper().encode(), SECRET.encode("utf-16")):
        assert found_in(texts_in(text), [SECRET]) == {SECRET}
