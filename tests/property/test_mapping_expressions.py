"""Expressions are row-wise, never fail on data, and never hand polars anything but the small language."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.expressions import Result, compile_expression, syntax_problem
from importer.core.transform import Expression
from importer.errors import MappingError

COLUMNS = ("s", "t", "n", "b")
DTYPES = {"n": pl.Int32(), "b": pl.Boolean()}
SCHEMA = pl.Schema({"s": pl.String(), "t": pl.String(), "n": pl.Int32(), "b": pl.Boolean()})

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "s": st.none()
            | st.text(max_size=6)
            | st.sampled_from(["a", "A%", "x-y", "12", "-3.5", "nan", "1e400", str(-(2**63))]),
            "t": st.none() | st.sampled_from(["", "a", "7", "x-y-z"]),
            "n": st.none() | st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3),
            "b": st.none() | st.booleans(),
        }
    ),
    max_size=12,
)
LITERAL = st.sampled_from(["'a'", "''", "'-'", "'%x_'", "'it''s'", "'\\'"])
SMALL = st.sampled_from(["0", "1", "-1", "2", "7", "2.5", "1e3", "2147483647"])


def _texts() -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["s", "t", '"s"']) | LITERAL

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        one = st.sampled_from(["LOWER", "UPPER", "TRIM", "LTRIM", "RTRIM", "INITCAP", "REVERSE"])
        return st.one_of(
            st.builds("{}({})".format, one, inner),
            st.builds("({} || {})".format, inner, inner),
            st.builds("CONCAT({}, {})".format, inner, inner),
            st.builds("CONCAT_WS('-', {}, {})".format, inner, inner),
            st.builds("COALESCE({}, {})".format, inner, inner),
            st.builds("NULLIF({}, {})".format, inner, inner),
            st.builds("{}({}, {})".format, st.sampled_from(["LEFT", "RIGHT"]), inner, st.integers(1, 9)),
            st.builds("SUBSTR({}, {}, {})".format, inner, st.integers(1, 9), st.integers(1, 9)),
            st.builds("SPLIT_PART({}, '-', {})".format, inner, st.integers(1, 4)),
            st.builds("REPLACE({}, 'a', {})".format, inner, LITERAL),
            st.builds("GREATEST({}, {})".format, inner, inner),
            st.builds("CASE WHEN {} = {} THEN {} ELSE {} END".format, inner, inner, inner, inner),
            st.builds("CASE s WHEN {} THEN {} END".format, inner, inner),
        )

    return st.recursive(leaf, grow, max_leaves=6)


def _numbers() -> st.SearchStrategy[str]:
    leaf = st.just("n") | SMALL | st.builds("LENGTH({})".format, _texts())
    cast = st.builds("TRY_CAST({} AS {})".format, _texts(), st.sampled_from(["BIGINT", "DOUBLE"]))

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        operator = st.sampled_from(["+", "-", "*"])
        division = st.builds("{}({}, {})".format, st.sampled_from(["DIV", "MOD"]), inner, inner)
        function = st.sampled_from(["ABS", "SIGN", "FLOOR", "CEIL", "- ", "+ "])
        plain = st.builds("({} {} {})".format, inner, operator, inner)
        return plain | division | st.builds("{}({})".format, function, inner)

    return st.recursive(leaf | cast, grow, max_leaves=4)


def _truths() -> st.SearchStrategy[str]:
    compare = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="])
    leaf = st.one_of(
        st.just("b"),
        st.builds("{} {} {}".format, _texts(), compare, _texts()),
        st.builds("{} {} {}".format, _numbers(), compare, _numbers()),
        st.builds("{} IS {}NULL".format, _texts(), st.sampled_from(["", "NOT "])),
        st.builds("{} {}IN ('a', '')".format, _texts(), st.sampled_from(["", "NOT "])),
        st.builds("{} {} {}".format, _texts(), st.sampled_from(["LIKE", "ILIKE", "NOT LIKE"]), LITERAL),
        st.builds("{} BETWEEN {} AND {}".format, _numbers(), _numbers(), _numbers()),
        st.builds("CASE WHEN {} = s THEN b END".format, _texts()),
        st.builds("STARTS_WITH({}, {})".format, _texts(), _texts()),
    )

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        joined = st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner)
        return joined | st.builds("(NOT {})".format, inner) | st.builds("({}) IS TRUE".format, inner)

    return st.recursive(leaf, grow, max_leaves=4)


CASES = st.one_of(
    st.tuples(_texts() | _numbers(), st.just(Result.TEXT)),
    st.tuples(_truths(), st.sampled_from(list(Result))),
)


@settings(max_examples=150, deadline=None)
@given(case=CASES, rows=ROWS, cut=st.integers(0, 12), alike=st.sets(st.sampled_from(COLUMNS)))
def test_any_chunking_gives_the_same_values(
    case: tuple[str, Result], rows: list[dict[str, object]], cut: int, alike: set[str]
) -> None:
    """A compiled expression never fails on data, and gives each row the same value whatever chunk it is in."""
    text, result = case
    try:
        compiled = compile_expression(text, COLUMNS, result=result, dtypes=DTYPES)
    except MappingError:
        return
    frame = pl.DataFrame(rows, schema=SCHEMA)
    if rows:
        # Polars keeps a column whose rows are all alike as one value, and takes other paths for it.
        frame = frame.with_columns(pl.lit(rows[0][name], dtype=SCHEMA[name]).alias(name) for name in sorted(alike))
    whole = _evaluate(compiled, frame)
    assert len(whole) == len(frame)
    assert whole.dtype == (pl.Boolean if result is Result.TRUTH else pl.String)
    for parts in ([frame[:cut], frame[cut:]], [frame[row : row + 1] for row in range(len(frame))]):
        pieces = [_evaluate(compiled, part) for part in parts]
        assert pl.concat(pieces or [whole]).equals(whole, null_equal=True)


def _evaluate(compiled: Expression, frame: pl.DataFrame) -> pl.Series:
    return frame.select(compiled.expr.alias("value")).to_series()


@settings(max_examples=100, deadline=None)
@given(text=_truths())
def test_most_generated_truths_compile(text: str) -> None:
    """The generator above writes the language: nothing it makes is refused for its syntax, except for its depth."""
    problem = syntax_problem(text)
    assert problem is None or any(part in problem.message for part in ("levels deep", "names no source column"))


WORDS = """
    s t n b 'a' 1 ( ) , || = NOT AND IN IS NULL CASE WHEN THEN END LIKE BETWEEN LOWER SELECT FROM read_csv * - "s" AS
    TRY_CAST BIGINT DIV
"""
PIECES = st.sampled_from(WORDS.split())


@settings(max_examples=300, deadline=None)
@given(text=st.lists(PIECES, max_size=14).map(" ".join) | st.text(max_size=40))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    """Whatever is written, the answer is an expression or a problem, never another error."""
    try:
        named = compile_expression(text, COLUMNS, dtypes=DTYPES).columns
    except MappingError as exc:
        named = ()
        messages = [problem.message for problem in exc.problems]
    else:
        messages = ["compiled"]
    assert all(messages)
    assert set(named) <= set(COLUMNS)
