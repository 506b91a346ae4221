import math

import msgspec
import pytest

from seatrial.stats import (
    Effect,
    Margin,
    Moments,
    PairMoments,
    PhaseCounts,
    Question,
    Verdict,
    judge_guardrail,
    judge_primary,
    rollback_alpha,
    withheld,
)
from seatrial.stats.sequence import confidence_sequence, multiplier
from seatrial.stats.verdict import Want, interval_of


def of(treatment: float, control: float = 10.0, n: int = 10_000, variance: float = 1.0) -> Effect:
    return Effect.of_means(Moments(n, treatment, variance * (n - 1)), Moments(n, control, variance * (n - 1)))


def shares(treatment: int, control: int, n: int = 1000, m: int | None = None) -> Effect:
    return Effect.of_means(
        Moments.from_counts(treatment, n), Moments.from_counts(control, n if m is None else m), two_valued=True
    )


@pytest.mark.parametrize(
    ("treatment", "want", "word"),
    [
        (10.5, "higher", "better"),
        (9.5, "higher", "worse"),
        (9.5, "lower", "better"),
        (10.5, "lower", "worse"),
        (10.01, "higher", "inconclusive"),
    ],
)
def test_the_word_follows_the_interval(treatment: float, want: Want, word: str) -> None:
    verdict = judge_primary(of(treatment), Question(metric="revenue", want=want))
    assert verdict.word == word
    assert verdict.effect == pytest.approx(treatment - 10)


def test_the_interval_is_the_sequence() -> None:
    effect = of(10.2)
    verdict = judge_primary(effect, Question(metric="revenue", alpha=0.1, plan_units=700))
    expected = confidence_sequence(effect.effect, effect.se, effect.n, 0.1, 700)
    assert interval_of(verdict) == pytest.approx(expected)
    assert verdict.p_value is not None
    assert (verdict.p_value < 0.1) == (expected.lower > 0)


def test_equivalent_needs_the_whole_interval_inside() -> None:
    question = Question(metric="revenue", margin=Margin("relative", 0.01))
    assert judge_primary(of(10.0), question).word == "equivalent"
    assert judge_primary(of(10.07), question).word != "equivalent"
    assert judge_primary(of(10.0, n=500), question).word == "inconclusive"
    assert judge_primary(of(10.0), Question(metric="revenue")).word == "inconclusive"


def test_direction_wins_over_equivalence_and_says_so() -> None:
    question = Question(metric="revenue", margin=Margin("relative", 0.1))
    verdict = judge_primary(of(10.2), question)
    assert verdict.word == "better"
    assert verdict.smaller_than_cared
    assert "smaller than the effect you care about" in verdict.sentence


def test_no_verdict_below_a_hundred_units_in_either_arm() -> None:
    few = Effect.of_means(Moments(99, 20.0, 98.0), Moments(5000, 10.0, 4999.0))
    verdict = judge_primary(few, Question(metric="revenue"))
    assert verdict.word == "no-data"
    assert verdict.reason == "99 of 100 matured units of challenger"
    assert verdict.lower is None
    enough = Effect.of_means(Moments(100, 20.0, 99.0), Moments(5000, 10.0, 4999.0))
    assert judge_primary(enough, Question(metric="revenue")).word == "better"


def test_no_verdict_before_ten_events_of_each_kind() -> None:
    question = Question(metric="conversion")
    assert judge_primary(shares(9, 100), question).word == "no-data"
    assert judge_primary(shares(991, 900), question).word == "no-data"
    assert judge_primary(shares(10, 100), question).word == "worse"
    assert "9 of 10 events" in judge_primary(shares(9, 100), question).reason


def test_no_verdict_without_spread() -> None:
    verdict = judge_primary(of(10.0, variance=0.0), Question(metric="revenue", margin=Margin("absolute", 1.0)))
    assert verdict.word == "no-data"
    assert "same value" in verdict.reason


def test_no_verdict_without_units() -> None:
    nothing = Effect.of_means(Moments(0, 0.0, 0.0), Moments(0, 0.0, 0.0))
    verdict = judge_primary(nothing, Question(metric="revenue"))
    assert verdict.word == "no-data"
    assert verdict.effect is None
    assert judge_guardrail(nothing, Question(metric="revenue")).word == "no-data"


def test_the_exact_sequence_speaks_where_events_are_sparse() -> None:
    counts = (PhaseCounts(6, 60, 0, 1140, 0.05),)
    verdict = judge_primary(shares(6, 0, 60, 1140), Question(metric="errors", want="lower"), counts=counts)
    assert verdict.word == "worse"
    assert "exact" in verdict.method
    quiet = judge_primary(
        shares(1, 3, 60, 1140), Question(metric="errors", want="lower"), counts=(PhaseCounts(1, 60, 3, 1140, 0.05),)
    )
    assert quiet.word == "inconclusive"


def test_rare_events_alike_in_many_units_are_equivalent_on_the_absolute_scale() -> None:
    question = Question(metric="errors", want="lower", margin=Margin("absolute", 0.01))
    verdict = judge_primary(shares(3, 4, 5000), question, counts=(PhaseCounts(3, 5000, 4, 5000, 0.5),))
    assert verdict.word == "equivalent"


@pytest.mark.parametrize(
    ("treatment", "want", "word"),
    [
        (10.0, "higher", "non-inferior"),
        (10.0, "lower", "non-inferior"),
        (9.0, "higher", "worse"),
        (11.0, "lower", "worse"),
        (12.0, "higher", "non-inferior"),
        (9.5, "higher", "inconclusive"),
    ],
)
def test_the_line_of_a_guardrail_is_its_margin(treatment: float, want: Want, word: str) -> None:
    for margin in (Margin("relative", 0.05), Margin("absolute", 0.5)):
        verdict = judge_guardrail(of(treatment), Question(metric="revenue", want=want, margin=margin))
        assert verdict.word == word, verdict.sentence


def test_a_guardrail_worse_by_less_than_its_margin_is_not_worse() -> None:
    """Shown to be below the control, yet inside what the file accepts."""
    verdict = judge_guardrail(of(9.9), Question(metric="revenue", margin=Margin("relative", 0.05)))
    assert verdict.upper is not None
    assert verdict.upper < 0
    assert verdict.word == "non-inferior"


def test_the_bad_side_of_a_guardrail_has_its_own_budget() -> None:
    effect = of(9.955)
    lenient = judge_guardrail(effect, Question(metric="revenue", alpha=0.05))
    strict = judge_guardrail(effect, Question(metric="revenue", alpha=0.05, alpha_worse=rollback_alpha(0.05, 5)))
    assert lenient.word == "worse"
    assert strict.word == "inconclusive"
    assert strict.lower == lenient.lower
    assert rollback_alpha(0.05, 5) == pytest.approx(0.05 / 6)


@pytest.mark.parametrize(("want", "toward"), [("higher", 1), ("lower", -1)])
def test_the_p_value_of_a_guardrail_belongs_to_its_good_side(want: Want, toward: int) -> None:
    """Below alpha exactly where the guardrail is non-inferior, whatever the budget of the bad side."""
    question = Question(metric="revenue", want=want, alpha_worse=0.0005)
    seen = set()
    for thousandths in range(20, 60):
        verdict = judge_guardrail(of(10 + toward * thousandths / 1000), question)
        assert verdict.p_value is not None
        assert (verdict.p_value < 0.05) == (verdict.word == "non-inferior")
        seen.add(verdict.word)
    assert seen == {"inconclusive", "non-inferior"}


def test_a_primary_that_rolls_back_spends_its_part_of_the_budget() -> None:
    effect = of(9.95)
    assert judge_primary(effect, Question(metric="revenue")).word == "worse"
    question = Question(metric="revenue", alpha_worse=0.0005)
    verdict = judge_primary(effect, question)
    assert verdict.word == "inconclusive"
    assert verdict.upper == pytest.approx(effect.effect + effect.se * multiplier(effect.n, 0.0005, 5000, "upper"))
    better = judge_primary(of(10.05), question)
    assert better.word == "better", "the good end keeps alpha"


def test_sparse_guardrails() -> None:
    question = Question(metric="errors", want="lower", margin=Margin("absolute", 0.001), alpha=0.05)
    bad = judge_guardrail(shares(9, 0, 300, 6000), question, counts=(PhaseCounts(9, 300, 0, 6000, 0.05),))
    assert bad.word == "worse"
    good = judge_guardrail(shares(0, 0, 9000, 9000), question, counts=(PhaseCounts(0, 9000, 0, 9000, 0.5),))
    assert good.word == "non-inferior"
    relative = Question(metric="errors", want="lower", margin=Margin("relative", 0.5))
    caught = judge_guardrail(shares(9, 0, 300, 6000), relative, counts=(PhaseCounts(9, 300, 0, 6000, 0.05),))
    assert caught.word == "worse"


def test_the_exact_sequence_can_be_asked_throughout() -> None:
    question = Question(metric="errors", want="lower")
    effect, counts = shares(40, 400, 1000, 19_000), (PhaseCounts(40, 1000, 400, 19_000, 0.05),)
    assert "exact" not in judge_guardrail(effect, question, counts=counts).method
    exact = judge_guardrail(effect, question, counts=counts, method="exact")
    assert "exact" in exact.method
    assert exact.word == "worse"
    assert judge_guardrail(effect, question, method="exact").reason == "no events were counted"
    empty = judge_guardrail(shares(0, 5, 0, 900), question, counts=(PhaseCounts(0, 0, 5, 900, 0.5),), method="exact")
    assert empty.word == "no-data"


def test_a_fixed_look_uses_welch() -> None:
    effect = of(10.03)
    verdict = judge_primary(effect, Question(metric="revenue"), method="fixed")
    assert verdict.word == "better"
    assert verdict.lower == pytest.approx(0.03 - 1.959963985 * effect.se_unpooled, rel=1e-3)
    assert verdict.p_value == pytest.approx(math.erfc(0.03 / effect.se_unpooled / math.sqrt(2)), rel=1e-2)
    assert judge_primary(effect, Question(metric="revenue")).word == "inconclusive"


def test_a_ratio_of_requests_is_judged_by_unit() -> None:
    slow = PairMoments.from_values([1.0, 3.0] * 200, [10.0] * 400)
    fast = PairMoments.from_values([0.0, 1.0] * 200, [10.0] * 400)
    effect = Effect.of_ratios(slow, fast, two_valued=True)
    verdict = judge_guardrail(effect, Question(metric="p99", want="lower", margin=Margin("absolute", 0.01)))
    assert verdict.word == "worse"
    assert verdict.effect == pytest.approx(0.15)


def test_a_withheld_verdict_keeps_its_evidence() -> None:
    verdict = withheld(judge_primary(of(10.5), Question(metric="revenue")), "units do not arrive as configured")
    assert verdict.word == "no-data"
    assert verdict.effect == pytest.approx(0.5)
    assert verdict.sentence == "revenue: no verdict, because units do not arrive as configured."


def test_verdicts_travel_as_json() -> None:
    for verdict in (
        judge_primary(of(10.5), Question(metric="revenue", margin=Margin("relative", 0.02))),
        judge_primary(of(10.5, n=5), Question(metric="revenue")),
        judge_guardrail(of(10.5), Question(metric="revenue")),
    ):
        assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (
            judge_primary(of(10.5), Question(metric="revenue")),
            "revenue: challenger is better than champion by 5.00% (difference +4.55% to +5.45%, 95% interval, valid at "
            "every look, 10 000 and 10 000 units).",
        ),
        (
            judge_primary(of(0.5, 0.0), Question(metric="margin")),
            "margin: challenger is better than champion by 0.5 (difference +0.4558 to +0.5442, 95% interval, valid at "
            "every look, 10 000 and 10 000 units).",
        ),
        (
            judge_guardrail(of(9.0), Question(metric="revenue", margin=Margin("absolute", 0.5), treatment="v7")),
            "revenue: v7 is worse than champion by more than 0.5 (difference -1.041 to -0.9594, 95% one-sided, valid "
            "at every look, 10 000 and 10 000 units).",
        ),
        (
            judge_primary(of(10.0, n=7), Question(metric="revenue")),
            "revenue: no data yet, 7 of 100 matured units of challenger.",
        ),
    ],
)
def test_the_sentence_says_it_all(verdict: Verdict, sentence: str) -> None:
    assert verdict.sentence == sentence
