"""How the text of a column has to be read to become a trait: formats, words, separators, regions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import phonenumbers

from importer.core.inspect import ColumnProfile, Guess, Meaning
from importer.core.limits import STRING_MAX_CHARS
from importer.core.mapping_checks import quoted
from importer.core.mapping_propose_candidates import Candidate
from importer.core.schema import DataType, Normalization

_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HALF: Final = 0.5
_MOSTLY: Final = 0.9
_ENOUGH: Final = 5
"""Numbers with country code from which their region is taken for that of the others."""

_ALL: Final = 0.995
_CODE_CHARS: Final = 2
_DATE_ORDER: Final = "date-order"
_PLACEHOLDER: Final = "placeholder"
_SERIAL: Final = "date-serial"
_SHORT_YEAR: Final = "two-digit-year"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column is read.

    Attributes:
        options: Keys of the column's target, beside ``to``.
        doubt: Why nobody can tell how to read it, empty where it can be told.
        remarks: What a person should know.
    """

    options: Mapping[str, object] = field(default_factory=dict)
    doubt: str = ""
    remarks: tuple[str, ...] = ()


class Readings:
    """Decides how columns are read, each with an eye on the others.

    Args:
        columns: All of the source.
        null_tokens: Words that the mapping will read as no value.
    """

    def __init__(self, columns: Sequence[ColumnProfile], null_tokens: Sequence[str] = ()) -> None:
        self._null_tokens = frozenset(null_tokens)
        countries = [column for column in columns if column.guess.meaning is Meaning.COUNTRY]
        self._codes = next((column for column in countries if _has_codes(column)), None)
        self._home = next((home for column in countries if (home := _mostly(column.guess.regions))), None)
        self._is_mixed = self._home is None and any(column.guess.regions for column in countries)

    def of(self, column: ColumnProfile, candidate: Candidate) -> Reading:
        """Return how a column is read as a candidate."""
        options: dict[str, object] = {}
        if candidate.data_type is not DataType.STRING:
            # A store that has the trait says the same; one that lacks it would create text.
            options["type"] = candidate.data_type.lower()
        if candidate.id_type is not None:
            options["identifier"] = candidate.id_type
        reading = self._read(column, candidate)
        remarks = (*reading.remarks, *_limits(column, candidate), *self._damage(column, reading))
        return Reading({**options, **reading.options}, reading.doubt, remarks)

    def _read(self, column: ColumnProfile, candidate: Candidate) -> Reading:
        guess = candidate.guess
        if candidate.normalization is Normalization.PHONE:
            return self._phones(guess)
        if candidate.id_type is not None:
            return Reading()
        match candidate.data_type:
            case DataType.BOOLEAN:
                return _words(guess)
            case DataType.ARRAY:
                splits = guess.meaning is Meaning.ARRAY and guess.separator and not column.is_list
                return Reading({"split": guess.separator} if splits else {})
            case DataType.STRING if guess.meaning in {Meaning.DATE, Meaning.DATETIME}:
                return _moments(column, guess)
            case DataType.STRING if guess.meaning is Meaning.CATEGORY and _differ_in_case(column):
                return Reading({"lower": True}, remarks=("some values differ in case only",))
            case DataType.STRING if guess.meaning in {Meaning.NUMBER, Meaning.MONEY}:
                return Reading(remarks=("text, as a NUMBER has no fraction",))
        return Reading()

    def _phones(self, guess: Guess) -> Reading:
        if guess.international_share >= _ALL:
            return Reading()
        if self._codes is not None:
            name = self._codes.name
            remark = f"national numbers are read in the country of their row, {quoted(name)}"
            if self._codes.max_chars > _CODE_CHARS:
                remark += "; they are refused where it is no code of two letters"
            return Reading({"region_from": name}, remarks=(remark,))
        # Numbers with country code are often those of people abroad: rows that say otherwise leave a question.
        spoken = _mostly(guess.regions) if sum(guess.regions.values()) >= _ENOUGH else None
        homes = {home for home in (spoken, self._home) if home is not None}
        if len(homes) == 1 and not self._is_mixed:
            (home,) = homes
            why = "numbers with country code are of" if spoken else "countries of the source are"
            return Reading({"region": home}, remarks=(f"most {why} {home}",))
        remark = "TODO: add `region: XX`, the country of national numbers; without it they are refused"
        open_ = guess.international_share < _HALF
        return Reading(doubt="of which country are the national numbers?" if open_ else "", remarks=(remark,))

    def _damage(self, column: ColumnProfile, reading: Reading) -> Iterator[str]:
        """Say what is damaged and what repairs it; a format reads dates as they are, a repair would write them anew."""
        for finding in column.findings:
            if finding.code == _DATE_ORDER and "format" in reading.options:
                continue
            named = sum(count for word, count in column.null_words.items() if word in self._null_tokens)
            if finding.code == _PLACEHOLDER and named == finding.count:
                yield f"{finding.count:,} with a word of `null_tokens`, so without a value"
            elif finding.fix and finding.repairable:
                yield f"{finding.count:,} with {finding.code}; --fix {finding.fix} repairs {finding.repairable:,}"
            else:
                yield f"{finding.count:,} with {finding.code}"


def _has_codes(column: ColumnProfile) -> bool:
    """Tell whether a column of countries has codes, but for a few names; in those rows no region is known."""
    return column.max_chars == _CODE_CHARS or column.guess.codes_share >= _MOSTLY


def _mostly(regions: Mapping[str, int]) -> str | None:
    """Return the region that nearly all are of, where phone numbers can be read in it."""
    total = sum(regions.values())
    home = max(regions, key=lambda region: regions[region]) if regions else None
    known = home is not None and home in phonenumbers.SUPPORTED_REGIONS
    return home if home is not None and known and regions[home] >= _MOSTLY * total else None


def _words(guess: Guess) -> Reading:
    if guess.meaning is not Meaning.BOOLEAN:
        return Reading(doubt="which words mean true, and which false?")
    words = {"true_values": (guess.true_values, "true"), "false_values": (guess.false_values, "false")}
    options = {key: list(found) for key, (found, usual) in words.items() if found and found != (usual,)}
    return Reading(options)


def _moments(column: ColumnProfile, guess: Guess) -> Reading:
    parse = "date" if guess.meaning is Meaning.DATE else "datetime"
    found = {finding.code for finding in column.findings}
    if _SERIAL in found and not guess.date_format:
        return Reading(
            {"parse": parse}, doubt=f"the days are counted: --fix excel-{_SERIAL}:COLUMN=1900 writes them as dates"
        )
    if _SHORT_YEAR in found:
        short = {"format": guess.date_format.replace("%Y", "%y")} if guess.date_format else {}
        return Reading({"parse": parse, **short}, doubt="years have two digits: is 26 1926 or 2026?")
    if guess.date_format:
        return Reading({"parse": parse, "format": guess.date_format})
    if column.examples and all(_ISO.match(example) for example in column.examples):
        return Reading({"parse": parse})
    wanted = "`format:`, for example %d/%m/%Y or %m/%d/%Y" if parse == "date" else "`format:`, as in %d/%m/%Y %H:%M"
    return Reading({"parse": parse}, doubt=f"how the dates are written is not certain: add {wanted}")


def _differ_in_case(column: ColumnProfile) -> bool:
    return len({example.casefold() for example in column.examples}) < len(column.examples)


def _limits(column: ColumnProfile, candidate: Candidate) -> tuple[str, ...]:
    if candidate.data_type is DataType.STRING and column.max_chars > STRING_MAX_CHARS and not column.is_list:
        return (f"the longest value has {column.max_chars:,} characters; a STRING takes {STRING_MAX_CHARS:,}",)
    return ()
