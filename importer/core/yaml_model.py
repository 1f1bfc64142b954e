"""YAML text to a model, with every fault at once, each on its line and with its fix: mappings and sync files alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from importer.core.mapping_checks import did_you_mean, quote_it, quoted
from importer.core.mapping_tree import MAX_BYTES, Path, Tree, read_tree
from importer.errors import Problem, ProblemsError

M = TypeVar("M", bound=BaseModel)

_KINDS: Final = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "list_type": "a list",
}


@dataclass(frozen=True, slots=True)
class FileFormat(Generic[M]):
    """What a kind of file may hold, and how people are told.

    Attributes:
        noun: What it is called: ``mapping``.
        model: Of the whole file.
        version: The one that is read.
        sections: Models of the keys of the file that hold keys of their own.
        needed: What to do about a missing key, by its name.
        entries: What the entries of a section are, and how one is written, by the section's name.
        empty: Keys that are not left out where the file has them without a value.
        keys: What such a file is made of, for whoever gave something else.
        doubt: Asked of whoever gave a file that is too large.
        see: Where the format is described.
        error: What is raised.
    """

    noun: str
    model: type[M]
    version: int
    sections: Mapping[str, type[BaseModel]]
    needed: Mapping[str, str]
    keys: str
    doubt: str
    see: str
    error: type[ProblemsError]
    entries: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    empty: frozenset[str] = frozenset({"version"})


@dataclass(frozen=True, slots=True)
class Read(Generic[M]):
    """A file as its model has it.

    Attributes:
        model: Its content.
        lines: Line by path.
        problems: What was refused while reading, although the model has no fault.
    """

    model: M
    lines: Mapping[Path, int]
    problems: tuple[Problem, ...]


def read_model(text: bytes, name: str, form: FileFormat[M]) -> Read[M]:
    """Read a file.

    Args:
        text: The file's bytes.
        name: What the file is called in messages.
        form: What it may hold.

    Raises:
        ProblemsError: of the format's own kind; ``problems`` has every fault found, in the order of their lines.
    """
    tree = read_tree(_decode(text, name, form))
    root = tree.root
    if root is None and not tree.problems:
        raise form.error([Problem(None, "the file is empty", form.needed["version"])], name=name)
    if root is not None and not isinstance(root, dict):
        what = "a list" if isinstance(root, list) else "a single value"
        tree.problems.append(Problem(1, f"the file holds {what}", form.keys))
    if not isinstance(root, dict):
        raise form.error(ordered(tree.problems), name=name)
    # A section whose entries are all commented out is an empty section.
    sections = {key: value for key, value in root.items() if value is not None or key in form.empty}
    try:
        model = form.model.model_validate(sections)
    except ValidationError as exc:
        raise form.error(ordered([*tree.problems, *_translate(exc, tree, form)]), name=name) from None
    return Read(model, tree.lines, tuple(tree.problems))


def ordered(problems: Sequence[Problem]) -> list[Problem]:
    """Return problems in the order of their lines, each once."""
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)


def find_line(lines: Mapping[Path, int], path: Path) -> int | None:
    """Return the line of `path` or of its nearest parent.

    A position that the file does not have (the shorthand is a list of one) is passed over.
    """
    while path:
        plain = tuple(part for part in path if isinstance(part, str))
        for candidate in (path, plain):
            if candidate in lines:
                return lines[candidate]
        path = path[:-1]
    return None


def _decode(text: bytes, name: str, form: FileFormat[M]) -> str:
    if len(text) > MAX_BYTES:
        message = f"the file is larger than a {form.noun} may be: {MAX_BYTES:,} bytes"
        raise form.error([Problem(None, message, form.doubt)], name=name)
    if b"\0" in text:
        line = text[: text.index(b"\0")].count(b"\n") + 1
        raise form.error([Problem(line, "the file holds a NUL byte", "save it as UTF-8 text")], name=name)
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = text[: exc.start].count(b"\n") + 1
        raise form.error([Problem(line, "the file is not UTF-8", "save it as UTF-8 text")], name=name) from None


def _translate(exc: ValidationError, tree: Tree, form: FileFormat[M]) -> list[Problem]:
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
        problems.append(_problem(error, path, tree, form))
    return problems


def _file_path(loc: tuple[str | int, ...], tree: Tree) -> Path:
    """Return the part of a pydantic location that stands in the file."""
    loc = tuple(part for part in loc if part != "[key]")
    plain = tuple(part for part in loc if isinstance(part, str))
    return plain if loc not in tree.lines and plain in tree.lines else loc


def _problem(error: ErrorDetails, path: Path, tree: Tree, form: FileFormat[M]) -> Problem:
    line = find_line(tree.lines, path)
    kind, where = error["type"], _called(path)
    context: Mapping[str, Any] = error.get("ctx", {})
    entry = form.entries.get(str(path[0])) if path and kind == "model_type" else None
    if kind == "mapping":
        return Problem(line, str(context["message"]), str(context["fix"]))
    if kind == "extra_forbidden":
        allowed = _keys_at(path, form)
        fix = did_you_mean(str(path[-1]), allowed, f"known here: {', '.join(allowed)}")
        return Problem(line, f"there is no key {where}", fix)
    if kind == "missing":
        return Problem(line, f"{where} is missing", form.needed.get(str(path[-1]), "add it"))
    if path == ("version",):
        message = f"this program reads {form.noun} version {form.version} only"
        return Problem(line, message, f"write `version: {form.version}`")
    if kind in _KINDS:
        wanted, fix = entry or (_KINDS[kind], _type_fix(kind, path, tree, form))
        return Problem(line, f"{where} must be {wanted}", fix)
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


def _type_fix(kind: str, path: Path, tree: Tree, form: FileFormat[M]) -> str:
    raw = tree.raw.get(path)
    if kind in {"string_type", "tuple_type"} and raw:
        return quote_it(raw)
    if kind == "bool_type":
        return "write true or false, without quotes"
    if kind == "int_type":
        return "write digits only, without quotes"
    return form.see if raw is None else "take the key out, or give it a value"


def _keys_at(path: Path, form: FileFormat[M]) -> list[str]:
    section = form.sections.get(str(path[0])) if len(path) > 1 else form.model
    return list(section.model_fields) if section is not None else []
