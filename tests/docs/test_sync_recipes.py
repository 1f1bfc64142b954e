"""docs/sync-recipes.md and docs/logs.md: every snippet can be read by what it is for, and says what is so."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click
import orjson
import pytest
from ruamel.yaml import YAML

import importer
from importer.cli.main import cli
from importer.core.mapping_yaml import parse_mapping
from importer.core.report import ExitCode
from importer.core.sync_file import parse_sync_file
from tests.support.cli import ROOT
from tests.support.runs import Workbench, bench_of

RECIPES: Final = (ROOT / "docs" / "sync-recipes.md").read_text(encoding="utf-8")
LOGS: Final = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```", RECIPES, re.MULTILINE | re.DOTALL)
INSTRUCTIONS: Final = {"FROM", "COPY", "RUN", "USER", "VOLUME", "WORKDIR", "ENTRYPOINT"}
MAPPING: Final = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "name": "Contact.firstName"},
}

bench = bench_of(MAPPING)


def blocks(language: str) -> list[str]:
    """Return the code blocks in one language; there must be some."""
    found = [text for name, text in BLOCKS if name == language]
    assert found, language
    return found


def named(name: str) -> list[str]:
    """Return the YAML blocks that are a file of some name."""
    return [text for text in blocks("yaml") if text.startswith(f"# {name}\n")]


def test_every_block_is_in_a_language_that_is_checked_here() -> None:
    """Nothing is left to look right."""
    assert {name for name, _ in BLOCKS} == {"yaml", "sh", "ini", "crontab", "python", "dockerfile"}


def test_sync_files_and_mappings_are_accepted() -> None:
    """As `sync run` reads them."""
    modes = {parse_sync_file(text.encode(), "x").mode.value for text in named("customers.sync.yaml")}
    keys = [parse_mapping(text.encode(), "x").source.key for text in named("customers.yaml")]
    assert len(named("customers.sync.yaml")) == 3
    assert modes == {"upsert"}
    assert keys == [("CUSTOMER_ID",), ("customer_id",)]


def test_yaml_is_yaml() -> None:
    """And what must hold for a sync that runs on its own is in it."""
    loaded = [list(YAML(typ="safe").load_all(text)) for text in blocks("yaml")]
    (cron_job,) = [one for documents in loaded for one in documents if one.get("kind") == "CronJob"]
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"
    job = cron_job["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    codes = job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]
    assert codes == sorted({*ExitCode} - {0, ExitCode.STOPPED, ExitCode.INTERRUPTED, ExitCode.TERMINATED})
    (container,) = pod["containers"]
    assert container["args"][:2] == ["sync", "run"]
    mounts = {mount["name"] for one in (container, *pod["initContainers"]) for mount in one["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    (workflow,) = [one for documents in loaded for one in documents if "jobs" in one]
    assert workflow["concurrency"]["cancel-in-progress"] is False
    for step in workflow["jobs"]["sync"]["steps"]:
        check_shell(step.get("run", ""))


def test_units_are_units() -> None:
    """The timer starts the service; what it takes for success and what it does not try again are exit codes."""
    units = [configparser.ConfigParser(interpolation=None) for _ in blocks("ini")]
    for unit, text in zip(units, blocks("ini"), strict=True):
        unit.optionxform = str  # type: ignore[assignment, method-assign]
        unit.read_string(text)
    service, timer = units
    assert set(timer.sections()) == {"Unit", "Timer", "Install"}
    assert service["Service"]["Type"] == "oneshot"
    tried = {
        int(code)
        for name in ("SuccessExitStatus", "RestartPreventExitStatus")
        for code in service["Service"][name].split()
    }
    assert {*ExitCode} - tried == {0, ExitCode.STOPPED, ExitCode.INTERRUPTED}
    assert service["Service"]["StateDirectory"] in service["Service"]["ExecStart"]


def check_shell(text: str) -> None:
    """Let a shell read a script without running it."""
    text = re.sub(r"\$\{\{.*?\}\}", "x", text)
    ended = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), text


def test_shell_is_shell() -> None:
    """Also what is in the Airflow command and in the page on logs."""
    for text in (*blocks("sh"), *re.findall(r"^```sh\n(.*?)^```", LOGS, re.MULTILINE | re.DOTALL)):
        check_shell(text)


def test_crontabs_and_dockerfiles_have_their_form() -> None:
    """Five fields and a command; instructions."""
    lines = [line for text in blocks("crontab") for line in text.splitlines() if "=" not in line.split(" ")[0]]
    assert all(re.fullmatch(r"(?:[-*/,0-9]+ ){5}/\S.*", line) for line in lines)
    for text in blocks("dockerfile"):
        starts = [line.split(" ")[0] for line in re.sub(r"\\\n", "", text).splitlines()]
        assert set(starts) == INSTRUCTIONS


def test_every_option_of_sync_run_that_is_shown_exists() -> None:
    """In whatever snippet it stands."""
    group = cli.get_command(click.Context(cli), "sync")
    assert isinstance(group, click.Group)
    known = {name for parameter in group.commands["run"].params for name in parameter.opts}
    shown = [found[1] for found in re.finditer(r"memory-importer sync run ([^|`&;]*)", RECIPES.replace("\\\n", " "))]
    given = {word for text in shown for word in re.findall(r"(?<=\s)--[a-z][a-z-]*", f" {text}")}
    assert {"--log-format", "--first-run", "--skip-exit-code"} <= given
    assert given - {"--stop"} <= known


def test_every_exit_code_is_in_the_table() -> None:
    """With what to do about it."""
    rows = re.findall(r"^\| ([0-9, ]+) \|", RECIPES, re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == {*map(int, ExitCode), 99}


def test_python_is_python_and_uses_what_is_public() -> None:
    """Names of ours are in `importer.__all__`."""
    for text in blocks("python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "importer":
                assert node.attr in importer.__all__, node.attr


class FailedError(Exception):
    """Stands for what Airflow does not try again."""


class SkippedError(Exception):
    """Stands for what Airflow skips."""


class Anything:
    """Stands for whatever of Airflow only describes the task."""

    def __init__(self, *args: object, **options: object) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        pass


def recipe_in_python(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the recipe for Airflow in Python, with the few names that it takes from there."""
    names: dict[str, dict[str, Any]] = {
        "airflow": {},
        "airflow.exceptions": {
            "AirflowException": RuntimeError,
            "AirflowFailException": FailedError,
            "AirflowSkipException": SkippedError,
        },
        "airflow.sdk": {"DAG": Anything},
        "airflow.providers": {},
        "airflow.providers.standard": {},
        "airflow.providers.standard.operators": {},
        "airflow.providers.standard.operators.python": {"PythonOperator": Anything},
    }
    for name, values in names.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    (text,) = [text for text in blocks("python") if "run_sync" in text]
    space: dict[str, Any] = {}
    exec(compile(text, "recipe", "exec"), space)  # noqa: S102 - a snippet of our own page
    return space


def test_the_recipe_in_python_does_what_it_says(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails for good without a first run, skips where nothing changed, and answers counts."""
    recipe = recipe_in_python(monkeypatch)
    source, sync = bench.folder / "people.csv", bench.folder / "people.sync.yaml"
    source.write_text("id,email,name\n1,a@example.com,A\n2,b@example.com,B\n")
    sync.write_bytes(orjson.dumps({"version": 1, "source": "people.csv", "mapping": "mapping.yaml", "mode": "full"}))
    settings = {"MEMORY_API_URL": bench.settings.api_url, "MEMORY_STORE_ID": bench.settings.store_id or ""}
    for name, value in {**settings, "TWILIO_API_KEY": "key", "TWILIO_API_SECRET": "secret"}.items():
        monkeypatch.setenv(name, value)
    recipe["SYNC_FILE"] = str(sync)
    with pytest.raises(FailedError, match="first-run"):
        recipe["sync_customers"]()
    importer.run_sync(importer.SyncRequest(file=sync, settings=bench.settings, first_run=True))
    with pytest.raises(SkippedError):
        recipe["sync_customers"]()
    source.write_text("id,email,name\n1,a@example.com,A\n2,b@example.com,B\n3,c@example.com,C\n")
    assert recipe["sync_customers"]()["unchanged"] == 2


def test_the_page_on_logs_names_every_event() -> None:
    """Those of the code, and no other."""
    told = set(re.findall(r"^\| `([a-z-]+)` \|", LOGS, re.MULTILINE)) - {"--log-format"}
    code = "".join(path.read_text(encoding="utf-8") for path in Path(ROOT / "importer").rglob("*.py"))
    named_in_code = set(re.findall(r'"event": "([a-z-]+)"', code)) | set(
        re.findall(r'logs\.(?:tell|say)\("([a-z-]+)"', code)
    )
    assert told == named_in_code
    assert shlex.split(LOGS.split("```console\n$ ", 1)[1].splitlines()[0])[0] == "memory-importer"
