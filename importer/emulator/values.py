"""Trait values: what the declared type and the validation rule of a trait allow.

Pure. Every check is a JSON Schema made from the trait definitions and compiled once, so that a body of a
thousand profiles is judged in well under a millisecond; the places of faults are looked for only when it fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema_rs

from importer.emulator.contract import describe, to_pointer
from importer.emulator.problems import Fault

MAX_STRING_CHARS = 1024
MAX_ARRAY_ITEMS = 100
INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}
_INTEGER_TEXT = re.compile(r"-?(0|[1-9][0-9]{0,9})")
_STRING: dict[str, Any] = {"type": "string", "maxLength": MAX_STRING_CHARS}
_TYPES: dict[str, dict[str, Any]] = {
    "STRING": _STRING,
    "NUMBER": {"type": "integer", **INT32},
    "BOOLEAN": {"type": "boolean"},
    "ARRAY": {
        "type": "array",
        "maxItems": MAX_ARRAY_ITEMS,
        "items": {"anyOf": [_STRING, {"type": "integer", **INT32}, {"type": "boolean"}]},
    },
}
_RULES = {
    "STRING": {"pattern": "pattern", "minLength": "minLength", "maxLength": "maxLength"},
    "NUMBER": {"min": "minimum", "max": "maximum"},
    "BOOLEAN": {},
    "ARRAY": {"minItems": "minItems", "maxItems": "maxItems"},
}

Definition = Mapping[str, Any]
Groups = Mapping[str, Mapping[str, Definition]]
INVALID = object()


def compile_values(schema: dict[str, Any]) -> jsonschema_rs.Draft4Validator:
    """Compile a schema of values; patterns run in linear time."""
    return jsonschema_rs.Draft4Validator(schema, pattern_options=jsonschema_rs.RegexOptions())


def is_pattern(pattern: str) -> bool:
    """Tell whether a pattern is one this service can apply."""
    try:
        compile_values({"pattern": pattern})
    except (ValueError, jsonschema_rs.ValidationError):
        return False
    return True


def build_trait_schema(definition: Definition) -> dict[str, Any]:
    """Return the JSON Schema of one trait's values; both its type's limits and its rule apply."""
    kind = definition["dataType"]
    rule = definition.get("validationRule") or {}
    own = {target: rule[name] for name, target in _RULES[kind].items() if rule.get(name) is not None}
    return {"allOf": [_TYPES[kind], own]} if own else _TYPES[kind]


def build_traits_schema(groups: Groups, *, nulls: bool) -> dict[str, Any]:
    """Return the JSON Schema of a profile's `traits`; with nulls, a null stands for a removal."""

    def wrap(definition: Definition) -> dict[str, Any]:
        schema = build_trait_schema(definition)
        return {"anyOf": [schema, {"type": "null"}]} if nulls else schema

    properties = {
        group: {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: wrap(definition) for name, definition in traits.items()},
        }
        for group, traits in groups.items()
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def find_faults(
    validator: jsonschema_rs.Draft4Validator, entries: object, prefix: Sequence[str | int], skip: int = 0
) -> dict[int, list[Fault]]:
    """Return the faults of a list's entries by position.

    Args:
        validator: A schema of the list.
        entries: The list.
        prefix: Where the list is in the request body.
        skip: Leading steps that are no part of the place: 1 where the list is ours and not the body's.
    """
    faults: dict[int, list[Fault]] = {}
    for error in validator.iter_errors(entries):
        path = [*error.instance_path]
        for place in _places(error, path):
            shown = [*prefix, *place[skip:]]
            faults.setdefault(int(path[0]), []).append(Fault(to_pointer(shown), _say(error, shown)))
    return faults


def _places(error: jsonschema_rs.ValidationError, path: list[str | int]) -> list[list[str | int]]:
    unexpected = error.kind.as_dict().get("unexpected")
    return [[*path, name] for name in unexpected] if unexpected else [path]


def _say(error: jsonschema_rs.ValidationError, place: Sequence[str | int]) -> str:
    if error.kind.name != "additionalProperties":
        return describe(error)
    return "the trait group does not exist" if place[-2:-1] == ["traits"] else "the trait does not exist"


def parse_cell(kind: str, text: str) -> Any:
    """Return the typed value of an import cell, or INVALID; how an array is written is not documented."""
    if kind == "STRING":
        return text
    if kind == "NUMBER":
        return int(text) if _INTEGER_TEXT.fullmatch(text) else INVALID
    if kind == "BOOLEAN":
        return {"true": True, "false": False}.get(text, INVALID)
    return INVALID
