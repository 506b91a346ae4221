"""Until when files tell what happened: no row closes a window whose outcomes may still be missing."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.judging import judge
from seatrial.analysis.verdicts import Analysis, Check, Finding
from seatrial.spec.errors import BadInput

START = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)
N = 8000
METRIC = {"c": "proportion:buy,within=7d"}


def exposures() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    at = START + pd.to_timedelta(rng.uniform(0, 20, N), unit="D")
    return pd.DataFrame({"unit": np.arange(N), "variant": np.where(rng.random(N) < 0.5, "new", "control"), "at": at})


def bought(units: pd.DataFrame, seed: int = 6) -> pd.DataFrame:
    """A fifth of the units buy, evenly over the week after."""
    rng = np.random.default_rng(seed)
    here = rng.random(N) < 0.2
    at = units["at"] + pd.to_timedelta(rng.uniform(0, 7, N), unit="D")
    return pd.DataFrame({"unit": units.unit, "outcome": "buy", "at": at})[here]


def row(unit: int, at: str, outcome: str = "buy") -> pd.DataFrame:
    return pd.DataFrame({"unit": [unit], "outcome": [outcome], "at": [pd.Timestamp(at, tz="UTC")]})


def primary(found: Analysis) -> Finding:
    return found.comparisons[0].primary


def ends(found: Analysis) -> Check:
    return next(one for one in found.checks if one.name == "file-ends")


UNITS = exposures()
ALL = bought(UNITS)
CUT = ALL[ALL["at"] < START + 20 * DAY]


def test_all_windows_are_over_where_outcomes_reach_beyond_them() -> None:
    found = judge(UNITS, ALL, metrics=METRIC)
    assert abs(pd.Timestamp(found.until) - ALL["at"].max()) <= pd.Timedelta("1us")
    assert primary(found).waiting == (UNITS["at"] + 7 * DAY > ALL["at"].max()).sum()
    assert ends(found).ok


@pytest.mark.parametrize("astray", [row(10**9, "2031-01-01", "other"), row(10**9, "2031-01-01"), row(3, "2031-01-01"),
                                    row(3, "2026-02-03")])  # fmt: skip
def test_one_row_stamped_late_closes_no_window(astray: pd.DataFrame) -> None:
    plain, with_it = (judge(UNITS, o, metrics=METRIC) for o in (CUT, pd.concat([CUT, astray])))
    assert primary(plain).verdict.effect == pytest.approx(primary(with_it).verdict.effect)  # type: ignore[arg-type]
    assert primary(plain).waiting == primary(with_it).waiting > N / 4


def test_an_exposure_stamped_late_closes_none_either_with_its_outcome() -> None:
    units = UNITS.copy()
    units.loc[3, "at"] = pd.Timestamp("2031-01-01", tz="UTC")
    found = judge(units, pd.concat([CUT[CUT.unit != 3], row(3, "2031-01-02")]), metrics=METRIC)
    assert pd.Timestamp(found.until) < START + 21 * DAY
    assert primary(found).waiting > N / 4


def test_what_lies_far_after_all_windows_is_told() -> None:
    found = judge(UNITS, pd.concat([ALL, row(3, "2031-01-01")]), metrics=METRIC)
    assert not ends(found).ok
    assert "1 outcome is stamped long after every window and closes none" in ends(found).sentence


def test_outcomes_exported_before_the_exposures_judge_what_they_cover() -> None:
    early = ALL[ALL["at"] < START + 10 * DAY]
    found = judge(UNITS, early, metrics=METRIC)
    covered = UNITS[UNITS["at"] + 7 * DAY <= early["at"].max()]
    share = ALL.unit.isin(covered.unit[covered.variant == "control"]).sum() / (covered.variant == "control").sum()
    assert primary(found).verdict.control_mean == pytest.approx(share)
    assert primary(found).waiting == N - len(covered)
    assert not ends(found).ok
    assert "the outcomes end at 2026-01-10" in ends(found).sentence
    assert "(--as-of)" in ends(found).sentence


def test_one_outcome_that_ended_before_the_others_is_named() -> None:
    clicks = ALL.assign(outcome="click")
    found = judge(UNITS, pd.concat([clicks, ALL[ALL["at"] < START + 10 * DAY]]),
                  metrics={**METRIC, "k": "proportion:click,within=7d"})  # fmt: skip
    assert "buy ends at 2026-01-10" in ends(found).sentence
    assert "click ends" not in ends(found).sentence


def test_it_may_be_stated() -> None:
    found = judge(UNITS, CUT, metrics=METRIC, as_of="2026-01-15T12:00:00+02:00")
    at = pd.Timestamp("2026-01-15T10:00:00Z")
    assert pd.Timestamp(found.until) == at
    assert primary(found).waiting == (UNITS["at"] + 7 * DAY > at).sum()
    assert ends(found).ok
    late = judge(UNITS, ALL[ALL["at"] < START + 10 * DAY], metrics=METRIC, as_of="2026-02-01")
    assert (primary(late).waiting, ends(late).ok) == (0, True)


@pytest.mark.parametrize(
    ("outcomes", "more", "says"),
    [
        (ALL, {"as_of": "soon"}, "--as-of 'soon' is no time"),
        (None, {"as_of": "2026-02-01", "metrics": {"x": "mean:unit"}}, "leave --as-of out"),
        (ALL.drop(columns="at"), {"as_of": "2026-02-01", "metrics": {"x": "mean:buy"}}, "a file has no times"),
    ],
)
def test_what_cannot_be_stated_is_refused(outcomes: pd.DataFrame | None, more: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        judge(UNITS, outcomes, **{"metrics": METRIC, **more})


def test_nothing_that_happened_is_known_as_far_as_the_exposures_go() -> None:
    found = judge(UNITS, row(10**9, "2031-01-01"), metrics=METRIC)
    assert abs(pd.Timestamp(found.until) - UNITS["at"].max()) <= pd.Timedelta("1us")
