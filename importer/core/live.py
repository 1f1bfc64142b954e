"""How a run that has not ended stands at this moment: what `status` knows beyond a report."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class LastError(_Model):
    """The last request of a run that did not succeed.

    Attributes:
        at: When its answer came, or was given up; UTC, ISO 8601.
        request: Kind of request.
        kind: What may be done about it, for example ``retryable``.
        http_status: Status of the answer; None without one.
        service_code: The service's own code.
        request_id: ``twilio-request-id`` of the answer.
    """

    at: str
    request: str
    kind: str
    http_status: int | None = None
    service_code: int | None = None
    request_id: str | None = None


class Live(_Model):
    """A run that has not ended.

    Attributes:
        at: When this was looked up, UTC, ISO 8601.
        running: Whether a process works on the run.
        pid: Of that process; None when it did not say.
        stage: What the process does: ``read and check``, ``identity``, ``plan``, ``question`` (it waits for an answer
            on its terminal), ``send``, ``report`` (it writes the outcomes), ``open`` (it has not begun yet). None when
            no process works on it.
        stage_done: Rows done of that stage.
        stage_total: Of so many rows; None when unknown.
        rows_to_send: Rows in the send order.
        rows_left: Those of them that the service has not taken.
        batches: Batches and parts by state.
        attempts: Requests that carried or prepared rows and were answered or given up.
        failures: Those of them that failed in a way that may pass, so that they are sent again.
        throttled: Those of them that were answered 429.
        rows_per_s: Rows the service took a second, over the last minute; None when that is not known.
        left_s: Seconds until all rows are taken at that rate; None when that is not known.
        wait_s: Seconds that all requests still wait, because the service asked for it or fails; None when not known.
        in_flight: Requests out.
        one_at_a_time: Rows of merge groups that are left, each of which waits for the one before it: `left_s` is
            without them. None when not known.
        last_error: The last request that did not succeed.
    """

    at: str
    running: bool
    pid: int | None = None
    stage: str | None = None
    stage_done: Count | None = None
    stage_total: Count | None = None
    rows_to_send: Count = 0
    rows_left: Count = 0
    batches: dict[str, Count] = Field(default_factory=dict)
    attempts: Count = 0
    failures: Count = 0
    throttled: Count = 0
    rows_per_s: float | None = None
    left_s: float | None = None
    wait_s: float | None = None
    in_flight: Count | None = None
    one_at_a_time: Count | None = None
    last_error: LastError | None = None
