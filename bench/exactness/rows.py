"""Rows in order, each with what is to be said of it.

Identifiers of good rows are unique by construction, but for the pairs that are meant to meet: a pair's second row
comes up to `FARTHEST` rows after the first, so that many are in different chunks of a reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bench.exactness.flaws import CELLS, COLUMNS, DOUBTS, ERROR, GOOD, REQUIRED, WARNING, Flaw

FARTHEST: Final = 15_000
MALFORMED: Final = "malformed-row"
MALFORMATIONS: Final = ("short", "stump", "long", "trailing", "nul", "bytes", "surrogate", "cut", "backslash")
"""How a line is no row; `bench.exactness.__main__` writes them."""

_FLAWED: Final = 0.06
_TWICE: Final = 0.2
_DOUBTFUL: Final = 0.01
_EMPTY: Final = 0.005
_PAIRED: Final = 0.03
_MALFORMED: Final = 0.01
_BLANK: Final = 0.005
_TRICKY: Final = 0.03
_MISSING: Final = 0.06
_NOTHING: Final = frozenset({"", "\\N"})

_AREAS: Final = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228)
_EXCHANGES: Final = (958, 959, *range(230, 430))
_ABROAD: Final = (("GB", "44", "0", 7_410_000_000), ("DE", "49", "0", 15_100_000_000), ("ES", "34", "", 610_000_000))
_DOUBTED: Final = tuple((flaw, text) for flaw in DOUBTS for text in flaw.texts or ("",))
_FIRST: Final = ("Olivia", "Liam", "Emma", "Noah", "Bj\u00f6rn", "Priya", "Mei", "Rafael")
_LAST: Final = ("Smith", "Johnson", "Nelson", "Wei\u00df", "Garc\u00eda", "Novak", "Lee", "Okafor")

Issue = tuple[str, str, str]
"""Code, severity and column."""


@dataclass
class Row:
    """One row to write.

    Attributes:
        number: Row number, from 1.
        cells: Text by column.
        state: What becomes of it before anything is sent.
        issues: What is to be reported, and nothing else.
        kind: ``row``, ``blank``, or how it is malformed.
    """

    number: int
    cells: dict[str, str]
    state: str = "planned"
    issues: list[Issue] = field(default_factory=list)
    kind: str = "row"

    def add(self, code: str, severity: str, column: str = "") -> None:
        """Note an issue; an error rejects the row."""
        self.issues.append((code, severity, column))
        if severity == ERROR:
            self.state = "rejected"


@dataclass(frozen=True)
class Kind:
    """What may be wrong with the rows of a file.

    Attributes:
        tables_only: Leaves out what only a text file can have.
        strict: The mapping requires a badge: every good row has one, and no row lacks all else.
    """

    tables_only: bool = False
    strict: bool = False

    def flaws(self) -> list[tuple[Flaw, str]]:
        """Return the flaws of cells, each with its texts."""
        return [(flaw, text) for flaw in CELLS + (REQUIRED if self.strict else ()) for text in flaw.texts or ("",)]


def draw_rows(count: int, seed: int, kind: Kind) -> Iterator[Row]:
    """Yield rows from 1 to `count`."""
    dice = Random(seed)
    flaws = kind.flaws()
    waiting: dict[int, Row] = {}
    for number in range(1, count + 1):
        row = waiting.pop(number, None)
        if row is None:
            row = _draw(dice, number, kind, flaws)
            if row.state == "planned" and not row.issues and dice.random() < _PAIRED:
                _pair(dice, row, waiting, count, kind)
        yield row


def _draw(dice: Random, number: int, kind: Kind, flaws: Sequence[tuple[Flaw, str]]) -> Row:
    row = Row(number, _good_cells(dice, number, kind))
    chance = dice.random()
    if chance < _FLAWED:
        _flaw(dice, row, flaws)
    elif chance < _FLAWED + _DOUBTFUL:
        _put(row, *dice.choice(_DOUBTED))
    elif chance < _FLAWED + _DOUBTFUL + _EMPTY and not kind.strict:
        _empty(dice, row)
    elif chance > 1 - _MALFORMED and not kind.tables_only:
        row.kind = dice.choice(MALFORMATIONS)
        row.add(MALFORMED, ERROR)
    elif chance > 1 - _MALFORMED - _BLANK and not kind.tables_only:
        row.kind, row.state = "blank", "skipped"
        row.cells["name"] = dice.choice(("", "", " ", "\t", "commas"))
    else:
        _look_odd(dice, row)
    return row


def _good_cells(dice: Random, number: int, kind: Kind) -> dict[str, str]:
    mobile, country = _phone(dice, number)
    cells = {
        "customer_id": f"C-{number}",
        "name": f"{dice.choice(_FIRST)} {dice.choice(_LAST)}",
        "email": f"person.{number}@example.com",
        "mobile": mobile,
        "country": country,
        "badge": f"B-{number}",
        "city": "Salt Lake City",
        "postcode": f"{dice.randrange(100_000):05}",
        "plan": f"PL-{dice.randrange(10_000):04}",
        "tier": dice.choice(("basic", "silver", "gold")),
        "points": str(dice.randrange(10, 100_000)),
        "balance": str(dice.randrange(-50_000, 50_000)),
        "subscribed": dice.choice(("yes", "no")),
        "colours": dice.choice(("red", "green|blue", "black|white|red")),
        "tags": dice.choice(('["a","b"]', "[1,2,3]")),
        "marks": '["x"]',
        "birth_date": f"{dice.randrange(1, 29):02}/{dice.randrange(1, 13):02}/{dice.randrange(1940, 2008)}",
        "signed_up": f"{dice.randrange(2015, 2026)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}",
        "seen_at": f"2026-0{dice.randrange(1, 10)}-1{dice.randrange(10)}T1{dice.randrange(10)}:30:00Z",
        "notes": "Prefers to be called in the morning; two dogs, one cat.",
    }
    if dice.random() < 0.5:  # half of the rows are whole
        for name in COLUMNS:
            if name not in {"customer_id", "country"} and dice.random() < _MISSING:
                cells[name] = dice.choice(("", "", "\\N"))
        if kind.strict or _NOTHING & {cells["email"], cells["mobile"]}:
            cells["badge"] = f"B-{number}"  # somebody is left whatever is dropped
    return cells


def _phone(dice: Random, number: int) -> tuple[str, str]:
    """Return a number nobody else has, spelled in one of many ways, and its country."""
    area, rest = _AREAS[number % len(_AREAS)], number // len(_AREAS)
    exchange, last = _EXCHANGES[rest // 10_000 % len(_EXCHANGES)], rest % 10_000
    digits = f"{area}{exchange}{last:04}"
    if dice.random() < 0.3:
        return _phone_abroad(dice, number)
    spelled = (
        f"+1{digits}",
        f"({area}) {exchange}-{last:04}",
        f"+1 {area} {exchange} {last:04}",
        f"{area}.{exchange}.{last:04}",
        digits,
        f"1-{area}-{exchange}-{last:04}",
        f"'+1{digits}",
        f'="+1{digits}"',
        f"+1{digits} ext. 12",
    )
    return dice.choice(spelled), "US"


def _phone_abroad(dice: Random, number: int) -> tuple[str, str]:
    country, code, prefix, first = dice.choice(_ABROAD)
    national = str(first + number)
    spelled = (f"+{code}{national}", f"{prefix}{national}", f"00{code} {national}", f"+{code} (0){national}")
    if not prefix:
        return dice.choice(spelled[:3]), country
    # a whole number means the same in any country, and in none
    return (spelled[0], dice.choice(("", "US", "us", "FR"))) if dice.random() < 0.2 else (dice.choice(spelled), country)


def _put(row: Row, flaw: Flaw, text: str) -> None:
    row.cells |= {name: _written(other, row.number) for name, other in flaw.others.items()}
    if flaw.column:
        row.cells[flaw.column] = _written(text, row.number)
    row.add(flaw.code, flaw.severity, flaw.column)


def _written(text: str, number: int) -> str:
    if "{n" in text or "{six" in text:
        return text.format(n=number, six=number % 1_000_000)
    return text


def _flaw(dice: Random, row: Row, flaws: Sequence[tuple[Flaw, str]]) -> None:
    """Plant a flaw, and now and then a second one that has nothing to do with it."""
    flaw, text = dice.choice(flaws)
    _put(row, flaw, text)
    if dice.random() < _TWICE:
        other, text = dice.choice(flaws)
        if not flaw.touched & other.touched:
            _put(row, other, text)


def _empty(dice: Random, row: Row) -> None:
    """Leave one identifier and nothing else, or none."""
    keep, code = dice.choice((("badge", "too-few-values"), ("name", "missing-identifier")))
    for name in COLUMNS:
        if name not in {"customer_id", keep}:
            row.cells[name] = dice.choice(("", "\\N"))
    row.cells[keep] = f"B-{row.number}"
    row.add(code, ERROR)


def _look_odd(dice: Random, row: Row) -> None:
    for name, texts in GOOD:
        if dice.random() < _TRICKY:
            row.cells[name] = _written(dice.choice(texts), row.number)


def _pair(dice: Random, row: Row, waiting: dict[int, Row], count: int, kind: Kind) -> None:
    """Let a later row meet this one."""
    later = row.number + dice.randrange(1, FARTHEST)
    if later > count or later in waiting or _NOTHING & {row.cells["email"], row.cells["mobile"]}:
        return
    other = Row(later, _good_cells(dice, later, kind))
    waiting[later] = other
    match dice.randrange(6):
        case 0:  # the same person twice: the later row carries the earlier one
            other.cells = dict(row.cells) | {"points": "99"}
            row.state = "combined"
        case 1:  # the same key with another e-mail: the earlier e-mail is dropped
            other.cells = dict(row.cells) | {"email": f"moved.{later}@example.com"}
            row.state = "combined"
            row.add("duplicate-key", WARNING, "email")
        case 2:  # two customers with one e-mail
            other.cells["email"] = row.cells["email"].swapcase()
            for one in (row, other):
                one.state = "held"
                one.add("merge-group", WARNING)
        case 3:  # two customers with one phone: the mapping drops it
            other.cells |= {name: row.cells[name] for name in ("mobile", "country")}
            for one in (row, other):
                one.add("shared-identifier", WARNING, "mobile")
        case 4:  # a rejected row that has this row's identifiers does not hold it
            other.cells |= {name: row.cells[name] for name in ("customer_id", "email", "mobile", "country", "badge")}
            other.cells["points"] = "many"
            other.add("type-mismatch", ERROR, "points")
        case _:  # identifiers that differ by a letter, a digit or a sign
            other.cells["email"] = "x" + row.cells["email"].strip()
            other.cells["badge"] = f"B{later}"
