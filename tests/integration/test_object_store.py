"""Sources in an object store, here one on loopback: every format, patterns, and nothing left behind."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from importer.errors import SourceError
from importer.ports import SourceOptions
from importer.sources import open_source

BUCKET = "crm-exports"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """Run an object store with a bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret-5f1c")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def filled(store: str) -> str:
    """Fill it with one table in every format."""
    from pyarrow import fs

    system = fs.S3FileSystem(endpoint_override=store.removeprefix("http://"), scheme="http", allow_bucket_creation=True)
    system.create_dir(BUCKET)
    frame = pl.DataFrame({"id": ["1", "2"], "email": ["a@example.com", "b@example.com"]})
    parquet, arrow, sheet = io.BytesIO(), io.BytesIO(), io.BytesIO()
    frame.write_excel(sheet)
    frame.write_parquet(parquet)
    frame.write_ipc(arrow)
    objects = {
        "day/a.csv": frame.write_csv().encode(),
        "day/b.csv": frame.write_csv().encode().replace(b"1,", b"3,"),
        "a.parquet": parquet.getvalue(),
        "a.arrow": arrow.getvalue(),
        "a.ndjson": frame.write_ndjson().encode(),
        "a.csv.gz": gzip.compress(frame.write_csv().encode()),
        "a.ndjson.zst": pa.compress(frame.write_ndjson().encode(), "zstd", asbytes=True),
        "a.xlsx": sheet.getvalue(),
    }
    for name, content in objects.items():
        with system.open_output_stream(f"{BUCKET}/{name}", compression=None) as out:
            out.write(content)
    return store


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give temporary files a folder of their own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "name", ["day/a.csv", "a.parquet", "a.arrow", "a.ndjson", "a.csv.gz", "a.ndjson.zst", "a.xlsx"]
)
def test_every_format_is_read_from_a_private_copy_that_goes(filled: str, spool: Path, name: str) -> None:
    """As the file would be; the copy is readable by its owner alone."""
    source = open_source(f"s3://{BUCKET}/{name}", SourceOptions())
    assert source.describe().files[0].name == f"s3://{BUCKET}/{name}"
    assert [oct(path.stat().st_mode)[-3:] for path in spool.iterdir()] == ["600"]
    assert pl.concat([chunk.frame for chunk in source.chunks()])["email"].to_list() == [
        "a@example.com",
        "b@example.com",
    ]
    del source
    assert list(spool.iterdir()) == []


def test_a_pattern_reads_objects_in_the_order_of_their_keys(filled: str, spool: Path) -> None:
    """As one source."""
    source = open_source(f"s3://{BUCKET}/day/*.csv", SourceOptions())
    assert pl.concat([chunk.frame for chunk in source.chunks()])["id"].to_list() == ["1", "2", "3", "2"]


def test_the_same_object_has_the_same_stamp_each_time(filled: str, spool: Path) -> None:
    """So that a run which stopped while it read can be gone on with."""
    stamps = [open_source(f"s3://{BUCKET}/a.parquet", SourceOptions()).describe().files[0].stamp for _ in range(2)]
    assert stamps[0] == stamps[1]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        (f"s3://{BUCKET}/nope.csv", "no such object"),
        (f"s3://{BUCKET}/nope/*.csv", "no such object"),
        ("s3://no-such-bucket/a.csv", "no such object|cannot be read"),
        ("s3://", "not an object's address"),
        ("s3://key:secret@bucket/a.csv", "not an object's address"),
    ],
)
def test_what_cannot_be_fetched_is_refused_and_leaves_nothing(filled: str, spool: Path, name: str, cause: str) -> None:
    """In words of ours: the client's quote keys, and an address may hold one by mistake."""
    with pytest.raises(SourceError, match=cause) as caught:
        open_source(name, SourceOptions())
    assert "secret" not in str(caught.value) + caught.value.hint
    assert list(spool.iterdir()) == []
