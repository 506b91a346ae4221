"""Labels dealt out anew: by unit or by class of equal units it is the same draw, whatever the size."""

import numpy as np
import pytest

from seatrial.stats import relabelling
from seatrial.stats.relabelling import DRAWN, can_deal, deal


@pytest.mark.parametrize(("small", "large"), [(30, 400), (150, 400), (400, 150)])
def test_every_unit_is_dealt_as_often_as_any_other(small: int, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relabelling, "MOST", 200)
    t, c = np.arange(small) + 0.5, np.arange(large) + 0.0
    dealt = deal(t, c, np.random.default_rng(1), drawn=3000)
    assert dealt.first is None
    counts = np.bincount(dealt.table[1:].ravel(), minlength=small + large)
    k = min(small, large) / (small + large)
    assert np.abs(counts - 3000 * k).max() <= 4.5 * np.sqrt(3000 * k * (1 - k))
    assert all(len(set(row)) == min(small, large) for row in dealt.table[:50].tolist())


def test_equal_units_are_dealt_by_how_many_they_are() -> None:
    rng = np.random.default_rng(2)
    t, c = (rng.random(500) < 0.02) * 1.0, (rng.random(4500) < 0.02) * 1.0
    dealt = deal(t, c, rng)
    assert dealt.first is not None
    ones = np.concatenate([t, c])
    sums = dealt.sums(ones)
    total, n = ones.sum(), ones.size
    assert sums[0] == t.sum()
    assert sums.size == DRAWN + 1
    mean = 500 * total / n
    sd = np.sqrt(500 * total / n * (1 - total / n) * (n - 500) / (n - 1))
    assert sums[1:].mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(DRAWN))
    assert sums[1:].std() == pytest.approx(sd, rel=0.03)


@pytest.mark.parametrize("turned", [False, True])
def test_what_was_seen_comes_first_whichever_arm_is_the_smaller(turned: bool) -> None:
    arms = np.zeros(2500), np.repeat([0.0, 5.0], [120, 30])
    t, c = arms[::-1] if turned else arms
    dealt = deal(t, c, np.random.default_rng(3))
    assert dealt.sums(np.concatenate([t, c]))[dealt.seen] == 150.0


def test_a_million_of_whom_few_buy_can_be_dealt_and_a_million_amounts_cannot() -> None:
    values = np.arange(10_000) + 0.0
    assert can_deal(values * (values < 9), values * (values < 9))
    assert not can_deal(values, values)
