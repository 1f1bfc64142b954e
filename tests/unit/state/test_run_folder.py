"""The folders of runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from importer.core.filled import FilledSet
from importer.core.index import INDEX_SCHEMA
from importer.core.manifest import MANIFEST_VERSION, RunManifest, SourceRecord, Stage, Target, TraitRecord
from importer.core.schema import DataType
from importer.core.wire import WireTrait
from importer.errors import ConfigError, LedgerDamagedError, StateError
from importer.state.run_folder import RunFolder, RunsFolder
from tests.support.fakes import index_of


def manifest(run: RunFolder) -> RunManifest:
    """Make a manifest."""
    return RunManifest(
        run_id=run.run_id,
        command="import",
        created_at="2026-11-22T04:57:27Z",
        stage=Stage.PLANNED,
        target=Target(store_id="s", store_name="shop", host="localhost", api_url="http://localhost"),
        source=SourceRecord(spec=("a.csv",), kind="csv", files=("a.csv",), columns=("x",), fingerprint="f"),
        mapping_name="m.yaml",
        mapping_fingerprint="m",
        schema_fingerprint="s",
        encoder_version=1,
        key=("x",),
        traits=(TraitRecord.of(WireTrait("G.a", "G", "a", DataType.STRING, "email", removable=False, clears=True)),),
    )


def create(runs: RunsFolder, stamp: str) -> RunFolder:
    """Make a run with a manifest."""
    run = runs.create(stamp)
    run.write_manifest(manifest(run))
    return run


def test_a_new_run_is_private_and_kept_out_of_git(tmp_path: Path) -> None:
    """Folders are 0700, a run has its own .gitignore, and so has the folder of all runs if it is ours."""
    run = RunsFolder(tmp_path / "runs").create("20261122-045727")
    for folder in (tmp_path / "runs", run.path, run.package):
        assert folder.stat().st_mode & 0o777 == 0o700
    for folder in (tmp_path / "runs", run.path):
        assert (folder / ".gitignore").read_text() == "*\n"
        assert (folder / ".gitignore").stat().st_mode & 0o777 == 0o600
    assert run.run_id.startswith("20261122-045727-")
    assert run.ledger.parent == run.path


def test_a_folder_that_was_there_keeps_its_mode_and_its_files(tmp_path: Path) -> None:
    """Runs kept in an existing folder hide nothing else in it from git."""
    tmp_path.chmod(0o755)
    run = RunsFolder(tmp_path).create("20261122-045727")
    assert [path.name for path in tmp_path.iterdir()] == [run.run_id]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_runs_of_one_second_have_different_names(tmp_path: Path) -> None:
    """Two runs that begin at once do not share a folder."""
    runs = RunsFolder(tmp_path / "runs")
    assert runs.create("20261122-045727").path != runs.create("20261122-045727").path


def test_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    """Folders without a manifest and other files are no runs; a folder that is not there has none."""
    runs = RunsFolder(tmp_path / "runs")
    assert runs.all() == []
    later, earlier = create(runs, "20261123-000000"), create(runs, "20261122-000000")
    runs.create("20261124-000000")
    (runs.path / "emulator").mkdir()
    (runs.path / "note.txt").touch()
    assert [run.run_id for run in runs.all()] == [earlier.run_id, later.run_id]


def test_a_run_is_found_by_its_name_its_beginning_or_as_the_last(tmp_path: Path) -> None:
    """A beginning has to be that of one run alone."""
    runs = RunsFolder(tmp_path / "runs")
    first, second = create(runs, "20261122-000000"), create(runs, "20261123-000000")
    assert runs.find(first.run_id).path == first.path
    assert runs.find("20261123").path == second.path
    assert runs.find("last").path == second.path
    with pytest.raises(ConfigError, match="more than one run"):
        runs.find("202611")
    with pytest.raises(ConfigError, match="no run"):
        runs.find("../runs")
    with pytest.raises(ConfigError, match="no run"):
        RunsFolder(tmp_path / "nowhere").find("last")


def test_a_whole_name_wins_over_a_longer_one(tmp_path: Path) -> None:
    """A run whose name another one continues is still found by its name."""
    runs = RunsFolder(tmp_path / "runs")
    short = create(runs, "20261122-000000")
    longer = RunFolder(runs.path / f"{short.run_id}0")
    longer.path.mkdir()
    longer.write_manifest(manifest(longer))
    assert runs.find(short.run_id).path == short.path


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    """run.json holds everything, and its sets and traits come back as the encoder knows them."""
    run = RunsFolder(tmp_path / "runs").create("20261122-000000")
    sets = (FilledSet(("G.a",), (), carried=True), FilledSet((), ("G.b",)))
    written = manifest(run).with_sets(sets)
    run.write_manifest(written)
    read = run.read_manifest()
    assert read == written
    assert read.filled_sets() == sets
    assert read.wire_traits() == (WireTrait("G.a", "G", "a", DataType.STRING, "email", removable=False, clears=True),)
    assert (run.path / "run.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"version": 1}', b'{"version": "x"}', b"\xff"])
def test_a_damaged_manifest_is_damaged_state(tmp_path: Path, content: bytes | None) -> None:
    """A manifest that is missing or cannot be read says which file it is, and what to do."""
    run = RunsFolder(tmp_path / "runs").create("20261122-000000")
    if content is not None:
        (run.path / "run.json").write_bytes(content)
    with pytest.raises(StateError, match=rf"{run.run_id}/run\.json is (missing|damaged)") as caught:
        run.read_manifest()
    assert "import the source again" in caught.value.hint


@pytest.mark.parametrize("name", ["20261122-000000", "whole"])
def test_a_run_whose_record_is_lost_is_not_unheard_of(tmp_path: Path, name: str) -> None:
    """A folder of a run without its manifest is damaged state, by its whole name and by its beginning."""
    runs = RunsFolder(tmp_path / "runs")
    lost = create(runs, "20261122-000000")
    (lost.path / "run.json").unlink()
    with pytest.raises(StateError, match=r"run\.json is missing"):
        runs.find(lost.run_id if name == "whole" else name)
    with pytest.raises(ConfigError, match="no run"):
        runs.find("last")
    with pytest.raises(ConfigError, match="no run"):
        runs.find("20261121")


def test_a_file_in_the_way_of_the_runs_folder_is_a_wrong_option(tmp_path: Path) -> None:
    """A runs folder that cannot be one is refused, with the option that names another."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "runs"):
        with pytest.raises(ConfigError, match="in the way") as caught:
            RunsFolder(path).create("20261122-000000")
        assert "--runs-dir" in caught.value.hint


def test_a_ledger_has_to_be_of_this_run_and_store(tmp_path: Path) -> None:
    """The ledger of another run, or one made for another store, says nothing about this one."""
    runs = RunsFolder(tmp_path / "runs")
    one, other = create(runs, "20261122-000000"), create(runs, "20261123-000000")
    for run in (one, other):
        run.create_ledger(run.read_manifest()).close()
    one.open_ledger(one.read_manifest()).close()
    elsewhere = manifest(one).model_copy(
        update={"target": one.read_manifest().target.model_copy(update={"store_id": "t"})}
    )
    with pytest.raises(LedgerDamagedError, match="another run or store") as caught:
        one.open_ledger(elsewhere)
    assert f"resume {one.run_id} --rebuild-ledger" in caught.value.hint
    shutil.copy(other.ledger, one.ledger)
    with pytest.raises(LedgerDamagedError, match=other.run_id):
        one.open_ledger(one.read_manifest(), read_only=True)


def test_a_manifest_of_another_version_says_so(tmp_path: Path) -> None:
    """A newer format is named as such, even where it has fields that this version does not know."""
    run = create(RunsFolder(tmp_path / "runs"), "20261122-000000")
    path = run.path / "run.json"
    newer = json.loads(path.read_bytes()) | {"version": MANIFEST_VERSION + 1, "something_new": []}
    path.write_text(json.dumps(newer))
    with pytest.raises(StateError, match=rf"newer version of this tool \(format {MANIFEST_VERSION + 1};"):
        run.read_manifest()


def test_a_package_begun_anew_forgets_all_of_the_last(tmp_path: Path) -> None:
    """Extra rows, index and order of an interrupted attempt would not fit the new package."""
    run = RunsFolder(tmp_path / "runs").create("20261122-000000")
    rows = pl.DataFrame({"row": [0, 1, 2]})
    with run.writer() as writer:
        writer.append(rows, rows)
    run.reader().append_extra(rows)
    run.write_index(pl.DataFrame(schema=INDEX_SCHEMA))
    run.write_order(pl.DataFrame({"line": [0], "slot": [0]}))
    assert run.has_order()
    assert run.read_index().schema == INDEX_SCHEMA
    assert run.read_order().to_dicts() == [{"line": 0, "slot": 0}]
    with run.writer() as writer:
        writer.append(rows, rows.head(1))
    assert not run.has_order()
    reader = run.reader()
    assert reader.append_extra(rows.tail(1)) == 1
    assert reader.take(np.array([1, 0]))["row"].to_list() == [2, 0]
    reader.close()


def test_a_run_and_its_package_can_be_deleted(tmp_path: Path) -> None:
    """Dropping the package keeps the run's reports; deleting the run keeps nothing."""
    run = create(RunsFolder(tmp_path / "runs"), "20261122-000000")
    with run.writer():
        pass
    run.drop_package()
    assert not run.package.exists()
    with pytest.raises(StateError):
        run.reader()
    assert run.read_manifest().run_id == run.run_id
    run.delete()
    run.delete()
    assert not run.path.exists()


def test_an_index_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Its numbers were wider and its codes plain text; a code that nobody knows is a damaged file."""
    run = RunsFolder(tmp_path / "runs").create("20261122-000000")
    line = dict.fromkeys(INDEX_SCHEMA, 0) | {"state": "held", "code": "merge-group", "carried_by": -1}
    wide = {name: pl.Int64() if dtype.is_integer() else dtype for name, dtype in INDEX_SCHEMA.items()}
    frame = pl.DataFrame([line], schema=wide | {"code": pl.String()})
    run.write_index(frame)
    assert run.read_index().to_dicts() == [line]
    assert run.read_index().schema == INDEX_SCHEMA
    run.write_index(frame.with_columns(code=pl.lit("of-tomorrow")))
    with pytest.raises(StateError, match="damaged"):
        run.read_index()


def test_an_index_written_beside_other_work_takes_its_place_at_the_end(tmp_path: Path) -> None:
    """Until the work is done the old one stays; if it fails, the old one stays and nothing half written does."""
    run = RunsFolder(tmp_path / "runs").create("20261122-000000")
    old, new = index_of({}), index_of({}, {"position": 0})
    run.write_index(old)

    def work(*, fails: bool) -> None:
        with run.index_beside(new):
            assert run.read_index().equals(old)
            if fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(fails=True)
    assert run.read_index().equals(old)
    assert [path.name for path in run.package.iterdir()] == ["index.arrow"]
    work(fails=False)
    assert run.read_index().equals(new)
    assert [path.name for path in run.package.iterdir()] == ["index.arrow"]


def test_an_index_that_cannot_be_written_beside_other_work_is_told(tmp_path: Path) -> None:
    """What goes wrong in the other thread comes out of the block."""
    run = RunsFolder(tmp_path / "runs").create("20261122-000000")
    run.drop_package()
    with pytest.raises(StateError, match=r"index\.arrow"), run.index_beside(index_of({})):
        pass
