"""Catalogue of bad input, mappings: what is refused in the file itself, whatever the source and the store are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

import importer
from tests.catalogue.trial import COLUMNS, Case, Read, Refused, parameters, try_out
from tests.catalogue.trial import STORE as STORE_ID
from tests.support.cli import CREDENTIALS
from tests.support.here import run_here
from tests.support.loopback import LoopbackServer, Reply

SOURCE: Final = b"email,name\na@example.com,a\n"
STORE: Final = {"version": 1, "columns": COLUMNS}
HEAD: Final = "version: 1\ncolumns:\n  email: Contact.email\n"
WHOLE: Final = f"{HEAD}  name: Contact.firstName\n"
DEPTH: Final = 5000


def refused(name: str, mapping: str | bytes, *words: str, fix: str = "") -> Case:
    """Return a case of a mapping that is refused, with its place and its fix."""
    content = mapping if isinstance(mapping, bytes) else mapping.encode()
    return Case(name, SOURCE, Refused(words, fix, importer.MappingError), mapping=content, store=STORE)


def quote(text: str, read_as: str) -> Case:
    """Return a case of a value that some YAML readers take for something else."""
    name = text.replace(":", "-").replace("+", "plus")
    deny = f"{WHOLE}identity: {{deny: [{text}]}}\n"
    return refused(f"quote-{name}", deny, "line 5", read_as, fix=f'quote it: "{text}"')


def taken(name: str, mapping: str) -> Case:
    """Return a case of a mapping that is fine."""
    return Case(name, SOURCE, Read(1), mapping=mapping.encode(), store=STORE)


def bomb() -> str:
    """Return anchors that hold each other nine deep, nine times each."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return WHOLE + "\n".join(lines) + "\n"


CASES: Final = {
    84: [
        refused("bomb", bomb(), "line 5", "YAML anchor `&a0`", "YAML alias `*a8`", fix="write the value out"),
        refused("recursive", f"{WHOLE}source: &x [*x]\n", "line 5", "YAML anchor `&x`", "YAML alias `*x`", fix="take"),
        refused("merge-key", f"{HEAD}  name: {{<<: {{to: Contact.firstName}}}}\n", "line 4", "merge key `<<`"),
        taken("asterisk-in-quotes", f'{WHOLE}identity: {{deny: ["*a", "&b"]}}\n'),
    ],
    85: [
        refused(
            "call",
            f"{WHOLE}source: !!python/object/apply:os.system ['touch called']\n",
            "line 5",
            "YAML tag",
            fix="take it out",
        ),
        refused("binary", f"{WHOLE}identity: {{deny: [!!binary aGk=]}}\n", "line 5", "YAML tag", fix="take it out"),
        refused("own", f"%TAG ! tag:example.com,2026:\n---\n{WHOLE}", "YAML directives", fix="take the line"),
    ],
    86: [
        refused("column", f"{WHOLE}  email: Contact.other\n", "line 5", "`email` is here twice, first on line 3"),
        refused("section", f"{WHOLE}columns: {{}}\n", "line 5", "`columns` is here twice, first on line 2"),
        refused("json", '{"version": 1,\n"version": 1}', "line 2", "`version` is here twice, first on line 1"),
    ],
    87: [
        quote("no", "true or false by some YAML readers"),
        quote("Off", "true or false by some YAML readers"),
        quote("012", "a number"),
        quote("0o17", "a number"),
        quote("0x1F", "a number"),
        quote("1_000", "a number"),
        quote("1e3", "a number"),
        quote(".inf", "a number"),
        quote("12:30:45", "a time by some YAML readers"),
        quote("2026-11-22", "a date"),
        quote("+13175551234", "a number"),
        refused("integer", f"{WHOLE}identity: {{deny: [13175551234]}}\n", "line 5", "a text", fix='"13175551234"'),
        refused("norway", f"{WHOLE}defaults: {{region: NO}}\n", "line 5", "`NO` is read as", fix='quote it: "NO"'),
        taken("quoted", f'{WHOLE}defaults: {{region: "NO"}}\nidentity: {{deny: ["012", "12:30:45"]}}\n'),
    ],
    88: [
        refused("brackets", "[" * DEPTH, "line 1", "more than 8 levels", fix="five"),
        refused("closed", f"{WHOLE}source: {'[' * DEPTH}{']' * DEPTH}\n", "line 5", "more than 8 levels"),
        refused("json", '{"version": 1, "columns": ' * DEPTH + "}" * DEPTH, "line 1", "more than 8 levels"),
        refused("dashes", "- " * DEPTH, "line 1", "more than 8 levels"),
        refused("indented", "".join(f"{' ' * n}a:\n" for n in range(600)), "line 9", "more than 8 levels"),
        refused("keys", "? " * DEPTH, "line 1", "a key must be a text"),
    ],
    89: [
        refused("section", f"{HEAD}colunms: {{}}\n", "line 4", "no key `colunms`", fix="did you mean `columns`?"),
        refused("case", f"{HEAD}Identity: {{}}\n", "line 4", "no key `Identity`", fix="did you mean `identity`?"),
        refused(
            "option",
            f"{HEAD}  name: {{to: Contact.firstName, requird: true}}\n",
            "line 4",
            "no key `requird`",
            fix="did you mean `required`?",
        ),
        refused("word", f"{WHOLE}defaults: {{on_missing: Keep}}\n", "line 5", "`on_missing`", fix="keep"),
        refused("strange", f"{WHOLE}zzzzzz: 1\n", "line 5", "no key `zzzzzz`", fix="known here: version, store"),
    ],
    90: [
        refused(
            "columns", f"{HEAD}  name: Contact.email\n", "line 4", "from the column `name`", "on line 3", fix="one"
        ),
        refused(
            "column-and-constant",
            f"{WHOLE}constants: {{Contact.firstName: x}}\n",
            "line 5",
            "`Contact.firstName` gets a value from `constants` and from the column `name` on line 4",
            fix="keep one",
        ),
        refused(
            "one-column-twice",
            f"{HEAD}  name: [Contact.firstName, Contact.firstName]\n",
            "line 4",
            "`Contact.firstName` gets a value from the column `name`",
        ),
        taken("declared", f"{HEAD}  name: [Contact.firstName]\n"),
        Case(
            "two-traits-of-one-column",
            SOURCE,
            Read(1),
            mapping={"version": 1, "columns": {"email": "Contact.email", "name": ["Contact.a", "Contact.b"]}},
        ),
    ],
    93: [
        refused("nul", WHOLE.encode() + b"\0", "line 5", "NUL", fix="UTF-8"),
        refused("nul-escaped", f'{WHOLE}identity: {{deny: ["\\0"]}}\n', "line 5", "NUL", fix="escape"),
        refused("latin-1", f"{WHOLE}# José\n".encode("latin-1"), "line 5", "not UTF-8", fix="save it as UTF-8"),
        refused("utf-16", WHOLE.encode("utf-16"), "UTF-8", fix="save it as UTF-8"),
        refused("surrogate", WHOLE.encode() + b"\xed\xa0\x80", "line 5", "not UTF-8", fix="save it as UTF-8"),
        refused("empty", b"", "the file is empty", fix="add `version: 1`"),
        refused("comments", b"# nothing\n", "the file is empty", fix="add `version: 1`"),
        refused("list", b"- version: 1\n", "line 1", "the file holds a list", fix="version, columns"),
        refused("text", b"email\n", "line 1", "a single value", fix="version, columns"),
        refused("two", f"{WHOLE}---\n{WHOLE}", "line 5", "a second YAML document", fix="keep one"),
        refused("large", b"#" * 1_000_001, "larger than a mapping may be: 1,000,000 bytes"),
        refused("many", f"identity:\n  deny: [{'a, ' * 50_001}]\n", "line 2", "more than 50,000 keys and values"),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_comes_of_a_mapping_file(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is refused with its place and what to write instead, or taken as it is meant."""
    monkeypatch.chdir(tmp_path)
    try_out(case, tmp_path)
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("command", [("validate",), ("plan",), ("import", "--yes"), ("mapping", "check")])
def test_every_command_refuses_it_before_any_request(command: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 2, each fault with line and fix, and the service was asked nothing."""
    (tmp_path / "source.csv").write_bytes(SOURCE)
    (tmp_path / "mapping.yaml").write_text(f"{WHOLE}source: &x [*x]\ncolunms: {{}}\n", encoding="utf-8")
    files = ("mapping.yaml",) if command[0] == "mapping" else ("source.csv", "-m", "mapping.yaml")
    with LoopbackServer(lambda _seen: Reply(404)) as service:
        environment = {"MEMORY_API_URL": service.url, "MEMORY_STORE_ID": STORE_ID, **CREDENTIALS}
        ended = run_here(tmp_path, *command, *files, environment=environment)
        assert service.seen == [] or command[0] == "mapping"
    assert ended.code == 2, ended.stderr
    said = ended.stderr + ended.stdout
    assert "line 5: YAML alias `*x` is not taken (write the value out)" in said
    assert "line 6: there is no key `colunms` (did you mean `columns`?)" in said
    assert not list((tmp_path / "runs").glob("2*"))


@pytest.mark.parametrize("name", ["/dev/zero", "folder", "missing.yaml"])
def test_what_is_no_mapping_file_is_refused(name: str, tmp_path: Path) -> None:
    """A device that never ends, a folder and a file that is not there: at once, with exit code 2."""
    (tmp_path / "source.csv").write_bytes(SOURCE)
    (tmp_path / "folder").mkdir()
    ended = run_here(tmp_path, "validate", "source.csv", "-m", name, "--emulator")
    assert ended.code == 2, ended.stderr
    assert name in ended.stderr
