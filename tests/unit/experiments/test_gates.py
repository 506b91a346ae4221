"""Which guardrails a step waits for, and what it takes for them to have said something."""

from typing import Any

import msgspec
import pytest

from seatrial.experiments.gates import gating, matures_after, unmeasured
from seatrial.experiments.judgement import Counts, Judgement, MetricJudgement, PhaseEffect
from seatrial.spec.deployment import CanaryStage, Deployment
from seatrial.stats.verdict import Verdict, Word
from tests import worlds

METRICS: dict[str, Any] = {
    "clicks": {"kind": "proportion", "outcome": "buy", "within": 600.0, "grace": 60.0},
    "revenue": {"kind": "mean", "outcome": "buy", "within": 86400.0, "grace": 0.0},
    "conversion": {"kind": "proportion", "outcome": "buy", "within": 600.0, "grace": 60.0},
}
STAGE = CanaryStage(steps=(0.01, 0.1), bake=660.0, minimum_units=1000)
RUN = worlds.release((0.01, 0.0), (0.1, 900.0), stage="canary")


def deployment() -> Deployment:
    release = {
        "of": "challenger",
        "into": "everybody",
        "stages": [STAGE.model_dump()],
        "primary": {"metric": "conversion", "minimum_effect": {"relative": 0.1}},
        "guardrails": {"errors": {"absolute": 0.01}, "clicks": {"relative": 0.1}, "revenue": {"relative": 0.1}},
    }
    return worlds.deployment(outcomes={"buy": {}}, metrics=METRICS, release=release)


def judgement(units: dict[int, int], word: Word = "inconclusive", *names: str) -> Judgement:
    def metric(name: str) -> MetricJudgement:
        return MetricJudgement(
            name=name,
            part="guardrail",
            kind="",
            verdict=Verdict(metric=name, role="guardrail", word=word, want="higher", method="", alpha=0.05),
            within=1,
            matures=1,
            counts=Counts(champion=1, challenger=1),
            phases=tuple(
                PhaseEffect(number=k, share=0.1, champion=n, challenger=n, effect=None, standard_error=None)
                for k, n in units.items()
            ),
            sentence="",
        )

    whole = dict.fromkeys(("deployment", "release", "stage", "unit", "champion", "challenger"), "")
    return Judgement(
        **whole,
        champion_version="",
        challenger_version="",
        at=0,
        recommendation="wait",
        metrics=tuple(metric(name) for name in names or ("errors", "clicks", "revenue")),
        sentence="",
    )


def test_a_step_waits_for_what_matures_while_it_bakes_and_the_last_for_all() -> None:
    file = deployment()
    assert [matures_after(file, name) for name in ("errors", "clicks", "revenue")] == [60.0, 660.0, 86400.0]
    assert gating(file, STAGE, 0) == ("errors", "clicks")
    assert gating(file, STAGE, 1) == ("errors", "clicks", "revenue")
    assert gating(file, STAGE.model_copy(update={"bake": 659.0}), 0) == ("errors",)


@pytest.mark.parametrize(
    ("seen", "silent"),
    [
        (judgement({1: 5_000, 2: 100}), ()),
        (judgement({1: 5_000, 2: 99}), ("errors", "clicks", "revenue")),
        (judgement({1: 5_000}), ("errors", "clicks", "revenue")),
        (judgement({2: 5_000}, "no-data"), ("errors", "clicks", "revenue")),
        (judgement({2: 5_000}, "inconclusive", "errors"), ("clicks", "revenue")),
        (judgement({2: 100}, "worse"), ()),
    ],
)
def test_only_matured_units_of_the_step_itself_speak(seen: Judgement, silent: tuple[str, ...]) -> None:
    second = msgspec.structs.replace(RUN, step=1)
    assert unmeasured(deployment(), STAGE, second, seen) == silent


def test_a_step_of_few_units_asks_for_no_more_than_it_has() -> None:
    small = STAGE.model_copy(update={"minimum_units": 20})
    second = msgspec.structs.replace(RUN, step=1)
    assert unmeasured(deployment(), small, second, judgement({2: 20})) == ()
    assert unmeasured(deployment(), small, second, judgement({2: 19})) != ()
