"""What `resume` and `import --plan` take on the command line: numbers of groups, and a yes to an old package."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from importer.cli.main import cli
from importer.errors import ConfigError
from importer.state.run_folder import RunFolder
from importer.wiring.runs import plan
from tests.support.runs import Workbench, workbench
from tests.support.strict_store import MAPPING, people, write_source


def command(*arguments: str, runs_dir: Path, bench: Workbench | None = None) -> Result:
    """Run a command in this process, without a terminal."""
    environment = {"MEMORY_RUNS_DIR": str(runs_dir)}
    if bench is not None:
        environment |= {"MEMORY_API_URL": bench.emulator.api_url}
        environment |= {"TWILIO_API_KEY": "key", "TWILIO_API_SECRET": "secret"}
    return CliRunner().invoke(cli, arguments, env=environment)


@pytest.mark.parametrize("option", ["--release", "--hold"])
@pytest.mark.parametrize("content", [b"1,\xff", b"one, two", b"", b" \n,\n"])
def test_a_file_without_group_numbers_is_refused(tmp_path: Path, option: str, content: bytes) -> None:
    """Also one that holds nothing: no number at all must never mean every group."""
    path = tmp_path / "groups.txt"
    path.write_bytes(content)
    for text in (str(path), ",", "", str(tmp_path), "x" * 5000):
        ended = command("resume", "last", option, text, runs_dir=tmp_path / "runs")
        assert isinstance(ended.exception, ConfigError), ended.output
        assert ended.exception.message == f"{option} takes `all`, group numbers, or a file of them"


def test_many_group_numbers_are_no_name_of_a_file(tmp_path: Path) -> None:
    """However long the list, and in a file too: what is refused is that there is no run."""
    numbers = ",".join(map(str, range(2000)))
    path = tmp_path / "groups.txt"
    path.write_text(numbers.replace(",", "\n"), encoding="utf-8")
    for text in (numbers, str(path)):
        ended = command("resume", "last", "--release", text, runs_dir=tmp_path / "runs")
        assert isinstance(ended.exception, ConfigError), ended.output
        assert "there is no run" in ended.exception.message


def test_an_old_plan_is_sent_by_the_option_its_refusal_names(tmp_path: Path) -> None:
    """`import --plan` takes --stale-ok, as `resume` does."""
    with workbench(tmp_path / "bench", MAPPING) as bench:
        report = plan(bench.request(write_source(bench, *people(2))))
        folder = RunFolder(Path(report.folder or ""))
        folder.write_manifest(folder.read_manifest().model_copy(update={"created_at": "2026-01-01T00:00:00Z"}))
        send = ("import", "--plan", "last", "--yes")
        refused = command(*send, runs_dir=folder.path.parent, bench=bench)
        assert isinstance(refused.exception, ConfigError), refused.output
        assert "--stale-ok" in refused.exception.hint
        ended = command(*send, "--stale-ok", runs_dir=folder.path.parent, bench=bench)
        assert ended.exit_code == 0, ended.output
        assert len(bench.stored()) == 2
