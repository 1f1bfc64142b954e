"""Reads that fail for a while."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from importer.errors import ApiError, RejectedRequestError, RetryableApiError, RunInterrupted
from importer.pipeline.patience import READ_ATTEMPTS, patiently


class Service:
    """Fails with the given errors, one a call, then answers."""

    def __init__(self, *errors: ApiError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def read(self) -> str:
        """Answer or fail."""
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def _busy(retry_after_s: float | None = None) -> RetryableApiError:
    return RetryableApiError("busy", endpoint="GET /x", status=503, retry_after_s=retry_after_s)


def _recorder(waits: list[float], *, stopped: bool = False) -> Callable[[float], bool]:
    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return stopped

    return wait


def test_a_read_goes_on_after_passing_failures() -> None:
    """It waits between its tries, at least as long as the service asked."""
    service, waits = Service(_busy(), _busy(7.0)), list[float]()
    assert patiently(service.read, _recorder(waits)) == "answer"
    assert service.calls == 3
    assert waits[1] >= 7.0


def test_a_read_gives_up_in_the_end() -> None:
    """The last failure is the one that is raised."""
    service = Service(*[_busy() for _ in range(READ_ATTEMPTS + 1)])
    with pytest.raises(RetryableApiError):
        patiently(service.read, _recorder([]))
    assert service.calls == READ_ATTEMPTS


def test_a_refusal_is_not_repeated() -> None:
    """Wrong credentials stay wrong."""
    service = Service(RejectedRequestError("no", endpoint="GET /x", status=401))
    with pytest.raises(RejectedRequestError):
        patiently(service.read, _recorder([]))
    assert service.calls == 1


def test_a_long_wait_is_left_to_the_caller() -> None:
    """A scheduler knows better than a sleeping process when to try again."""
    service, waits = Service(_busy(900.0)), list[float]()
    with pytest.raises(RetryableApiError):
        patiently(service.read, _recorder(waits))
    assert waits == []


def test_a_wish_to_stop_ends_the_wait() -> None:
    """Ctrl-C is obeyed while waiting."""
    with pytest.raises(RunInterrupted):
        patiently(Service(_busy()).read, _recorder([], stopped=True))
