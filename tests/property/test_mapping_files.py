"""Whatever the bytes are, a mapping is read or refused with problems; quoting changes nothing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.mapping_yaml import parse_mapping
from importer.errors import MappingError

WORDS = """
    version: 1 columns: {a: A.b} source: {} key [ ] , - : "x" 'y' no 012 12:30 &a *a !t << | > # % @ ` ? --- ...
    null ~ true
    {to: Contact.email} computed: rules: [{name: x, check: constants:
"""
FRAGMENTS = st.sampled_from([*WORDS.split(), "\n", "\n  ", "\t", " ", "\\", "\u2028", "\ud7ff"])
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


def _read(content: bytes) -> list[str]:
    try:
        parse_mapping(content, "fuzz")
    except MappingError as exc:
        return [problem.message for problem in exc.problems]
    return ["read"]


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=80) | st.lists(FRAGMENTS, max_size=25).map(lambda parts: " ".join(parts).encode()))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """No file raises anything but a refusal that says why."""
    messages = _read(content)
    assert messages
    assert all(messages)


@settings(max_examples=100, deadline=None)
@given(
    columns=st.dictionaries(NAMES, st.sampled_from(["to", "list", "plain"]), min_size=1, max_size=6),
    constants=st.dictionaries(
        st.sampled_from(["C.a", "C.b"]), st.text(max_size=8) | st.booleans() | st.integers(0, 99)
    ),
)
def test_quoted_names_and_texts_survive(columns: dict[str, str], constants: dict[str, Any]) -> None:
    """Any column name and any text, quoted, arrives as it is, and the fingerprint depends on the meaning alone."""
    refs = {name: f"G.t{number}" for number, name in enumerate(columns)}
    written: dict[str, Any] = {
        name: {"to": {"to": ref}, "list": [ref], "plain": ref}[columns[name]] for name, ref in refs.items()
    }
    document = {"version": 1, "columns": written, "constants": constants}
    plain = {**document, "columns": refs}
    text = json.dumps(document, ensure_ascii=True)
    if "\\u0000" in text or "\\u007f" in text or "\\ud" in text:
        return
    mapping = parse_mapping(text.encode(), "m")
    assert {name: targets[0].to for name, targets in mapping.columns.items()} == refs
    assert mapping.constants == constants
    assert mapping.fingerprint == parse_mapping(json.dumps(plain).encode(), "m").fingerprint
