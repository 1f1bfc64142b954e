"""The sections of a mapping file, as frozen values of what a person wrote."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from importer.core import mapping_checks as checks
from importer.core.limits import IMPORT_MAX_ROWS
from importer.core.schema import DataType
from importer.core.transform import NullIntent, OnDuplicateKey, OnInvalid, OnShared, Parse


def _as_data_type(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _as_targets(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value,)


def _as_target(value: Any) -> Any:
    return {"to": value} if isinstance(value, str) else value


def _as_computed(value: Any) -> Any:
    return {"expr": value} if isinstance(value, str) else value


TraitRef = Annotated[str, AfterValidator(checks.check_trait_ref)]
Region = Annotated[str, AfterValidator(checks.check_region)]
IdType = Annotated[str, AfterValidator(checks.check_id_type)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(checks.as_tuple, json_schema_input_type=str | list[str])]
Words = Annotated[
    tuple[Text, ...], Field(min_length=1), BeforeValidator(checks.as_tuple, json_schema_input_type=str | list[str])
]
TypeName = Annotated[
    DataType,
    Field(strict=False),
    BeforeValidator(_as_data_type, json_schema_input_type=Literal["string", "number", "boolean", "array"]),
]
Scalar = str | bool | int


class Section(BaseModel):
    """A part of the file: it takes nothing that it does not know, and no value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SourceSection(Section):
    """How the source is read."""

    key: Words | None = Field(None, description="Source columns that identify a row, for reports and later runs.")
    null_tokens: Texts = Field(("", "\\N"), description="Texts that mean: no value. An empty cell always does.")
    delimiter: Annotated[str, AfterValidator(checks.check_delimiter)] = Field(
        "auto", description="One character between the fields of a text file; auto finds it."
    )
    encoding: Annotated[str, AfterValidator(checks.check_encoding)] = Field(
        "auto", description="Encoding of a text file, for example latin-1; auto finds UTF-8 and UTF-16 with a BOM."
    )
    where: Text | None = Field(None, description="Rows for which this is false are skipped; null keeps the row.")
    skip_lines: int = Field(0, ge=0, le=1_000_000, description="Physical lines to pass over before the header.")
    assume_tz: Annotated[str, AfterValidator(checks.check_time_zone)] | None = Field(
        None, description="Time zone of timestamps without one, in typed sources; an IANA name."
    )
    nan_as_missing: bool = Field(default=False, description="NaN in a typed column means: no value.")
    trim_headers: bool = Field(default=False, description="Trim spaces around column names instead of refusing them.")
    driver: Text | None = Field(None, description="ADBC driver that opens a database, by name or path.")
    driver_options: Texts = Field((), description="What the driver needs: NAME=VALUE, or NAME=env:VARIABLE.")


class Defaults(Section):
    """What holds for a column that does not say otherwise."""

    region: Region | None = Field(None, description="Region of national phone numbers, for example US.")
    on_missing: NullIntent = Field(
        NullIntent.KEEP,
        strict=False,
        description="What a missing value does: keep the stored one, clear it (STRING), or remove it. "
        "Identifiers are always kept.",
    )
    on_invalid: OnInvalid = Field(
        OnInvalid.REJECT, strict=False, description="What an invalid value does: reject its row, or drop the value."
    )


class ColumnTarget(Section):
    """What one column becomes."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["to"]}, {"required": ["also"]}]})

    to: TraitRef | None = Field(None, description="The trait, as Group.trait.")
    also: TraitRef | None = Field(
        None, description="In place of `to`: an identifier that another column fills; this adds a further value to it."
    )
    type: TypeName | None = Field(
        None, description="Type the trait has, or is created with; checked against the store."
    )
    identifier: IdType | None = Field(
        None, description="Identifier type the trait is promoted to; checked against the store."
    )
    parse: Parse | None = Field(None, strict=False, description="Read a date or a moment and write it as ISO 8601.")
    format: Text | None = Field(None, description="How the date or moment is written, in strftime form; else ISO 8601.")
    true_values: Words | None = Field(None, description="Words that mean true, in any case; default: true.")
    false_values: Words | None = Field(None, description="Words that mean false, in any case; default: false.")
    split: Text | None = Field(None, description="What separates the items of an ARRAY; without it, a JSON array.")
    lower: bool = Field(default=False, description="Change the text to lower case.")
    upper: bool = Field(default=False, description="Change the text to upper case.")
    replace: dict[Text, str] = Field(
        default_factory=dict, description="Whole values to replace, after the change of case."
    )
    required: bool = Field(default=False, description="A missing value rejects the row.")
    on_missing: NullIntent | None = Field(None, strict=False, description="As in defaults, for this column.")
    on_invalid: OnInvalid | None = Field(None, strict=False, description="As in defaults, for this column.")
    region: Region | None = Field(None, description="Region of national phone numbers of this column.")
    region_from: Text | None = Field(None, description="Source column that holds the region of each row's number.")

    @property
    def ref(self) -> str:
        """The trait of the store that it is about."""
        return self.to or self.also or ""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.to is None) == (self.also is None):
            what = "`to` is missing" if self.to is None else "`to` and `also` exclude each other"
            raise checks.refuse(what, "add `to: Group.trait`" if self.to is None else "keep one of them")
        if self.also is not None and (self.type is not None or self.identifier is not None):
            raise checks.refuse("`type` and `identifier` stand with the column that has `to`", "take them out here")
        if self.lower and self.upper:
            raise checks.refuse("`lower` and `upper` exclude each other", "keep one of them")
        checks.check_words(self.true_values or ("true",), self.false_values or ("false",))
        checks.check_replace(self.replace, lower=self.lower, upper=self.upper)
        if self.format is not None:
            if self.parse is None:
                raise checks.refuse("`format` needs `parse`", "add `parse: date` or `parse: datetime`")
            checks.check_format(self.format, with_time=self.parse is Parse.DATETIME)
        return self


class Computed(Section):
    """A trait's value worked out from source text."""

    expr: Text = Field(description="SQL expression over source columns.")
    type: TypeName | None = Field(
        None, description="Type the trait has, or is created with; checked against the store."
    )


class IdentitySection(Section):
    """What to do where it is unclear who a row is."""

    on_duplicate_key: OnDuplicateKey = Field(
        OnDuplicateKey.LAST,
        strict=False,
        description="Rows of one key whose identifiers conflict: last, reject or all.",
    )
    on_shared: dict[IdType, Annotated[OnShared, Field(strict=False)]] = Field(
        default_factory=dict,
        description="By identifier type, what a value shared by different keys does: hold, drop-value or allow.",
    )
    deny: Texts = Field((), description="Identifier values that say nothing, such as placeholders; they are dropped.")


class Rule(Section):
    """A check over the cast columns of a row."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="Shown with the issue; unique.")
    check: Text = Field(description="SQL expression over source columns, which it sees cast; false breaks the rule.")
    severity: Literal["error", "warning"] = Field("error", description="An error rejects the row.")


class RoutingSection(Section):
    """When rows go by CSV import instead of bulk requests."""

    import_min_rows: int = Field(
        50_000, ge=1, description="Rows with the same set of filled columns from which they go by import."
    )
    part_rows: int = Field(50_000, ge=1, le=IMPORT_MAX_ROWS, description="Rows of one import file, at most.")


def _as_expected(value: Any) -> Any:
    if value is None:
        return None
    return () if value == [] else checks.check_constant(value)


Refs = Annotated[tuple[TraitRef, ...], BeforeValidator(checks.as_tuple, json_schema_input_type=str | list[str])]
Expected = Annotated[
    Scalar | tuple[Scalar, ...] | None,
    PlainValidator(_as_expected, json_schema_input_type=Scalar | list[Scalar] | None),
]


class Case(Section):
    """A row and what is to become of it, run by `mapping test`."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="Shown with the result; unique.")
    given: dict[Text, str | None] = Field(
        min_length=1, description="Source column: cell, as text. Columns that are not named are empty."
    )
    expect: dict[TraitRef, Expected] = Field(
        default_factory=dict, description="Trait: the value that is sent; null where none is. Others are not looked at."
    )
    removed: Refs = Field((), description="Traits that are removed from the stored profile.")
    issues: Texts | None = Field(
        None, description="Codes of all issues of the row, [] for none; without it, the row must not be rejected."
    )
    skipped: bool = Field(default=False, description="The row is skipped by `where`.")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.skipped and (self.expect or self.removed or self.issues is not None):
            raise checks.refuse("a row that is skipped has no values and no issues", "keep `skipped` alone")
        if not (self.skipped or self.expect or self.removed or self.issues is not None):
            raise checks.refuse("the test expects nothing", "add `expect`, `removed`, `issues` or `skipped`")
        return self


Targets = Annotated[
    tuple[Annotated[ColumnTarget, BeforeValidator(_as_target, json_schema_input_type=str | ColumnTarget)], ...],
    Field(min_length=1),
    BeforeValidator(_as_targets, json_schema_input_type=str | ColumnTarget | list[str | ColumnTarget]),
]
ComputedTrait = Annotated[Computed, BeforeValidator(_as_computed, json_schema_input_type=str | Computed)]
Constant = Annotated[
    Scalar | tuple[Scalar, ...],
    PlainValidator(checks.check_constant, json_schema_input_type=Scalar | list[Scalar]),
]
