"""Mappings and store patterns made to take all of a machine's time or memory.

`python -m tests.catalogue.worst_mappings FOLDER NAME..` tries some in this process and says what each took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import importer
from importer.core.schema import StoreSchema

HEAD: Final = "version: 1\ncolumns:\n  email: Contact.email\n  name: Contact.firstName\n"
DEPTH: Final = 5000
LONG: Final = "a" * 1023 + "!"
ROWS: Final = 2000
STORE: Final = "mem_store_00000000000000000000000001"


@dataclass(frozen=True)
class Worst:
    """A mapping, and what must be said of it.

    Attributes:
        words: What the answer or its notes say.
        mapping: The file.
        pattern: The store's rule for names.
    """

    words: str
    mapping: str | bytes = HEAD
    pattern: str | None = None


def computed(expression: str) -> str:
    """Return a mapping with an expression."""
    return f"{HEAD}computed: {{Contact.made: {json.dumps(expression)}}}\n"


def many(section: str, count: int) -> str:
    """Return a mapping with so many entries in a section."""
    entries = ", ".join(f"G{number // 90}.t{number}: \"SPLIT_PART(name, '-', 1)\"" for number in range(count))
    return f"{HEAD}{section}: {{{entries}}}\n"


def nested(name: str, end: str) -> str:
    """Return a column in very many calls of a function."""
    return f"{name}(" * DEPTH + "name" + end * DEPTH


ALIASES: Final = f"{HEAD}identity:\n  deny: &a [x]\n" + "rules: [" + "*a, " * 40_000 + "]\n"
BOMB: Final = HEAD + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))

WORST: Final[Mapping[str, Worst]] = {
    "alias-bomb": Worst("YAML anchor", BOMB),
    "many-aliases": Worst("YAML alias", ALIASES),
    "recursive-alias": Worst("YAML alias `*x`", f"{HEAD}source: &x [*x]\n"),
    "deep-flow": Worst("more than 8 levels", "[" * 900_000),
    "deep-json": Worst("more than 8 levels", '{"a": ' * DEPTH + "}" * DEPTH),
    "deep-block": Worst("more than 8 levels", "".join(f"{' ' * n}a:\n" for n in range(1300))),
    "100-mb": Worst("larger than a mapping may be", b"# comment\n" * (10 * 1024 * 1024)),
    "100-mb-of-nul": Worst("larger than a mapping may be", bytes(100 * 1024 * 1024)),
    "many-values": Worst("more than 50,000", f"{HEAD}identity: {{deny: [{'a, ' * 60_000}]}}\n"),
    "many-faults": Worst("is read as a date", HEAD + "".join(f"  c{n}: 2026-11-{n % 28 + 1}\n" for n in range(20_000))),
    "many-words": Worst("no key `k0`", HEAD + "".join(f"k{n}: 1\n" for n in range(20_000))),
    "many-expressions": Worst("more than 500 expressions", many("computed", 10_000)),
    "nested-parentheses": Worst("levels deep", computed(nested("", ")"))),
    "nested-calls": Worst("levels deep", computed(nested("LOWER", ")"))),
    "nested-not": Worst("levels deep", f'{HEAD}source: {{where: "{"NOT " * DEPTH}name"}}\n'),
    "expression-of-1-mb": Worst("more than 100,000 characters", computed("name || " * 120_000 + "name")),
    "text-of-1-mb": Worst("more than 100,000 characters", computed(f"name || '{'x' * 950_000}'")),
    "replace-in-replace": Worst("times as long", computed("REPLACE(" * 3 + "name" + f", 'a', '{'a' * 300}')" * 3)),
    "costliest-expressions": Worst(f"{ROWS} rows", many("computed", 400)),
    "format": Worst("does not read a date", f"{HEAD}  d: {{to: C.d, parse: date, format: '{'%' * 900_000}'}}\n"),
    "pattern-of-stars": Worst(f"{ROWS} rows", pattern="(a+)+$"),
    "pattern-of-choices": Worst(f"{ROWS} rows", pattern="^(a|a|aa)*$"),
    "pattern-of-counts": Worst(f"{ROWS} rows", pattern="(?:[a-z]{0,90}){0,90}$"),
    "pattern-of-a-huge-automaton": Worst("pattern-not-checked", pattern=r"(\w{1000}){1000}"),
    "pattern-of-lookahead": Worst("pattern-not-checked", pattern="(?=a)(a+)+$"),
    "pattern-of-parentheses": Worst("pattern-not-checked", pattern="(" * DEPTH + "a" + ")" * DEPTH),
    "pattern-of-1-mb": Worst("pattern-not-checked", pattern="a" * 1_000_000),
}


def schema_of(worst: Worst) -> bytes:
    """Return a store's schema, which has the pattern as its rule, and whatever expressions there are to fill."""
    rule = {"ruleType": "STRING", "pattern": worst.pattern} if worst.pattern is not None else None
    text: dict[str, Any] = {"dataType": "STRING", "idTypePromotion": None, "validationRule": None}
    contact = {"email": text | {"idTypePromotion": "email"}, "firstName": text | {"validationRule": rule}}
    groups: list[dict[str, Any]] = [{"displayName": "Contact", "version": 1, "traits": contact | {"made": text}}]
    groups += [
        {"displayName": f"G{group}", "version": 1, "traits": {f"t{90 * group + n}": text for n in range(90)}}
        for group in range(5)
    ]
    identity = {"identifierConfigs": [{"idType": "email", "normalization": "email"}], "matchingRules": ["email"]}
    return StoreSchema.from_api({"id": STORE, "displayName": "worst"}, groups, identity).to_file()


def write(folder: Path, worst: Worst) -> None:
    """Write what a run needs."""
    name = "a" if worst.pattern is None else LONG
    rows = "".join(f"a{number}@example.com,{name}\n" for number in range(ROWS))
    (folder / "source.csv").write_text(f"email,name\n{rows}", encoding="utf-8")
    content = worst.mapping if isinstance(worst.mapping, bytes) else worst.mapping.encode()
    (folder / "mapping.yaml").write_bytes(content)
    (folder / "schema.json").write_bytes(schema_of(worst))


def measured(folder: Path, worst: Worst) -> dict[str, Any]:
    """Try one and return what was said, and what it took of this process."""
    write(folder, worst)
    # The peak so far is of others.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    begun = time.process_time()
    request = importer.RunRequest(
        source=str(folder / "source.csv"),
        mapping=folder / "mapping.yaml",
        settings=importer.Settings(runs_dir=str(folder / "runs")),
        schema_file=folder / "schema.json",
    )
    try:
        report = importer.validate(request)
        answer = f"{report.rows_read} rows {' '.join(report.notes)}"
    except importer.ImporterError as error:
        answer = f"{error.message} {' '.join(map(str, getattr(error, 'problems', ())))}"
    took_s = time.process_time() - begun
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    return {"answer": answer[:100_000], "peak_mib": peak_kib // 1024, "cpu_s": took_s}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.stdout.write(json.dumps({name: measured(place, WORST[name]) for name in sys.argv[2:]}))
