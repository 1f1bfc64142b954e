"""YAML text to plain values with the line of each, strictly: nothing is guessed, nothing is shared, nothing is deep.

The text is read as a stream of events, never by recursion, and reading stops at fixed sizes, so hostile files cost
at most about a second. What people write by accident (``no``, ``012``, ``12:30``, dates) is refused, not converted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from importer.core.mapping_checks import quote_it, quoted
from importer.errors import Problem

MAX_BYTES: Final = 1_000_000
"""Size of a mapping file."""
MAX_DEPTH: Final = 8
"""Levels of a mapping file; the format needs five."""
MAX_VALUES: Final = 50_000
"""Keys and values of a mapping file."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FRACTION: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_DOUBTFUL: Final = (
    (re.compile(r"(?i:yes|no|on|off)"), "true or false by some YAML readers"),
    (re.compile(r"[-+]?[0-9][0-9_]*|[-+]?0[xob][0-9a-fA-F_]+"), "a number"),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"), "a number"),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), "a number"),
    (re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?"), "a time by some YAML readers"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?"), "a date"),
)

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Tree:
    """What a YAML file says.

    Attributes:
        root: Plain dicts, lists, texts, numbers, truth values and None.
        lines: 1-based line by path; of a mapping's entry the line of its key.
        raw: Unquoted text by path, for values that are not texts.
        problems: What was refused while reading.
        flagged: Paths whose values already have a problem.
    """

    root: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    raw: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    flagged: set[Path] = field(default_factory=set)


class _StopReadingError(Exception):
    """The rest of the file is of no use; the problem is recorded."""


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    value: dict[str, Any] | list[Any]
    path: Path
    key: str | None = None
    first_lines: dict[str, int] = field(default_factory=dict)


def read_tree(text: str) -> Tree:
    """Read one YAML document; every fault is in ``problems``."""
    tree = Tree()
    reader = _Reader(tree)
    try:
        for event in _events(text):
            reader.take(event)
    except _StopReadingError:
        tree.root = None
    except MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark is not None else None
        tree.problems.append(Problem(line, f"not valid YAML: {_reason(exc)}", _syntax_fix(exc)))
        tree.root = None
    except (YAMLError, ValueError, OverflowError, AssertionError, LookupError, TypeError, AttributeError):
        # ruamel answers some broken escapes and directives with errors of Python, not of YAML.
        tree.problems.append(Problem(None, "not valid YAML", "check quotes, escapes and special characters"))
        tree.root = None
    return tree


def _events(text: str) -> Iterator[Event]:
    events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
    return events


def _reason(exc: MarkedYAMLError) -> str:
    reason = " ".join(str(exc.problem or exc.context or "it cannot be read").split())
    return reason if len(reason) <= 200 else reason[:197] + "..."


def _syntax_fix(exc: MarkedYAMLError) -> str:
    reason = str(exc.problem)
    if "cannot start any token" in reason:
        return "indent with spaces, and quote values that begin with %, @ or `"
    if "mapping values are not allowed" in reason:
        return 'quote values that hold ": "'
    return "check indentation, quotes and brackets"


class _Reader:
    """Builds a tree from events with a stack of its own."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.stack: list[_Open] = []
        self.documents = 0
        self.values = 0

    def take(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self.stack.pop()
        elif isinstance(event, NodeEvent):
            self.values += 1
            line = event.start_mark.line + 1
            if self.values > MAX_VALUES:
                self._stop(line, f"the file has more than {MAX_VALUES:,} keys and values")
            self._refuse_sharing(event, line)
            self._take_node(event, line)

    def _start_document(self, event: DocumentStartEvent) -> None:
        self.documents += 1
        line = event.start_mark.line + 1
        if self.documents > 1:
            self._stop(line, "a second YAML document begins here", "keep one document; take `---` out")
        if event.version is not None or event.tags:
            self._problem(line, "YAML directives are not taken", "take the line that begins with % out")

    def _refuse_sharing(self, event: NodeEvent, line: int) -> None:
        if isinstance(event, AliasEvent):
            self._problem(line, f"YAML alias {quoted('*' + event.anchor)} is not taken", "write the value out")
        elif event.anchor is not None:
            self._problem(line, f"YAML anchor {quoted('&' + event.anchor)} is not taken", "take it out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._problem(line, f"YAML tag {quoted(str(tag))} is not taken", "take it out; quote texts")

    def _take_node(self, event: NodeEvent, line: int) -> None:
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._take_key(top, event, line)
            return
        path = self._path_of_next(top)
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            if len(self.stack) >= MAX_DEPTH:
                self._stop(line, f"the file is nested more than {MAX_DEPTH} levels deep", "a mapping needs five")
            value: Any = {} if isinstance(event, MappingStartEvent) else []
            self.stack.append(_Open(value, path))
        else:
            value = self._scalar(event, path, line) if isinstance(event, ScalarEvent) else None
            if isinstance(event, AliasEvent):
                self.tree.flagged.add(path)
        self.tree.lines.setdefault(path, line)
        self._attach(top, value)

    def _path_of_next(self, top: _Open | None) -> Path:
        if top is None:
            return ()
        return (*top.path, top.key if isinstance(top.value, dict) and top.key is not None else len(top.value))

    def _attach(self, top: _Open | None, value: Any) -> None:
        if top is None:
            self.tree.root = value
        elif isinstance(top.value, list):
            top.value.append(value)
        elif top.key is not None:
            top.value.setdefault(top.key, value)
            top.key = None

    def _take_key(self, top: _Open, event: NodeEvent, line: int) -> None:
        if not isinstance(event, ScalarEvent):
            self._stop(line, "a key must be a text", "write the name of a key or a column before the colon")
        key = str(event.value)
        plain = bool(event.implicit[0])
        path = (*top.path, key)
        if plain and key == "<<":
            self._problem(line, "YAML merge key `<<` is not taken", "write the entries out")
            self.tree.flagged.add(path)
        elif plain and (what := _read_as(key)) is not None:
            self._problem(line, f"the key {quoted(key)} is read as {what}", quote_it(key))
        self._refuse_characters(key, line)
        first = top.first_lines.setdefault(key, line)
        if key in top.value:
            self._problem(line, f"the key {quoted(key)} is here twice, first on line {first}", "keep one of them")
        self.tree.lines.setdefault(path, line)
        top.key = key

    def _scalar(self, event: ScalarEvent, path: Path, line: int) -> Any:
        text: str = event.value
        self._refuse_characters(text, line)
        if not event.implicit[0]:
            return text
        plain = _plain_value(text)
        if plain is not text:
            self.tree.raw[path] = text
            return plain
        if (what := _read_as(text)) is not None:
            fix = quote_it(text)
            if text in {"yes", "no", "on", "off"}:
                fix += f", or write {'true' if text in {'yes', 'on'} else 'false'} if you mean that"
            self._problem(line, f"{quoted(text)} is read as {what}", fix)
            self.tree.flagged.add(path)
        return text

    def _refuse_characters(self, text: str, line: int) -> None:
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            self._stop(line, "a text holds NUL or half a surrogate pair", "take the escape out")

    def _problem(self, line: int, message: str, fix: str = "") -> None:
        self.tree.problems.append(Problem(line, message, fix))

    def _stop(self, line: int, message: str, fix: str = "") -> NoReturn:
        self._problem(line, message, fix)
        raise _StopReadingError


def _plain_value(text: str) -> Any:
    """Return what an unquoted text unmistakably is, or the text itself."""
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text


def _read_as(text: str) -> str | None:
    """Return what a YAML reader may take an unquoted text for, None when it is a text to all of them."""
    if text in _NULL:
        return "nothing"
    if text in _TRUTH:
        return "true or false"
    return next((what for pattern, what in _DOUBTFUL if pattern.fullmatch(text)), None)
