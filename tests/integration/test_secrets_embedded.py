"""A program that embeds the importer and logs everything: what it gets to see of secrets and cells is nothing."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import pytest
from pydantic import SecretStr

import importer
from tests.support.canaries import MAPPING, canary_rows, found_in, source_of, texts_in, texts_of
from tests.support.hostile import MARKER, PRESIGNED, SAID, Hostile, hostile_store
from tests.support.interposed import interposed

KEY: Final = "zqapikeyqz"
SECRET: Final = "zqapisecretqz"
ROWS: Final = canary_rows()
CELLS: Final = sorted({text for row in ROWS for text in row.canaries()})
NEVER: Final = (KEY, SECRET, PRESIGNED, SAID, "X-Amz-Signature")


@dataclass(frozen=True)
class Embedded:
    """What a program has in hand after a run, and after one that was turned away.

    Attributes:
        report: Of the run.
        records: Everything any logger said meanwhile, with all that came with it.
        error: What being turned away raised.
    """

    report: importer.Report
    records: list[logging.LogRecord]
    error: importer.ApiError


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Deliver to a service that fails at everything once, polls included, with every logger at its loudest."""
    folder = tmp_path_factory.mktemp("embedded")
    (folder / "source.csv").write_text(source_of(ROWS), encoding="utf-8")
    (folder / "mapping.yaml").write_bytes(orjson.dumps(MAPPING))
    kept, root = _Kept(), logging.getLogger()
    hostile = Hostile(user=f"{KEY}:{SECRET}", polls=True)
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(kept)
    try:
        with hostile_store() as emulator, interposed(emulator, hostile.script, hostile.rewrite) as between:
            between.marker = MARKER
            settings = importer.Settings(
                api_url=between.api.url,
                store_id=emulator.store_id,
                api_key=KEY,
                api_secret=SecretStr(SECRET),
                runs_dir=str(folder / "runs"),
            )
            request = importer.RunRequest(
                source=folder / "source.csv",
                mapping=folder / "mapping.yaml",
                settings=settings,
                options=importer.RunOptions(max_rejected_percent=100.0),
            )
            report = importer.run(request, options=importer.SendOptions(poll_first_s=0.02))
            wrong = settings.model_copy(update={"api_secret": SecretStr(f"{SECRET}-wrong")})
            with pytest.raises(importer.ApiError) as caught:
                importer.validate(importer.RunRequest(request.source, request.mapping, wrong))
            yield Embedded(report, kept.records, caught.value)
    finally:
        root.removeHandler(kept)
        root.setLevel(level)


def test_the_run_met_everything(embedded: Embedded) -> None:
    """Each kind of request, each of its failures, and an end all the same."""
    assert embedded.report.exit_code == 3
    assert {"bulk", "create-import", "upload", "get-import", "get-operation", "lookup"} <= set(embedded.report.requests)
    text = "\n".join(record.getMessage() for record in embedded.records)
    assert all(f"status={status} " in text for status in (200, 201, 202, 400, 401, 429, 500, 502, 503))


def test_no_record_of_any_logger_holds_anything(embedded: Embedded) -> None:
    """Not the message, not its arguments, not what hangs on a record; and the libraries underneath say nothing."""
    names = {record.name for record in embedded.records}
    assert "memory_importer" in names
    assert not {name for name in names if name.startswith(("httpx", "httpcore", "uvicorn"))}
    for record in embedded.records:
        text = f"{record.getMessage()} {record.__dict__!r} {record.exc_text}"
        assert found_in(texts_in(text.encode()), [*NEVER, *CELLS]) == set(), record.name


def test_an_error_holds_nothing(embedded: Embedded) -> None:
    """Neither its text, nor its context, nor the errors it came from."""
    error = embedded.error
    shown = [repr(error), str(error), error.hint, repr(error.context), *traceback.format_exception(error)]
    assert found_in(texts_in("\n".join(shown).encode()), [*NEVER, *CELLS]) == set()
    assert error.status == 401


def test_what_the_service_said_is_in_no_file(embedded: Embedded) -> None:
    """Unknown states of polls, messages, presigned URLs: the ledger keeps IDs and numbers."""
    for path in Path(embedded.report.folder or "").rglob("*"):
        if path.is_file():
            assert found_in(texts_of(path), NEVER) == set(), path


def test_a_report_holds_no_cell(embedded: Embedded) -> None:
    """It is what programs pass on."""
    assert found_in(texts_in(embedded.report.model_dump_json().encode()), [*NEVER, *CELLS]) == set()
