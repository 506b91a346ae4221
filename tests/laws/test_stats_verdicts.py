"""Laws of verdicts: swapping the arms mirrors them, units of measure change nothing, more alpha never says less."""

import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seatrial.stats import (
    Effect,
    Margin,
    Moments,
    PhaseCounts,
    Question,
    Verdict,
    combine_phases,
    confidence_sequence,
    holm,
    judge_guardrail,
    judge_primary,
)
from seatrial.stats.bernoulli import share_sequence
from seatrial.stats.conditional import conditional_p, log_evidence, ratio_sequence
from seatrial.stats.paired import PairedAccuracy, judge_pairs
from seatrial.stats.verdict import Word

MIRROR: dict[Word, Word] = {"better": "worse", "worse": "better"}
MEANS = st.floats(0.5, 2.0)
UNITS = st.integers(2, 20_000)
SPREADS = st.floats(0.01, 4.0)
ARMS = st.builds(lambda n, mean, variance: Moments(n, mean, variance * (n - 1)), UNITS, MEANS, SPREADS)
COUNTS = st.integers(0, 400)
SHARES = st.floats(0.01, 0.99)
ABSOLUTE = st.one_of(st.none(), st.floats(0.001, 0.5).map(lambda size: Margin("absolute", size)))
MARGINS = st.one_of(ABSOLUTE, st.floats(0.001, 0.5).map(lambda size: Margin("relative", size)))


def ends(verdict: Verdict) -> tuple[float, float]:
    assert verdict.lower is not None
    assert verdict.upper is not None
    return verdict.lower, verdict.upper


@given(ARMS, ARMS, ABSOLUTE)
def test_swapping_the_arms_mirrors_the_verdict(a: Moments, b: Moments, margin: Margin | None) -> None:
    question = Question(metric="m", margin=margin)
    here, there = judge_primary(Effect.of_means(a, b), question), judge_primary(Effect.of_means(b, a), question)
    assert there.word == MIRROR.get(here.word, here.word)
    if here.word != "no-data":
        low, high = ends(here)
        assert ends(there) == pytest.approx((-high, -low))
        assert there.p_value == pytest.approx(here.p_value)


@given(ARMS, ARMS, MARGINS)
def test_wanting_the_opposite_mirrors_the_word_only(a: Moments, b: Moments, margin: Margin | None) -> None:
    effect = Effect.of_means(a, b)
    up = judge_primary(effect, Question(metric="m", margin=margin, want="higher"))
    down = judge_primary(effect, Question(metric="m", margin=margin, want="lower"))
    assert down.word == MIRROR.get(up.word, up.word)
    assert (down.lower, down.upper) == (up.lower, up.upper)


@given(ARMS, ARMS, st.floats(1e-3, 1e3), st.floats(0.001, 0.5))
def test_the_unit_of_measure_changes_no_word(a: Moments, b: Moments, scale: float, margin: float) -> None:
    def scaled(moments: Moments) -> Moments:
        return Moments(moments.n, scale * moments.mean, scale * scale * moments.m2)

    here, there = Effect.of_means(a, b), Effect.of_means(scaled(a), scaled(b))
    for plain, same in (
        (Margin("relative", margin), Margin("relative", margin)),
        (Margin("absolute", margin), Margin("absolute", scale * margin)),
    ):
        one = judge_primary(here, Question(metric="m", margin=plain))
        other = judge_primary(there, Question(metric="m", margin=same))
        assert one.word == other.word
        if one.word != "no-data":
            low, high = ends(one)
            assert ends(other) == pytest.approx((scale * low, scale * high), rel=1e-6, abs=1e-9 * scale)
        rail = judge_guardrail(here, Question(metric="m", margin=plain))
        assert rail.word == judge_guardrail(there, Question(metric="m", margin=same)).word


@given(ARMS, ARMS, MARGINS)
def test_a_wider_margin_never_makes_a_guardrail_worse(a: Moments, b: Moments, margin: Margin | None) -> None:
    assume(margin is not None)
    assert margin is not None
    order = {"worse": 0, "inconclusive": 1, "non-inferior": 2}
    effect = Effect.of_means(a, b)
    narrow = judge_guardrail(effect, Question(metric="m", margin=margin))
    assume(narrow.word != "no-data")
    wide = judge_guardrail(effect, Question(metric="m", margin=Margin(margin.scale, 2 * margin.size)))
    assert order[wide.word] >= order[narrow.word]


@given(ARMS, ARMS)
def test_a_verdict_that_says_better_has_a_p_value_below_alpha(a: Moments, b: Moments) -> None:
    verdict = judge_primary(Effect.of_means(a, b), Question(metric="m"))
    assume(verdict.p_value is not None)
    assert verdict.p_value is not None
    if not math.isclose(verdict.p_value, 0.05, rel_tol=1e-6):
        assert (verdict.p_value < 0.05) == (verdict.word in ("better", "worse"))


@given(st.floats(-5, 5), st.floats(0.01, 5), st.integers(1000, 10**6), st.floats(0.001, 0.2))
def test_less_alpha_and_more_ends_are_wider(effect: float, se: float, n: int, alpha: float) -> None:
    """Around the planned number of units; far below it the scales, which differ with alpha, may cross."""
    strict, lenient = confidence_sequence(effect, se, n, alpha / 2), confidence_sequence(effect, se, n, alpha)
    assert strict.lower < lenient.lower <= effect <= lenient.upper < strict.upper
    assert confidence_sequence(effect, se, n, alpha, side="lower").lower > lenient.lower
    assert confidence_sequence(effect, se, n, alpha, side="upper").upper < lenient.upper


@given(st.lists(st.tuples(ARMS, ARMS), min_size=1, max_size=4))
def test_the_order_of_phases_does_not_matter(phases: list[tuple[Moments, Moments]]) -> None:
    effects = [Effect.of_means(a, b) for a, b in phases]
    here, there = combine_phases(effects), combine_phases(effects[::-1])
    assert there.effect.effect == pytest.approx(here.effect.effect)
    assert there.effect.se == pytest.approx(here.effect.se)
    assert there.p_value == pytest.approx(here.p_value)
    assert here.effect.n == sum(effect.n for effect in effects)


@given(st.lists(st.tuples(COUNTS, COUNTS, SHARES), min_size=1, max_size=3))
def test_swapping_the_arms_inverts_the_ratio(phases: list[tuple[int, int, float]]) -> None:
    here = [PhaseCounts(x, 1000, y, 1000, w) for x, y, w in phases]
    there = [PhaseCounts(y, 1000, x, 1000, 1 - w) for x, y, w in phases]
    lower, upper = ratio_sequence(here)
    mirrored = ratio_sequence(there)
    assert mirrored.lower == pytest.approx(1 / upper if upper else math.inf, rel=1e-6)
    assert mirrored.upper == pytest.approx(1 / lower if lower else math.inf, rel=1e-6)
    assert conditional_p(there) == pytest.approx(conditional_p(here), rel=1e-6)


@given(COUNTS, COUNTS, SHARES, st.floats(0.1, 10), st.floats(1.0, 5.0))
def test_evidence_falls_as_the_null_gives_more_room(x: int, y: int, w: float, ratio: float, more: float) -> None:
    phase = [PhaseCounts(x, 1000, y, 1000, w)]
    assert log_evidence(phase, "greater", ratio * more) <= log_evidence(phase, "greater", ratio) + 1e-9


@given(COUNTS, COUNTS, st.floats(0.001, 0.3))
def test_a_shares_interval_contains_it_and_mirrors(x: int, y: int, alpha: float) -> None:
    assume(x + y > 0)
    lower, upper = share_sequence(x, x + y, alpha)
    assert 0 <= lower <= x / (x + y) <= upper <= 1
    assert share_sequence(y, x + y, alpha) == pytest.approx((1 - upper, 1 - lower), abs=1e-9)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_swapping_the_models_mirrors_the_pairs(both: int, first: int, second: int, neither: int) -> None:
    question = Question(metric="accuracy", margin=Margin("absolute", 0.05))
    here = judge_pairs(PairedAccuracy(both=both, treatment_only=first, control_only=second, neither=neither), question)
    there = judge_pairs(PairedAccuracy(both=both, treatment_only=second, control_only=first, neither=neither), question)
    assert there.word == MIRROR.get(here.word, here.word)
    if here.word != "no-data":
        low, high = ends(here)
        assert ends(there) == pytest.approx((-high, -low), abs=1e-9)
        assert (here.word == "better") == (low > 0)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_helps_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))
    ranked = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert all(adjusted[i] <= adjusted[j] for i, j in pairwise(ranked))


@given(ARMS, ARMS, MARGINS, MARGINS)
def test_every_verdict_is_json(a: Moments, b: Moments, margin: Margin | None, other: Margin | None) -> None:
    effect = Effect.of_means(a, b)
    for verdict in (
        judge_primary(effect, Question(metric="m", margin=margin)),
        judge_guardrail(effect, Question(metric="m", margin=other)),
    ):
        assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
        assert verdict.sentence.endswith(".")
