"""Labels that come for fewer answers than they did."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.stats import binomtest

from seatrial.drift.label_share import LEAST_BEFORE, Labelled, against_earlier

ALPHA = 0.005
USUAL = [Labelled(800, 1000)] * 10


def severity(now: Labelled, before: list[Labelled] = USUAL, alpha: float = ALPHA) -> str:
    found = against_earlier(now, before, ALPHA)
    assert found is not None
    return found.severity(alpha)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(800, "none"), (500, "none"), (390, "moderate"), (90, "moderate"), (80, "major"), (8, "major")],
)
def test_a_fall_is_told_by_its_size(labels: int, expected: str) -> None:
    assert severity(Labelled(labels, 1000)) == expected


def test_a_fall_must_be_beyond_chance() -> None:
    assert severity(Labelled(2, 5)) == "none"
    assert severity(Labelled(5, 1000), [Labelled(5, 1000)] * 2 + [Labelled(20, 1000)] * 8) == "none"


def test_with_too_few_windows_before_nothing_is_usual() -> None:
    assert against_earlier(Labelled(1, 1000), USUAL[: LEAST_BEFORE - 1], ALPHA) is None


def test_a_fall_that_lasts_is_told_as_long_as_it_lasts() -> None:
    fallen = Labelled(8, 1000)
    for days in range(1, 10):
        assert severity(fallen, [*USUAL, *[fallen] * days]) == "major"


def test_what_came_and_went_by_itself_is_usual() -> None:
    weekday, weekend = Labelled(800, 1000), Labelled(10, 400)
    week = [weekday] * 5
    assert severity(weekend, week) == "major"
    assert severity(weekend, [*week, weekend]) == "major"
    found = against_earlier(weekend, [*week, weekend, weekend, *week], ALPHA)
    assert found is not None
    assert (found.severity(ALPHA), found.is_calm) == ("none", False)


def test_it_is_over_when_the_share_is_near_what_it_was() -> None:
    for labels, calm in ((800, True), (510, True), (490, False), (8, False)):
        found = against_earlier(Labelled(labels, 1000), USUAL, ALPHA)
        assert found is not None
        assert found.is_calm == calm


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)), max_size=12), st.integers(1, 500), st.data())
def test_more_labels_are_never_worse(counts: list[tuple[int, int]], wanted: int, data: st.DataObject) -> None:
    before = [Labelled(min(labels, of), of) for labels, of in counts]
    few = data.draw(st.integers(0, wanted))
    many = data.draw(st.integers(few, wanted))
    worse, better = (against_earlier(Labelled(labels, wanted), before, ALPHA) for labels in (few, many))
    if worse is None or better is None:
        assert worse is better
        return
    order = ("none", "moderate", "major")
    assert order.index(better.severity(ALPHA)) <= order.index(worse.severity(ALPHA))
    assert worse.severity(ALPHA / 10) in ("none", worse.severity(ALPHA))


def test_labels_that_come_by_chance_for_one_answer_in_fifty_hardly_ever_fall() -> None:
    rng = np.random.default_rng(1)
    counts = rng.binomial(500, 0.02, (300, 15))
    falls = sum(
        severity(Labelled(int(now), 500), [Labelled(int(c), 500) for c in before]) != "none" for now, *before in counts
    )
    assert binomtest(falls, 300, ALPHA, alternative="greater").pvalue > 1e-3
