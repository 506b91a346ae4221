"""The simulations decide as the product does: the same worlds, look by look, through ``seatrial.stats`` itself."""

from collections.abc import Sequence

import numpy as np
import pytest

from seatrial.stats import Effect, Moments, PhaseCounts, Question, combine_phases, judge_guardrail, judge_primary
from seatrial.stats.interval import Side
from seatrial.stats.verdict import Verdict
from tests.statistics import ramps
from tests.statistics.looks import Arm, Kind, World, claims, lognormal, simulate

KINDS = (
    Kind("far apart", lognormal(0.5), lambda rng, shape: 1.3 * lognormal(0.5)(rng, shape)),
    Kind("skewed", lognormal(2.0), lognormal(2.0)),
    Kind("rare and worse", 0.06, 0.01),
    Kind("common", 0.2, 0.35),
)


def moments(arm: Arm, world: int, look: int) -> Moments:
    return Moments(int(arm.n[world, look]), float(arm.mean[world, look]), float(arm.m2[world, look]))


def phase_of(world: World, i: int, look: int) -> tuple[Effect, PhaseCounts]:
    treatment, control = moments(world.treatment, i, look), moments(world.control, i, look)
    counts = (round(treatment.total), treatment.n, round(control.total), control.n)
    effect = Effect.of_means(treatment, control, two_valued=world.two_valued)
    return effect, PhaseCounts(*counts, world.share)


def judged(phases: Sequence[tuple[Effect, PhaseCounts]], side: Side, two_valued: bool, alpha: float = 0.05) -> Verdict:
    effect = combine_phases([effect for effect, _ in phases]).effect
    counts = [count for _, count in phases] if two_valued else ()
    question = Question(metric="m", want="lower" if side == "lower" else "higher", alpha=alpha)
    if side == "two":
        return judge_primary(effect, question, counts=counts)
    return judge_guardrail(effect, question, counts=counts)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("share", [0.5, 0.05])
def test_every_look_of_one_phase(kind: Kind, share: float) -> None:
    world = simulate(kind, share, worlds=2, units=6000, looks=20, seed=5)
    seen = set()
    for side in ("two", "lower", "upper"):
        simulated = claims(world, side, 0.05)
        for i in range(2):
            for look in range(20):
                word = judged([phase_of(world, i, look)], side, world.two_valued).word
                told = word in ("better", "worse") if side == "two" else word == "worse"
                assert told == simulated[i, look], (side, i, look)
                seen.add(told)
    assert seen == {True, False} or kind.name == "skewed", "the case must be able to go either way"


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2]], ids=lambda kind: kind.name)
def test_every_look_of_a_ramp(kind: Kind) -> None:
    steps = [simulate(kind, w, worlds=3, units=2000, looks=5, seed=7 + k) for k, w in enumerate(ramps.STEPS)]
    seen = set()
    for look in range(20):
        phases = ramps._until(steps, look, 5)
        worse, above = ramps._claims(phases, 0.01)
        for i in range(3):
            columns = [World(_column(p.treatment), _column(p.control), p.share, p.two_valued) for p in phases]
            parts = [phase_of(column, i, 0) for column in columns]
            effect = combine_phases([e for e, _ in parts]).effect
            counts = [c for _, c in parts] if kind.two_valued else ()
            verdict = judge_primary(effect, Question(metric="m", alpha_worse=0.01), counts=counts)
            assert (verdict.word == "better") == bool(above[i])
            assert (verdict.word == "worse") == bool(worse[i])
            seen.add(verdict.word)
    assert len(seen) > 1


def _column(arm: Arm) -> Arm:
    return Arm(*(np.reshape(part, (-1, 1)) for part in arm))
