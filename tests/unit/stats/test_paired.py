import msgspec
import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats import Margin, Moments, Question
from seatrial.stats.paired import (
    PairedAccuracy,
    agreement,
    discordant_p,
    discordant_share,
    judge_pairs,
    mcnemar,
    paired_difference,
)

QUESTION = Question(metric="accuracy")


def pairs(treatment_only: int, control_only: int, both: int = 900, neither: int = 20) -> PairedAccuracy:
    return PairedAccuracy(both=both, treatment_only=treatment_only, control_only=control_only, neither=neither)


def test_a_clear_shadow_is_better() -> None:
    verdict = judge_pairs(pairs(60, 20), QUESTION)
    assert verdict.word == "better"
    assert verdict.effect == pytest.approx(0.04)
    assert verdict.treatment_mean == pytest.approx(0.96)
    assert verdict.lower is not None
    assert 0 < verdict.lower < 0.04
    assert verdict.p_value == discordant_p(pairs(60, 20))
    assert verdict.sentence == (
        "accuracy: challenger is right more often than champion (on 1000 pairs; of the 80 that only one got right, "
        "challenger has 60 and champion 20)."
    )


def test_a_worse_shadow_and_an_even_one() -> None:
    assert judge_pairs(pairs(20, 60), QUESTION).word == "worse"
    assert judge_pairs(pairs(42, 38), QUESTION).word == "inconclusive"


def test_worse_takes_its_part_of_the_release_where_that_is_stricter() -> None:
    strict = msgspec.structs.replace(QUESTION, alpha_worse=0.05 / 7)
    found = {
        losses: (judge_pairs(pairs(20, losses), QUESTION).word, judge_pairs(pairs(20, losses), strict).word)
        for losses in range(20, 70)
    }
    first = min(losses for losses, words in found.items() if words[0] == "worse")
    strictly = min(losses for losses, words in found.items() if words[1] == "worse")
    assert first < strictly
    assert discordant_share(pairs(20, strictly), 2 * 0.05 / 7).upper < 0.5
    assert discordant_share(pairs(20, strictly - 1), 2 * 0.05 / 7).upper >= 0.5
    assert judge_pairs(pairs(strictly, 20), strict).word == "better"


def test_equal_answers_on_many_inputs_are_equivalent() -> None:
    question = Question(metric="accuracy", margin=Margin("absolute", 0.02))
    assert judge_pairs(pairs(10, 10, both=5000), question).word == "equivalent"
    assert judge_pairs(pairs(10, 10, both=50), question).word == "inconclusive"
    relative = Question(metric="accuracy", margin=Margin("relative", 0.02))
    assert judge_pairs(pairs(10, 10, both=5000), relative).word == "equivalent"


def test_too_few_pairs_are_no_data() -> None:
    verdict = judge_pairs(pairs(2, 1, both=5, neither=1), QUESTION)
    assert verdict.word == "no-data"
    assert verdict.sentence == "accuracy: no data yet, 9 of 10 labelled pairs."
    assert judge_pairs(pairs(0, 0, 0, 0), QUESTION).effect is None


def test_negative_counts_are_refused() -> None:
    with pytest.raises(BadInput, match="0 or more"):
        judge_pairs(pairs(-1, 0), QUESTION)
    with pytest.raises(BadInput, match="-1 and 0"):
        mcnemar(-1, 0)


def test_the_share_of_discordant_pairs() -> None:
    interval = discordant_share(pairs(30, 30))
    assert interval.lower < 0.5 < interval.upper
    assert interval.lower == pytest.approx(1 - interval.upper)
    assert discordant_share(pairs(0, 0)) == (0.0, 1.0)


def test_no_pairs_agree_on_nothing() -> None:
    nothing = agreement({})
    assert nothing.share is None
    assert nothing.kappa is None


def test_models_with_one_answer_only_have_no_kappa() -> None:
    found = agreement({("spam", "spam"): 40})
    assert found.share == 1.0
    assert found.kappa is None


def test_differences_without_spread_have_no_interval() -> None:
    found = paired_difference(Moments.from_values([0.0, 0.0, 0.0]))
    assert found.p_value is None
    assert found.effect == 0.0
    assert paired_difference(Moments(0, 0.0, 0.0)).effect is None
