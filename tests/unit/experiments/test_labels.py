"""Labels in one spelling: the SQL, the lines of Python and what accuracy calls right never disagree."""

import itertools

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.experiments.labels import is_right, one_spelling, plain_label, says_positive

ALIKE = (
    ("1", "1.0", "1.000", " 1 ", "1e0", "true", "True", " TRUE", "01"),
    ("0", "0.0", "-0.0", "-0", "false", "False "),
    ("spam", " spam"),
    ("Spam",),
    ("0.1", "0.10", "1e-1"),
    ("12345678901234567890", "12345678901234567890.0"),
    ("nan",),
    ("NaN",),
    ("inf",),
    ("1e999",),
    ("-1", "-1.0"),
    ("1.0000000000000002",),
    ("1 0",),
    ("",),
)
WORDS = [word for alike in ALIKE for word in alike]


def asked(sql: str, *words: object) -> object:
    return duckdb.sql(f"SELECT {sql}", params=list(words)).fetchall()[0][0]


@pytest.mark.parametrize("alike", ALIKE)
def test_one_label_has_one_spelling_and_no_other_has_it(alike: tuple[str, ...]) -> None:
    spelt, plain = ({spell(word) for word in alike} for spell in (sql_spelling, plain_label))
    assert len(spelt) == len(plain) == 1
    assert [word for word in WORDS if sql_spelling(word) in spelt] == list(alike)
    assert [word for word in WORDS if plain_label(word) in plain] == list(alike)


def sql_spelling(word: object) -> object:
    return asked(one_spelling("$1"), word)


def test_what_is_right_is_what_is_spelt_alike() -> None:
    pairs = ", ".join(["(?, ?)"] * len(WORDS) ** 2)
    words = [word for pair in itertools.product(WORDS, WORDS) for word in pair]
    label = "{'text': a, 'number': NULL::DOUBLE}"
    query = f"""SELECT a, b, {is_right("l", "b")}, {says_positive("b", "a")}
      FROM (SELECT a, b, {label} AS l FROM (VALUES {pairs}) t(a, b))"""
    for a, b, right, positive in duckdb.sql(query, params=words).fetchall():
        assert right == positive == (plain_label(a) == plain_label(b)), (a, b)


@settings(max_examples=60)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_spelt_alike_where_they_are_equal(a: float, b: float) -> None:
    assert (sql_spelling(a) == sql_spelling(repr(b))) == (a == b) == (plain_label(repr(a)) == plain_label(repr(b)))
    assert sql_spelling(a) == sql_spelling(repr(a))


def test_no_answer_is_spelt_like_nothing() -> None:
    assert asked(one_spelling("NULL")) is None
    assert asked(is_right("l", "NULL") + " FROM (SELECT {'text': 'a', 'number': NULL::DOUBLE} AS l)") == 0
