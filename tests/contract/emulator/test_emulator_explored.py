"""Generated requests, sensible and senseless, with IDs that the store knows: no answer is outside the contract."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from importer.emulator import Emulator, EmulatorSettings, contract
from tests.support.explored import KnownIds, seed_store

load_all_checks()
CHECKED = CHECKS.get_by_names(
    [f"{part}_conformance" for part in ("status_code", "content_type", "response_headers", "response_schema")]
)
CREDENTIALS = "Basic " + b64encode(b"key:secret").decode()
LIMIT_S = 20
FIRST_REFUSAL, FIRST_SERVER_ERROR = 400, 500
LEAST_SERVED = 10


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A store with people; absent members of trait definitions are left out, as the contract writes them."""
    with Emulator(":memory:", EmulatorSettings(sparse_nulls=False)) as emulator:
        yield emulator


def cases(known: KnownIds) -> st.SearchStrategy[tuple[Any, str | None]]:
    """Draw a request of any operation, and the credentials it goes with."""
    schema = schemathesis.openapi.from_dict(contract.load_document())
    makers = [
        schema[operation.path][operation.method].as_strategy(generation_mode=mode)
        for operation in contract.load_operations()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ]

    @st.composite
    def draw_case(draw: st.DrawFn) -> tuple[Any, str | None]:
        case = known.fill(draw(makers[draw(st.integers(0, len(makers) - 1))]), draw(st.randoms(use_true_random=False)))
        return case, draw(st.sampled_from([CREDENTIALS] * 19 + [None]))

    return draw_case()


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.soak)])
def test_no_answer_is_outside_the_contract(emulator: Emulator, count: int) -> None:
    """Status, content type, headers and body of every answer are among those the contract names for its operation."""
    known = seed_store(emulator)
    statuses: dict[tuple[str, int], int] = {}

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(cases(known))
    def explore(drawn: tuple[Any, str | None]) -> None:
        case, credentials = drawn
        headers = {} if credentials is None else {"Authorization": credentials}
        answer = case.call(base_url=emulator.api_url, headers=headers, timeout=LIMIT_S)
        key = (case.operation.definition.raw["operationId"], answer.status_code)
        statuses[key] = statuses.get(key, 0) + 1
        assert answer.status_code < FIRST_SERVER_ERROR, answer.text
        case.validate_response(answer, checks=CHECKED)

    explore()
    emulator.wait_idle()
    served = {operation for operation, status in statuses if status < FIRST_REFUSAL}
    assert len(served) > LEAST_SERVED, "requests that are all refused show little"
