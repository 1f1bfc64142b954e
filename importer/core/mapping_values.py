"""Constants of a mapping against the type and the limits of their traits."""

from __future__ import annotations

from typing import Final

import polars as pl

from importer.core import limits
from importer.core.mapping_checks import quoted
from importer.core.schema import DataType, TraitDefinition, ValidationRule

Constant = str | int | bool | tuple[str | int | bool, ...]

_WANTED: Final = {
    DataType.STRING: "a text; quote it",
    DataType.NUMBER: "a whole number without quotes",
    DataType.BOOLEAN: "true or false without quotes",
    DataType.ARRAY: "a list",
}


def constant_fault(value: Constant, trait: TraitDefinition) -> tuple[str, str] | None:
    """Return cause and fix when a constant cannot be a value of the trait, None when it can."""
    kind = type_of_constant(value)
    if kind is not trait.data_type:
        return f"the constant is {kind}, the trait {quoted(trait.ref)} is {trait.data_type}", _WANTED[trait.data_type]
    rule = trait.rule or ValidationRule()
    if isinstance(value, tuple):
        fault = _array_fault(value, rule)
    elif isinstance(value, bool):
        fault = None
    elif isinstance(value, int):
        fault = _number_fault(value, rule)
    else:
        fault = _text_fault(value, rule)
    return (fault, "the store's definition of the trait says so") if fault is not None else None


def type_of_constant(value: Constant) -> DataType:
    """Return the trait type of a constant, by its YAML type."""
    if isinstance(value, tuple):
        return DataType.ARRAY
    if isinstance(value, bool):
        return DataType.BOOLEAN
    return DataType.NUMBER if isinstance(value, int) else DataType.STRING


def _text_fault(value: str, rule: ValidationRule) -> str | None:
    if not value.strip():
        return "the constant is empty"
    if any((ord(char) < 32 and char not in "\t\n") or ord(char) == 127 for char in value):
        return "the constant has a control character"
    most = min(rule.max_length or limits.STRING_MAX_CHARS, limits.STRING_MAX_CHARS)
    if _units(value) > most:
        return f"the constant has more than {most} characters"
    if rule.min_length is not None and len(value) < rule.min_length:
        return f"the constant has fewer than {rule.min_length} characters"
    return "the constant does not match the trait's pattern" if _mismatches(value, rule.pattern) else None


def _units(value: str) -> int:
    return len(value.encode("utf-16-le")) // 2


def _mismatches(value: str, pattern: str | None) -> bool:
    if pattern is None:
        return False
    try:
        return not pl.Series([value]).str.contains(pattern).all()
    except pl.exceptions.PolarsError:
        return False  # a pattern this engine does not have is the service's to check


def _number_fault(value: int, rule: ValidationRule) -> str | None:
    low = max(limits.NUMBER_MIN, rule.min) if rule.min is not None else limits.NUMBER_MIN
    high = min(limits.NUMBER_MAX, rule.max) if rule.max is not None else limits.NUMBER_MAX
    return None if low <= value <= high else f"the constant is not between {low:g} and {high:g}"


def _array_fault(value: tuple[str | int | bool, ...], rule: ValidationRule) -> str | None:
    most = min(rule.max_items if rule.max_items is not None else limits.ARRAY_MAX_ITEMS, limits.ARRAY_MAX_ITEMS)
    if len(value) > most:
        return f"the constant has more than {most} items"
    if rule.min_items is not None and len(value) < rule.min_items:
        return f"the constant has fewer than {rule.min_items} items"
    for item in value:
        if isinstance(item, str):
            fault = _text_fault(item, ValidationRule())
        elif isinstance(item, bool):
            fault = None
        else:
            fault = _number_fault(item, ValidationRule())
        if fault is not None:
            return f"in the list, {fault}"
    return None
