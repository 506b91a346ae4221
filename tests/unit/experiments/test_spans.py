"""The effect by the time since exposure: against sums by hand, of units whose whole window has matured."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats as oracle

from seatrial.analysis.release_page import release_page
from seatrial.control.judging import judge_now, spans_now
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement, SpanEffect
from seatrial.experiments.spans import DAY, ends_of, span_names, with_spans
from tests import worlds
from tests.houses import TEST_ONLY, lived_in

RUN = worlds.release((0.5, 0))
UNITS = 3000
HOUR = DAY // 24


class World:
    """Units over ten days that buy at some hours after their exposure; the challenger more on its first day."""

    def __init__(self, days: float, **more: Any) -> None:
        rng = np.random.default_rng(1)
        self.within = round(days * DAY)
        self.at = np.sort(worlds.START + rng.integers(0, 10 * DAY, UNITS))
        names = worlds.unit_names(UNITS)
        rows = worlds.rows(RUN, names, self.at)
        self.treated = np.asarray(rows["variant"] == "challenger")
        self.who = rng.integers(0, UNITS, 6 * UNITS)
        self.after = rng.integers(0, round(1.2 * self.within), 6 * UNITS)
        self.worth = rng.gamma(2, 1, 6 * UNITS) * np.where(self.treated[self.who] & (self.after < DAY), 1.5, 1.0)
        bought = worlds.outcomes(
            "buy",
            self.at[self.who] + self.after,
            id=[str(i) for i in range(6 * UNITS)],
            unit=[names[i] for i in self.who],
            value_number=self.worth,
        )
        self.source = worlds.source([rows], [bought])
        window = {"outcome": "buy", "within": self.within / 1e6, "grace": 3600.0}
        self.deployment = worlds.deployment(
            outcomes={"buy": {}},
            metrics={"revenue": {"kind": "mean", **window, **more}, "conversion": {"kind": "proportion", **window}},
            release={
                "of": "challenger",
                "into": "everybody",
                "stages": [{"kind": "test"}],
                "primary": {"metric": "revenue", "minimum_effect": {"absolute": 0.1}},
            },
        )

    def judged(self, day: float = 8.0) -> Judgement:
        now = worlds.START + round(day * DAY)
        return with_spans(judge(self.deployment, RUN, self.source, now), self.deployment, RUN, self.source)

    def matured(self, day: float = 8.0) -> np.ndarray:
        found: np.ndarray = self.at + self.within + HOUR <= worlds.START + round(day * DAY)
        return found

    def in_span(self, begins: int, ends: int) -> np.ndarray:
        """What each unit spends in a span [n]."""
        here = (self.after <= ends) & ((self.after > begins) if begins else True)
        return np.bincount(self.who[here], weights=self.worth[here], minlength=UNITS)


def test_each_day_is_welch_s_interval_on_what_matured_units_did_in_it() -> None:
    world = World(3)
    spans = world.judged().metric("revenue").spans
    assert span_names(spans) == ("day 1", "day 2", "day 3")
    matured = world.matured()
    assert 0 < matured.sum() < UNITS
    for span, (begins, ends) in zip(spans, ends_of(world.within), strict=True):
        x = world.in_span(begins, ends)
        t, c = x[matured & world.treated], x[matured & ~world.treated]
        low, high = oracle.ttest_ind(t, c, equal_var=False).confidence_interval(0.95)
        assert (span.champion, span.challenger) == pytest.approx((c.mean(), t.mean()), rel=1e-9)
        assert (span.lower, span.upper) == pytest.approx((low, high), rel=1e-9)
    assert spans[0].effect > spans[1].upper  # type: ignore[operator]


def test_days_add_up_to_the_whole_effect_and_shares_are_of_units() -> None:
    world = World(3)
    found = world.judged()
    revenue = found.metric("revenue")
    assert sum(span.effect or 0.0 for span in revenue.spans) == pytest.approx(revenue.verdict.effect, rel=1e-9)
    first = found.metric("conversion").spans[0]
    bought = world.in_span(0, DAY)[world.matured() & ~world.treated] > 0
    assert first.champion == pytest.approx(bought.mean(), rel=1e-9)


def test_a_long_window_is_told_in_eight_spans_and_a_short_one_not_at_all() -> None:
    assert [end for _, end in ends_of(14 * DAY)] == [14 * DAY * k // 8 for k in range(1, 9)]
    assert len(ends_of(round(2.5 * DAY))) == 3
    spans = tuple(SpanEffect(begins=a / 1e6, ends=b / 1e6) for a, b in ends_of(14 * DAY))
    assert span_names(spans)[:2] == ("day 0 to 1.75", "day 1.75 to 3.5")
    assert World(1.5).judged().metric("revenue").spans == ()


def test_a_cap_limits_each_span_and_few_units_have_no_interval() -> None:
    capped = World(2, cap=1.0)
    spans = capped.judged().metric("revenue").spans
    x = np.minimum(capped.in_span(0, DAY), 1.0)[capped.matured() & ~capped.treated]
    assert spans[0].champion == pytest.approx(x.mean(), rel=1e-9)
    early = World(2).judged(2.2).metric("revenue").spans
    assert early[0].effect is not None
    assert early[0].lower is None


def test_they_stand_on_the_page_and_in_json() -> None:
    found = World(3).judged()
    page = release_page(found, [], ())
    assert "revenue by the time since exposure" in page
    assert "day 3" in page
    assert "decides nothing" in page
    assert msgspec.json.decode(msgspec.json.encode(found), type=Judgement) == found


def test_of_short_windows_the_judgement_stays_as_it_is(tmp_path: Path) -> None:
    with lived_in(tmp_path / "home", TEST_ONLY) as (house, _):
        judgement = judge_now(house.settings, "churn")
        assert spans_now(house.settings, "churn", judgement) == judgement
        other = msgspec.structs.replace(judgement, release="another")
        assert spans_now(house.settings, "churn", other) is other
