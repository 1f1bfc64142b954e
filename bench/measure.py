"""Compare the stages of a run with a plain scan of the same file, and with what people would write: `just bench`.

Every figure is a fresh process (`stages.py`, `peers.py`, or the command itself); they run in turn, and the figures are
the median of the runs with the least and the most. Only compare within one run of this program, as a ratio: the speed
of a machine that others use drifts. `docs/performance.md` says what is asked for and what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parent
MAPPING = ROOT / "mappings" / "bench-customers.yaml"
TOOL = [sys.executable, "-m", "importer"]
GOOD_EXITS = (0, 3)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: What is timed.
        command: One fresh process of it.
        inside: Whether it prints its own seconds; else the whole process is timed.
        against: The row it is compared with.
        at_most: The ratio that is asked for; the row's own time in seconds where it is compared with nothing.
        at_least: So many times faster than it, or so many units a second where it is compared with nothing.
    """

    name: str
    command: list[str]
    inside: bool = True
    against: str | None = None
    at_most: float | None = None
    at_least: float | None = None


@dataclass
class Figure:
    """What the runs of a row took: seconds, units a second where it counts them, and the most memory."""

    seconds: list[float] = field(default_factory=list)
    units: int | None = None
    peak_rss_mb: float = 0.0
    missing: str | None = None

    @property
    def median_s(self) -> float:
        """Median of the runs."""
        return statistics.median(self.seconds)


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


def rows_of(files: dict[int, Path], schema: Path, options: argparse.Namespace) -> list[Row]:
    """Return the table's lines in the order in which they run."""
    rows, peer_rows, large_rows, peer_python = (
        options.rows,
        options.peer_rows,
        options.large_rows,
        options.peer_python,
    )

    def stage(name: str, at: int = rows) -> list[str]:
        return [sys.executable, str(BENCH / "stages.py"), name, str(files[at]), str(schema)]

    def peer(name: str) -> list[str]:
        return [peer_python, str(BENCH / "peers.py"), name, str(files[peer_rows])]

    def whole(verb: str, at: int) -> list[str]:
        options = ["--mapping", str(MAPPING), "--emulator", "--runs-dir", str(schema.parent / "runs")]
        return [*TOOL, verb, str(files[at]), *options]

    small = f"validate, {peer_rows:,} rows"
    table = [
        Row("scan", stage("scan")),
        Row("read", stage("read"), against="scan", at_most=2.0),
        Row("read + check + issues", stage("check"), against="scan", at_most=3.2),
        Row("validate", stage("validate"), against="scan", at_most=5.0),
        Row("plan", stage("plan"), against="scan", at_most=7.0),
        Row("send side, rows/s", stage("send"), at_least=300_000),
        Row("phones, values/s", stage("phones"), at_least=1_500_000),
        Row("national phones, values/s", stage("national"), at_least=100_000),
        Row(small, stage("validate", peer_rows)),
        Row("by hand", peer("by hand"), against=small, at_least=8),
        Row("by hand, phonenumbers", peer("by hand, phonenumbers"), against=small, at_least=8),
        Row("pandas and pydantic", peer("pandas and pydantic"), against=small, at_least=30),
        Row("dlt", peer("dlt"), against=small, at_least=5),
        Row("validate, whole process", whole("validate", rows), inside=False, against="scan"),
        Row("plan, whole process", whole("plan", rows), inside=False, against="scan"),
        Row("validate of 500 rows", whole("validate", 500), inside=False, at_most=1.5),
        Row("--help", [*TOOL, "--help"], inside=False, at_most=0.35),
    ]
    if large_rows:
        name = f"scan, {large_rows:,} rows"
        table.append(Row(name, stage("scan", large_rows)))
        table += [Row(f"{verb}, {large_rows:,} rows", stage(verb, large_rows), against=name) for verb in WORK]
    return table


WORK = ("validate", "plan")


def judged(row: Row, figures: dict[str, Figure]) -> tuple[float | None, bool | None]:
    """Return what the row is judged by, and whether it is what is asked for."""
    figure = figures[row.name]
    if row.against is None:
        value = figure.units / figure.median_s if figure.units else figure.median_s
    else:
        value = figure.median_s / figures[row.against].median_s
    if row.at_most is not None:
        return value, value <= row.at_most
    if row.at_least is not None:
        return value, value >= row.at_least
    return (value if row.against is not None else None), None


def show(table: list[Row], figures: dict[str, Figure]) -> None:
    """Print the table."""
    print(f"{'what':<28}{'s median':>10}{'min-max':>16}{'RSS MB':>8}{'ratio':>12}{'asked':>14}")
    for row in table:
        figure = figures[row.name]
        if figure.missing is not None:
            print(f"{row.name:<28}{figure.missing} is not installed: pip install -e .[bench]")
            continue
        value, good = judged(row, figures)
        spread = f"{min(figure.seconds):.2f}-{max(figure.seconds):.2f}"
        ratio = "" if value is None else f"{value:,.0f}" if value > 1000 else f"{value:.2f}"
        asked = f"<= {row.at_most:g}" if row.at_most is not None else ""
        asked = f">= {row.at_least:,.0f}" if row.at_least is not None else asked
        mark = {None: "", True: "  yes", False: "  NO"}[good]
        print(
            f"{row.name:<28}{figure.median_s:>10.2f}{spread:>16}{figure.peak_rss_mb:>8.0f}{ratio:>12}{asked:>14}{mark}"
        )


def make_inputs(folder: Path, sizes: set[int]) -> tuple[dict[int, Path], Path]:
    """Write the files, and the schema of a store that has what the mapping needs."""
    files = {size: folder / f"customers-{size}.csv" for size in sizes}
    for size, path in files.items():
        generator = [sys.executable, str(BENCH / "generate_customers.py"), str(path), "--rows", str(size)]
        subprocess.run(generator, check=True, stderr=subprocess.DEVNULL)
    schema = folder / "schema.json"
    subprocess.run([sys.executable, str(BENCH / "stages.py"), "schema", "", str(schema)], check=True)
    return files, schema


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer-rows", type=int, default=100_000, help="rows of the comparison with other tools")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that has pandas and dlt")
    parser.add_argument("--large-rows", type=int, default=0, help="validate and plan so many rows as well, for memory")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", action="append", help="only lines that begin so, and what they are compared with")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = {500, options.rows, options.peer_rows, *filter(None, [options.large_rows])}
        files, schema = make_inputs(Path(folder), sizes)
        table = rows_of(files, schema, options)
        if options.only:
            wanted = [row for row in table if row.name.startswith(tuple(options.only))]
            table = [row for row in table if row in wanted or row.name in {each.against for each in wanted}]
        figures = {row.name: Figure() for row in table}
        for _ in range(options.runs):
            for row in table:
                if figures[row.name].missing is None:
                    run_once(row, figures[row.name])
    if options.json:
        told = {
            row.name: asdict(figures[row.name])
            | ({} if figures[row.name].missing else {"median_s": figures[row.name].median_s})
            | ({} if figures[row.name].missing else {"judged_by": judged(row, figures)[0]})
            | {"at_most": row.at_most, "at_least": row.at_least}
            for row in table
        }
        print(json.dumps(told, indent=2))
    else:
        show(table, figures)


if __name__ == "__main__":
    main()
