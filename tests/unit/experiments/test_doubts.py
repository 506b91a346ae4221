"""Checks that warn of a release: novelty, carry-over, gaps in its logs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats as scipy_stats

from seatrial.experiments.census import take_census
from seatrial.experiments.counted import Counted
from seatrial.experiments.doubts import ALPHA, check_gaps, p_value
from seatrial.experiments.gaps import Gaps, Short, Silent, find_gaps, short_of
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Check, Judgement
from seatrial.experiments.question import read
from seatrial.experiments.source import TableSource
from seatrial.experiments.unfolding import Around, unfolding
from seatrial.experiments.units import Units
from seatrial.releases.run import ReleaseRun
from tests import worlds

SECOND = worlds.SECOND
HOUR = 3600 * SECOND
WITHIN = 2 * HOUR
END = worlds.START + 60 * HOUR
RUN = worlds.release((0.5, 0))

METRICS: dict[str, Any] = {
    "revenue": {"kind": "mean", "outcome": "buy", "within": 7200.0, "grace": 0.0},
    "conversion": {"kind": "proportion", "outcome": "buy", "within": 7200.0, "grace": 0.0},
}
DEPLOYMENT = worlds.deployment(
    outcomes={"buy": {}},
    metrics=METRICS,
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "revenue", "minimum_effect": {"relative": 0.02}},
    },
)

Rate = Callable[[np.ndarray], np.ndarray]


def world(
    run: ReleaseRun, seed: int, early: float = 1.0, before: float = 1.0, n: int = 6000, keep: Any = None
) -> TableSource:
    """Units over 48 hours that buy before, early and late; ``early`` and ``before`` are the challenger's factors."""
    rng = np.random.default_rng(seed)
    at = np.sort(worlds.START + rng.integers(0, 48 * HOUR, n))
    names = worlds.unit_names(n, f"s{seed}")
    rows = worlds.rows(run, names, at)
    new = rows["variant"] == "challenger"
    taste = rng.gamma(2, 0.5, n)
    parts = []
    spans = ((-WITHIN, -HOUR, 0.4, before), (0, WITHIN // 3, 0.6, early), (WITHIN // 3 + 1, WITHIN, 0.5, 1.0))
    for number, (low, high, rate, factor) in enumerate(spans):
        times = rng.poisson(taste * rate * np.where(new, factor, 1.0))
        who = np.repeat(np.arange(n), times)
        when = at[who] + rng.integers(low, high, len(who))
        ids = [f"{number}-{i}" for i in range(len(who))]
        parts.append(worlds.outcomes("buy", when, id=ids, unit=[names[i] for i in who]))
    kept = (
        rows if keep is None else {name: np.asarray(column, dtype=object)[keep(rows)] for name, column in rows.items()}
    )
    return worlds.source([kept], parts)


def check(found: Judgement, name: str) -> Check:
    return next(one for one in found.checks if one.name == name)


def test_an_effect_that_wears_off_is_warned_of_and_withholds_nothing() -> None:
    found = judge(DEPLOYMENT, RUN, world(RUN, 1, early=1.6), END)
    novelty = check(found, "novelty")
    assert not novelty.ok
    assert not novelty.withholds
    assert "revenue +6" in novelty.sentence or "revenue +5" in novelty.sentence
    assert found.recommendation != "withheld"
    assert novelty.sentence.rstrip(".") in found.sentence
    assert check(found, "carry-over").ok


def test_arms_that_differed_before_are_warned_of() -> None:
    found = judge(DEPLOYMENT, RUN, world(RUN, 2, before=1.4), END)
    carried = check(found, "carry-over")
    assert not carried.ok
    assert not carried.withholds
    assert "revenue" in carried.sentence
    assert check(found, "novelty").ok


def test_the_same_ramp_with_nothing_wrong_warns_of_nothing() -> None:
    """Phases of other weights, a steady relative effect of a quarter: the window's two parts tell the same."""
    run = worlds.release((0.05, 0), (0.2, 10 * 3600), (0.5, 20 * 3600))
    rng = np.random.default_rng(3)
    at = np.sort(worlds.START + rng.integers(0, 48 * HOUR, 8000))
    names = worlds.unit_names(8000)
    rows = worlds.rows(run, names, at)
    rate = np.where(rows["variant"] == "challenger", 1.25, 1.0) * (1 + (at - worlds.START) / (48 * HOUR))
    parts = []
    for number, (low, high, share) in enumerate(((0, WITHIN // 3, 0.7), (WITHIN // 3 + 1, WITHIN, 0.3))):
        who = np.repeat(np.arange(8000), rng.poisson(rate * share))
        ids = [f"{number}-{i}" for i in range(len(who))]
        when = at[who] + rng.integers(low, high, len(who))
        parts.append(worlds.outcomes("buy", when, id=ids, unit=[names[i] for i in who]))
    found = judge(DEPLOYMENT, run, worlds.source([rows], parts), END)
    assert check(found, "novelty").ok
    assert check(found, "logging-gaps").ok
    assert not [one for one in found.checks if one.name == "carry-over"]  # nothing is known of before


def test_worlds_without_fault_hardly_ever_warn_however_often_one_looks() -> None:
    """Skewed values in a canary of 10 %, 20 looks a world: whoever trusted a plain standard error would warn often."""
    warned = dict.fromkeys(("novelty", "carry-over", "logging-gaps"), 0)
    n, count = 2000, 300
    run = worlds.release((0.1, 0))
    for seed in range(count):
        rng = np.random.default_rng(seed)
        at = np.sort(worlds.START + rng.integers(0, 48 * HOUR, n))
        new = rng.random(n) < 0.1
        taste = rng.lognormal(0, 1, n)
        parts = (rng.poisson(taste * rate) * rng.lognormal(0, 0.5, n) for rate in (0.6, 0.5, 0.4))
        around = Around(*parts)
        odd: set[str] = set()
        for look in np.linspace(200, n, 20).astype(int):
            here = np.arange(n) < look
            zeros = np.zeros(n)
            counted = Counted("mean", zeros, zeros, new, np.full(n, 1000), here, at)
            found = unfolding(counted, around)
            for name, effect in (("novelty", found.change), ("carry-over", found.before)):
                odd |= {name} if effect is not None and p_value(effect, run) < ALPHA else set()
            variant = np.where(new, "challenger", "champion").astype(object)[here]
            units = Units(pa.chunked_array([pa.nulls(look)]), variant, np.ones(look, int), at[here], at[here])
            odd |= {"logging-gaps"} if short_of(take_census(units), run, int(at[look - 1])) else set()
        for name in warned:
            warned[name] += name in odd
    for name, times in warned.items():
        assert scipy_stats.binom.sf(times - 1, count, ALPHA) > 1e-4, name


def test_outcomes_from_before_the_release_are_read_for_carry_over_and_not_counted_as_early() -> None:
    names = worlds.unit_names(400)
    at = np.full(400, worlds.START + 10 * SECOND)
    rows = worlds.rows(RUN, names, at)
    old = worlds.outcomes("buy", at - WITHIN + SECOND, unit=names)
    found = judge(DEPLOYMENT, RUN, worlds.source([rows], [old]), END)
    assert found.metric("revenue").counts.early == 0
    assert "alike in revenue, conversion before" in check(found, "carry-over").sentence


def test_a_variant_whose_exposures_were_lost_for_an_hour_is_found() -> None:
    def lost(rows: dict[str, Any]) -> np.ndarray:
        hour = (rows["at"] - worlds.START) // HOUR
        return ~((rows["variant"] == "challenger") & (hour == 20))

    found = judge(DEPLOYMENT, RUN, world(RUN, 5, n=12_000, keep=lost), END)
    gaps = check(found, "logging-gaps")
    assert not gaps.ok
    assert not gaps.withholds
    assert "too few units of challenger from 2023-11-15" in gaps.sentence


def test_silence_of_requests_and_of_an_outcome_is_found_where_traffic_is_busy() -> None:
    minute = np.repeat(np.arange(60), 40)
    rows_at = worlds.START + minute * 60 * SECOND
    quiet = (minute >= 20) & (minute < 25)
    rows = worlds.rows(RUN, worlds.unit_names(int((~quiet).sum())), rows_at[~quiet])
    buys = worlds.outcomes("buy", rows_at[(minute < 40) | (minute >= 42)])
    source = worlds.source([rows], [buys])
    units, _ = read(source, RUN, [], END)
    found = find_gaps(source, RUN, take_census(units), ["buy", "unknown"], worlds.START + HOUR)
    base = worlds.START // (60 * SECOND) * 60 * SECOND
    assert found.silent == (
        Silent("requests", base + 20 * 60 * SECOND, base + 25 * 60 * SECOND),
        Silent("buy", base + 40 * 60 * SECOND, base + 42 * 60 * SECOND),
    )
    assert found.short == ()


def test_traffic_in_bursts_is_not_silent_between_them() -> None:
    minute = np.repeat(np.arange(0, 60, 5), 40)
    rows = worlds.rows(RUN, worlds.unit_names(len(minute)), worlds.START + minute * 60 * SECOND)
    source = worlds.source([rows])
    units, _ = read(source, RUN, [], END)
    assert find_gaps(source, RUN, take_census(units), [], worlds.START + HOUR) == Gaps()


@pytest.mark.parametrize("kinds", [1, 5])
def test_a_long_list_of_gaps_is_cut(kinds: int) -> None:
    gaps = Gaps(tuple(Silent("buy", i * HOUR, (i + 1) * HOUR) for i in range(kinds)), (Short("new", 0, HOUR),))
    sentence = check_gaps(gaps).sentence
    assert sentence.count("from ") == min(kinds + 1, 3)
    assert ("and 3 more" in sentence) is (kinds == 5)
