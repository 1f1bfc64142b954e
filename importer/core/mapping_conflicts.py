"""What is wrong in a mapping whatever the source and the store are."""

from __future__ import annotations

from importer.core.mapping import MappingFile
from importer.core.mapping_checks import quoted
from importer.core.mapping_seed import PROMOTED
from importer.errors import Problem


def find_conflicts(mapping: MappingFile) -> list[Problem]:
    """Return the traits that get two values, and the names that are used twice."""
    problems: list[Problem] = []
    first: dict[str, tuple[str, int | None]] = {}
    identifiers = {
        *PROMOTED,
        *(target.ref for targets in mapping.columns.values() for target in targets if target.identifier),
    }
    entries = [
        (target.to, f"the column {quoted(column)}", mapping.line_of("columns", column, number, "to"))
        for column, targets in mapping.columns.items()
        for number, target in enumerate(targets)
        if target.to is not None
    ]
    of_columns = len(entries)
    entries += [(ref, "`computed`", mapping.line_of("computed", ref)) for ref in mapping.computed]
    entries += [(ref, "`constants`", mapping.line_of("constants", ref)) for ref in mapping.constants]
    for number, (ref, by, line) in enumerate(entries):
        if ref not in first:
            first[ref] = (by, line)
            continue
        before, before_line = first[ref]
        place = f" on line {before_line}" if before_line is not None else ""
        hint = "keep one of them"
        if number < of_columns and ref in identifiers and by != before:
            hint += ", or write `also` in place of `to` for a further value"
        problems.append(Problem(line, f"{quoted(ref)} gets a value from {by} and from {before}{place}", hint))
    return problems + _repeated_names(mapping)


def _repeated_names(mapping: MappingFile) -> list[Problem]:
    problems = []
    names: set[str] = set()
    for number, rule in enumerate(mapping.rules):
        if rule.name in names:
            line = mapping.line_of("rules", number, "name")
            problems.append(Problem(line, f"two rules are named {quoted(rule.name)}", "give each its own name"))
        names.add(rule.name)
    key = mapping.source.key or ()
    for column in dict.fromkeys(name for name in key if key.count(name) > 1):
        line = mapping.line_of("source", "key")
        problems.append(Problem(line, f"the key names {quoted(column)} twice", "name each column once"))
    return problems
