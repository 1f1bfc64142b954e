"""Reading a mapping file: what is taken, and every fault at once with its line and fix."""

from __future__ import annotations

import time

import pytest

from importer.core.mapping import MappingFile, source_options
from importer.core.mapping_checks import nearest
from importer.core.mapping_yaml import parse_mapping
from importer.core.schema import DataType
from importer.core.transform import NullIntent, OnInvalid, Parse
from importer.errors import MappingError

FULL = r"""version: 1
store: mem_store_01234567890123456789012345
source: {key: [customer_id], null_tokens: ["", "\\N"], delimiter: auto, encoding: auto, where: "country <> 'XX'"}
defaults: {region: US, on_missing: keep, on_invalid: reject}
columns:
  email_address: Contact.email                     # shorthand: type and rules come from the store schema
  mobile: {to: Contact.phone, region_from: country, on_invalid: drop}
  birth_date: {to: Contact.birthDate, parse: date, format: "%d/%m/%Y"}
  points: {to: Loyalty.points, type: number, on_missing: remove}
  subscribed: {to: Loyalty.isSubscribed, true_values: ["yes", "y", "1"], false_values: ["no", "n", "0"]}
  colours: {to: Loyalty.favoriteColors, split: "|"}
  tier: {to: Loyalty.tier, lower: true, replace: {vip: gold}, required: true}
computed: {Contact.fullName: "first_name || ' ' || last_name"}
constants: {Account.origin: crm-2026}
identity: {on_duplicate_key: last, on_shared: {phone: drop-value}, deny: ["+10000000000"]}
rules: [{name: not-negative, check: "points >= 0", severity: warning}]
routing: {import_min_rows: 50000, part_rows: 50000}
"""


def parse(text: str) -> MappingFile:
    """Parse a text."""
    return parse_mapping(text.encode(), "m.yaml")


def problems(text: str | bytes) -> list[str]:
    """Return the problems of a file that must be refused, as people see them."""
    with pytest.raises(MappingError) as caught:
        parse_mapping(text if isinstance(text, bytes) else text.encode(), "m.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_every_key_is_read() -> None:
    """The example of the documentation is read whole."""
    mapping = parse(FULL)
    assert mapping.name == "m.yaml"
    assert mapping.source.key == ("customer_id",)
    assert mapping.source.null_tokens == ("", "\\N")
    (points,) = mapping.columns["points"]
    assert (points.to, points.type, points.on_missing) == ("Loyalty.points", DataType.NUMBER, NullIntent.REMOVE)
    assert mapping.columns["birth_date"][0].parse is Parse.DATE
    assert mapping.columns["mobile"][0].on_invalid is OnInvalid.DROP
    assert mapping.columns["tier"][0].replace == {"vip": "gold"}
    assert mapping.computed["Contact.fullName"].expr == "first_name || ' ' || last_name"
    assert mapping.constants == {"Account.origin": "crm-2026"}
    assert mapping.rules[0].severity == "warning"
    assert mapping.line_of("columns", "points", 0, "type") == 9
    assert mapping.line_of("rules", 0, "check") == 16


def test_smallest_mapping_has_defaults() -> None:
    """Version and one column are enough."""
    mapping = parse("version: 1\ncolumns: {a: Contact.email}\n")
    assert mapping.defaults.on_missing is NullIntent.KEEP
    assert mapping.routing.part_rows == 50_000
    assert source_options(mapping) == {}


def test_lists_types_and_empty_sections() -> None:
    """A column may have several traits, types may be written in capitals, and a section may be empty."""
    mapping = parse(
        """version: 1
source: {key: id, null_tokens: "-", delimiter: '\\t', assume_tz: Europe/Berlin, trim_headers: true}
columns:
  a: [Contact.a, {to: Contact.b, type: NUMBER}]
computed: {Contact.c: {expr: a, type: boolean}}
constants: {A.list: [x, y], A.yes: true, A.n: -7}
identity:
"""
    )
    assert [target.to for target in mapping.columns["a"]] == ["Contact.a", "Contact.b"]
    assert mapping.source.key == ("id",)
    assert mapping.constants == {"A.list": ("x", "y"), "A.yes": True, "A.n": -7}
    assert mapping.computed["Contact.c"].type is DataType.BOOLEAN
    assert source_options(mapping) == {"delimiter": "\t", "assume_tz": "Europe/Berlin", "trim_headers": True}


def test_fingerprint_is_of_the_meaning() -> None:
    """Comments, quoting, long form and spelt-out defaults leave the fingerprint; a changed value moves it."""
    short = parse("version: 1\ncolumns: {a: Contact.email, b: A.c}\n")
    long = parse("# x\nversion: 1\nrules: []\ncolumns:\n  'a': {to: Contact.email, required: false}\n  b: [A.c]\n")
    other = parse("version: 1\ncolumns: {b: A.c, a: Contact.email}\n")
    assert short.fingerprint == long.fingerprint
    assert short.fingerprint != other.fingerprint
    assert short.line_of("columns", "a") == 2
    assert MappingFile.model_validate({"version": 1, "columns": {"a": "A.b"}}).line_of("columns", "a") is None


@pytest.mark.parametrize(
    ("text", "meant"), [("auto", "auto"), (";", ";"), ("tab", "\t"), ("\\t", "\t"), ("\x01", "\x01")]
)
def test_delimiters(text: str, meant: str) -> None:
    """A delimiter is one character; a tab may be written in two other ways."""
    mapping = MappingFile.model_validate({"version": 1, "columns": {"a": "A.b"}, "source": {"delimiter": text}})
    assert mapping.source.delimiter == meant


def test_byte_order_mark_is_taken() -> None:
    """A file that an editor began with a byte order mark is read."""
    assert parse_mapping(b"\xef\xbb\xbfversion: 1\ncolumns: {a: A.b}\n", "m").version == 1


HEAD = "version: 1\ncolumns: {a: A.b}\n"
WHOLE = [
    ("", ["the file is empty (add `version: 1` as the first line)"]),
    ("# nothing\n", ["the file is empty (add `version: 1` as the first line)"]),
    ("- a\n", ["line 1: the file holds a list (a mapping file has keys: version, columns, ...)"]),
    ("a,b\n1,2\n", ["line 1: the file holds a single value (a mapping file has keys: version, columns, ...)"]),
    (b"version: 1\ncolumns:\n  a: \xff", ["line 3: the file is not UTF-8 (save it as UTF-8 text)"]),
    (b"version: 1\n\0", ["line 2: the file holds a NUL byte (save it as UTF-8 text)"]),
    ("version: 2\ncolumns: {a: A.b}", ["line 1: this program reads mapping version 1 only (write `version: 1`)"]),
    ("columns: {a: A.b}", ["`version` is missing (add `version: 1` as the first line)"]),
    ("version: 1", ["`columns` is missing (add `columns:` with at least one `column: Group.trait`)"]),
    ("version: 1\ncolumns: {}", ["line 2: `columns`: must not be empty"]),
    ("version: 1\ncolumns:\n", ["line 2: `columns` must be a mapping of keys to values "
                                "(take the key out, or give it a value)"]),
    (HEAD + "colums: {}", ["line 3: there is no key `colums` (did you mean `columns`?)"]),
    (HEAD + "source: {delimeter: ';'}", ["line 3: there is no key `delimeter` (did you mean `delimiter`?)"]),
    (HEAD + "version: 1", ["line 3: the key `version` is here twice, first on line 1 (keep one of them)"]),
    (HEAD + "store: &x y", ["line 3: YAML anchor `&x` is not taken (take it out)",
                            "line 3: this is not a store ID "
                            "(it is `mem_store_` and 26 lower-case letters and digits)"]),
    (HEAD + "store: *x", ["line 3: YAML alias `*x` is not taken (write the value out)"]),
    ("version: 1\ncolumns: {a: !!str A.b}", ["line 2: YAML tag `tag:yaml.org,2002:str` is not taken "
                                             "(take it out; quote texts)"]),
    ("version: 1\ncolumns: {a: A.b, <<: {c: A.d}}", ["line 2: YAML merge key `<<` is not taken "
                                                    "(write the entries out)"]),
    ("%YAML 1.1\n---\n" + HEAD, ["line 2: YAML directives are not taken (take the line that begins with % out)"]),
    (HEAD + "---\na: b", ["line 3: a second YAML document begins here (keep one document; take `---` out)"]),
    ("? [a]\n: b", ["line 1: a key must be a text (write the name of a key or a column before the colon)"]),
    ('a: "\\0"', ["line 1: a text holds NUL or half a surrogate pair (take the escape out)"]),
    ('a: "\\ud800"', ["line 1: a text holds NUL or half a surrogate pair (take the escape out)"]),
    ('a: "\\U99999999"', ["not valid YAML (check quotes, escapes and special characters)"]),
    ("a: %x", ["line 1: not valid YAML: found character '%' that cannot start any token "
               "(indent with spaces, and quote values that begin with %, @ or `)"]),
    ("a: b: c", ['line 1: not valid YAML: mapping values are not allowed here (quote values that hold ": ")']),
    ("a: [b", ["line 1: not valid YAML: expected ',' or ']', but got '<stream end>' "
               "(check indentation, quotes and brackets)"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WHOLE, ids=range(len(WHOLE)))
def test_faults_of_the_file(text: str | bytes, expected: list[str]) -> None:
    """A file that is not a mapping is refused with place, cause and fix."""
    assert problems(text) == expected


IMPLICIT = [
    ("no", "true or false by some YAML readers"),
    ("Yes", "true or false by some YAML readers"),
    ("NO", "true or false by some YAML readers"),
    ("on", "true or false by some YAML readers"),
    ("012", "a number"),
    ("+13175551234", "a number"),
    ("1_000", "a number"),
    ("0x1F", "a number"),
    ("0o17", "a number"),
    ("1e3", "a number"),
    (".5", "a number"),
    (".inf", "a number"),
    (".NaN", "a number"),
    ("12:30", "a time by some YAML readers"),
    ("2026-11-22", "a date"),
    ("2026-11-22T10:00:00Z", "a date"),
]


@pytest.mark.parametrize(("text", "what"), IMPLICIT)
def test_doubtful_values_must_be_quoted(text: str, what: str) -> None:
    """What YAML readers take for something else than its text is refused wherever it stands, once."""
    for place in (f"constants: {{A.c: {text}}}", f"identity: {{deny: [{text}]}}", f"defaults: {{region: {text}}}"):
        (problem,) = problems(HEAD + place)
        assert problem.startswith(f'line 3: `{text}` is read as {what} (quote it: "{text}"')
    (problem,) = problems(f"version: 1\ncolumns:\n  {text}: A.b\n")
    assert problem.startswith(f"line 3: the key `{text}` is read as {what}")
    assert parse(f'version: 1\ncolumns: {{"{text}": A.b}}\nconstants: {{A.c: "{text}"}}').constants == {"A.c": text}


@pytest.mark.parametrize("text", ["13175551234", "true", "1.10", "null", "~", "-5"])
def test_plain_types_are_refused_for_text(text: str) -> None:
    """A number, a truth value or nothing is not taken for a text; the fix shows the quotes."""
    (problem,) = problems(HEAD + f"identity: {{deny: [x, {text}]}}")
    assert problem == f'line 3: item 2 of `deny` must be a text (quote it: "{text}")'
    (problem,) = problems(f"version: 1\ncolumns:\n  {text}: A.b\n")
    assert 'quote it: "' in problem


VALUES = [
    ("store: mem_store_1", "store ID"),
    ("source: {delimiter: ';;'}", "`;;` is not a delimiter"),
    ("source: {delimiter: a}", "`a` is not a delimiter"),
    ("source: {delimiter: '\"'}", "is not a delimiter"),
    ("source: {delimiter: 5}", "`delimiter` must be a text (quote it: \"5\")"),
    ("source: {encoding: utf-99}", "`utf-99` is not an encoding"),
    ("source: {encoding: base64}", "`base64` is not an encoding"),
    ("source: {assume_tz: Mars/X}", "`Mars/X` is not a time zone"),
    ("source: {assume_tz: ''}", "is not a time zone"),
    ("source: {skip_lines: -1}", "`skip_lines`: must be at least 0"),
    ("source: {skip_lines: '1'}", "`skip_lines` must be a whole number (write digits only, without quotes)"),
    ("source: {nan_as_missing: yes}", "or write true if you mean that"),
    ("source: {nan_as_missing: 1}", "`nan_as_missing` must be true or false (write true or false, without quotes)"),
    ("source: {key: 5}", "`key` must be a list (quote it: \"5\")"),
    ("source: {key: []}", "`key`: must not be empty"),
    ("source: {key: [a, a]}", "the key names `a` twice"),
    ("source: [a]", "`source` must be a mapping of keys to values"),
    ("source: {where: ''}", "`where`: must not be empty"),
    ("source: {where: 'a; b'}", "`;` is not taken"),
    ("defaults: {region: UK}", "`UK` is not a region (two letters"),
    ("defaults: {region: us}", "`us` is not a region (did you mean `US`?)"),
    ("defaults: {on_missing: kep}", "`on_missing` has a value that is not known (one of: keep, clear or remove)"),
    ("computed: {A.c: {exp: a}}", "`expr` is missing"),
    ("computed: {A.c: 'SELECT 1'}", "`SELECT` is not allowed"),
    ("computed: {c: a}", "`c` is not of the form `Group.trait`"),
    ("computed: {A.b: a}", "`A.b` gets a value from `computed` and from the column `a` on line 2"),
    ("constants: {A.b: x}", "`A.b` gets a value from `constants` and from the column `a` on line 2"),
    ("constants: {A.c: 1.5}", "not a fraction"),
    ("constants: {A.c: }", "not nothing"),
    ("constants: {A.c: {x: y}}", "not a mapping"),
    ("constants: {A.c: [1, a]}", "all texts, all whole numbers or all true/false"),
    ("constants: {A.c: []}", "at least one item"),
    ("identity: {on_shared: {phone: dropvalue}}", "one of: hold, drop-value or allow"),
    ("identity: {on_shared: {x: hold}}", "`x` is not an identifier type"),
    ("identity: {on_duplicate_key: first}", "one of: last, reject or all"),
    ("rules: [{name: x, check: 'a = 1', severity: warn}]", "one of: error or warning"),
    ("rules: [{nam: y, check: 'a = 1'}]", "there is no key `nam` (did you mean `name`?)"),
    ("rules: [{name: x, check: 'now() > a'}]", "`NOW` is not allowed"),
    ("rules: [{name: x, check: 'a=1'}, {name: x, check: 'a=2'}]", "two rules are named `x`"),
    ("rules: {name: x}", "`rules` must be a list"),
    ("rules: [x]", "item 1 of `rules` must be a mapping"),
    (f"rules: [{{name: {'x' * 101}, check: 'a=1'}}]", "has more than 100 characters"),
    ("routing: {part_rows: 2000000}", "`part_rows`: must be at most 1000000"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), VALUES, ids=[text for text, _ in VALUES])
def test_faults_of_values(text: str, expected: str) -> None:
    """Each value is checked where it stands."""
    found = problems(HEAD + text)
    assert any(problem.startswith("line 3: ") and expected in problem for problem in found), found


COLUMNS = [
    ("Contact", "`Contact` is not of the form `Group.trait`"),
    ("'A .b'", "is not a trait's name"),
    (f"A.{'b' * 200}", "is too long"),
    ("{type: number}", "`to` is missing (add `to: Group.trait`)"),
    ("{to: A.b, lowr: true}", "there is no key `lowr` (did you mean `lower`?)"),
    ("{to: A.b, type: strng}", "one of: string, number, boolean or array"),
    ("{to: A.b, type: 5}", "`type` has a value that is not known"),
    ("{to: A.b, identifier: x}", "`x` is not an identifier type"),
    ("{to: A.b, identifier: " + "x" * 31 + "}", "is not an identifier type"),
    ("{to: A.b, lower: true, upper: true}", "exclude each other"),
    ("{to: A.b, format: '%d'}", "`format` needs `parse`"),
    ("{to: A.b, parse: date, format: '%Y'}", "does not read a date"),
    ("{to: A.b, parse: date, format: '%Q'}", "does not read a date"),
    ("{to: A.b, parse: date, format: '%d/%m/%Y %H:%M'}", "does not read a date"),
    ("{to: A.b, parse: datetime, format: '%d/%m/%Y'}", "does not read a date and time"),
    ("{to: A.b, parse: time}", "one of: date or datetime"),
    ("{to: A.b, split: 3}", "`split` must be a text (quote it: \"3\")"),
    ("{to: A.b, true_values: [X], false_values: [x]}", "`x` is in `true_values` and in `false_values`"),
    ("{to: A.b, true_values: ['false']}", "`false` is in `true_values` and in `false_values`"),
    ("{to: A.b, lower: true, replace: {Vip: gold}}", "`Vip` can never match: `lower` comes first"),
    ("{to: A.b, upper: true, replace: {vip: gold}}", "`vip` can never match: `upper` comes first"),
    ("{to: A.b, replace: {' vip': gold}}", "values are trimmed first"),
    ("{to: A.b, replace: {vip: ''}}", "the replacement of `vip` is empty"),
    ("{to: A.b, replace: {vip: 12}}", "`vip` must be a text (quote it: \"12\")"),
    ("[A.b, 3]", "item 2 of `a` must be a trait"),
    ("[A.b, A.b]", "`A.b` gets a value from the column `a` and from the column `a`"),
    ("[]", "`a`: must not be empty"),
    ("", "`a` must be a trait (write `Group.trait`"),
    ("3", "`a` must be a trait"),
]  # fmt: skip


def test_two_columns_of_one_identifier_are_shown_the_way_to_have_both() -> None:
    """An identifier may have further values, which any other trait may not."""
    (problem,) = problems("version: 1\ncolumns:\n  mobile: Contact.phone\n  home: Contact.phone\n")
    assert problem.endswith("(keep one of them, or write `also` in place of `to` for a further value)")
    (problem,) = problems("version: 1\ncolumns:\n  a: A.b\n  b: A.b\n")
    assert problem.endswith("(keep one of them)")


@pytest.mark.parametrize(("text", "expected"), COLUMNS, ids=[text for text, _ in COLUMNS])
def test_faults_of_columns(text: str, expected: str) -> None:
    """Each key of a column is checked, on its line, and once."""
    (problem,) = problems(f"version: 1\ncolumns:\n  a: {text}\n")
    assert problem.startswith("line 3: ")
    assert expected in problem


@pytest.mark.parametrize(
    "text", ["%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S%z", "%d.%m.%y %I:%M %p", "%Y-%m-%d %H:%M:%S%.f", "%s"]
)
def test_formats_of_moments(text: str) -> None:
    """A format that reads back what it writes is taken, with or without a zone."""
    mapping = parse(f"version: 1\ncolumns: {{a: {{to: A.b, parse: datetime, format: '{text}'}}}}")
    assert mapping.columns["a"][0].format == text


def test_all_faults_come_at_once_in_order_of_lines() -> None:
    """Faults of YAML, of keys and of values are told together."""
    found = problems(
        "version: 1\nsource: {delimeter: ';'}\ncolumns:\n  a: Contact\n  a: A.b\n  b: {to: no, required: 1}\nx: 1\n"
    )
    assert [problem.split(":")[0] for problem in found] == ["line 2", "line 4", "line 5", "line 6", "line 6", "line 7"]


def test_messages_hold_the_count() -> None:
    """The error itself says how many problems there are, and the hint what to do."""
    with pytest.raises(MappingError) as caught:
        parse("version: 1\ncolumns: {a: b, c: d}\n")
    assert str(caught.value) == "m.yaml: 2 problems"
    assert caught.value.hint


HOSTILE = {
    "too large": b"x" * 1_000_001,
    "brackets": b"[" * 900_000,
    "dashes": b"- " * 400_000,
    "question marks": b"? " * 400_000,
    "indented": b"".join(b" " * level + b"a:\n" for level in range(1300)),
    "one text": b"a: " + b"x" * 900_000,
    "words": b"a: " + b"x " * 100_000,
    "quoted": b'a: "' + b"x " * 100_000 + b'"',
    "comments": b"#\n" * 100_000,
    "many values": b"- a\n" * 200_000,
    "colons": b"a:" * 400_000,
    "aliases": b"a: &a [x]\n" + b"b: [*a]\n" * 100_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused_in_seconds(content: bytes) -> None:
    """Size, depth and number are bounded, and so is the time."""
    started = time.perf_counter()
    assert problems(content)
    assert time.perf_counter() - started < 20


def test_nearest_gives_up_on_many_names() -> None:
    """Among very many names only spelling variants are looked for."""
    names = [f"column_{number}" for number in range(10_000)]
    assert nearest("Column 77", names) == "column_77"
    assert nearest("colum_77", names) is None
    assert nearest("colum_77", names[:100]) == "column_77"
    assert nearest("zzz", names[:100]) is None
