"""Checks of single values of a mapping file, each ending in a cause and a fix.

They raise `PydanticCustomError` with ``message`` and ``fix``, the two halves of a `Problem`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any, Final

import phonenumbers
import polars as pl
from pydantic_core import PydanticCustomError

from importer.core.ids import is_store_id
from importer.core.limits import ID_TYPE_MAX_CHARS, ID_TYPE_MIN_CHARS, NAME_MAX_CHARS

MAX_CANDIDATES: Final = 2000
"""Beyond this many names a fuzzy search costs seconds; only spelling variants are looked for."""

_UNWANTED_DELIMITERS: Final = frozenset("\"\r\n\0'")
_ZONE_DIRECTIVES: Final = ("%z", "%:z", "%::z", "%#z", "%+")


def refuse(message: str, fix: str = "") -> PydanticCustomError:
    """Return the exception for one bad value."""
    return PydanticCustomError("mapping", "{message}", {"message": message, "fix": fix})


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` was probably meant to be, None when there is none like it.

    Example:
        >>> nearest("delimeter", ["encoding", "delimiter"])
        'delimiter'
    """
    names = list(dict.fromkeys(candidates))
    folded = {_folded(candidate): candidate for candidate in reversed(names)}
    same = folded.get(_folded(name))
    if same is not None:
        return same
    if len(names) > MAX_CANDIDATES or len(name) > 200:
        return None
    close = get_close_matches(_folded(name), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(name: str, candidates: Iterable[str], otherwise: str = "") -> str:
    """Return ``did you mean `x`?``, or `otherwise` when nothing is near."""
    close = nearest(name, candidates)
    return f"did you mean {quoted(close)}?" if close is not None else otherwise


def quote_it(text: str) -> str:
    """Return the fix for a text that YAML reads as something else; a long one is not repeated."""
    return f'quote it: "{text}"' if len(text) <= 100 else "put it between quotes"


def quoted(name: str) -> str:
    """Show a name between backticks, with what cannot be seen escaped and long names cut."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
    return f"`{shown if len(shown) <= 100 else shown[:97] + '...'}`"


def _folded(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()


def check_store_id(value: str) -> str:
    """Refuse what does not look like a store ID."""
    if not is_store_id(value):
        raise refuse("this is not a store ID", "it is `mem_store_` and 26 lower-case letters and digits")
    return value


def check_trait_ref(value: str) -> str:
    """Refuse what is not ``Group.trait``."""
    group, dot, trait = value.partition(".")
    if not (group and dot and trait):
        raise refuse(f"{quoted(value)} is not of the form `Group.trait`", "for example `Contact.email`")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", group) or not trait.isprintable() or value != value.strip():
        raise refuse(f"{quoted(value)} is not a trait's name", "group names are letters, digits, `_`, `-` and `.`")
    if len(value) > 2 * NAME_MAX_CHARS + 1:
        raise refuse(f"{quoted(value)} is too long", f"group and trait have at most {NAME_MAX_CHARS} characters each")
    return value


def check_id_type(value: str) -> str:
    """Refuse an identifier type of a length the service does not take."""
    if not ID_TYPE_MIN_CHARS <= len(value) <= ID_TYPE_MAX_CHARS or value != value.strip() or not value.isprintable():
        raise refuse(
            f"{quoted(value)} is not an identifier type",
            f"its name has {ID_TYPE_MIN_CHARS} to {ID_TYPE_MAX_CHARS} characters, for example `email`",
        )
    return value


def check_region(value: str) -> str:
    """Refuse a region the phone metadata does not know."""
    regions = phonenumbers.SUPPORTED_REGIONS
    if value not in regions:
        known = value.upper() if value.upper() in regions else None
        fix = f"did you mean `{known}`?" if known else "two letters of ISO 3166, for example US, GB, DE"
        raise refuse(f"{quoted(value)} is not a region", fix)
    return value


def check_delimiter(value: str) -> str:
    """Refuse a delimiter that is not one usable character; backslash and t stand for a tab."""
    if value == "auto":
        return value
    if value in {"\\t", "tab"}:
        return "\t"
    if len(value) != 1 or not value.isascii() or value.isalnum() or value in _UNWANTED_DELIMITERS:
        raise refuse(f"{quoted(value)} is not a delimiter", 'one character such as ",", ";", "|" or "\\t", or `auto`')
    return value


def check_encoding(value: str) -> str:
    """Refuse what is not the name of a text encoding."""
    try:
        "a".encode(value if value != "auto" else "utf-8")
    except (LookupError, ValueError):
        raise refuse(f"{quoted(value)} is not an encoding", "for example utf-8, latin-1, cp1252, or `auto`") from None
    return value


def check_time_zone(value: str) -> str:
    """Refuse a time zone that is not in the IANA database."""
    try:
        known = bool(value) and pl.Series([datetime(2001, 2, 3)]).dt.replace_time_zone(value).len()  # noqa: DTZ001
    except pl.exceptions.PolarsError:
        known = False
    if not known:
        raise refuse(f"{quoted(value)} is not a time zone", "an IANA name, for example `Europe/Berlin` or `UTC`")
    return value


def check_format(value: str, *, with_time: bool) -> str:
    """Refuse a format that does not read back the moment it writes.

    That one test finds unknown directives as well as formats that leave the day or the hour open.
    """
    moment = pl.Series([datetime(2001, 2, 3, 16, 5)])  # noqa: DTZ001 - a sample, not a time of anything
    zoned = any(directive in value for directive in _ZONE_DIRECTIVES)
    day = pl.Series([date(2001, 2, 3)])
    try:
        if with_time:
            written = (moment.dt.replace_time_zone("UTC") if zoned else moment).dt.strftime(value.replace("%#z", "%z"))
            back = written.str.to_datetime(value, time_unit="us", strict=False)
            same = back.dt.replace_time_zone(None).to_list() == moment.to_list()
        else:
            same = day.dt.strftime(value).str.to_date(value, strict=False).to_list() == day.to_list()
    except pl.exceptions.PolarsError:
        same = False
    if not same:
        part = "date and time" if with_time else "date"
        example = "%d/%m/%Y %H:%M" if with_time else "%d/%m/%Y"
        raise refuse(f"the format {quoted(value)} does not read a {part}", f'for example "{example}"')
    return value


def check_words(true_values: Iterable[str], false_values: Iterable[str]) -> None:
    """Refuse a word that means both true and false."""
    both = sorted({word.lower() for word in true_values} & {word.lower() for word in false_values})
    if both:
        raise refuse(f"{quoted(both[0])} is in `true_values` and in `false_values`", "keep it in one of them")


def check_replace(replace: Mapping[str, str], *, lower: bool, upper: bool) -> None:
    """Refuse replacements that can never happen, and those that would empty a value."""
    for old, new in replace.items():
        if (lower and old != old.lower()) or (upper and old != old.upper()):
            case = "lower" if lower else "upper"
            raise refuse(f"{quoted(old)} can never match: `{case}` comes first", f"write it in {case} case")
        if old != old.strip():
            raise refuse(f"{quoted(old)} can never match: values are trimmed first", "take the spaces away")
        if not new.strip():
            raise refuse(f"the replacement of {quoted(old)} is empty", "add the word to `source: {null_tokens: ..}`")


def as_tuple(value: Any) -> Any:
    """Let one text stand for a list of one, and make lists immutable."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def check_constant(value: Any) -> Any:
    """Refuse what is not a text, a whole number, a truth value or a flat list of one kind of them."""
    if isinstance(value, list | tuple):
        kinds = {type(item) for item in value}
        if not value or len(kinds) > 1 or not kinds <= {str, int, bool}:
            raise refuse("a list has at least one item, all texts, all whole numbers or all true/false", "quote texts")
        return tuple(value)
    if not isinstance(value, str | int | bool):
        what = "a fraction" if isinstance(value, float) else "nothing" if value is None else "a mapping"
        raise refuse(
            f"a constant is a text, a whole number, true, false or a list, not {what}", "quote it if it is text"
        )
    return value
