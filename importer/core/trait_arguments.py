"""Traits as they are written on a command line, ``Group.trait=value``, with the types that the store has."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from importer.core.limits import ARRAY_MAX_ITEMS, NUMBER_MAX, NUMBER_MIN, STRING_MAX_CHARS
from importer.core.schema import DataType, TraitDefinition
from importer.errors import ConfigError

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,10}")
_REF: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,128}")
_BOOLEANS: Final = {"true": True, "false": False}

Values = dict[str, dict[str, object]]
"""Values by group and trait; None removes one."""


def read_traits(texts: Sequence[str], removed: Sequence[str], traits: Mapping[str, TraitDefinition]) -> Values:
    """Return the traits that are named, each with a value of its type.

    Args:
        texts: ``Group.trait=value``; NUMBER in digits, BOOLEAN as true or false, ARRAY as JSON.
        removed: ``Group.trait`` of traits to remove, which is what None stands for.
        traits: What the store has, by ``Group.trait``.

    Raises:
        ConfigError: a trait is unknown, named twice, or its value is not of its type; values are not quoted.

    Example:
        >>> points = TraitDefinition("Loyalty", "points", DataType.NUMBER)
        >>> read_traits(["Loyalty.points=7"], [], {"Loyalty.points": points})
        {'Loyalty': {'points': 7}}
    """
    found: Values = {}
    problems: list[str] = []
    parts = [text.partition("=") for text in texts]
    named = [(ref, value if equals else None) for ref, equals, value in parts] + [(ref, "") for ref in removed]
    seen: set[str] = set()
    for number, (ref, text) in enumerate(named):
        trait = traits.get(ref)
        is_removal = number >= len(parts)
        if text is None:
            problems.append(f"argument {number + 1} has no `=`")
        elif trait is None:
            problems.append(_unknown(ref, traits))
        elif ref in seen:
            problems.append(f"{ref} is named twice")
        else:
            seen.add(ref)
            value = None if is_removal else _value(trait, text)
            if value is _WRONG:
                problems.append(f"{ref} takes {_TAKES[trait.data_type]}")
            else:
                found.setdefault(trait.group, {})[trait.name] = value
    if problems:
        raise ConfigError(
            "; ".join(problems), hint="write Group.trait=value; `schema show` lists the traits and their types"
        )
    return found


_WRONG: Final = object()
_TAKES: Final = {
    DataType.STRING: f"at most {STRING_MAX_CHARS:,} characters",
    DataType.NUMBER: f"a whole number from {NUMBER_MIN} to {NUMBER_MAX}",
    DataType.BOOLEAN: "true or false",
    DataType.ARRAY: f"a JSON array of at most {ARRAY_MAX_ITEMS} texts, whole numbers or true and false",
}


def _value(trait: TraitDefinition, text: str) -> object:
    match trait.data_type:
        case DataType.NUMBER:
            number = int(text) if _NUMBER.fullmatch(text) else None
            return number if number is not None and NUMBER_MIN <= number <= NUMBER_MAX else _WRONG
        case DataType.BOOLEAN:
            return _BOOLEANS.get(text.lower(), _WRONG)
        case DataType.ARRAY:
            return _array(text)
        case DataType.STRING:
            return text if len(text.encode("utf-16-le", "surrogatepass")) // 2 <= STRING_MAX_CHARS else _WRONG


def _array(text: str) -> object:
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _WRONG
    is_fine = isinstance(items, list) and len(items) <= ARRAY_MAX_ITEMS
    return items if is_fine and all(isinstance(item, str | int) for item in items) else _WRONG


def _unknown(ref: str, traits: Mapping[str, TraitDefinition]) -> str:
    if not _REF.fullmatch(ref):  # a value, perhaps, in the place of a name
        return "the store has no trait of a name that is given"
    near = difflib.get_close_matches(ref, traits, n=1)
    return f"the store has no trait {ref}" + (f" (is it {near[0]}?)" if near else "")
