"""How long a release will take: against the power formula by hand, on made-up weeks of a champion."""

from typing import Any

import numpy as np
import pytest

from seatrial.experiments.foresight import Foresight, foresee, told
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import Deployment
from seatrial.stats.betting_power import BoundedClaim, units_of_bounded
from seatrial.stats.contrast import Margin
from seatrial.stats.power import Design, plan_means, plan_proportions
from seatrial.stats.quantile_power import Past, QuantileClaim, plan_quantiles
from seatrial.stats.share_power import Claim, units_of_shares
from tests import worlds

DAY = 86_400 * worlds.SECOND
NOW = worlds.START + 7 * DAY
RUN = worlds.release((0.01, 7 * 86400.0))

METRICS: dict[str, Any] = {
    "conversion": {"kind": "proportion", "outcome": "buy", "within": 3600.0, "grace": 0.0},
    "revenue": {"kind": "mean", "outcome": "buy", "within": 86400.0, "grace": 0.0},
}


def deployment(guardrails: dict[str, dict[str, float]], **release: Any) -> Deployment:
    asked = {
        "of": "challenger",
        "into": "everybody",
        "stages": [
            {"kind": "canary", "steps": [0.01, 0.1], "minimum_units": 100},
            {"kind": "test", "share": 0.5, "at_most": 5 * 86400.0},
        ],
        "primary": {"metric": "conversion", "minimum_effect": {"relative": 0.1}},
        "guardrails": guardrails,
    }
    return worlds.deployment(outcomes={"buy": {}}, metrics=METRICS, release=asked | release)


def week(n: int = 7_000, **given: Any) -> TableSource:
    """A champion alone: a unit each row, a tenth of whom buy for 1 or 3; a hundredth of the rows is slow."""
    rng = np.random.default_rng(3)
    at = np.sort(worlds.START + rng.integers(0, 7 * DAY, n))
    names = worlds.unit_names(n)
    columns: dict[str, Any] = {
        "variant": np.full(n, "champion", dtype=object),
        "phase": np.zeros(n, dtype=np.int64),
        "release": [""] * n,
        "contested": np.zeros(n, dtype=bool),
        "latency_us": np.exp(rng.normal(7, 0.5, n)).astype(np.int64),
    }
    rows = worlds.rows(RUN, names, at, **columns | given)
    bought = np.flatnonzero(rng.random(n) < 0.1)
    amounts = rng.choice([1.0, 3.0], len(bought))
    outcome = worlds.outcomes("buy", at[bought] + 1, unit=[names[i] for i in bought], value_number=amounts)
    return worlds.source([rows], [outcome])


def needs(found: Foresight) -> dict[str, Any]:
    return {need.metric: need for need in found.needs}


def test_units_and_days_are_those_of_the_power_formula() -> None:
    found = foresee(deployment({"revenue": {"relative": 0.2}}), RUN, week(), NOW)
    assert found.units_a_day == pytest.approx(1_000, rel=0.01)
    share = 0.1
    design = Design(share=0.5, power=0.9)  # of the primary and one guardrail, so that both hold with 0.8
    by_hand = plan_proportions(share, share * 1.1, design).always_valid
    assert needs(found)["conversion"].units == pytest.approx(by_hand, rel=0.15)
    sd = np.sqrt(0.1 * 5 - 0.2**2)
    by_hand = plan_means(0.2 * 0.2, float(sd), Design(share=0.5, sides=1, power=0.9)).always_valid
    assert needs(found)["revenue"].units == pytest.approx(by_hand, rel=0.2)
    assert needs(found)["revenue"].days == pytest.approx(
        needs(found)["revenue"].units / found.units_a_day + 1, rel=1e-6
    )


def test_guardrails_take_power_and_no_alpha() -> None:
    one, three = (
        foresee(deployment(guardrails), RUN, week(), NOW)
        for guardrails in (
            {"revenue": {"relative": 0.2}},
            {"revenue": {"relative": 0.2}, "p99": {"relative": 0.1}, "errors": {"absolute": 0.1}},
        )
    )
    assert (one.each, three.each) == (pytest.approx(0.9), pytest.approx(0.95))
    share = week().sql("SELECT count(*) AS n FROM outcomes", {})["n"][0].as_py() / 7_000
    for found in (one, three):
        by_hand = plan_proportions(share, share * 1.1, Design(share=0.5, power=found.each)).always_valid
        assert needs(found)["conversion"].units == pytest.approx(by_hand, rel=0.05)
    assert (
        "each is planned with a power of 0.95, so that the primary and all guardrails hold together with 0.8."
        in told(three)
    )
    assert not any("power" in line for line in told(foresee(deployment({}), RUN, week(), NOW)))


def test_steps_need_their_units() -> None:
    found = foresee(deployment({}), RUN, week(), NOW)
    assert found.steps == pytest.approx((10.0, 1.0), rel=0.01)


def test_latency_needs_less_the_wider_its_margin() -> None:
    close, wide = (
        needs(foresee(deployment({"p99": {"relative": margin}}), RUN, week(), NOW))["p99"].units
        for margin in (0.1, 0.5)
    )
    assert close > wide > 0


def test_a_limit_that_is_too_short_is_warned_of() -> None:
    lines = told(foresee(deployment({"revenue": {"relative": 0.01}}), RUN, week(), NOW))
    assert lines[0].endswith("units come a day.")
    assert any(
        line.startswith("revenue needs about") and "WARNING, the release ends after 5 days" in line for line in lines
    )
    assert lines[1] == "step 1 needs about 10 days for its units."


@pytest.mark.parametrize(
    ("guardrails", "rows", "words"),
    [
        (
            {"errors": {"absolute": 0.01}},
            7_000,
            "errors: how much it needs cannot be told, because it has not varied yet",
        ),
        ({"revenue": {"absolute": 0.0}}, 7_000, "because a margin of 0 can only be kept by a version that is better"),
        ({"p99": {"relative": 0.1}}, 900, "p99: how much it needs cannot be told, because it waits for 1000 requests"),
        ({}, 99, "fewer than 100 units came in the last days"),
    ],
)
def test_what_cannot_be_told_says_why(guardrails: dict[str, dict[str, float]], rows: int, words: str) -> None:
    assert words in " ".join(told(foresee(deployment(guardrails), RUN, week(rows), NOW)))


def test_a_release_under_way_does_not_halve_the_traffic_that_comes() -> None:
    n = 7_000
    drawn = np.where(np.arange(n) % 2 == 0, "champion", "challenger").astype(object)
    alone = foresee(deployment({}), RUN, week(), NOW)
    both = week(variant=drawn, contested=np.ones(n, dtype=bool), release=[RUN.id] * n)
    under_way = foresee(deployment({}), RUN, both, NOW)
    assert under_way.units_a_day == pytest.approx(alone.units_a_day, rel=1e-9)
    ours, theirs = needs(under_way)["conversion"], needs(alone)["conversion"]
    assert ours.units == pytest.approx(theirs.units, rel=0.1)
    assert ours.days == pytest.approx(theirs.days, rel=0.1)


@pytest.mark.parametrize("reason", ["override", "explicit", "rule", "cold-start"])
def test_rows_that_no_split_reaches_are_no_traffic(reason: str) -> None:
    assert foresee(deployment({}), RUN, week(reason=[reason] * 7_000), NOW).units_a_day is None
    half = foresee(deployment({}), RUN, week(reason=[reason, "split"] * 3_500), NOW)
    assert half.units_a_day == pytest.approx(500, rel=0.01)


def test_only_units_of_the_release_s_entry_come() -> None:
    tenth = np.where(np.arange(7_000) % 10 == 0, "everybody", "elsewhere").astype(object)
    whole, part = (foresee(deployment({}), RUN, source, NOW) for source in (week(), week(entry=tenth)))
    assert part.units_a_day == pytest.approx(whole.units_a_day / 10, rel=0.02)
    assert needs(part)["conversion"].days > 5 * needs(whole)["conversion"].days
    none = np.full(7_000, "elsewhere", dtype=object)
    assert foresee(deployment({}), RUN, week(entry=none), NOW).units_a_day is None


def labelled(share: float, *, minutes: bool = False, smallest: float = 0.05, **more: Any) -> Foresight:
    """A week in which so many of 7 000 units get a label, 30 % of them 1 (or minutes); the primary is their mean."""
    n, rng = 7_000, np.random.default_rng(3)
    at = np.sort(worlds.START + rng.integers(0, 7 * DAY, n))
    names = worlds.unit_names(n)
    rows = worlds.rows(RUN, names, at, variant=np.full(n, "champion", dtype=object), release=[""] * n)
    here = np.flatnonzero(np.arange(n) % round(1 / share) == 0)
    values = rng.exponential(10, len(here)) if minutes else (rng.random(len(here)) < 0.3) * 1.0
    came = worlds.outcomes("buy", at[here] + 1, unit=[names[i] for i in here], value_number=values)
    spec = worlds.deployment(
        outcomes={"buy": {"label": True}},
        metrics={"m": {"kind": "mean", "outcome": "buy", "within": 3600.0, "grace": 0.0} | more},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "m", "minimum_effect": {"absolute": smallest}},
        },
    )
    return foresee(spec, RUN, worlds.source([rows], [came]), NOW)


def test_units_without_a_label_do_not_bring_the_end_nearer() -> None:
    for share in (1.0, 0.1):
        found = labelled(share)
        need = needs(found)["m"]
        assert found.units_a_day == pytest.approx(1_000, rel=0.02)
        assert need.days == pytest.approx(need.units / (share * found.units_a_day) + 1 / 24, rel=0.02)


def test_what_is_judged_by_betting_is_planned_so_and_not_as_a_mean() -> None:
    bet, mean = needs(labelled(1.0, range=(0.0, 1.0)))["m"], needs(labelled(1.0))["m"]
    claim = BoundedClaim(0.3, 0.21**0.5, 0.0, 1.0, 0.05)
    assert bet.units == pytest.approx(units_of_bounded(claim), rel=0.05)
    assert bet.units > 1.2 * mean.units


def test_a_quantile_is_planned_by_how_dense_its_values_are() -> None:
    need = needs(labelled(1.0, minutes=True, smallest=3.0, kind="quantile", quantile=0.9))["m"]
    rng = np.random.default_rng(3)
    rng.integers(0, 7 * DAY, 7_000)
    past = Past.of(rng.exponential(10, 7_000), 0.9)  # but for those of the last hour
    assert need.units == pytest.approx(plan_quantiles(past, QuantileClaim(3.0)).always_valid, rel=0.05)


def failing(share: float) -> TableSource:
    n = 7_000
    bad = np.arange(n) % round(1 / share) == 0
    return week(n, status=np.where(bad, "error", "ok").astype(object))


@pytest.mark.parametrize(
    ("margin", "method"),
    [(Margin("absolute", 0.01), "always-valid"), (Margin("relative", 1.0), "exact")],
)
def test_rare_failures_are_planned_as_they_are_judged(margin: Margin, method: Any) -> None:
    found = foresee(deployment({"errors": {margin.scale: margin.size}}), RUN, failing(0.001), NOW)
    share = 7 / 7_000
    claim, design = Claim.of_margin(share, margin, "lower"), Design(share=0.5, sides=1, power=0.9)
    assert needs(found)["errors"].units == pytest.approx(units_of_shares(claim, design, method), rel=0.02)


def test_a_rate_by_request_waits_for_its_events() -> None:
    found = needs(foresee(deployment({"error_rate": {"absolute": 0.1}}), RUN, failing(0.001), NOW))
    assert found["error_rate"].units == pytest.approx(10 / 0.001 / 0.5, rel=0.02)
