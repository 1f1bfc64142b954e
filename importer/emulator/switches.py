"""Faults that people and tests switch on: what goes wrong, with which requests, and how often.

Pure but for the count of what has passed. A switch says what happens; `misbehaviour`, `bucket` and `apply` do it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import jsonschema_rs
import orjson

from importer.emulator.contract import load_operations
from importer.emulator.problems import Code

BULK = "UpdateProfilesBulk"
UPLOAD = "Upload"
"""The operation name of the PUT to the bucket; it has none in the contract."""
MAX_DELAY_S = 86_400
MAX_COMPLETED_ERRORS = 99
_FIRST_SERVER_ERROR = 500


class Effect(StrEnum):
    """What happens."""

    STATUS = "status"
    """The answer is an error; in the specification the status itself is the name."""
    HTML = "html"
    """The answer is a page, as a proxy between gives it."""
    RESET = "reset"
    """The connection is reset."""
    HANG = "hang"
    """Nothing is answered for `delay_s`, and then the connection is reset."""
    SLOW = "slow"
    """The answer takes `delay_s`, byte by byte."""
    TRUNCATED = "truncated"
    """Half of the answer comes."""
    EXPIRED_URL = "expired-url"
    """The upload URL of a new import has expired already."""
    IMPORT_STUCK = "import-stuck"
    """An uploaded import stays in PROCESSING for ever."""
    IMPORT_FAILED = "import-failed"
    """An uploaded import ends FAILED with `errors`."""
    IMPORT_ERRORS = "import-errors"
    """An uploaded import ends COMPLETED without its first `errors` rows, and with `warnings`."""
    DROP = "drop"
    """An accepted profile is not written, and nothing says so."""
    LATE_REFUSAL = "late-refusal"
    """A profile of an accepted Bulk body is refused when its turn comes; the log alone says so."""


REQUESTS = frozenset({Effect.STATUS, Effect.HTML, Effect.RESET, Effect.HANG, Effect.SLOW, Effect.TRUNCATED})
IMPORTS = frozenset({Effect.IMPORT_STUCK, Effect.IMPORT_FAILED, Effect.IMPORT_ERRORS})
_AFTER = frozenset({Effect.STATUS, Effect.HTML, Effect.RESET, Effect.HANG, Effect.IMPORT_STUCK, Effect.IMPORT_FAILED})
CODES = {
    400: Code.INVALID_REQUEST,
    401: Code.UNAUTHORISED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    409: Code.CONFLICT,
    412: Code.PRECONDITION_FAILED,
    413: Code.BODY_TOO_LARGE,
    429: Code.TOO_MANY_REQUESTS,
    500: Code.INTERNAL,
    503: Code.UNAVAILABLE,
}
"""Statuses that a switch can answer, with the code that goes with each."""
NAMES = (*map(str, CODES), *(effect.value for effect in Effect if effect is not Effect.STATUS))


@dataclass(frozen=True, slots=True)
class Switch:
    """One fault.

    Attributes:
        fault: What it is called: a status, or an effect.
        effect: What happens.
        operations: Operation IDs of the contract, and `Upload`; all those it can concern where empty, except that
            an upload is misused only where it is named.
        skip: So many requests (imports, profiles) pass before the first is hit.
        every: Of those after that, each so many-th is hit.
        probability: And of those, this share, drawn from `seed`.
        count: Hits at most; None goes on until it is switched off.
        seed: Of the draws.
        after: Whether the work is done all the same: a lost answer, an import that did more than it tells.
        status: Status of the answer.
        code: Error code of the answer or the event; None is the usual one.
        retry_after: The header as it is sent; `date:N` is the date in N seconds, the empty text sends none.
        delay_s: How long something takes, in seconds.
        errors: What an import counts.
        warnings: What an import counts.
    """

    fault: str
    effect: Effect
    status: int
    operations: frozenset[str] = frozenset()
    skip: int = 0
    every: int = 1
    probability: float = 1.0
    count: int | None = None
    seed: int = 0
    after: bool = False
    code: int | None = None
    retry_after: str = ""
    delay_s: float = 10.0
    errors: int = 0
    warnings: int = 0

    def concerns(self, operation: str) -> bool:
        """Tell whether it can hit an operation."""
        if self.operations:
            return operation in self.operations
        return operation != UPLOAD or self.effect not in REQUESTS


_COUNT = {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}
_POSITIVE = _COUNT | {"minimum": 1}
_SCHEMA = {
    "type": "object",
    "required": ["fault"],
    "additionalProperties": False,
    "properties": {
        "fault": {"enum": list(NAMES)},
        "operations": {
            "type": "array",
            "items": {"enum": [UPLOAD, *(operation.operation_id for operation in load_operations())]},
        },
        "skip": _COUNT,
        "every": _POSITIVE,
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
        "count": _POSITIVE,
        "seed": {"type": "integer"},
        "after": {"type": "boolean"},
        "status": {"type": "integer", "minimum": 200, "maximum": 599},
        "code": {"type": "integer", "minimum": 100, "maximum": 999_999},
        "retry_after": {"type": "string", "maxLength": 100, "pattern": "^[ -~]*$"},
        "delay_s": {"type": "number", "minimum": 0, "maximum": MAX_DELAY_S},
        "errors": _COUNT,
        "warnings": _COUNT,
    },
}
_VALIDATOR = jsonschema_rs.Draft202012Validator(_SCHEMA)


def read_switch(specification: Mapping[str, Any]) -> Switch:
    """Return the switch of a specification, with the defaults of its fault.

    Raises:
        ValueError: An unknown member or value, or members that do not go together.
    """
    if isinstance(specification, Mapping) and specification.get("fault", NAMES[0]) not in NAMES:
        raise ValueError(f"fault: it must be one of {', '.join(NAMES)}")
    for error in _VALIDATOR.iter_errors(specification):
        place = ".".join(map(str, error.instance_path))
        raise ValueError(f"{place}: {error.message}" if place else error.message)
    given = dict(specification)
    name = given["fault"]
    effect = Effect.STATUS if name.isdecimal() else Effect(name)
    status = int(name) if name.isdecimal() else given.pop("status", 502)
    if "status" in given:
        raise ValueError("status: the fault is a status already")
    if given.get("after") and (effect not in _AFTER or (effect is Effect.STATUS and status < _FIRST_SERVER_ERROR)):
        raise ValueError(f"after: {name} says that nothing was done")
    defaults: dict[str, Any] = {}
    if name == "429":
        defaults["retry_after"] = "1"
    if effect is Effect.HANG:
        defaults["delay_s"] = float(MAX_DELAY_S)
    if effect in (Effect.IMPORT_FAILED, Effect.IMPORT_ERRORS):
        defaults["errors"] = 100 if effect is Effect.IMPORT_FAILED else 1
    operations = frozenset(given.pop("operations", ()))
    switch = Switch(effect=effect, status=status, operations=operations, **defaults | given)
    if effect is Effect.IMPORT_ERRORS and switch.errors > MAX_COMPLETED_ERRORS:
        raise ValueError(f"errors: an import with more than {MAX_COMPLETED_ERRORS} errors does not end COMPLETED")
    return switch


def parse_fault(text: str) -> dict[str, Any]:
    """Return the specification of a command-line option: `FAULT[,KEY=VALUE...]`, operations joined by `+`.

    Raises:
        ValueError: A part has no `=`, or `read_switch` would refuse it.
    """
    name, *parts = text.split(",")
    specification: dict[str, Any] = {"fault": name.strip()}
    for part in parts:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ValueError(f"{part!r}: KEY=VALUE is missing")
        if key == "operations":
            specification[key] = value.split("+")
        elif key == "retry_after":
            specification[key] = value
        else:
            specification[key] = _read_value(value)
    read_switch(specification)
    return specification


def _read_value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


@dataclass(slots=True)
class _Set:
    """A switch that is on, with what it has seen."""

    switch: Switch
    dice: random.Random
    seen: int = 0
    hits: int = 0

    def meet(self) -> bool:
        """Count one more that passes; tell whether it is hit."""
        self.seen += 1
        switch = self.switch
        if switch.count is not None and self.hits >= switch.count:
            return False
        passed = self.seen - switch.skip
        if passed <= 0 or passed % switch.every or self.dice.random() >= switch.probability:
            return False
        self.hits += 1
        return True


@dataclass(slots=True)
class Switchboard:
    """The switches that are on, oldest first; any thread may ask."""

    _set: dict[int, _Set] = field(default_factory=dict)
    _last: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def add(self, specification: Mapping[str, Any]) -> dict[str, Any]:
        """Switch a fault on; return how it is shown. ValueError as `read_switch`."""
        switch = read_switch(specification)
        with self._guard:
            self._last += 1
            # Not a secret: the same seed must hit the same requests.
            self._set[self._last] = _Set(switch, random.Random(switch.seed))
            return self._show(self._last)

    def remove(self, number: int | None = None) -> bool:
        """Switch one off, or all; tell whether there was any."""
        with self._guard:
            gone = [self._set.pop(each, None) for each in (list(self._set) if number is None else [number])]
        return any(gone)

    def show(self) -> list[dict[str, Any]]:
        """Return every switch with how many it has seen and hit."""
        with self._guard:
            return [self._show(number) for number in self._set]

    def _show(self, number: int) -> dict[str, Any]:
        found = self._set[number]
        shown = {key: value for key, value in asdict(found.switch).items() if key != "effect"}
        shown["operations"] = sorted(found.switch.operations)
        return {"id": number, **shown, "seen": found.seen, "hits": found.hits}

    def take(self, effects: Collection[Effect], operation: str) -> Switch | None:
        """Return the first switch that hits what is at hand; those after it do not count it.

        Args:
            effects: What could happen to it.
            operation: What it is or belongs to: an operation ID, or `Upload`.
        """
        if not self._set:
            return None
        with self._guard:
            for found in self._set.values():
                switch = found.switch
                if switch.effect in effects and switch.concerns(operation) and found.meet():
                    return switch
        return None
