"""The mapping file: which column becomes which trait, as a frozen value of what a person wrote.

It knows neither the source's header nor the store; `importer.core.mapping_resolve` brings the three together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

import orjson
from pydantic import AfterValidator, Field, PrivateAttr

from importer.core import mapping_checks as checks
from importer.core.mapping_sections import (
    Case,
    ComputedTrait,
    Constant,
    Defaults,
    IdentitySection,
    RoutingSection,
    Rule,
    Section,
    SourceSection,
    Targets,
    Text,
    TraitRef,
)
from importer.core.yaml_model import find_line

MAPPING_VERSION: Final = 1
"""The version of the file format that this program reads."""

Path = tuple[str | int, ...]
"""Where a value stands in the file: keys and list positions from the top."""


class MappingFile(Section):
    """A whole mapping file.

    Attributes:
        version: Of the file format.
        store: The only store this mapping may be used with.
        columns: Targets by source column; the shorthand is a target with `to` alone.
        computed: Expressions by trait.
        constants: Values by trait.
    """

    version: Literal[1] = Field(description="Version of the mapping format: 1.")
    store: Annotated[str, AfterValidator(checks.check_store_id)] | None = Field(
        None, description="The store this mapping is for; any other is refused."
    )
    source: SourceSection = Field(
        default_factory=SourceSection, description="How the source is read: key, null tokens, dialect, which rows."
    )
    defaults: Defaults = Field(default_factory=Defaults, description="What holds for columns that say nothing else.")
    columns: dict[Text, Targets] = Field(
        min_length=1, description="Source column: trait. Group.trait, or the long form, or a list of them."
    )
    computed: dict[TraitRef, ComputedTrait] = Field(
        default_factory=dict, description="Trait: SQL expression over source columns, or {expr, type}."
    )
    constants: dict[TraitRef, Constant] = Field(
        default_factory=dict, description="Trait: the same value for every row; never an identifier."
    )
    identity: IdentitySection = Field(default_factory=IdentitySection, description="Where it is unclear who a row is.")
    rules: tuple[Rule, ...] = Field((), strict=False, description="Checks over whole rows.")
    routing: RoutingSection = Field(default_factory=RoutingSection, description="Which rows go by which route.")
    tests: tuple[Case, ...] = Field((), strict=False, description="Rows and what is to become of them.")

    _lines: Mapping[Path, int] = PrivateAttr(default_factory=dict)
    _name: str = PrivateAttr(default="mapping")

    @property
    def name(self) -> str:
        """What the file is called in messages."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """Hash over what the mapping means: shorthand, comments, quoting, spelt-out defaults and tests are no part."""
        meaning = self.model_dump(mode="json", exclude_defaults=True, exclude={"tests"})
        return hashlib.blake2b(orjson.dumps(meaning), digest_size=16).hexdigest()

    def placed(self, lines: Mapping[Path, int], name: str) -> Self:
        """Return this mapping, knowing where in file `name` each of its values stands."""
        copy = self.model_copy()
        copy._lines, copy._name = dict(lines), name  # noqa: SLF001 - a copy of itself
        return copy

    def line_of(self, *path: str | int) -> int | None:
        """Return the line of a value, or of the nearest thing around it; None for a mapping without a file."""
        return find_line(self._lines, path)


def source_options(mapping: MappingFile) -> dict[str, object]:
    """Return what the mapping itself says about reading the source, by the names of `SourceOptions`.

    Only what the file sets is in it, so that it can lie between the defaults and the command line's options.
    """
    names = (
        "delimiter",
        "encoding",
        "skip_lines",
        "assume_tz",
        "nan_as_missing",
        "trim_headers",
        "driver",
        "driver_options",
    )
    return {name: getattr(mapping.source, name) for name in names if name in mapping.source.model_fields_set}
