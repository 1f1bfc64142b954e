"""Import parts: created, uploaded, polled, adopted, abandoned."""

from __future__ import annotations

import pytest

from importer.core.delivery import ApiFailure, BatchEntry, BatchSpec, FailureKind, Pin, Trace
from importer.core.engine_messages import (
    Answer,
    CreateImport,
    ImportSeen,
    ImportsListed,
    ListImports,
    PollImport,
    Request,
    SendBulk,
    Upload,
    WorkerFailed,
)
from importer.core.lifecycle import BatchState, FinishReason
from importer.core.route import Route
from tests.support.engine_driver import (
    ACCEPTED,
    DOWN,
    DOWN_500,
    LOST,
    PROCESSED,
    THROTTLED,
    Imports,
    Run,
    bulk,
    parts,
)


@pytest.mark.parametrize(
    ("seen", "state", "code"),
    [
        (ImportSeen("COMPLETED", "", errors=0, warnings=0), BatchState.PROCESSED, None),
        (ImportSeen("COMPLETED", "", errors=1, warnings=0), BatchState.UNATTRIBUTED, "import-errors"),
        (ImportSeen("COMPLETED", "", errors=0, warnings=1), BatchState.UNATTRIBUTED, "import-errors"),
        (ImportSeen("COMPLETED", ""), BatchState.UNATTRIBUTED, "import-no-summary"),
        (ImportSeen("FAILED", ""), BatchState.UNATTRIBUTED, "import-failed"),
        (ImportSeen("PROCESSING", ""), BatchState.UNKNOWN, "not-settled"),
        (ImportSeen("SOMETHING_NEW", ""), BatchState.UNKNOWN, "not-settled"),
    ],
)
def test_an_import_is_judged_by_its_counts(seen: ImportSeen, state: BatchState, code: str | None) -> None:
    """Only a summary of zero errors and zero warnings is processed; one that never ends is unknown after an hour."""
    run = Run(parts(3), Imports(seen)).go()
    assert run.reason is FinishReason.COMPLETED
    assert [run.state(n) for n in range(3)] == [state] * 3
    assert run.batches[0].trace.code == code
    assert sorted(run.discarded) == [0, 1, 2]
    assert run.now_s <= 3700


def test_an_import_is_named_after_run_part_attempt_and_content() -> None:
    """The name tells the import of one attempt from any other."""
    imports = Imports()
    Run(parts(2), imports).go()
    assert list(imports.tasks.values()) == [f"memory-importer.run1.part{n}.attempt1.digest.csv" for n in (0, 1)]


def test_few_parts_are_at_work_at_once_and_do_not_hold_up_bulk() -> None:
    """At most four parts are between creation and settlement, while bodies go out."""
    imports = Imports(ImportSeen("PROCESSING", ""))

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        return ACCEPTED if isinstance(request, SendBulk) else imports(request, now_s)

    run = Run([*parts(6), *bulk(20, first=6)], serve).go(import_deadline_s=100.0)
    created = run.sent(CreateImport)
    assert created[3] < 1
    assert created[4] > 100
    assert max(run.sent(SendBulk)) < 2


@pytest.mark.parametrize(
    "failure", [LOST, DOWN, ApiFailure(FailureKind.RETRYABLE, 403), ApiFailure(FailureKind.PROTOCOL, 302)]
)
def test_an_upload_that_did_not_succeed_is_judged_by_its_import(failure: ApiFailure) -> None:
    """PENDING is abandoned and made anew under another name; anything further is polled."""
    imports = Imports(answers={(Upload, 0): failure})
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.PROCESSED
    arrived = failure is LOST
    assert imports.asked[CreateImport] == (1 if arrived else 2)
    assert imports.asked[Upload] == (1 if arrived else 2)
    assert run.batches[0].trace.filename == list(imports.tasks.values())[-1]


def test_a_part_whose_uploads_never_succeed_stays_behind() -> None:
    """After eight imports the part is left to a resume, not sent; the rest of the run goes on."""
    answers: dict[tuple[type[Request], int], Answer | ApiFailure] = {
        (Upload, n): ApiFailure(FailureKind.RETRYABLE, 403) for n in range(8)
    }
    imports = Imports(answers=answers)
    run = Run(parts(), imports).go()
    assert run.reason is FinishReason.INCOMPLETE
    assert run.rows_by_state() == {"not_sent": 10}
    assert imports.asked[CreateImport] == 8
    assert Run((), imports, batches=run.batches).go(resumed=True).rows_by_state() == {"processed": 10}


BUCKET_DOWN = (ApiFailure(FailureKind.RETRYABLE, 503), ApiFailure(FailureKind.RETRYABLE), LOST)


@pytest.mark.parametrize("failure", BUCKET_DOWN)
def test_a_bucket_that_is_down_for_minutes_costs_no_row(failure: ApiFailure) -> None:
    """While the bucket answers nobody no part is given up; it goes on by itself."""
    imports = Imports()

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        if isinstance(request, Upload) and now_s < 300.0:
            return failure
        return imports(request, now_s)

    run = Run(parts(20), serve).go()
    assert run.reason is FinishReason.COMPLETED
    assert run.rows_by_state() == {"processed": 200}


@pytest.mark.parametrize("later", ["PENDING", "COMPLETED"])
def test_a_state_nobody_knows_says_nothing_of_an_upload_that_was_lost(later: str) -> None:
    """It is asked again: PENDING after it means that the file never came, and that it goes with another import."""
    imports = Imports(answers={(Upload, 0): ApiFailure(FailureKind.RETRYABLE, 503)})
    odd = [ImportSeen("QUEUED", "", 10)] * 3 + [ImportSeen(later, "", 10, errors=0, warnings=0)]

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        if isinstance(request, PollImport) and request.import_id == "imp0" and odd:
            return odd.pop(0)
        return imports(request, now_s)

    run = Run(parts(), serve).go()
    assert run.rows_by_state() == {"processed": 10}
    assert imports.asked[CreateImport] == (2 if later == "PENDING" else 1)
    assert run.now_s < 120


def test_a_bucket_that_stays_down_leaves_its_parts_to_a_resume() -> None:
    """After ten minutes parts are left, not sent, and Bulk bodies went out meanwhile."""
    imports = Imports()

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        if isinstance(request, SendBulk):
            return ACCEPTED
        return BUCKET_DOWN[0] if isinstance(request, Upload) else imports(request, now_s)

    run = Run([*parts(20), *bulk(20, first=20)], serve).go()
    assert run.reason is FinishReason.INCOMPLETE
    assert run.rows_by_state() == {"accepted": 200, "not_sent": 200}
    assert run.now_s < 1200
    assert {request.batch_id for _, request in run.log if isinstance(request, CreateImport)} == {0, 1, 2, 3}
    again = Run((), imports, batches=run.batches).go(resumed=True)
    assert again.rows_by_state() == {"accepted": 200, "processed": 200}


@pytest.mark.parametrize("failure", [DOWN, ApiFailure(FailureKind.RETRYABLE)])
def test_a_spell_of_503_costs_no_part(failure: ApiFailure) -> None:
    """Two minutes in which nothing is answered are waited for, whatever the seed of the jitter."""
    for seed in range(20):
        imports = Imports()

        def serve(request: Request, now_s: float, imports: Imports = imports) -> Answer | ApiFailure:
            return failure if now_s < 120.0 else imports(request, now_s)

        run = Run(parts(3), serve).go(seed=seed)
        assert run.reason is FinishReason.COMPLETED, seed


def test_a_creation_without_an_answer_is_looked_for_and_abandoned() -> None:
    """A lost 201 leaves a PENDING import that nobody can upload to: it is found, left, and another made."""
    imports = Imports(answers={(CreateImport, 0): LOST}, older=3)
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.PROCESSED
    assert imports.asked[CreateImport] == 2
    assert imports.asked[ListImports] == 2
    assert run.batches[0].trace.import_id == "imp1"


def test_an_import_found_further_on_is_adopted() -> None:
    """Where a lost creation turns out to be processed already, it is polled and not made again."""
    imports = Imports()
    name = "memory-importer.run1.part0.attempt1.digest.csv"
    imports.tasks["imp0"] = name
    imports.uploaded.append("imp0")
    entry = BatchEntry(parts()[0], BatchState.CREATING, 1, Trace(filename=name))
    run = Run((), imports, batches={0: entry}).go(resumed=True)
    assert run.state() is BatchState.PROCESSED
    assert imports.asked[CreateImport] == 0
    assert run.batches[0].trace.import_id == "imp0"


@pytest.mark.parametrize(
    ("listing", "get"),
    [
        (ImportsListed(()), None),
        (ApiFailure(FailureKind.REJECTED, 404, 20404), None),
        (ImportsListed(("x", "y")), ApiFailure(FailureKind.REJECTED, 404)),
        (ImportsListed(("x",), None), ImportSeen("PROCESSING", "other.csv", 10)),
        (ImportsListed(("x",), "1"), ImportSeen("PROCESSING", "other.csv", 10)),
    ],
)
def test_a_creation_that_is_nowhere_is_made_anew(listing: Answer | ApiFailure, get: Answer | ApiFailure | None) -> None:
    """An import that is in no list, or cannot be read, was not made; a page token that repeats ends the search."""
    answers: dict[tuple[type[Request], int], Answer | ApiFailure] = {(CreateImport, 0): DOWN_500}
    answers |= {(ListImports, n): listing for n in range(300)}
    if get is not None:
        answers |= {(PollImport, n): get for n in range(2)}
    imports = Imports(answers=answers)
    run = Run(parts(), imports).go(adopt_scan=2)
    assert run.state() is BatchState.PROCESSED
    assert imports.asked[CreateImport] == 2


def test_a_creation_that_was_never_taken_is_sent_again() -> None:
    """429, 503 or no connection: nothing was created, so nothing is looked for."""
    failures = [THROTTLED, DOWN, ApiFailure(FailureKind.RETRYABLE)]
    imports = Imports(answers={(CreateImport, n): failure for n, failure in enumerate(failures)})
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.PROCESSED
    assert imports.asked[ListImports] == 0


def test_a_part_that_cannot_be_created_stays_behind() -> None:
    """A creation that fails again and again does not stop the bodies; the run is resumable for the part."""
    imports = Imports(answers={(CreateImport, n): DOWN_500 for n in range(8)})

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        return ACCEPTED if isinstance(request, SendBulk) else imports(request, now_s)

    run = Run([*parts(), *bulk(20, first=1)], serve).go()
    assert run.reason is FinishReason.INCOMPLETE
    assert run.rows_by_state() == {"accepted": 200, "not_sent": 10}
    again = Run((), serve, batches=run.batches).go(resumed=True)
    assert again.rows_by_state() == {"accepted": 200, "processed": 10}


@pytest.mark.parametrize(
    "at",
    [
        (CreateImport, ApiFailure(FailureKind.REJECTED, 400, 520046)),
        (Upload, ApiFailure(FailureKind.REJECTED, 403)),
    ],
)
def test_a_refused_mapping_or_signature_stops_the_run(at: tuple[type[Request], ApiFailure]) -> None:
    """What no other part can mend ends the run."""
    run = Run(parts(3), Imports(answers={(at[0], 0): at[1]})).go(max_imports=1)
    assert run.reason is FinishReason.REFUSED
    assert run.rows_by_state()["not_sent"] >= 20


def test_an_import_that_is_gone_while_polled_is_unknown() -> None:
    """404 for a part that was uploaded: nobody can say what became of it."""
    imports = Imports(answers={(PollImport, 0): DOWN, (PollImport, 1): ApiFailure(FailureKind.REJECTED, 404)})
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.UNKNOWN


def test_a_part_too_large_is_cut() -> None:
    """A file larger than the service takes becomes two."""
    imports = Imports(answers={(CreateImport, 0): ApiFailure(FailureKind.TOO_LARGE)})
    run = Run(parts(), imports).go()
    assert run.rows_by_state() == {"processed": 10}
    assert run.state() is BatchState.SPLIT
    assert sorted(run.discarded) == [0, 1, 2]


@pytest.mark.parametrize("stop_at_s", [0.05, 0.15, 0.25, 2.25, 4.0])
def test_a_part_is_picked_up_where_it_was_left(stop_at_s: float) -> None:
    """Whenever a process ends, the next one finishes the part with one file processed."""
    imports = Imports(ImportSeen("PROCESSING", ""))
    run = Run(parts(), imports, stop_at_s=stop_at_s).go()
    imports.seen = PROCESSED
    again = Run((), imports, batches=run.batches).go(resumed=True)
    assert again.rows_by_state() == {"processed": 10}
    assert len(imports.uploaded) == 1


def test_an_upload_cut_off_is_checked_first() -> None:
    """A process that died while uploading: the import is asked before a file is sent again."""
    entry = BatchEntry(parts()[0], BatchState.UPLOADING, 1, Trace(import_id="imp0", filename="f"))
    for failure, creations in ((DOWN, 0), (ApiFailure(FailureKind.REJECTED, 404), 1)):
        later = Imports(answers={(PollImport, 0): failure}, tasks={"imp0": "f"}, uploaded=["imp0"])
        run = Run((), later, batches={0: entry}).go(resumed=True)
        assert run.state() is BatchState.PROCESSED
        assert later.asked[CreateImport] == creations


def test_one_row_too_large_for_a_file_is_a_fault() -> None:
    """The plan should never have made such a part."""
    imports = Imports(answers={(CreateImport, 0): ApiFailure(FailureKind.TOO_LARGE)})
    run = Run([BatchSpec(0, Route.IMPORT, 0, 1)], imports).go()
    assert run.reason is FinishReason.FAULT


@pytest.mark.parametrize("kind", [CreateImport, Upload])
def test_a_file_that_could_not_be_read_never_left(kind: type[Request]) -> None:
    """A part whose file fails before its request leaves is not sent; a resume makes another import."""
    imports = Imports()

    def serve(request: Request, now_s: float) -> Answer | ApiFailure | WorkerFailed:
        answer = imports(request, now_s)
        return WorkerFailed(now_s, request.task_id, left=False) if isinstance(request, kind) else answer

    run = Run(parts(), serve).go()
    assert run.reason is FinishReason.FAULT
    assert run.rows_by_state() == {"not_sent": 10}
    assert run.batches[0].trace.import_id is None
    again = Run((), Imports(), batches=run.batches).go(resumed=True)
    assert again.rows_by_state() == {"processed": 10}


def test_a_wait_the_bucket_asks_for_is_kept() -> None:
    """Retry-After of an upload holds as that of any request."""
    imports = Imports(answers={(Upload, 0): ApiFailure(FailureKind.RETRYABLE, 503, None, 30.0)})
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.PROCESSED
    assert run.sent(PollImport)[0] >= 30.2


def test_halves_of_a_part_are_held_to_the_hash_of_the_whole() -> None:
    """A resumed run checks the rows of a part that was cut, before any of them leaves."""
    entry = BatchEntry(parts()[0], BatchState.PENDING)
    imports = Imports(answers={(CreateImport, 0): ApiFailure(FailureKind.TOO_LARGE)})
    run = Run((), imports, batches={0: entry}).go(resumed=True)
    checks = {request.check for _, request in run.log if isinstance(request, CreateImport)}
    assert checks == {Pin(0, 10, "digest")}
