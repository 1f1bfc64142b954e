"""How little a command does before it begins to work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from importer.cli.startup import sorts_slowly
from tests.support.cli import CUSTOMERS, CUSTOMERS_MAPPING

_SCRIPT = """
import gc, json, sys
opened, early = [], []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
from importer.cli.main import main
gc.callbacks.append(lambda phase, _: early.append(phase) if gc.get_freeze_count() == 0 else None)
try:
    main()
except SystemExit as ended:
    facts = {"code": ended.code, "modules": [*sys.modules], "opened": opened}
    facts |= {"early": len(early), "put_aside": gc.get_freeze_count(), "collects": gc.isenabled()}
    facts |= {"switch_s": sys.getswitchinterval()}
    print(json.dumps(facts), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a `validate` of the sample with the emulator did on its way."""
    folder: Path = tmp_path_factory.mktemp("startup")
    arguments = ["validate", str(CUSTOMERS), "-m", str(CUSTOMERS_MAPPING), "--emulator", "--runs-dir", str(folder)]
    ended = subprocess.run([sys.executable, "-c", _SCRIPT, *arguments], capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(ended.stderr.splitlines()[-1])
    assert facts["code"] == 3
    return facts


def test_validate_loads_nothing_of_what_sends(checked: dict[str, Any]) -> None:
    """A command that sends nothing needs neither sending nor going on with a run."""
    names = ("sending", "delivering", "resuming", "retrying", "verifying", "syncing")
    sending = {f"importer.wiring.{name}" for name in names} | {"importer.pipeline.deliver", "importer.core.engine"}
    assert sending & set(checked["modules"]) == set()


def test_the_emulator_starts_without_reading_yaml(checked: dict[str, Any]) -> None:
    """Its contract is read as JSON, once."""
    read = [Path(path).name for path in checked["opened"]]
    assert (read.count("openapi.json"), read.count("openapi.yaml")) == (1, 0)


def test_nothing_is_collected_before_a_command_works(checked: dict[str, Any]) -> None:
    """What start-up makes is never looked through; then the collector works as ever."""
    assert checked["early"] == 0
    assert checked["put_aside"] > 50_000
    assert checked["collects"]


def test_a_thread_waits_a_millisecond_for_the_interpreter(checked: dict[str, Any]) -> None:
    """With Python's own five, those that read and pack would stand still beside one that works out number plans."""
    assert checked["switch_s"] == pytest.approx(0.001)


_THREADS = """
import os, sys
from importer.cli import startup
startup.begin()
import numpy
print(len(os.listdir("/proc/self/task")), os.environ["OPENBLAS_NUM_THREADS"])
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not list threads")
@pytest.mark.parametrize(("asked", "threads", "kept"), [({}, 1, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, None, "2")])
def test_numpy_starts_no_threads_unless_somebody_asks(asked: dict[str, str], threads: int | None, kept: str) -> None:
    """They would spin beside every command; who sets their number is not overruled."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"} | asked
    ended = subprocess.run(
        [sys.executable, "-c", _THREADS], capture_output=True, text=True, check=True, env=environment
    )
    found, said = ended.stdout.split()
    assert said == kept
    assert threads is None or int(found) == threads


_ALLOCATORS = """
import os, sys
import importer.cli.main
from importer.cli import startup
startup.begin()
print("polars" in sys.modules or "pyarrow" in sys.modules, os.environ[sys.argv[1]])
"""


@pytest.mark.parametrize(
    ("name", "ours", "others"),
    [("_RJEM_MALLOC_CONF", f"narenas:{max(2, os.cpu_count() or 2)}", "narenas:99"), ("MIMALLOC_ALLOW_THP", "0", "1")],
)
def test_allocators_are_told_to_take_little_unless_somebody_asks(name: str, ours: str, others: str) -> None:
    """They hear of it only before polars and Arrow are imported; who says otherwise is not overruled."""
    plain = {key: value for key, value in os.environ.items() if key != name}
    for environment, kept in ((plain, ours), (plain | {name: others}, others)):
        command = [sys.executable, "-c", _ALLOCATORS, name]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert ended.stdout.split() == ["False", kept]


@pytest.mark.parametrize(
    ("vendor", "family", "is_slow"),
    [("AuthenticAMD", 25, True), ("AuthenticAMD", 26, False), ("AuthenticAMD", 6, False), ("GenuineIntel", 25, False)],
)
def test_sorting_is_slow_with_avx_512_on_one_family_of_processors(vendor: str, family: int, *, is_slow: bool) -> None:
    """Everywhere else numpy chooses by itself."""
    head = f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: 17\n"
    assert sorts_slowly(head.encode()) is is_slow


_SORTING = """
import os
from importer.cli import startup
startup.begin(b"vendor_id\\t: AuthenticAMD\\ncpu family\\t: 25\\n")
import numpy
print("numpy" in __import__("sys").modules, os.environ.get("NPY_DISABLE_CPU_FEATURES", ""))
"""


@pytest.mark.parametrize(
    ("asked", "kept"),
    [({}, "X86_V4"), ({"NPY_DISABLE_CPU_FEATURES": ""}, ""), ({"NPY_ENABLE_CPU_FEATURES": "X86_V3"}, "")],
)
def test_numpy_is_told_not_to_sort_slowly_unless_somebody_asks(asked: dict[str, str], kept: str) -> None:
    """It is told before it is imported, and says nothing of it; who says otherwise is not overruled."""
    environment = {name: value for name, value in os.environ.items() if name != "NPY_DISABLE_CPU_FEATURES"} | asked
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", _SORTING], capture_output=True, text=True, check=True, env=environment
    )
    assert (ended.stdout.split(), ended.stderr) == (["True", *([kept] if kept else [])], "")


_INTERRUPTED = """
import os, signal, sys
from importlib.abc import MetaPathFinder
class Finder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "polars.series":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from importer.cli.main import main
main()
"""


def test_ctrl_c_in_the_middle_of_an_import_is_told_in_a_line() -> None:
    """What the import left behind is half a module: nothing that tells of the end may need it."""
    arguments = ["validate", str(CUSTOMERS), "-m", str(CUSTOMERS_MAPPING), "--emulator"]
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, *arguments], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.split()) == (130, ["error:", "stopped", "by", "Ctrl-C"])
