"""What a mapping comes to once it met a header and a store schema: the plan that casting and checking follow.

Every value here is frozen and says what to do with one trait; nothing here reads YAML or a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from importer.core.schema import DataType, Normalization, ValidationRule


class NullIntent(StrEnum):
    """What a missing value does to the stored trait."""

    KEEP = "keep"
    CLEAR = "clear"
    REMOVE = "remove"


class OnInvalid(StrEnum):
    """What an invalid value does to its row."""

    REJECT = "reject"
    DROP = "drop"


class OnShared(StrEnum):
    """What an identifier shared by different keys does to its rows."""

    HOLD = "hold"
    DROP_VALUE = "drop-value"
    ALLOW = "allow"


class OnDuplicateKey(StrEnum):
    """What happens to rows of one key whose identifiers conflict."""

    LAST = "last"
    REJECT = "reject"
    ALL = "all"


class Parse(StrEnum):
    """A STRING trait read as a moment and written as ISO 8601."""

    DATE = "date"
    DATETIME = "datetime"


class LetterCase(StrEnum):
    """Change of case of a text."""

    LOWER = "lower"
    UPPER = "upper"


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked row-wise SQL expression.

    Attributes:
        text: As the mapping has it.
        expr: The polars expression it compiles to.
        columns: Source columns it names.
    """

    text: str
    expr: pl.Expr = field(compare=False)
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TraitPlan:
    """How one trait gets its value.

    Exactly one of `column`, `computed` and `constant` is set.

    Attributes:
        ref: ``Group.trait``.
        group: Trait group.
        name: Trait.
        data_type: Type in the store.
        column: Source column.
        computed: Expression over source text.
        constant: The same value on every row, already of the trait's type.
        id_type: Identifier type the trait is promoted to; None for a plain trait.
        normalization: Normalisation of that identifier type.
        rule: The store's own limits.
        null_intent: What a missing value means.
        on_invalid: What an invalid value means.
        required: Whether a missing value rejects the row.
        case: Change of case, after trimming.
        replace: Whole-value replacements, after the change of case.
        split: Separator of the items of an ARRAY; None reads a JSON array or a list column.
        parse: Reads a moment; `format` is its chrono format, None is ISO 8601.
        true_values: Words that mean true, compared in lower case.
        false_values: Words that mean false, compared in lower case.
        region: Default region (ISO 3166 alpha-2) of a national phone number.
        region_from: Source column that holds the region of a row.
        further: It is a further value of an identifier type that another column fills: no body carries it, it is added
            to the profile once the row's values are there. `ref` is then ``Group.trait+2`` and so on.
    """

    ref: str
    group: str
    name: str
    data_type: DataType
    column: str | None = None
    computed: Expression | None = None
    constant: str | int | bool | tuple[str | int | bool, ...] | None = None
    id_type: str | None = None
    normalization: Normalization | None = None
    rule: ValidationRule | None = None
    null_intent: NullIntent = NullIntent.KEEP
    on_invalid: OnInvalid = OnInvalid.REJECT
    required: bool = False
    case: LetterCase | None = None
    replace: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None
    parse: Parse | None = None
    format: str | None = None
    true_values: tuple[str, ...] = ("true",)
    false_values: tuple[str, ...] = ("false",)
    region: str | None = None
    region_from: str | None = None
    further: bool = False

    @property
    def stored_ref(self) -> str:
        """The trait of the store, ``Group.trait``."""
        return f"{self.group}.{self.name}"


@dataclass(frozen=True, slots=True)
class RowRule:
    """A named check over cast columns: a row that gives false breaks it; null passes.

    `expression.columns` are source columns; the frame it is evaluated on has each of them under its source name,
    with the cast value where a trait was made from it and text otherwise.
    """

    name: str
    expression: Expression
    is_error: bool


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """What to do where identity is unclear. `deny` holds raw values, compared after normalisation."""

    on_duplicate_key: OnDuplicateKey = OnDuplicateKey.LAST
    on_shared: Mapping[str, OnShared] = field(default_factory=dict)
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """When rows go by import, and how large a part is. `via` forces a route."""

    import_min_rows: int = 50_000
    part_rows: int = 50_000


@dataclass(frozen=True, slots=True)
class TransformPlan:
    """Everything needed to turn source rows into typed trait columns.

    Attributes:
        key: Source columns that identify a row; may be empty.
        traits: In the order of the store schema's groups, then of the mapping; this is the column order of the
            package and of every body.
        null_tokens: Texts that mean "missing".
        where: Keeps rows for which it is not false.
        rules: Row rules.
        identity: Policy for shared identifiers.
        routing: Policy for routes.
        needs_key: A row without a key is rejected: nothing could be said of it in the next run of a sync.
        notes: What a person should know (unmapped columns, ``where`` keeps nulls).
    """

    key: tuple[str, ...]
    traits: tuple[TraitPlan, ...]
    null_tokens: frozenset[str] = frozenset({"", "\\N"})
    where: Expression | None = None
    rules: tuple[RowRule, ...] = ()
    identity: IdentityPolicy = field(default_factory=IdentityPolicy)
    routing: RoutingPolicy = field(default_factory=RoutingPolicy)
    needs_key: bool = False
    notes: tuple[str, ...] = ()

    @property
    def identifiers(self) -> tuple[TraitPlan, ...]:
        """The traits promoted to identifiers, in plan order."""
        return tuple(trait for trait in self.traits if trait.id_type is not None)
