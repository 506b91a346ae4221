"""Verdicts by a plan: one look, a few looks, a posterior; each beside the method's own numbers on the same units."""

from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats as oracle

from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.source import TableSource
from seatrial.releases.plan import Plan
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.stats.effect import Effect
from seatrial.stats.group_bounds import futility_bounds, spending_bounds
from seatrial.stats.moments import Moments
from seatrial.stats.planned_looks import Stage, judge_looks
from seatrial.stats.spending import Spending
from seatrial.stats.unconditional import Table, unconditional_p
from seatrial.stats.verdict import Question
from tests import worlds

SECOND = worlds.SECOND
UNITS = 1000
"""Exposed one a second; matured 40 seconds later."""


def deployment(want: str = "higher", at_most: float | None = None, smallest: float = 0.01) -> Deployment:
    return worlds.deployment(
        outcomes={"buy": {}},
        metrics={"revenue": {"kind": "mean", "outcome": "buy", "within": 30.0, "grace": 10.0, "want": want}},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test", "at_most": at_most}],
            "primary": {"metric": "revenue", "minimum_effect": {"absolute": smallest}},
            "guardrails": {"errors": {"absolute": 0.5}},
        },
    )


def run_of(**plan: Any) -> ReleaseRun:
    return msgspec.structs.replace(worlds.release((0.5, 0)), plan=Plan(**plan))


class World:
    """What each unit spends, by arm; the challenger's more by ``effect``, after ``turn`` units by ``then``."""

    def __init__(
        self, effect: float = 0.0, *, turn: int = UNITS, then: float = 0.0, seed: int = 1, late: int = 0
    ) -> None:
        names = worlds.unit_names(UNITS)
        self.at = worlds.START + np.arange(UNITS) * SECOND
        rows = worlds.rows(run_of(), names, self.at)
        self.treated = np.asarray(rows["variant"] == "challenger")
        more = np.where(np.arange(UNITS) < turn, effect, then)
        self.spent = np.random.default_rng(seed).normal(10, 1, UNITS) + self.treated * more
        bought = worlds.outcomes("buy", self.at + SECOND, unit=names, value_number=self.spent)
        # Of the first ``late`` units as much again arrives 100 seconds after their exposure: they have matured by then.
        again = worlds.outcomes(
            "buy",
            self.at[:late] + SECOND,
            unit=names[:late],
            value_number=self.spent[:late],
            received_at=self.at[:late] + 100 * SECOND,
            id=[f"again-{i}" for i in range(late)],
        )
        self.source: TableSource = worlds.source([rows], [bought, again] if late else [bought])

    def judged(
        self, seconds: float, want: str = "higher", at_most: float | None = None, smallest: float = 0.01, **plan: Any
    ) -> Judgement:
        spec = deployment(want, at_most, smallest)
        return judge(spec, run_of(**plan), self.source, worlds.START + round(seconds * SECOND))

    def effect(self, n: int) -> Effect:
        t, x = self.treated[:n], self.spent[:n]
        return Effect.of_means(Moments.from_values(x[t]), Moments.from_values(x[~t]))


def test_a_fixed_plan_refuses_before_its_end_and_says_when_that_is() -> None:
    found = World(1.0).judged(639.9, name="fixed", after=600.0)
    assert found.metric("revenue").verdict.word == "no-data"
    assert found.recommendation == "wait"
    assert "it is judged once, at its planned end 2023-11-14 22:24Z" in found.sentence
    assert found.metric("revenue").verdict.lower is None


def test_at_its_end_a_fixed_plan_is_welch_s_test_on_the_planned_units() -> None:
    world = World(0.3)
    found = world.judged(640, name="fixed", after=600.0).metric("revenue").verdict
    x, t = world.spent[:601], world.treated[:601]
    expected = oracle.ttest_ind(x[t], x[~t], equal_var=False)
    ends = expected.confidence_interval(0.95)
    assert found.n_treatment + found.n_control == 601
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.lower == pytest.approx(ends.low, rel=1e-9)
    # The end that says "worse" has alpha_rollback shared with the guardrail: as wide or wider.
    assert found.upper is not None
    assert found.upper >= ends.high - 1e-12


def test_a_fixed_plan_says_the_same_ever_after() -> None:
    world = World(0.1, turn=600, then=-3.0)
    first = world.judged(640, name="fixed", after=600.0).metric("revenue").verdict
    assert all(
        world.judged(seconds, name="fixed", after=600.0).metric("revenue").verdict == first
        for seconds in (641, 700, 1100)
    )


def test_what_arrives_late_until_the_planned_end_enters_the_one_look() -> None:
    world = World(0.3, late=300)
    total = world.spent + np.where(np.arange(UNITS) < 300, world.spent, 0.0)
    for plan, planned, values in (({"after": 600.0}, 601, total), ({"units": 500}, 500, world.spent)):
        found = world.judged(700, name="fixed", **plan).metric("revenue").verdict
        x, t = values[:planned], world.treated[:planned]
        expected = oracle.ttest_ind(x[t], x[~t], equal_var=False)
        assert found.n_treatment + found.n_control == planned
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-2), "in the larger of both standard errors"
        assert (found.treatment_mean, found.control_mean) == pytest.approx((x[t].mean(), x[~t].mean()), rel=1e-9)


@pytest.mark.parametrize("plan", [{"after": 300.0}, {"units": 250}])
def test_what_arrives_after_the_one_look_changes_nothing_and_is_counted_beside(plan: dict[str, Any]) -> None:
    world, none = World(0.3, late=300), World(0.3)
    # The look is at 340 seconds, and by then a second purchase of the first 241 units had arrived, 100 seconds late.
    first = world.judged(340, name="fixed", **plan).metric("revenue")
    later = world.judged(1100, name="fixed", **plan).metric("revenue")
    assert first.verdict.word != "no-data"
    assert later.verdict == first.verdict
    assert (first.counts.late, later.counts.late) == (241, 300)
    assert (first.verdict == none.judged(340, name="fixed", **plan).metric("revenue").verdict) == ("units" in plan)


def test_a_look_that_was_taken_does_not_learn_what_arrives_late() -> None:
    plan = {"name": "group-sequential", "units": 1000, "looks": 4}
    late, none = (World(0.3, late=n).judged(1100, **plan).metric("revenue").verdict for n in (300, 0))
    assert late == none


def test_a_fixed_plan_of_units_counts_down_and_stops_at_them() -> None:
    world = World(0.3)
    early = world.judged(500, name="fixed", units=600)
    assert "461 of 600 planned units have matured" in early.sentence
    found = world.judged(1100, name="fixed", units=600).metric("revenue").verdict
    assert (found.n_treatment + found.n_control, found.word) == (600, "better")


def test_looks_are_those_that_were_planned_and_nothing_is_said_before_the_first() -> None:
    early = World(3.0).judged(200, name="group-sequential", units=1000, looks=4)
    assert "161 of 250 matured units for the first of 4 planned looks" in early.sentence
    assert early.recommendation == "wait"


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize("seconds", [300, 550, 800, 1100])
def test_a_planned_look_is_the_group_sequential_verdict_on_its_units(seconds: int, spending: Any) -> None:
    world = World(0.05)
    found = world.judged(seconds, name="group-sequential", units=1000, looks=4, spending=spending)
    matured = min(UNITS, seconds - 40 + 1)
    taken = [n for n in (250, 500, 750, 1000) if n <= matured]
    question = Question(metric="revenue", margin=None, alpha=0.05, alpha_worse=0.025)
    expected = judge_looks(
        [Stage(n / 1000, world.effect(n)) for n in taken],
        question,
        spending=Spending(spending),
        final=len(taken) == 4,
    ).verdict
    verdict = found.metric("revenue").verdict
    assert (verdict.word, verdict.lower, verdict.upper) == (expected.word, expected.lower, expected.upper)
    looks = "1 planned look" if len(taken) == 1 else f"{len(taken)} planned looks"
    assert f"{looks} of 4 ({spending})" in verdict.method


@pytest.mark.parametrize("seconds", [640, 641, 1100])
def test_a_release_that_has_run_at_most_looks_once_more_with_all_alpha_that_is_left(seconds: int) -> None:
    world = World(0.05)
    plan = {"name": "group-sequential", "units": 1000, "looks": 4}
    found = world.judged(seconds, at_most=640.0, **plan).metric("revenue").verdict
    question = Question(metric="revenue", margin=None, alpha=0.05, alpha_worse=0.025)
    stages = [Stage(n / 1000, world.effect(n)) for n in (250, 500, 601)]  # 601 had matured 40 seconds after exposure
    expected = judge_looks(stages, question, final=True).verdict
    assert (found.word, found.lower, found.upper) == (expected.word, expected.lower, expected.upper)
    assert "3 planned looks of 4 (obrien-fleming), the last at `at_most`" in found.method
    before = world.judged(639, at_most=640.0, **plan).metric("revenue").verdict
    assert before == world.judged(639, **plan).metric("revenue").verdict


def test_the_last_look_before_the_first_planned_one_is_a_test_at_all_of_alpha() -> None:
    world = World(0.4)
    plan = {"name": "group-sequential", "units": 4000, "looks": 4}
    found = world.judged(700, at_most=640.0, **plan).metric("revenue").verdict
    expected = judge_looks([Stage(601 / 4000, world.effect(601))], Question(metric="revenue"), final=True).verdict
    assert found.word == expected.word == "better"
    assert found.lower == expected.lower
    half = oracle.norm.ppf(0.975) * world.effect(601).se
    assert found.lower == pytest.approx(world.effect(601).effect - half, rel=1e-6)


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_a_few_units_after_a_planned_look_make_the_last_look_in_its_place(spending: Any) -> None:
    world = World(0.05)
    plan = {"name": "group-sequential", "units": 50_000, "looks": 100, "spending": spending}
    found = world.judged(542, at_most=542.0, **plan).metric("revenue").verdict  # 503 have matured
    stages = [Stage(503 / 50_000, world.effect(503))]
    expected = judge_looks(stages, Question(metric="revenue"), spending=Spending(spending), final=True).verdict
    assert (found.word, found.lower) == (expected.word, expected.lower)
    assert found.n_treatment + found.n_control == 503
    assert "the last at `at_most`" in found.method


def test_a_planned_look_that_has_decided_keeps_its_place() -> None:
    world = World(3.0)
    plan = {"name": "group-sequential", "units": 50_000, "looks": 100, "spending": "pocock"}
    before = world.judged(541, **plan).metric("revenue").verdict
    found = world.judged(542, at_most=542.0, **plan).metric("revenue").verdict
    assert before.word == "better"
    assert found == before


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize("more", [1e-6, 9e-5])
def test_a_last_look_in_another_s_place_holds_alpha(spending: Any, more: float) -> None:
    """By integration over the three looks there were: the planned ones with their bounds, and the last with its own."""
    looks = np.array([0.2, 0.4, 0.4 + more])
    planned = [b.upper for b in spending_bounds(looks[:2], 0.05, Spending(spending))]
    last = spending_bounds(looks[[0, 2]], 0.05, Spending(spending), final=True)[-1].upper
    bounds = np.array([*planned, last])
    covariance = np.sqrt(np.minimum.outer(looks, looks) / np.maximum.outer(looks, looks))
    within = oracle.multivariate_normal(cov=covariance, allow_singular=True, seed=1).cdf(bounds, lower_limit=-bounds)
    assert 1 - within == pytest.approx(0.05, abs=1e-4)


def futility_bound(effect: Effect, smallest: float) -> float:
    """The Z at the second of four looks below which an effect of that size is unlikely to be shown."""
    shares = [0.25, 0.5, 0.75, 1.0]
    bounds = spending_bounds(shares, 0.025, sides=1, final=True)
    return futility_bounds(shares, bounds, smallest / (effect.se * 0.5**0.5), 0.2)[1]


@pytest.mark.parametrize("want", ["higher", "lower"])
def test_a_look_below_its_futility_bound_says_so_and_nothing_acts_on_it(want: str) -> None:
    plan = {"name": "group-sequential", "units": 1000, "looks": 4}
    seen = set()
    for shift in (-0.3, -0.1, 0.1, 0.2, 0.3):
        world = World(shift)
        looked = world.judged(600, want=want, smallest=0.25, **plan)
        found, effect = looked.metric("revenue").verdict, world.effect(500)
        z = effect.effect / effect.se * (1 if want == "higher" else -1)
        seen.add(found.futile)
        assert found.futile == (found.word == "inconclusive" and z < futility_bound(effect, 0.25))
        assert ("going on is unlikely to show the smallest effect that matters" in looked.sentence) == found.futile
        assert looked.recommendation in ("wait", "stop", "ship")
        unplanned = world.judged(600, want=want, smallest=0.01, **plan).metric("revenue").verdict
        assert not unplanned.futile  # so small an effect is beyond the plan: its bounds would say nothing
        assert (unplanned.lower, unplanned.upper) == (found.lower, found.upper)
    assert seen == {True, False}


def test_between_two_looks_nothing_changes() -> None:
    world = World(0.1)
    plan = {"name": "group-sequential", "units": 1000, "looks": 4}
    at_look = world.judged(540, **plan).metric("revenue").verdict
    assert world.judged(700, **plan).metric("revenue").verdict == at_look
    assert world.judged(790, **plan).metric("revenue").verdict.n_treatment != at_look.n_treatment


def test_a_decision_at_a_look_stands_whatever_comes_after() -> None:
    world = World(1.5, turn=300, then=-1.5)
    plan = {"name": "group-sequential", "units": 1000, "looks": 4, "spending": "pocock"}
    assert world.judged(300, **plan).metric("revenue").verdict.word == "better"
    assert world.judged(1100, **plan).metric("revenue").verdict.word == "better"
    assert world.effect(UNITS).effect < 0


def test_a_posterior_is_the_normal_one_with_its_prior_and_says_what_it_does_not_hold() -> None:
    world = World(0.3)
    found = world.judged(1100, name="bayes", prior_mean=0.1, prior_sd=0.05)
    effect = world.effect(UNITS)
    precision = 1 / 0.05**2 + 1 / effect.se_unpooled**2
    mean = (0.1 / 0.05**2 + effect.effect / effect.se_unpooled**2) / precision
    low, high = oracle.norm(mean, precision**-0.5).interval(0.95)
    verdict = found.metric("revenue").verdict
    assert verdict.lower == pytest.approx(low, rel=1e-9)
    assert verdict.upper == pytest.approx(high, rel=1e-9)
    assert verdict.word == "better"
    assert "prior Normal(0.1, 0.05) on the difference" in verdict.method
    assert "stopping on it does not hold alpha" in verdict.method
    assert "does not hold the error rate of 5%" in found.sentence
    assert found.metric("revenue").bayesian is not None
    assert found.metric("revenue").bayesian.prior == "Normal(0.1, 0.05) on the difference"  # type: ignore[union-attr]


def test_a_posterior_takes_nothing_back_before_the_sequence_does() -> None:
    slightly = World(-0.2).judged(1100, name="bayes")
    bayesian = slightly.metric("revenue").bayesian
    assert bayesian is not None
    assert bayesian.upper < 0
    assert slightly.metric("revenue").verdict.word == "inconclusive"
    assert slightly.recommendation == "wait"
    assert World(-2.0).judged(1100, name="bayes").recommendation == "stop"


@pytest.mark.parametrize(
    "plan", [{"name": "fixed", "units": 900}, {"name": "group-sequential", "units": 900}, {"name": "bayes"}]
)
def test_guardrails_are_watched_at_every_look_whatever_the_plan(plan: dict[str, Any]) -> None:
    found = World().judged(300, **plan)
    assert "valid at every look" in found.metric("errors").verdict.method
    assert found.metric("errors").verdict.word == "non-inferior"
    assert found.method == plan["name"]


def test_without_a_plan_the_verdict_is_the_sequence_s() -> None:
    found = World(0.3).judged(1100)
    assert "valid at every look" in found.metric("revenue").verdict.method
    assert found.method == "always-valid"


@pytest.mark.parametrize("word", ["better", "worse"])
def test_less_is_better_where_the_file_says_so(word: str) -> None:
    world = World(1.0 if word == "worse" else -1.0)
    for plan in ({"name": "fixed", "units": 900}, {"name": "group-sequential", "units": 900}, {"name": "bayes"}):
        assert world.judged(1100, want="lower", **plan).metric("revenue").verdict.word == word


class Few:
    """A hundred and twenty units, of which few buy, or all of them spend; judged once, at the end."""

    def __init__(self, kind: str, seed: int = 1, effect: float = 0.0, compare: str = "means", units: int = 120) -> None:
        self.names = worlds.unit_names(units)
        at = worlds.START + np.arange(units) * SECOND
        rows = worlds.rows(run_of(), self.names, at)
        self.treated = np.asarray(rows["variant"] == "challenger")
        rng = np.random.default_rng(seed)
        self.values = rng.lognormal(0, 1, units) * np.where(self.treated, np.exp(effect), 1.0)
        bought = self.treated & (np.arange(units) % 4 == 0) if kind == "proportion" else np.ones(units, dtype=bool)
        outcomes = worlds.outcomes(
            "buy",
            at[bought] + SECOND,
            unit=[name for name, one in zip(self.names, bought, strict=True) if one],
            value_number=np.ones(bought.sum()) if kind == "proportion" else self.values[bought],
        )
        self.bought = bought
        spec = {"kind": kind, "outcome": "buy", "within": 30.0, "grace": 10.0}
        self.spec = worlds.deployment(
            outcomes={"buy": {}},
            metrics={"m": spec | ({"compare": compare} if kind == "mean" else {})},
            release={
                "of": "challenger",
                "into": "everybody",
                "stages": [{"kind": "test"}],
                "primary": {"metric": "m", "minimum_effect": {"absolute": 0.01}},
            },
        )
        self.source = worlds.source([rows], [outcomes])
        self.end = worlds.START + (units + 100) * SECOND

    def judged(self, **plan: Any) -> Judgement:
        return judge(self.spec, run_of(**plan), self.source, self.end)


def test_few_events_of_a_release_are_judged_exactly_once() -> None:
    world = Few("proportion")
    found = world.judged(name="fixed", after=130.0).metric("m")
    assert found.verdict.word == "better"
    assert "exact for one look, as events or units are few" in found.sentence
    x, n, m = int(world.bought.sum()), int(world.treated.sum()), int((~world.treated).sum())
    columns = [[x, 0], [n - x, m]]
    theirs = oracle.barnard_exact(columns, alternative="greater", n=512).pvalue
    assert found.verdict.p_value == unconditional_p(Table(x, n, 0, m))
    assert found.verdict.p_value < 2 * theirs, "which looks for the worst share among all, and not where it can be"
    assert {"Fisher's exact (fixed)", "Boschloo's exact (fixed)"} <= {one.method for one in found.fixed}


def test_few_units_of_a_release_are_judged_by_permutation_once() -> None:
    found = Few("mean", effect=1.5).judged(name="fixed", after=130.0).metric("m")
    assert found.verdict.word == "better"
    assert "by permutation for one look" in found.sentence
    beside = [one for one in found.fixed if one.method == "bootstrap (BCa) (fixed)"]
    assert len(beside) == 1
    assert beside[0].lower is not None
    assert found.verdict.effect == pytest.approx(beside[0].effect)
    assert Few("mean").judged(name="fixed", after=130.0).metric("m").verdict.word == "inconclusive"


def test_ranks_decide_a_fixed_release_and_no_other() -> None:
    world = Few("mean", effect=0.9, compare="ranks", units=300)
    found = world.judged(name="fixed", after=310.0).metric("m").verdict
    t, c = (world.values[one] for one in (world.treated, ~world.treated))
    assert found.word == "better"
    assert found.p_value == pytest.approx(oracle.mannwhitneyu(t, c, method="asymptotic").pvalue, rel=1e-9)
    assert found.effect == pytest.approx(np.median(np.subtract.outer(t, c)), rel=1e-9)
    watched = world.judged().metric("m").verdict
    assert watched.word == "no-data"
    assert "ranks are compared once" in watched.reason
