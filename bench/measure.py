"""Time `validate` and `plan` against a plain scan of the same file: `python bench/measure.py --rows 1000000`.

Every command is a fresh process, run in turn with the others; figures are the median of the runs, with the least and
the most, and the ratio is to the scan of the same block. Only compare within one run of this program.
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAPPING = ROOT / "mappings" / "bench-customers.yaml"

_SCAN = """
import sys, polars as pl
scan = pl.scan_csv(sys.argv[1], infer_schema=False, truncate_ragged_lines=True)
scan.select(pl.all().str.len_bytes().sum()).collect(engine="streaming")
"""


@dataclass(frozen=True)
class Figure:
    """One command's runs: seconds each, and the highest resident memory."""

    name: str
    seconds: tuple[float, ...]
    peak_rss_mb: float

    @property
    def median_s(self) -> float:
        """Median of the runs."""
        return statistics.median(self.seconds)


def run_once(command: list[str]) -> tuple[float, float]:
    """Return seconds and peak resident megabytes of one process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise SystemExit(f"{command} ended with {process.returncode}")
    return elapsed, usage.ru_maxrss / 1024


def commands(source: Path, runs_dir: Path) -> dict[str, list[str]]:
    """Return what is timed, by name."""
    tool = [sys.executable, "-m", "importer"]
    options = ["--mapping", str(MAPPING), "--emulator", "--runs-dir", str(runs_dir)]
    return {
        "scan": [sys.executable, "-c", _SCAN, str(source)],
        "validate": [*tool, "validate", str(source), *options],
        "plan": [*tool, "plan", str(source), *options],
    }


def measure(source: Path, runs: int) -> list[Figure]:
    """Run every command `runs` times, in turn."""
    seconds: dict[str, list[float]] = {}
    rss: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        timed = commands(source, Path(folder))
        for _ in range(runs):
            for name, command in timed.items():
                elapsed, peak = run_once(command)
                seconds.setdefault(name, []).append(elapsed)
                rss[name] = max(rss.get(name, 0.0), peak)
    return [Figure(name, tuple(values), rss[name]) for name, values in seconds.items()]


def show(figures: list[Figure], rows: int) -> None:
    """Print a table."""
    scan = next(figure for figure in figures if figure.name == "scan")
    print(f"{'what':<10}{'s median':>10}{'min-max':>16}{'rows/s':>12}{'RSS MB':>9}{'x scan':>8}")
    for figure in figures:
        spread = f"{min(figure.seconds):.2f}-{max(figure.seconds):.2f}"
        ratio = figure.median_s / scan.median_s
        rate = rows / figure.median_s
        print(
            f"{figure.name:<10}{figure.median_s:>10.2f}{spread:>16}{rate:>12,.0f}{figure.peak_rss_mb:>9.0f}{ratio:>8.2f}"
        )


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "customers.csv"
        generator = [sys.executable, str(ROOT / "bench" / "generate_customers.py"), str(source)]
        subprocess.run([*generator, "--rows", str(options.rows)], check=True, stdout=subprocess.DEVNULL)
        figures = measure(source, options.runs)
    if options.json:
        print(json.dumps([figure.__dict__ | {"median_s": figure.median_s} for figure in figures], indent=2))
    else:
        show(figures, options.rows)


if __name__ == "__main__":
    main()
