"""Aliases: whose name is whose, as they are resolved, kept, compacted and forgotten."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from seatrial.ledger.persons import names_of, persons

NAMES = st.sampled_from("abcdefgh")


def test_a_chain_ends_at_the_name_that_is_no_alias() -> None:
    assert persons({"a": "b", "b": "c", "x": "b"}) == {"a": "c", "b": "c", "x": "c"}


def test_a_circle_is_one_person() -> None:
    assert persons({"b": "c", "c": "b", "a": "b"}) == {"c": "b", "a": "b"}
    assert persons({"a": "a"}) == {}


def test_two_aliases_of_one_unit_are_one_person_and_others_are_not() -> None:
    known = {"phone": "ann", "laptop": "ann", "tablet": "bob"}
    assert names_of(known, "ann") == ("ann", "laptop", "phone")
    assert names_of(known, "phone") == ("phone", "ann", "laptop")
    assert names_of(known, "nobody") == ("nobody",)


@given(st.dictionaries(NAMES, NAMES))
def test_a_person_is_a_connected_part(units: dict[str, str]) -> None:
    """The oracle: parts of the graph of aliases, found by joining sets."""
    parts = [{name} for name in "abcdefgh"]
    for alias, unit in units.items():
        one = next(part for part in parts if alias in part)
        other = next(part for part in parts if unit in part)
        if one is not other:
            parts.remove(other)
            one |= other
    known = persons(units)
    for part in parts:
        ends = {known.get(name, name) for name in part}
        assert len(ends) == 1
        assert ends <= part
        for name in part:
            assert set(names_of(units, name)) == part


def test_pairs_of_a_file(tmp_path: Path) -> None:
    from seatrial.ledger.pairs import read_pairs

    file = tmp_path / "logins.csv"
    file.write_text("visitor,customer\n007,ann\n007,ann\n8,bob\n")
    assert read_pairs(file, "visitor", "customer") == [("007", "ann"), ("8", "bob")]
