"""Caps that files fix by themselves: of all units for one look, of the first thousand where one looks again."""

import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.judging import judge
from seatrial.spec.errors import BadInput, NoData

N = 4000
START = pd.Timestamp("2026-03-02", tz="UTC")


def units(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    at = START + pd.to_timedelta(rng.permutation(n), unit="min")
    return pd.DataFrame(
        {"unit": np.arange(n), "variant": np.where(np.arange(n) % 2, "new", "control"), "at": at}
    ).assign(x=rng.lognormal(0, 2, n))


def test_for_one_look_it_is_of_all_units_and_the_uncapped_stands_beside() -> None:
    table = units()
    found = judge(table, metrics={"spent": "mean:x,cap_at=99.9%"}).comparisons[0].primary
    cap = float(np.quantile(table["x"], 0.999, method="inverted_cdf"))
    means = table["x"].clip(upper=cap).groupby(table["variant"]).mean()
    assert found.cap == cap
    assert found.verdict.effect == pytest.approx(means["new"] - means["control"], rel=1e-9)
    whole = table["x"].groupby(table["variant"]).mean()
    assert found.uncapped == pytest.approx(whole["new"] - whole["control"], rel=1e-9)


def test_at_any_time_it_is_of_the_first_thousand_and_stays() -> None:
    table = units().sort_values("at")
    cap = float(np.quantile(table["x"][:1000], 0.999, method="inverted_cdf"))
    for n in (1500, N):
        found = judge(table[:n], metrics={"spent": "mean:x,cap_at=99.9%"}, method="always-valid")
        assert found.comparisons[0].primary.cap == cap
    with pytest.raises(NoData, match="900 of the first 1000 units of 'spent' have matured"):
        judge(table[:900], metrics={"spent": "mean:x,cap_at=99.9%"}, method="always-valid")
    with pytest.raises(BadInput, match="has no column 'at'"):
        judge(table.drop(columns="at"), metrics={"spent": "mean:x,cap_at=99.9%"}, method="always-valid")


def test_of_outcomes_it_is_of_units_totals() -> None:
    table = units()
    after = pd.concat([table, table])[["unit", "x"]].assign(outcome="buy")
    found = judge(
        table[["unit", "variant"]], after.rename(columns={"x": "value"}), metrics={"s": "mean:buy,cap_at=99%"}
    )
    cap = float(np.quantile(2 * table["x"], 0.99, method="inverted_cdf"))
    assert found.comparisons[0].primary.cap == pytest.approx(cap, rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("mean:x,cap_at=99%,cap=5", "both a cap and a quantile to cap at"),
        ("mean:x,cap_at=0%", "there is no 0% quantile"),
        ("mean:x,cap_at=99%,range=0..5", "takes no cap"),
        ("proportion:x,cap_at=99%", "has no use for a cap"),
    ],
)
def test_a_cap_that_cannot_be_is_refused(metric: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        judge(units(200), metrics={"m": metric})
