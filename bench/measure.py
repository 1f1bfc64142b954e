"""Compare the stages of a run with a plain scan of the same file, and with what people would write: `just bench`.

Every figure is a fresh process (`stages.py`, `sending.py`, `peers.py`, or the command itself); they run in turn, and
the figures are the median of the runs with the least and the most. Only compare within one run of this program, as a
ratio: the speed of a machine that others use drifts. `docs/performance.md` says what is asked for and what was found.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.table import Figure, Growth, Row, as_json, lines_of

BENCH: Final = Path(__file__).parent
ROOT: Final = BENCH.parent
MAPPING: Final = ROOT / "mappings" / "bench-customers.yaml"
TOOL: Final = [sys.executable, "-m", "importer"]
GOOD_EXITS: Final = (0, 3)
LARGE: Final = ("validate", "plan")
"""What is run on larger files as well."""
UPLOAD_BYTES: Final = 100 * 1024 * 1024


@dataclass(frozen=True)
class Inputs:
    """What was written for the processes to work on.

    Attributes:
        files: Customer files by their rows.
        schema: A store that has what the mapping needs.
        planned: Runs folder of a planned run of the first file; it is not there if nothing sends it.
        upload: A file of the largest size an import takes.
    """

    files: dict[int, Path]
    schema: Path
    planned: Path
    upload: Path


def run_once(row: Row, figure: Figure) -> None:
    """Run a row once more."""
    started = time.perf_counter()
    with subprocess.Popen(row.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        output = process.stdout.read() if process.stdout is not None else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode not in GOOD_EXITS:
        raise SystemExit(f"{row.name}: {' '.join(row.command)} ended with {process.returncode}")
    if row.inside:
        told = json.loads(output.splitlines()[-1])
        if "missing" in told:
            figure.missing = told["missing"]
            return
        seconds, figure.units = told["seconds"], told["units"]
    figure.seconds.append(seconds)
    figure.peak_rss_mb = max(figure.peak_rss_mb, usage.ru_maxrss / 1024)


def rows_of(inputs: Inputs, options: argparse.Namespace) -> list[Row]:
    """Return the table's lines in the order in which they run."""

    def stage(name: str, at: int = options.rows) -> list[str]:
        return [sys.executable, str(BENCH / "stages.py"), name, str(inputs.files[at]), str(inputs.schema)]

    def sent(way: str, place: Path, delay_ms: int = 0) -> list[str]:
        return [sys.executable, str(BENCH / "sending.py"), way, str(place), str(delay_ms)]

    def peer(name: str) -> list[str]:
        return [options.peer_python, str(BENCH / "peers.py"), name, str(inputs.files[options.peer_rows])]

    def whole(verb: str, at: int) -> list[str]:
        given = ["--mapping", str(MAPPING), "--emulator", "--runs-dir", str(inputs.schema.parent / "runs")]
        return [*TOOL, verb, str(inputs.files[at]), *given]

    small = f"validate, {options.peer_rows:,} rows"
    table = [
        Row("scan", stage("scan")),
        Row("read", stage("read"), against="scan", at_most=2.0),
        Row("read + check + issues", stage("check"), against="scan", at_most=3.2),
        Row("validate", stage("validate"), against="scan", at_most=5.0),
        Row("plan", stage("plan"), against="scan", at_most=7.0),
        Row("send side, rows/s", stage("send"), at_least=300_000),
        Row("bare loop, profiles/s", sent("loop", inputs.planned)),
        Row("encode and send, profiles/s", sent("deliver", inputs.planned), at_least=250_000),
        Row("bare loop, 20 ms answers", sent("loop", inputs.planned, 20)),
        Row(
            "encode and send, 20 ms answers",
            sent("deliver", inputs.planned, 20),
            against="bare loop, 20 ms answers",
            at_most=1.25,
        ),
        Row("curl -T, 100 MiB", sent("curl", inputs.upload)),
        Row("upload, 100 MiB", sent("upload", inputs.upload), against="curl -T, 100 MiB", at_most=1.5),
        Row("phones, values/s", stage("phones"), at_least=1_500_000),
        Row("national phones, values/s", stage("national"), at_least=100_000),
        Row(small, stage("validate", options.peer_rows)),
        Row("by hand", peer("by hand"), against=small, at_least=8),
        Row("by hand, phonenumbers", peer("by hand, phonenumbers"), against=small, at_least=8),
        Row("pandas and pydantic", peer("pandas and pydantic"), against=small, at_least=30),
        Row("dlt", peer("dlt"), against=small, at_least=5),
        Row("validate, whole process", whole("validate", options.rows), inside=False, against="scan"),
        Row("plan, whole process", whole("plan", options.rows), inside=False, against="scan"),
        Row("validate of 500 rows", whole("validate", 500), inside=False, at_most=1.5),
        Row("--help", [*TOOL, "--help"], inside=False, at_most=0.35),
    ]
    for rows in options.large_rows:
        table.append(Row(f"scan, {rows:,} rows", stage("scan", rows)))
        rss_mb = 800 if rows <= 3_000_000 else 1024
        table += [
            Row(f"{verb}, {rows:,} rows", stage(verb, rows), against=f"scan, {rows:,} rows", rss_mb=rss_mb)
            for verb in LARGE
        ]
    return table


def growths_of(options: argparse.Namespace) -> list[Growth]:
    """Return what is compared between files of several sizes."""
    return [
        Growth(
            f"{verb}, {rows:,} rows",
            verb,
            times=rows / options.rows,
            time_at_most=1.1 * rows / options.rows,
            rss_at_most=1.3 if rows <= 3 * options.rows else None,
        )
        for rows in options.large_rows
        for verb in LARGE
    ]


def inputs_in(folder: Path, options: argparse.Namespace) -> Inputs:
    """Return where the files are to be."""
    sizes = {500, options.rows, options.peer_rows, *options.large_rows}
    files = {size: folder / f"customers-{size}.csv" for size in sorted(sizes)}
    return Inputs(files, folder / "schema.json", folder / "planned", folder / "upload")


def write(inputs: Inputs, table: list[Row], rows: int) -> None:
    """Write what the lines work on: files, the schema of a store that has what the mapping needs, a run to send."""
    used = {word for row in table for word in row.command}
    planned = {str(inputs.files[rows])} if str(inputs.planned) in used else set()
    subprocess.run([sys.executable, str(BENCH / "stages.py"), "schema", "", str(inputs.schema)], check=True)
    for size, path in inputs.files.items():
        if str(path) in used | planned:
            generator = [sys.executable, str(BENCH / "generate_customers.py"), str(path), "--rows", str(size)]
            subprocess.run(generator, check=True, stderr=subprocess.DEVNULL)
    for source in planned:
        command = [sys.executable, str(BENCH / "sending.py"), "plan", str(inputs.planned), source, str(inputs.schema)]
        subprocess.run(command, check=True)
    if str(inputs.upload) in used:
        with inputs.upload.open("wb") as stream:
            for _ in range(UPLOAD_BYTES // 2**20):
                stream.write(os.urandom(2**20))


def wanted(table: list[Row], only: list[str] | None) -> list[Row]:
    """Return the lines that are asked for, and those they are compared with."""
    if not only:
        return table
    named = [row for row in table if row.name.startswith(tuple(only))]
    return [row for row in table if row in named or row.name in {each.against for each in named}]


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer-rows", type=int, default=100_000, help="rows of the comparison with other tools")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that has pandas and dlt")
    parser.add_argument(
        "--large-rows",
        type=int,
        nargs="*",
        default=[3_000_000],
        help="validate and plan files of so many rows as well, for memory and growth; 3,000,000 alone if not given",
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", action="append", help="only lines that begin so, and what they are compared with")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        inputs = inputs_in(Path(folder), options)
        table = wanted(rows_of(inputs, options), options.only)
        write(inputs, table, options.rows)
        figures = {row.name: Figure() for row in table}
        for _ in range(options.runs):
            for row in table:
                if figures[row.name].missing is None:
                    run_once(row, figures[row.name])
    growths = growths_of(options)
    if options.json:
        print(json.dumps(as_json(table, growths, figures), indent=2))
    else:
        print(*lines_of(table, growths, figures), sep="\n")


if __name__ == "__main__":
    main()
