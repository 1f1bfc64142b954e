"""What a source looks like -> which column may become which trait, with a score, a reason, and what stays in doubt.

The same profile and schema always give the same proposal. `importer.core.mapping_text` writes it as a mapping file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from importer.core.inspect import SENSITIVE, ColumnProfile, Meaning, SourceProfile
from importer.core.limits import MIN_VALUES_PER_ROW
from importer.core.mapping_checks import quoted
from importer.core.mapping_propose_candidates import Candidate
from importer.core.mapping_propose_nulls import propose_null_tokens
from importer.core.mapping_propose_reading import Reading, Readings
from importer.core.mapping_propose_store import StoreTargets
from importer.core.mapping_propose_targets import UsualTargets, usual_name
from importer.core.schema import StoreSchema

SURE: Final = 0.5
"""Score from which a column is mapped; below it is left as a TODO with its candidates."""

TIE: Final = 0.08
"""Two candidates of different types closer than this leave a column in doubt."""

_KEY_SHARE: Final = 0.9
"""Share of distinct values, of all rows, from which a column of identifiers is a key with repeated rows."""

_SHOWN: Final = 3
_DENIED: Final = 50
_ALSO: Final = "`also`: a further value of the identifier; a row that has one costs a read and an operation more"


class Fate(StrEnum):
    """What is proposed for a column."""

    MAPPED = "mapped"
    DOUBTFUL = "doubtful"
    LEFT_OUT = "left-out"


@dataclass(frozen=True, slots=True)
class ColumnProposal:
    """What is proposed for one column.

    Attributes:
        column: As in the header.
        fate: Mapped, left as a TODO, or left out.
        reason: Why, in words, without cell values.
        candidates: Best first; the first is the one it is mapped to. Empty where there is none.
        options: Of the first candidate, beside ``to``, in the order they are written.
        remarks: What a person should know beside.
        is_further: A further value of an identifier that another column fills: ``also`` in place of ``to``.
    """

    column: str
    fate: Fate
    reason: str
    candidates: tuple[Candidate, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    is_further: bool = False

    @property
    def target(self) -> Candidate:
        """The best candidate."""
        return self.candidates[0]


@dataclass(frozen=True, slots=True)
class Key:
    """The column that names a row.

    Attributes:
        column: Its name.
        reason: Why.
        is_certain: Every row has a value and no two the same.
    """

    column: str
    reason: str
    is_certain: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed mapping.

    Attributes:
        profile: What it was made from.
        columns: In the order of the header; columns that cannot be read are not among them.
        key: None where no column names a row.
        store_id: The store whose traits were matched; None without one.
        store_identifiers: The traits of that store that are identifiers, as ``Group.trait``.
        read_as: How the source has to be read, by the names of the mapping's ``source`` section.
        null_tokens: Words of the source that mean "no value".
    """

    profile: SourceProfile
    columns: tuple[ColumnProposal, ...]
    key: Key | None
    store_id: str | None = None
    store_identifiers: tuple[str, ...] = ()
    read_as: Mapping[str, object] = field(default_factory=dict)
    null_tokens: tuple[str, ...] = ()

    @property
    def mapped(self) -> tuple[ColumnProposal, ...]:
        """What is mapped."""
        return tuple(column for column in self.columns if column.fate is Fate.MAPPED)

    @property
    def denied(self) -> Mapping[str, int]:
        """Count the addresses of nobody in columns that may become identifiers: they would link rows of many."""
        able = {
            column.column
            for column in self.columns
            if column.fate is not Fate.LEFT_OUT and column.target.id_type is not None
        }
        found: Counter[str] = Counter()
        for column in self.profile.columns:
            if column.name in able:
                found.update(column.placeholder_emails)
        return dict(found.most_common(_DENIED))

    @property
    def has_identifier(self) -> bool:
        """Tell whether some column is mapped to an identifier, without which no row can be sent."""
        return any(column.target.id_type is not None for column in self.mapped)


def propose_mapping(
    profile: SourceProfile, schema: StoreSchema | None = None, *, read_as: Mapping[str, object] | None = None
) -> Proposal:
    """Propose a mapping.

    Args:
        profile: What the source looks like.
        schema: Of the store whose traits the columns are matched with; without one, usual names are proposed.
        read_as: How the source has to be read, where that is not found out by itself.
    """
    key = propose_key(profile.columns)
    able = _able(profile)
    columns = _proposals(profile, _beside(able, key, schema), key, schema)
    # A row needs more values than a key has.
    if sum(column.fate is Fate.MAPPED for column in columns) < MIN_VALUES_PER_ROW:
        columns = _proposals(profile, able, key, schema)
    if not any(column.fate is Fate.MAPPED for column in columns):
        columns = _with_the_best(columns)
    proposal = Proposal(profile, columns, key, read_as=dict(read_as or {}), null_tokens=propose_null_tokens(able))
    if schema is None:
        return proposal
    identifiers = tuple(ref for ref, trait in schema.traits.items() if trait.id_type is not None)
    return replace(proposal, store_id=schema.store_id, store_identifiers=identifiers)


def propose_key(columns: Iterable[ColumnProfile]) -> Key | None:
    """Return the column that names a row best: certainly unique ones first, then those a header speaks for."""
    ranked: list[tuple[tuple[object, ...], Key]] = []
    for column in columns:
        score = next((guess.score for guess in column.guesses if guess.meaning is Meaning.IDENTIFIER), 0.0)
        mail = column.guess.meaning is Meaning.EMAIL
        if column.guess.meaning in SENSITIVE or "\0" in column.name or not (score or mail):
            continue
        near = column.rows > 1 and column.distinct >= _KEY_SHARE * column.rows
        rank = (not column.is_key, mail and not score, -score, column.position)
        if column.is_key and (mail or column.guess.meaning is Meaning.IDENTIFIER or score >= SURE):
            ranked.append((rank, Key(column.name, "every row has a value, no two the same", is_certain=True)))
        elif near and column.guess.meaning is Meaning.IDENTIFIER:
            reason = _near_reason(column)
            ranked.append((rank, Key(column.name, reason, is_certain=False)))
    return min(ranked, key=lambda entry: entry[0])[1] if ranked else None


def _near_reason(column: ColumnProfile) -> str:
    about = "" if column.distinct_is_exact else "about "
    empty = column.rows - column.filled
    without = f" (empty in {empty:,})" if empty else ""
    seen = f"{about}{column.distinct:,} different values in {column.rows:,} rows{without}"
    return f"{seen}; rows of one key are taken as one customer"


def _able(profile: SourceProfile) -> list[ColumnProfile]:
    """Return the columns that may be mapped."""
    never = {*SENSITIVE, Meaning.EMPTY}
    return [column for column in profile.columns if column.guess.meaning not in never and "\0" not in column.name]


def _beside(able: list[ColumnProfile], key: Key | None, schema: StoreSchema | None) -> list[ColumnProfile]:
    """Leave the key out, but where a store may have a trait for it."""
    return [
        column
        for column in able
        if key is None or column.name != key.column or schema is not None or column.guess.meaning is Meaning.EMAIL
    ]


def _proposals(
    profile: SourceProfile, able: Sequence[ColumnProfile], key: Key | None, schema: StoreSchema | None
) -> tuple[ColumnProposal, ...]:
    targets = StoreTargets(schema) if schema is not None else UsualTargets()
    candidates = {column.name: tuple(targets.candidates(column)) for column in able}
    given = _given(candidates, {column.name: column.filled for column in profile.columns})
    readings = Readings(profile.columns, propose_null_tokens(able))
    return tuple(_proposed(column, candidates.get(column.name), given, readings, key) for column in profile.columns)


def _given(candidates: Mapping[str, Sequence[Candidate]], filled: Mapping[str, int]) -> dict[str, str]:
    """Return which trait is given to which column: the highest score first, then the fullest, then by the header."""
    order = {name: at for at, name in enumerate(candidates)}
    wishes = [
        (-mine[0].score, -filled[name], order[name], mine[0].ref, name) for name, mine in candidates.items() if mine
    ]
    given: dict[str, str] = {}
    for _, _, _, ref, name in sorted(wishes):
        given.setdefault(ref, name)
    return given


def _proposed(
    column: ColumnProfile,
    candidates: Sequence[Candidate] | None,
    given: Mapping[str, str],
    readings: Readings,
    key: Key | None,
) -> ColumnProposal:
    left_out = _left_out(column, candidates, key)
    if left_out is not None:
        return ColumnProposal(column.name, Fate.LEFT_OUT, left_out)
    assert candidates  # noqa: S101 - a column without any is left out above
    best = candidates[0]
    reading = readings.of(column, best)
    proposal = ColumnProposal(
        column.name, Fate.MAPPED, best.reason, tuple(candidates[:_SHOWN]), reading.options, reading.remarks
    )
    doubt = _doubt(candidates, given[best.ref], column.name, reading)
    if not doubt:
        return proposal
    proposal = replace(proposal, fate=Fate.DOUBTFUL, reason=f"{best.reason}; {doubt}")
    if best.id_type is None or given[best.ref] == column.name:
        return proposal
    # The trait has one column; the line below the TODO has to be right beside it.
    options = {name: value for name, value in reading.options.items() if name != "identifier"}
    return replace(proposal, options=options, remarks=(*reading.remarks, _ALSO), is_further=True)


def _left_out(column: ColumnProfile, candidates: Sequence[Candidate] | None, key: Key | None) -> str | None:
    meaning = column.guess.meaning
    if "\0" in column.name:
        return "its name holds a NUL byte, which no mapping file can; rename the column"
    if meaning in SENSITIVE:
        what = meaning.value.replace("-", " ")
        return f"WARNING: sensitive, looks like {what} data ({column.guess.evidence}); the service is not for it"
    if meaning is Meaning.EMPTY:
        return "no values"
    if candidates:
        return None
    if key is not None and key.column == column.name:
        more = (
            f"to send it too: Account.{usual_name(column)}" if candidates is None else "the store has no trait like it"
        )
        return f"the key above, which is not sent; {more}"
    return f"the store has no trait like it ({meaning.value}, {column.guess.score:.2f}: {column.guess.evidence})"


def _doubt(candidates: Sequence[Candidate], taken_by: str, column: str, reading: Reading) -> str:
    """Return why a column is not mapped to its best candidate, empty where it is."""
    best = candidates[0]
    if taken_by != column:
        return f"{best.ref} is taken by the column {quoted(taken_by)}"
    if best.score < SURE:
        return "too little to go by"
    close = next((other for other in candidates[1:] if _is_tie(best, other)), None)
    if close is not None:
        return f"it could as well be {close.ref} ({close.guess.meaning.value}, {close.score:.2f})"
    return reading.doubt


def _is_tie(best: Candidate, other: Candidate) -> bool:
    differs = other.ref != best.ref or other.data_type is not best.data_type
    return differs and not best.is_said and best.score - other.score < TIE


def _with_the_best(columns: tuple[ColumnProposal, ...]) -> tuple[ColumnProposal, ...]:
    """Map the least doubtful column after all: a mapping without columns is none."""
    doubtful = [column for column in columns if column.fate is Fate.DOUBTFUL]
    if not doubtful:
        return columns
    best = max(doubtful, key=lambda column: column.target.score)
    mapped = replace(best, fate=Fate.MAPPED, remarks=("TODO: a guess, for a mapping needs a column", *best.remarks))
    return tuple(mapped if column is best else column for column in columns)
