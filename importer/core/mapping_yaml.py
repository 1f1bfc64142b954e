"""Mapping text to mapping model: see `importer.core.yaml_model`, and what only a mapping can have wrong."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from importer.core import mapping_sections as sections
from importer.core.expressions import syntax_problem
from importer.core.mapping import MAPPING_VERSION, MappingFile
from importer.core.mapping_cases import case_problems
from importer.core.mapping_conflicts import find_conflicts
from importer.core.mapping_tree import Path
from importer.core.yaml_model import FileFormat, ordered, read_model
from importer.errors import MappingError, Problem

MAX_EXPRESSIONS: Final = 500
"""Expressions of a mapping file: each takes up to 7 ms to compile."""

_SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "source": sections.SourceSection,
    "defaults": sections.Defaults,
    "columns": sections.ColumnTarget,
    "computed": sections.Computed,
    "identity": sections.IdentitySection,
    "rules": sections.Rule,
    "routing": sections.RoutingSection,
    "tests": sections.Case,
}
_NEEDED: Final = {
    "version": f"add `version: {MAPPING_VERSION}` as the first line",
    "columns": "add `columns:` with at least one `column: Group.trait`",
    "to": "add `to: Group.trait`",
    "expr": "add `expr:` with the expression",
    "name": "give it a `name:`",
    "given": "add `given:` with the cells of the row, `column: text`",
    "check": 'give the rule a `check:`, for example `check: "points >= 0"`',
}
_FORMAT: Final = FileFormat(
    noun="mapping",
    model=MappingFile,
    version=MAPPING_VERSION,
    sections=_SECTIONS,
    needed=_NEEDED,
    keys="a mapping file has keys: version, columns, ...",
    doubt="is this the source? the mapping is given by -m",
    see="see `memory-importer mapping schema`",
    error=MappingError,
    entries={"columns": ("a trait", "write `Group.trait`, or {to: Group.trait, ...}")},
    empty=frozenset({"version", "columns"}),
)


def parse_mapping(text: bytes, name: str) -> MappingFile:
    """Read a mapping file.

    Args:
        text: The file's bytes.
        name: What the file is called in messages.

    Raises:
        MappingError: It is refused; ``problems`` has every fault found, in the order of their lines.
    """
    read = read_model(text, name, _FORMAT)
    mapping = read.model.placed(read.lines, name)
    problems = [*read.problems, *find_conflicts(mapping), *_syntax_problems(mapping), *case_problems(mapping)]
    if problems:
        raise MappingError(ordered(problems), name=name)
    return mapping


def _syntax_problems(mapping: MappingFile) -> list[Problem]:
    """Refuse expressions that no source could make right."""
    texts: list[tuple[Path, str]] = []
    if mapping.source.where is not None:
        texts.append((("source", "where"), mapping.source.where))
    texts += [(("computed", ref), computed.expr) for ref, computed in mapping.computed.items()]
    texts += [(("rules", number, "check"), rule.check) for number, rule in enumerate(mapping.rules)]
    if len(texts) > MAX_EXPRESSIONS:
        line = mapping.line_of(*texts[MAX_EXPRESSIONS][0])
        return [Problem(line, f"the file has more than {MAX_EXPRESSIONS} expressions", "keep those that are needed")]
    found = [(path, syntax_problem(text)) for path, text in texts]
    return [Problem(mapping.line_of(*path), p.message, p.fix) for path, p in found if p is not None]
