"""Send to a sink on this machine, once, and print the seconds as JSON: `python bench/sending.py WAY PLACE [DELAY_MS]`.

With `plan PLACE SOURCE SCHEMA` for a way the file SOURCE is planned for the store SCHEMA, into the folder PLACE.
`deliver` and `loop` send that run, `upload` and `curl` a file PLACE. The sink (`sink.py`) is a process of its own that
answers so many milliseconds after it has read a request. All that is ready before a run begins to send is ready before
the clock starts: imports, client, the opened package, and for `loop` the bodies themselves.
"""

from __future__ import annotations

from importer.cli import startup

startup.begin()  # before anything that allocates is imported, as in the commands; it ends when the work begins

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

import httpx
import pyarrow as pa

from importer.core.manifest import RunOptions
from importer.memory_api.client import MemoryClient
from importer.settings import Settings
from importer.state.ledger import SqliteLedger
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.delivering import Earlier, deliver_run
from importer.wiring.reopening import load_run
from importer.wiring.requests import Hooks, RunRequest, SendOptions
from importer.wiring.runs import plan
from importer.wiring.send_order import payloads_of
from importer.wiring.targets import OpenTarget, schema_from_file

BENCH: Final = Path(__file__).parent
MAPPING: Final = BENCH.parent / "mappings" / "bench-customers.yaml"
STORE: Final = "mem_store_00000000000000000000000000"
CREDENTIALS: Final = ("bench", "bench")
CONNECTIONS: Final = SendOptions().concurrency
BODY_ROWS: Final = 1000

Work = Callable[[], int]
"""Does the work that is timed; returns how many rows, or bytes, went."""


@contextmanager
def sink(delay_ms: str) -> Iterator[str]:
    """Run a sink; yield its URL."""
    command = [sys.executable, str(BENCH / "sink.py"), delay_ms]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def save_plan(place: Path, source: str, schema: str) -> None:
    """Plan a file so that every row of it that goes goes by Bulk."""
    options = RunOptions(via="bulk")
    plan(RunRequest(source, MAPPING, Settings(runs_dir=str(place)), schema_file=Path(schema), options=options))


@contextmanager
def planned(place: Path) -> Iterator[RunFolder]:
    """Yield a copy of the planned run, since sending changes it."""
    (original,) = RunsFolder(place).all()
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        yield RunFolder(Path(shutil.copytree(original.path, Path(folder) / original.run_id)))


@contextmanager
def deliver(place: Path, url: str) -> Iterator[Work]:
    """Send as `import` does: encoder, engine, ledger, threads, client."""
    with (
        planned(place) as folder,
        MemoryClient(url, STORE, CREDENTIALS) as client,
        SqliteLedger.open(folder.ledger) as ledger,
    ):
        run = load_run(folder)
        store = OpenTarget(client, run.manifest.target, schema_from_file(folder.path / "schema.json"))

        def work() -> int:
            delivery = deliver_run(run, store, ledger, Hooks(), SendOptions(), Earlier())
            assert delivery.completed, delivery
            return sum(outcome.stop - outcome.start for outcome in ledger.outcomes() if outcome.state == "accepted")

        yield work


@contextmanager
def loop(place: Path, url: str) -> Iterator[Work]:
    """Put the same bodies, ready-made, from as many threads as `deliver` has, and do nothing else."""
    with (
        planned(place) as folder,
        httpx.Client(
            auth=CREDENTIALS, limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        ) as client,
    ):
        run = load_run(folder)
        order = folder.read_order()
        payloads = payloads_of(run, order)
        bodies: SimpleQueue[bytes] = SimpleQueue()
        for start in range(0, order.height, BODY_ROWS):
            bodies.put(payloads.bulk_body(start, min(start + BODY_ROWS, order.height)))
        answers: SimpleQueue[int] = SimpleQueue()

        def put() -> None:
            while True:
                try:
                    body = bodies.get_nowait()
                except Empty:
                    return
                headers = {"content-type": "application/json"}
                answers.put(
                    client.put(f"{url}/v1/Stores/{STORE}/Profiles/Bulk", content=body, headers=headers).status_code
                )

        def work() -> int:
            sent = bodies.qsize()
            threads = [Thread(target=put) for _ in range(CONNECTIONS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [answers.get_nowait() for _ in range(sent)] == [202] * sent
            return order.height

        yield work


@contextmanager
def upload(file: Path, url: str) -> Iterator[Work]:
    """Put a file to a presigned URL as an import does."""
    with MemoryClient(url, STORE, CREDENTIALS) as client, file.open("rb") as content:
        size_bytes = file.stat().st_size

        def work() -> int:
            client.upload(f"{url}/bucket/part.csv?X-Amz-Signature=0", content, size_bytes)
            return size_bytes

        yield work


def curl(file: Path, url: str) -> float:
    """Put a file with curl; return its own count of seconds, which leaves its start out."""
    command = [
        "curl",
        "-sS",
        "--fail",
        "-T",
        str(file),
        "-o",
        "/dev/null",
        "-w",
        "%{time_total}",
        f"{url}/bucket/part.csv",
    ]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


WAYS = {"deliver": deliver, "loop": loop, "upload": upload}
COUNTED = ("deliver", "loop")
"""Ways whose speed is asked for in units a second."""


def main() -> None:
    """Prepare a way, time it, print what it took and how much went."""
    startup.end()
    way, place, *more = sys.argv[1:]
    if way == "plan":
        save_plan(Path(place), *more)
        return
    if way == "curl" and shutil.which("curl") is None:
        print(json.dumps({"missing": "curl"}))
        return
    pa.array(["x"])
    units = None
    with sink(more[0] if more else "0") as url:
        if way == "curl":
            seconds = curl(Path(place), url)
        else:
            with WAYS[way](Path(place), url) as work:
                started = time.perf_counter()
                done = work()
                seconds = time.perf_counter() - started
                units = done if way in COUNTED else None
    print(json.dumps({"seconds": seconds, "units": units}))


if __name__ == "__main__":
    main()
