"""A unit that asks more often is no slower for it: while an arm is small, latency counts its first request."""

import numpy as np
import pytest

from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import MetricJudgement
from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.contrast import ZERO
from seatrial.stats.effect import Effect
from seatrial.stats.guardrail import judge_guardrail
from seatrial.stats.moments import Moments
from seatrial.stats.verdict import Question
from tests import worlds
from tests.unit.experiments.test_judge import SECOND, deployment

N = 2000
RUN = worlds.release((0.05, 0), caps={"p50": 900.0, "p99": 1000.0})


def judged(seed: int, asks: int, slow: float = 0.01) -> MetricJudgement:
    """The p99 of a challenger whose units ask ``asks`` times, where the champion's ask five times."""
    rng = np.random.default_rng(seed)
    names = worlds.unit_names(N, prefix=f"s{seed}-")
    challenger = worlds.assigned(RUN, names, np.ones(N)) == "challenger"
    times = np.where(challenger, asks, 5)
    unit = np.repeat(np.arange(N), times)
    at = worlds.START + unit * SECOND // 10 + np.concatenate([np.arange(n) for n in times]) * SECOND // 50
    chance = np.where(challenger[unit], slow, 0.01)
    latency = np.where(rng.random(unit.size) < chance, 5000, 500)
    rows = worlds.rows(RUN, [names[u] for u in unit], at, latency_us=latency)
    found = judge(deployment(p99={"relative": 0.1}), RUN, worlds.source([rows]), worlds.START + 500 * SECOND)
    return found.metric("p99")


def test_the_same_share_of_slow_requests_is_not_worse_because_there_are_more_of_them() -> None:
    words = [judged(seed, asks=15).verdict.word for seed in range(12)]
    assert words.count("worse") <= 1


def test_a_challenger_that_is_always_slow_is_seen_while_its_arm_is_small() -> None:
    found = judged(1, asks=5, slow=1.0)
    assert found.verdict.n_treatment < 200
    assert found.verdict.word == "worse"
    assert "exact" in found.verdict.method


@pytest.mark.parametrize("want", ["lower", "higher"])
def test_the_interval_shown_is_the_one_that_the_word_rests_on(want: str) -> None:
    counts = (PhaseCounts(30, 90, 60, 1800, 0.05),)
    arms = [Moments.from_values(np.repeat([1.0, 0.0], [a, n - a])) for a, n in ((30, 90), (60, 1800))]
    question = Question(metric="p99", want=want, margin=ZERO)  # type: ignore[arg-type]
    found = judge_guardrail(Effect.of_means(*arms, two_valued=True), question, counts=counts)
    assert found.word == ("worse" if want == "lower" else "non-inferior")
    assert found.margin_scale == "relative"
    assert found.relative_lower is not None
    assert found.relative_lower > 0
    assert f"{found.relative_lower:+.2%}" in found.sentence
