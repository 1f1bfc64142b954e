"""Mapping text to mapping model, with every fault at once, each on its line and with its fix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from importer.core import mapping as model
from importer.core.expressions import syntax_problem
from importer.core.mapping_cases import case_problems
from importer.core.mapping_checks import did_you_mean, quote_it, quoted
from importer.core.mapping_conflicts import find_conflicts
from importer.core.mapping_tree import MAX_BYTES, Path, Tree, read_tree
from importer.errors import MappingError, Problem

MAX_EXPRESSIONS: Final = 500
"""Expressions of a mapping file: each takes up to 7 ms to compile."""

_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "source": model.SourceSection,
    "defaults": model.Defaults,
    "columns": model.ColumnTarget,
    "computed": model.Computed,
    "identity": model.IdentitySection,
    "rules": model.Rule,
    "routing": model.RoutingSection,
    "tests": model.Case,
}
_NEEDED: Final = {
    "version": f"add `version: {model.MAPPING_VERSION}` as the first line",
    "columns": "add `columns:` with at least one `column: Group.trait`",
    "to": "add `to: Group.trait`",
    "expr": "add `expr:` with the expression",
    "name": "give it a `name:`",
    "given": "add `given:` with the cells of the row, `column: text`",
    "check": 'give the rule a `check:`, for example `check: "points >= 0"`',
}
_KINDS: Final = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "list_type": "a list",
}


def parse_mapping(text: bytes, name: str) -> model.MappingFile:
    """Read a mapping file.

    Args:
        text: The file's bytes.
        name: What the file is called in messages.

    Raises:
        MappingError: It is refused; ``problems`` has every fault found, in the order of their lines.
    """
    tree = read_tree(_decode(text, name))
    root = tree.root
    if root is None and not tree.problems:
        raise MappingError([Problem(None, "the file is empty", _NEEDED["version"])], name=name)
    if root is not None and not isinstance(root, dict):
        what = "a list" if isinstance(root, list) else "a single value"
        tree.problems.append(Problem(1, f"the file holds {what}", "a mapping file has keys: version, columns, ..."))
    if not isinstance(root, dict):
        raise MappingError(_ordered(tree.problems), name=name)
    # A section whose entries are all commented out is an empty section.
    sections = {key: value for key, value in root.items() if value is not None or key in {"version", "columns"}}
    try:
        mapping = model.MappingFile.model_validate(sections).placed(tree.lines, name)
    except ValidationError as exc:
        raise MappingError(_ordered([*tree.problems, *_translate(exc, tree)]), name=name) from None
    problems = [*tree.problems, *find_conflicts(mapping), *_syntax_problems(mapping), *case_problems(mapping)]
    if problems:
        raise MappingError(_ordered(problems), name=name)
    return mapping


def _decode(text: bytes, name: str) -> str:
    if len(text) > MAX_BYTES:
        message = f"the file is larger than a mapping may be: {MAX_BYTES:,} bytes"
        raise MappingError([Problem(None, message, "is this the source? the mapping is given by -m")], name=name)
    if b"\0" in text:
        line = text[: text.index(b"\0")].count(b"\n") + 1
        raise MappingError([Problem(line, "the file holds a NUL byte", "save it as UTF-8 text")], name=name)
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = text[: exc.start].count(b"\n") + 1
        raise MappingError([Problem(line, "the file is not UTF-8", "save it as UTF-8 text")], name=name) from None


def _ordered(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)


def _syntax_problems(mapping: model.MappingFile) -> list[Problem]:
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


def _translate(exc: ValidationError, tree: Tree) -> list[Problem]:
    errors = exc.errors(include_url=False)
    around = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    problems = []
    for error in errors:
        path = _file_path(error["loc"], tree)
        # A list is short because what is in it was refused.
        follows = error["type"] == "too_short" and error["loc"] in around
        flagged = any(path[:length] in tree.flagged for length in range(1, len(path) + 1))
        if flagged or follows:
            continue
        problems.append(_problem(error, path, tree))
    return problems


def _file_path(loc: tuple[str | int, ...], tree: Tree) -> Path:
    """Return the part of a pydantic location that stands in the file."""
    loc = tuple(part for part in loc if part != "[key]")
    plain = tuple(part for part in loc if isinstance(part, str))
    return plain if loc not in tree.lines and plain in tree.lines else loc


def _problem(error: ErrorDetails, path: Path, tree: Tree) -> Problem:
    line = model.find_line(tree.lines, path)
    kind, where = error["type"], _called(path)
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind == "mapping":
        return Problem(line, str(context["message"]), str(context["fix"]))
    if kind == "extra_forbidden":
        allowed = _keys_at(path)
        fix = did_you_mean(str(path[-1]), allowed, f"known here: {', '.join(allowed)}")
        return Problem(line, f"there is no key {where}", fix)
    if kind == "missing":
        return Problem(line, f"{where} is missing", _NEEDED.get(str(path[-1]), "add it"))
    if path == ("version",):
        return Problem(line, f"this program reads mapping version {model.MAPPING_VERSION} only", "write `version: 1`")
    if kind in _KINDS:
        wanted = "a trait" if kind == "model_type" and path[0] == "columns" else _KINDS[kind]
        return Problem(line, f"{where} must be {wanted}", _type_fix(kind, path, tree))
    if kind in {"enum", "literal_error"}:
        expected = str(context["expected"]).replace("'", "").lower()
        return Problem(line, f"{where} has a value that is not known", f"one of: {expected}")
    return Problem(line, f"{where}: {_plain_reason(kind, context)}")


def _called(path: Path) -> str:
    last = path[-1]
    return quoted(last) if isinstance(last, str) else f"item {last + 1} of {quoted(str(path[-2]))}"


def _plain_reason(kind: str, context: Mapping[str, Any]) -> str:
    match kind:
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "string_too_long":
            return f"has more than {context['max_length']} characters"
        case "string_too_short" | "too_short":
            return "must not be empty"
        case _:
            return "has a value that does not fit"


def _type_fix(kind: str, path: Path, tree: Tree) -> str:
    raw = tree.raw.get(path)
    if kind == "model_type" and path[0] == "columns":
        return "write `Group.trait`, or {to: Group.trait, ...}"
    if kind in {"string_type", "tuple_type"} and raw:
        return quote_it(raw)
    if kind == "bool_type":
        return "write true or false, without quotes"
    if kind == "int_type":
        return "write digits only, without quotes"
    return "see `memory-importer mapping schema`" if raw is None else "take the key out, or give it a value"


def _keys_at(path: Path) -> list[str]:
    section = _SECTIONS.get(str(path[0])) if len(path) > 1 else model.MappingFile
    return list(section.model_fields) if section is not None else []
