"""A ramp of identical versions: `python -m tests.statistics.ramps [worlds]` prints how many are rolled back or shipped.

Steps of 1, 5, 25 and 50 %, every metric combined over the steps so far, never restarted. Rollback: the primary's
``worse`` side and five guardrails share alpha 0.05. Better: the primary's two-sided sequence at 0.05.
"""

import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from seatrial.stats.conditional import PhaseCounts, log_evidence
from seatrial.stats.guardrail import rollback_alpha
from seatrial.stats.minimum import MINIMUM_EVENTS, MINIMUM_UNITS
from seatrial.stats.sequence import multipliers
from tests.statistics.looks import Arm, Array, Flags, Kind, World, lognormal, simulate, zero_inflated

STEPS = (0.01, 0.05, 0.25, 0.5)
LIGHT = (
    Kind("conversion", 0.1, 0.1),
    Kind("errors", 0.005, 0.005),
    Kind("slow answers", 0.01, 0.01),
    Kind("fallbacks", 0.001, 0.001),
    Kind("clicks", 0.3, 0.3),
    Kind("revenue", lognormal(1.0), lognormal(1.0)),
)
HEAVY = (
    Kind("conversion", 0.02, 0.02),
    Kind("errors", 0.0005, 0.0005),
    Kind("slow answers", 0.01, 0.01),
    Kind("basket", lognormal(1.5), lognormal(1.5)),
    Kind("spend", lognormal(2.0), lognormal(2.0)),
    Kind("revenue", zero_inflated, zero_inflated),
)
"""The first of each is the primary, the others are guardrails at margin 0; for all, higher is better here."""


class Outcome(NamedTuple):
    """Shares of identical versions."""

    rolled_back: float
    called_better: float


def run(kinds: Sequence[Kind], *, worlds: int, units: int = 5000, looks: int = 10, seed: int = 1) -> Outcome:
    """``units`` and ``looks`` are per step; metrics are independent, which is the worst case for the family."""
    alpha_worse = rollback_alpha(0.05, len(kinds) - 1)
    stop, better = np.zeros(worlds, bool), np.zeros(worlds, bool)
    for i, kind in enumerate(kinds):
        steps = [
            simulate(kind, share, worlds=worlds, units=units, looks=looks, seed=seed + 1000 * i + k)
            for k, share in enumerate(STEPS)
        ]
        for look in range(len(STEPS) * looks):
            phases = _until(steps, look, looks)
            worse, above = _claims(phases, alpha_worse)
            stop |= worse
            if i == 0:
                better |= above
    return Outcome(float(stop.mean()), float(better.mean()))


def _until(steps: Sequence[World], look: int, looks: int) -> list[World]:
    """What each step has seen at this look of the whole ramp: finished steps whole."""
    current = look // looks
    return [_at(step, looks - 1 if k < current else look % looks) for k, step in enumerate(steps[: current + 1])]


def _at(world: World, look: int) -> World:
    def cut(arm: Arm) -> Arm:
        return Arm(*(part[:, look] for part in arm))

    return World(cut(world.treatment), cut(world.control), world.share, world.two_valued)


def _claims(phases: Sequence[World], alpha_worse: float) -> tuple[Flags, Flags]:
    """Where the combined phases say worse (below 0, at its share of the budget), and better (two-sided 0.05)."""
    effect, se, n = _combined(phases)
    enough = _enough(phases) & (se > 0)
    both = multipliers(n)
    worse = enough & (effect < -se * np.maximum(both, multipliers(n, alpha_worse, side="upper")))
    better = enough & (effect > se * both)
    if phases[0].two_valued:
        worse |= ~enough & _exact(phases, "less", alpha_worse)
        better |= ~enough & _exact(phases, "greater", 0.025)
    return worse, better


def _combined(phases: Sequence[World]) -> tuple[Array, Array, Array]:
    total = effect = unpooled = pooled = n = np.zeros_like(phases[0].treatment.n)
    for world in phases:
        t, c = world.treatment, world.control
        used = np.minimum(t.n, c.n) > 1
        tn, cn = np.maximum(t.n, 2), np.maximum(c.n, 2)
        w = np.where(used, tn * cn / (tn + cn), 0.0)
        total, effect, n = total + w, effect + w * (t.mean - c.mean), n + np.where(used, t.n + c.n, 0)
        unpooled = unpooled + w * w * (t.m2 / (tn - 1) / tn + c.m2 / (cn - 1) / cn)
        pooled = pooled + w * w * (t.m2 + c.m2) / (tn + cn - 2) * (1 / tn + 1 / cn)
    total = np.maximum(total, 1e-300)
    return effect / total, np.sqrt(np.maximum(unpooled, pooled)) / total, np.maximum(n, 1)


def _enough(phases: Sequence[World]) -> Flags:
    t, c = (sum((phase[i].n for phase in phases), np.zeros(())) for i in (0, 1))
    enough: Flags = np.minimum(t, c) >= MINIMUM_UNITS
    if phases[0].two_valued:
        ones = [sum((phase[i].total for phase in phases), np.zeros(())) for i in (0, 1)]
        enough &= np.minimum.reduce([ones[0], t - ones[0], ones[1], c - ones[1]]) >= MINIMUM_EVENTS
    return enough


def _exact(phases: Sequence[World], direction: str, alpha: float) -> Flags:
    events = np.stack([arm.total for phase in phases for arm in (phase.treatment, phase.control)], -1).astype(int)
    shares = tuple(phase.share for phase in phases)
    evidence = [_evidence(tuple(row), shares, direction) for row in events.tolist()]
    found: Flags = np.array(evidence) >= np.log(1 / alpha)
    return found


@lru_cache(maxsize=200_000)
def _evidence(events: tuple[int, ...], shares: tuple[float, ...], direction: str) -> float:
    phases = [PhaseCounts(events[2 * k], 0, events[2 * k + 1], 0, share) for k, share in enumerate(shares)]
    return log_evidence(phases, "less" if direction == "less" else "greater")


def main(worlds: int = 2000) -> None:
    print("| guardrails | rolled back | called better |\n|---|---|---|")
    for name, kinds in (("light", LIGHT), ("heavy", HEAVY)):
        found = run(kinds, worlds=worlds)
        print(f"| {name} | {found.rolled_back:.1%} | {found.called_better:.1%} |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
