"""E-mail addresses and the dispatch by normalisation."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.emails import EMAILS_SCHEMA, IDENTIFIERS_SCHEMA, normalise_emails, normalise_identifier
from importer.core.schema import Normalization

GOOD = [
    ("a@x.io", "a@x.io"),
    ("A.B+C@Example.COM", "a.b+c@example.com"),
    ("a@x.io.", "a@x.io"),
    ("o'brien@x.io", "o'brien@x.io"),
    ("a@sub.domain.museum", "a@sub.domain.museum"),
    ("a@xn--mller-kva.de", "a@xn--mller-kva.de"),
    ("Jürgen@Müller.de", "jürgen@müller.de"),
    ("e\u0301@x.io", "\u00e9@x.io"),
    ("用户@例子.中国", "用户@例子.中国"),
    ("a" * 64 + "@x.io", "a" * 64 + "@x.io"),
]

BAD = [
    "A B <a@x.io>",
    "a@x.io; b@x.io",
    "a@x.io,b@x.io",
    "a@x.io b@x.io",
    "a @x.io",
    "a@@x",
    "a@x@y.io",
    "a@x",
    "a@x..io",
    "a@x.io..",
    "a@.io",
    "@x.io",
    "a..b@x.io",
    ".a@x.io",
    "a.@x.io",
    "'a@x.io",
    "a'@x.io",
    "a@-x.io",
    "a@x-.io",
    "a@x.c",
    "a@1.2.3.4",
    "a@[1.2.3.4]",
    "mailto:a@x.io",
    '"a b"@x.io',
    "a@x.io\n",
    "a\u200b@x.io",
    "ａ@x.io",  # noqa: RUF001
    "n/a",
    "é",
    "a" * 65 + "@x.io",
    "a@" + "x." * 126 + "io",
    "b" * 80,
]


@pytest.mark.parametrize(("text", "email"), GOOD)
def test_good_addresses(text: str, email: str) -> None:
    """An address is stored in lower case, composed, without a final dot."""
    assert normalise_emails(pl.Series([text])).row(0) == (email, None)


@pytest.mark.parametrize("text", BAD)
def test_bad_addresses(text: str) -> None:
    """Anything but one address is refused."""
    assert normalise_emails(pl.Series([text])).row(0) == (None, "invalid-email")


def test_a_column_keeps_its_rows_and_order() -> None:
    """Good, bad and missing ones come back in their places."""
    texts = [text for text, _ in GOOD] + BAD + [None]
    frame = normalise_emails(pl.Series(texts))
    assert frame.schema == EMAILS_SCHEMA
    assert frame.rows() == [(email, None) for _, email in GOOD] + [(None, "invalid-email")] * len(BAD) + [(None, None)]


def test_an_empty_column() -> None:
    """No rows are fine."""
    assert normalise_emails(pl.Series([], dtype=pl.String)).schema == EMAILS_SCHEMA


@settings(max_examples=200, deadline=None)
@given(st.lists(st.from_regex(r"[\w.'İẞΣ-]{1,8}@[\wİΣ.-]{1,8}\.\w{2,3}\.?", fullmatch=True), min_size=1, max_size=20))
def test_normalising_twice_is_normalising_once(texts: list[str]) -> None:
    """An accepted address is its own normal form."""
    once = normalise_emails(pl.Series(texts))["email"].drop_nulls()
    twice = normalise_emails(once)
    assert twice["email"].to_list() == once.to_list()
    assert twice["code"].null_count() == twice.height


@pytest.mark.parametrize(
    ("normalization", "text", "expected"),
    [
        (Normalization.PHONE, "317-555-1234", ("+13175551234", None)),
        (Normalization.PHONE, "12", (None, "invalid-phone")),
        (Normalization.EMAIL, "A@X.io", ("a@x.io", None)),
        (Normalization.EMAIL, "A@X", (None, "invalid-email")),
        (Normalization.TRIM, " e\u0301 ", ("\u00e9", None)),
        (Normalization.TRIM, "  ", (None, None)),
        (Normalization.NONE, " e\u0301 ", (" e\u0301 ", None)),
    ],
)
def test_identifiers_by_normalization(
    normalization: Normalization, text: str, expected: tuple[str | None, str | None]
) -> None:
    """An identifier is normalised by its idType's setting."""
    frame = normalise_identifier(pl.Series([text, None]), normalization, "US")
    assert frame.schema == IDENTIFIERS_SCHEMA
    assert frame.rows() == [expected, (None, None)]
