"""What no deployment may say of its traffic: each is refused in a sentence that has the line and the value."""

import pytest

from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment
from tests.harbour import RELEASE

FILE = """\
deployment: shop
variants: {champion: {model: "models:/m/1"}, other: {model: "models:/m/2"}}
outcomes: {click: {}}
routing:
"""


def refused(text: str) -> str:
    with pytest.raises(SpecError) as found:
        load_deployment(text)
    return str(found.value)


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ("{champion: -10%, other: 110%}", "`-10%` is not a share"),
        ("{champion: .nan, other: 50%}", "`nan` is not a share"),
        ("{champion: .inf%, other: 1%}", "`.inf%` is not a share"),
        ("{champion: 0%, other: 0%}", "add up to 0%"),
        ("{champion: 60%, other: 60%}", "add up to 120%"),
        ("{}", "`split` is empty"),
        ("{champion: 100%, champion: 0%}", "`champion` stands twice"),
    ],
)
def test_weights_that_are_none(shares: str, words: str) -> None:
    said = refused(f"{FILE}  - {{name: all, split: {shares}}}\n")
    assert "line 5" in said
    assert words in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("floor: .nan", "`nan` is not a share"),
        ("floor: -5%", "`-5%` is not a share"),
        ("floor: 60%", "takes 120% of the traffic from what is learned"),
        ("every: 0s", "must be more than zero"),
        ("half_life: 0", "at least 1"),
        ("epsilon: 2", "`2` is not a share"),
        ("minimum_units: -1", "at least 1"),
        ("penalty: {nobody: 1}", "`nobody` is not an arm"),
        ("reward: {outcome: tap, within: 1m}", "`tap` is not a declared outcome"),
        ("reward: {outcome: click}", "needs `within`"),
        ("reward: {outcome: click, within: 1m, range: [1, 0]}", "the lowest and the highest"),
        ("arms: [champion]", "needs at least 2"),
        ("arms: [other, other]", "`other` stands twice"),
    ],
)
def test_bandits_that_cannot_learn(more: str, words: str) -> None:
    given = {"arms": "arms: [champion, other]", "reward": "reward: {outcome: click, within: 1m}"}
    given[more.partition(":")[0]] = more
    said = refused(f"{FILE}  - {{name: all, bandit: {{{', '.join(given.values())}}}}}\n")
    assert "line 5" in said
    assert words in said


def test_a_rule_of_a_hundred_kilobytes() -> None:
    """Refused by its length, and shown by its beginning, not whole."""
    rule = " || ".join(['unit == "x"'] * 7_000)
    assert len(rule) > 100_000
    said = refused(f"{FILE}  - {{name: all, when: '{rule}', to: champion}}\n  - {{name: rest, to: champion}}\n")
    assert "at most 10000 characters" in said
    assert len(said) < 1_000


def test_two_releases() -> None:
    assert "the key `release` stands twice" in refused(RELEASE + "release: {of: challenger, into: everybody}\n")
