"""Expressions: what is compiled, what it means, and what is refused before polars sees it."""

from __future__ import annotations

import time

import polars as pl
import pytest

from importer.core.expressions import Result, compile_expression, syntax_problem
from importer.core.mapping_budget import MAX_DEPTH, MAX_OPERANDS
from importer.core.mapping_functions import FUNCTIONS
from importer.errors import MappingError, Problem

FRAME = pl.DataFrame(
    {
        "s": ["Ab ", "éx", None, "", "a-b"],
        "t": ["1", "2.5", None, "nan", "x"],
        "n": [1, -2, None, 0, 2**31 - 1],
        "b": [True, False, None, True, False],
        "a.b": ["q", "q", "q", "q", "q"],
        'q"x': ["z", "z", "z", "z", "z"],
        "*": ["w", "w", "w", "w", "w"],
        "^s|t$": ["w", "w", "w", "w", "w"],
    },
    schema_overrides={"n": pl.Int32},
)
DTYPES = {"n": pl.Int32(), "b": pl.Boolean()}


def value_of(text: str, result: Result = Result.TEXT) -> list[object]:
    """Compile over cast columns and evaluate."""
    expression = compile_expression(text, FRAME.columns, result=result, dtypes=DTYPES)
    return FRAME.select(expression.expr.alias("value")).to_series().to_list()


def refusal(text: str, result: Result = Result.TEXT, dtypes: dict[str, pl.DataType] | None = None) -> Problem:
    """Return the one problem of an expression that must be refused."""
    with pytest.raises(MappingError) as caught:
        compile_expression(text, FRAME.columns, result=result, dtypes=dtypes)
    (problem,) = caught.value.problems
    return problem


MEANINGS: list[tuple[str, list[object]]] = [
    ("LOWER(s)", ["ab ", "éx", None, "", "a-b"]),
    ("upper(s)", ["AB ", "ÉX", None, "", "A-B"]),
    ("INITCAP(s)", ["Ab ", "Éx", None, "", "A-B"]),
    ("TRIM(s)", ["Ab", "éx", None, "", "a-b"]),
    ("LTRIM(' ' || s)", ["Ab ", "éx", None, "", "a-b"]),
    ("RTRIM(s)", ["Ab", "éx", None, "", "a-b"]),
    ("REVERSE(s)", [" bA", "xé", None, "", "b-a"]),
    ("LENGTH(s)", ["3", "2", None, "0", "3"]),
    ("CHAR_LENGTH(s)", ["3", "2", None, "0", "3"]),
    ("CHARACTER_LENGTH(s)", ["3", "2", None, "0", "3"]),
    ("SUBSTR(s, 2)", ["b ", "x", None, "", "-b"]),
    ("SUBSTRING(s, 2, 1)", ["b", "x", None, "", "-"]),
    ("LEFT(s, 1)", ["A", "é", None, "", "a"]),
    ("RIGHT(s, 1)", [" ", "x", None, "", "b"]),
    ("SPLIT_PART(s, '-', 2)", ["", "", None, "", "b"]),
    ("REPLACE(s, 'b', '.')", ["A. ", "éx", None, "", "a-."]),
    ("REPLACE(s, '.', 'x')", ["Ab ", "éx", None, "", "a-b"]),
    ("CONCAT(s, t)", ["Ab 1", "éx2.5", "", "nan", "a-bx"]),
    ("CONCAT_WS('/', s, t)", ["Ab /1", "éx/2.5", "", "/nan", "a-b/x"]),
    ("s || t", ["Ab 1", "éx2.5", None, "nan", "a-bx"]),
    ("COALESCE(s, 'none')", ["Ab ", "éx", "none", "", "a-b"]),
    ("IFNULL(s, 'none')", ["Ab ", "éx", "none", "", "a-b"]),
    ("NULLIF(s, '')", ["Ab ", "éx", None, None, "a-b"]),
    ("GREATEST(n, 0)", ["1", "0", "0", "0", "2147483647"]),
    ("LEAST(n, 0)", ["0", "-2", "0", "0", "0"]),
    ("ABS(n)", ["1", "2", None, "0", "2147483647"]),
    ("SIGN(n)", ["1", "-1", None, "0", "1"]),
    ("FLOOR(n * 0.5)", ["0", "-1", None, "0", "1073741823"]),
    ("CEIL(n * 0.5)", ["1", "-1", None, "0", "1073741824"]),
    ("CEILING(n * 0.5)", ["1", "-1", None, "0", "1073741824"]),
    ("n * 0.5", ["0.5", "-1", None, "0", "1073741823.5"]),
    ("MOD(7, n)", ["0", "1", None, None, "7"]),
    ("DIV(t, 2)", ["0", None, None, None, None]),
    ("DIV(n, -2)", ["0", "1", None, "0", "-1073741823"]),
    ("n * 1000", ["1000", "-2000", None, "0", "2147483647000"]),
    ("- n + 0.5", ["-0.5", "2.5", None, "0.5", "-2147483646.5"]),
    ("TRY_CAST(t AS BIGINT)", ["1", None, None, None, None]),
    ("TRY_CAST(t AS DOUBLE)", ["1", "2.5", None, None, None]),
    ("TRY_CAST(n AS TEXT)", ["1", "-2", None, "0", "2147483647"]),
    ("CASE WHEN n > 0 THEN 'p' WHEN n < 0 THEN 'm' ELSE 'o' END", ["p", "m", "o", "o", "p"]),
    ("CASE s WHEN '' THEN 'empty' END", [None, None, None, "empty", None]),
    ('"a.b" || "q""x"', ["qz", "qz", "qz", "qz", "qz"]),
    ("s || 'it''s \\ '", ["Ab it's \\ ", "éxit's \\ ", None, "it's \\ ", "a-bit's \\ "]),
    ("b", ["true", "false", None, "true", "false"]),
]

TRUTHS: list[tuple[str, list[object]]] = [
    ("DIV(8, n) >= 0", [True, False, None, None, True]),
    ("STARTS_WITH(s, 'A')", [True, False, None, False, False]),
    ("ENDS_WITH(s, 'b')", [False, False, None, False, True]),
    ("s <> 'éx'", [True, False, None, True, True]),
    ("s != 'éx'", [True, False, None, True, True]),
    ("s IS NULL", [False, False, True, False, False]),
    ("s IS NOT NULL AND NOT b", [False, True, False, False, True]),
    ("b IS NOT TRUE", [False, True, None, False, True]),
    ("b = TRUE OR (n > 0) IS TRUE", [True, False, None, True, True]),
    ("s IN ('éx', '')", [False, True, None, True, False]),
    ("n NOT IN (1, -2)", [False, False, None, True, True]),
    ("s LIKE 'A%'", [True, False, None, False, False]),
    ("s ILIKE 'A_%'", [True, False, None, False, True]),
    ("s NOT LIKE '(%'", [True, True, None, True, True]),
    ("n BETWEEN 0 AND 2 * 3", [True, False, None, True, False]),
    ("n NOT BETWEEN -5 AND 1 + 2 OR b", [True, False, None, True, True]),
    ("n * 2147483647 > 0", [True, False, None, False, True]),
    ("n >= 0 AND n <= 1e3", [True, False, None, True, False]),
    ("TRY_CAST(t AS DOUBLE) > 5", [False, False, None, None, None]),
    ("(n = 1) = b", [True, True, None, False, True]),
]


@pytest.mark.parametrize(("text", "expected"), MEANINGS, ids=[text for text, _ in MEANINGS])
def test_value_of_each_form(text: str, expected: list[object]) -> None:
    """Every function and operator gives the text that docs/mapping.md promises."""
    assert value_of(text) == expected


@pytest.mark.parametrize(("text", "expected"), TRUTHS, ids=[text for text, _ in TRUTHS])
def test_truth_of_each_form(text: str, expected: list[object]) -> None:
    """Every test gives the truth value that docs/mapping.md promises, null where it cannot tell."""
    assert value_of(text, Result.TRUTH) == expected


def test_every_allowed_function_is_tried() -> None:
    """No function is on the list without a line in the tables above."""
    tried = " ".join(text.upper() for text, _ in [*MEANINGS, *TRUTHS])
    assert [name for name in FUNCTIONS if f"{name}(" not in tried] == []


REFUSALS = [
    ("", "is empty", ""),
    ("  ", "is empty", ""),
    ("SELECT 1", "`SELECT` is not allowed", "double quotes"),
    ("(SELECT s)", "`SELECT` is not allowed", ""),
    ("s IN (SELECT t FROM x)", "`SELECT` is not allowed", ""),
    ("s FROM read_csv('/etc/passwd')", "`FROM` is not allowed", ""),
    ("read_csv('/etc/passwd')", "`READ_CSV` is not allowed", "docs/mapping.md"),
    ("READ_PARQUET('https://x')", "`READ_PARQUET` is not allowed", ""),
    ("COUNT(*)", "`COUNT` is not allowed", "other rows"),
    ("MAX(s)", "`MAX` is not allowed", "GREATEST"),
    ("SUM(n) OVER ()", "`SUM` is not allowed", "other rows"),
    ("LOWER(s) OVER (PARTITION BY t)", "`OVER` is not allowed", ""),
    ("NOW()", "`NOW` is not allowed", "run to run"),
    ("CURRENT_DATE", "no column `CURRENT_DATE`", ""),
    ("RANDOM()", "`RANDOM` is not allowed", ""),
    ("CAST(s AS INT)", "`CAST` is not allowed", "TRY_CAST"),
    ("TRY_CAST(s AS DATE)", "expected BIGINT, DOUBLE or VARCHAR", ""),
    ("TRY_CAST(s, 1)", "expected `AS`", ""),
    ("LOVER(s)", "`LOVER` is not allowed", "did you mean `LOWER`?"),
    ('"LOWER"(s)', "called like a function", "not quoted"),
    ("s; DROP TABLE x", "`;`", "one value"),
    ("s -- x", "comments", ""),
    ("s /* x */", "comments", ""),
    ("s # x", "comments", ""),
    ("s == 'a'", "`==`", "use `=`"),
    ("s::int", "`::`", "TRY_CAST"),
    ("n / 2", "division differs", "DIV"),
    ("n % 2", "division differs", "MOD"),
    ("s && t", "`&&`", "AND"),
    ("a.b", "`.` is not taken", '"a.b"'),
    ("`s`", "backticks", '"first name"'),
    ("'abc", "never ends", "it''s"),
    ('"abc', "never ends", ""),
    ('""', "never ends, or is empty", ""),
    ("s ~ 'x'", "`~` is not taken", ""),
    ("0x10 || s", "a number is not written in digits", ""),
    ("1_000 + n", "a number is not written in digits", ""),
    ("s t", "expected an operator or the end", ""),
    ("s || 'a' 'b'", "found a text", ""),
    ("s ||", "found the end", ""),
    ("* || s", "expected a value, found `*`", ""),
    ("(s", "expected `)`", ""),
    ("s IN (t)", "expected a text in single quotes or a number", ""),
    ("s IN ()", "expected a text in single quotes or a number", ""),
    ("s NOT t", "expected IN, LIKE or BETWEEN", ""),
    ("s IS 'a'", "expected NULL, TRUE or FALSE", ""),
    ("s LIKE t", "expected a text in single quotes", ""),
    ("s LIKE 'a' ESCAPE 'b'", "`ESCAPE` is not allowed", ""),
    ("s = NULL", "never true", "IS NULL"),
    ("NULL <> s", "never true", "IS NULL"),
    ("CASE LOWER(s) WHEN 'a' THEN 'b' END", "between CASE and WHEN", ""),
    ("CASE s || t WHEN 'a' THEN 'b' END", "expected WHEN", ""),
    ("CASE 'a' WHEN s THEN 'b' END", "between CASE and WHEN", ""),
    ("CASE WHEN s THEN", "expected a value", ""),
    ("country", "no column `country`", ""),
    ("S || 'x'", "no column `S`", "did you mean `s`?"),
    ('s = "XX"', "no column `XX`", "single quotes"),
    ('"*" || s', "cannot be named", "rename"),
    ('"^s|t$" || s', "cannot be named", "rename"),
    ("'a' || 'b'", "names no source column", "constants"),
    ("1 + 1", "names no source column", ""),
    ("LOWER()", "LOWER needs 1", ""),
    ("LOWER(s, t)", "LOWER takes at most 1", ""),
    ("LEFT(s, n)", "argument 2 of LEFT must be a whole number", ""),
    ("LEFT(s, 0)", "argument 2 of LEFT must be a whole number, written out, from 1", ""),
    ("LEFT(s, -1)", "argument 2 of LEFT must be a whole number", ""),
    ("LEFT(s, 99999999999)", "argument 2 of LEFT must be a whole number", ""),
    ("SUBSTR(s, 0)", "argument 2 of SUBSTR must be a whole number, written out, from 1", ""),
    ("REPLACE(s, '', 'x')", "argument 2 of REPLACE must be a text in single quotes that is not empty", ""),
    ("REPLACE(s, t, 'x')", "argument 2 of REPLACE", ""),
    ("CONCAT_WS(s, t)", "argument 1 of CONCAT_WS must be a text", ""),
    ("TRY_CAST(t AS BIGINT) > 9223372036854775808", "more than 64 bits", ""),
    ("TRY_CAST(t AS DOUBLE) > 1e400", "too large", ""),
    ("s LIKE 'a' = TRUE AND NOT s", "different types meet", "text"),
    ("t + 1", "different types meet", "TRY_CAST"),
    ("CASE WHEN s IS NULL THEN NULL END", "never gives a value", ""),
]


@pytest.mark.parametrize(("text", "message", "fix"), REFUSALS, ids=[text for text, _, _ in REFUSALS])
def test_refusal_names_cause_and_fix(text: str, message: str, fix: str) -> None:
    """What is not of the language is refused with its cause and what to write instead."""
    problem = refusal(text)
    assert message in problem.message
    assert fix in problem.fix


@pytest.mark.parametrize("text", ["s", "LENGTH(s)", "n + 1"])
def test_where_must_be_a_truth_value(text: str) -> None:
    """An expression that gives text or a number cannot say which rows to keep."""
    assert "not true or false" in refusal(text, Result.TRUTH, DTYPES).message


@pytest.mark.parametrize(
    "text",
    ["s = TRUE", "s <> FALSE", "n = TRUE", "s IS TRUE", "NOT s IS NOT FALSE", "s = b", "LENGTH(s) = b", "n - 1 = b",
     "s || t = b", "(s) = (TRUE)", "b IS NULL = 'x'", "CASE s WHEN TRUE THEN 'x' END = 'x'", "t = STARTS_WITH(s, 'a')"],
)  # fmt: skip
def test_truth_is_not_compared_with_text(text: str) -> None:
    """`'yes' = TRUE` is never true in polars, so it would drop every row in silence."""
    assert "compared with something else" in refusal(text, Result.TRUTH, DTYPES).message


@pytest.mark.parametrize("text", ["s >= 0", "n > 1", "s", "CASE WHEN s THEN TRUE END"])
def test_source_text_is_not_a_number(text: str) -> None:
    """A comparison that would fail on the first row is refused when it is compiled."""
    problem = refusal(text, Result.TRUTH)
    assert "different types" in problem.message or "gives text" in problem.message


def test_cast_columns_are_named_with_their_types() -> None:
    """A clash of types in a check says what the check sees."""
    problem = refusal("n = 'a' OR b", Result.TRUTH, DTYPES)
    assert problem.fix == "it sees `n` as a number, `b` as true or false"


def test_columns_are_listed_once_in_order() -> None:
    """The compiled expression says which source columns it reads."""
    expression = compile_expression("t || s || t", FRAME.columns)
    assert expression.columns == ("t", "s")
    assert expression.text == "t || s || t"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a' = s", False),
        ("1 < n OR 'x' = CASE WHEN s = 'q' THEN t END", True),
        ("1 BETWEEN n AND 5", False),
        ("NULLIF('a', s) = 'a'", True),
        ("CASE WHEN TRUE THEN 'x' ELSE s END = 'x'", True),
    ],
)
def test_rows_that_are_alike_keep_their_number(text: str, value: bool) -> None:
    """A chunk in which a column has one value throughout still gives one value a row."""
    expression = compile_expression(text, ["s", "t", "n"], result=Result.TRUTH, dtypes={"n": pl.Int32()})
    empty = pl.DataFrame({"t": ["p", "q", "r"]}).with_columns(s=pl.lit("z"), n=pl.lit(4, dtype=pl.Int32))
    assert empty.select(x=expression.expr)["x"].to_list() == [value] * 3
    assert empty.clear().select(x=expression.expr)["x"].to_list() == []


def test_syntax_is_checked_without_columns() -> None:
    """Before a source is known, any column name is taken and everything else is refused."""
    assert syntax_problem("anything = 'x' AND other IS NULL") is None
    problem = syntax_problem("SELECT x")
    assert problem is not None
    assert "SELECT" in problem.message


DEEP = [
    "(" * (MAX_DEPTH + 1) + "s" + ")" * (MAX_DEPTH + 1),
    "LOWER(" * 5000 + "s" + ")" * 5000,
    "NOT " * 5000 + "b",
    "- " * 5000 + "n",
    "CASE WHEN b THEN 'a' ELSE " * 2000 + "s" + " END" * 2000,
    "(" * 50_000,
]


@pytest.mark.parametrize("text", DEEP, ids=[text[:12] for text in DEEP])
def test_deep_nesting_is_refused(text: str) -> None:
    """Nesting cannot exhaust a stack, ours or that of polars."""
    assert "levels deep" in refusal(text, dtypes=DTYPES).message


def test_long_chains_are_refused() -> None:
    """A chain longer than polars can walk is refused, a chain at the limit works."""
    assert "more than" in refusal("||".join(["s"] * (MAX_OPERANDS + 1))).message
    assert value_of("||".join(["s"] * MAX_OPERANDS))[1] == "éx" * MAX_OPERANDS


def test_long_lists_are_taken() -> None:
    """A list of IN may be long: it does not nest."""
    texts = ", ".join(f"'v{number}'" for number in range(3000))
    assert value_of(f"s IN ({texts}, 'éx')", Result.TRUTH) == [False, True, None, False, False]


def test_very_long_text_is_refused() -> None:
    """An expression has a largest size."""
    assert "100,000" in refusal("s || '" + "x" * 100_000 + "'").message


def test_costliest_expression_is_compiled_in_seconds() -> None:
    """The function that polars expands most, nested as deep as allowed, stays affordable."""
    text = "s"
    for _ in range(MAX_DEPTH // 2):
        text = f"SPLIT_PART({text}, '-', 1)"
    started = time.perf_counter()
    assert value_of(text)[1] == "éx"
    assert time.perf_counter() - started < 10


def replaced(*pairs: tuple[str, str]) -> str:
    """Return REPLACE in REPLACE, a pair each."""
    text = "s"
    for old, new in pairs:
        text = f"REPLACE({text}, '{old}', '{new}')"
    return text


TOO_LONG = [
    (replaced(("x", "x" * 300), ("x", "x" * 300)), "times as long"),
    (replaced(("x", "x" * 257)), "times as long"),
    (f"CONCAT({replaced(('x', 'x' * 20), ('x', 'x' * 20))}, 'y')", "times as long"),
    ("s || '" + "x" * 4097 + "'", "4,096 characters of text"),
    ("s LIKE '" + "_" * 4097 + "'", "4,096 characters of text"),
    ("||".join(["s", *["'" + "x" * 100 + "'"] * 41]), "4,096 characters of text"),
    (f"CONCAT_WS('{'x' * 1000}', s, s, s, s, s)", "4,096 characters of text"),
    ("SPLIT_PART(SPLIT_PART(SPLIT_PART(SPLIT_PART(SPLIT_PART(s, 'a', 1), 'a', 1), 'a', 1), 'a', 1), 'a', 1)", "deep"),
]


@pytest.mark.parametrize(("text", "reason"), TOO_LONG, ids=[text[:30] for text, _ in TOO_LONG])
def test_what_could_fill_the_memory_is_refused(text: str, reason: str) -> None:
    """A short mapping must not make a text of gigabytes out of a cell, nor take minutes to compile."""
    assert reason in refusal(text).message


def test_usual_replacements_are_taken() -> None:
    """Seven letters written as two, one side by side with another: nothing of that grows beyond reason."""
    letters = [("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue"), ("ß", "ss")]
    assert value_of(replaced(*letters))[1] == "éx"
    assert value_of("||".join([replaced(("x", "x" * 200))] * 3))[1] == ("é" + "x" * 200) * 3
