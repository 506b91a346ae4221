"""Releases of made-up versions through the product's own decisions: how many are rolled back, when, and promoted.

    python -m bench.rollouts --worlds 1000 --processes 2 --keep /tmp/rollouts.jsonl

A world is one release of a file, from its first canary step to its end. Units arrive, fall to the arms by the weights
that the release has at that moment, and are reduced to the moments that the judge reduces rows to. Everything after
that is the product: questions (``asks_of``), verdicts (``verdict_of``), recommendation, ``observe``, ``decided``, and
the transitions, which give the weights of the next look. Nothing of it is written again here, so what is counted is
what would have happened. Left out is the time that outcomes take: every unit matures before the next look.

Beside it a canary of the usual kind: fixed thresholds on the last minute, the same steps, each half an hour.
"""

import argparse
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, ndtri

from seatrial.control.decide import ActionKind
from seatrial.control.decisions import decided
from seatrial.control.observe import observe
from seatrial.control.plan import Moment, make_plan
from seatrial.control.transitions import advanced, baking, concluded, promoted, rolled_back
from seatrial.experiments.asks import Ask, asks_of, measures_of
from seatrial.experiments.judgement import Counts, Judgement, MetricJudgement, PhaseEffect
from seatrial.experiments.measure import Measure
from seatrial.experiments.metric import verdict_of
from seatrial.experiments.sample import Sample
from seatrial.releases.records import DeploymentState
from seatrial.releases.run import ReleaseRun
from seatrial.routing.snapshot import Slot
from seatrial.spec.deployment import Deployment
from seatrial.spec.read import load_deployment
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from seatrial.spec.units import parse_share
from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.phases import combine_phases
from seatrial.stats.recommendation import recommend
from seatrial.stats.verdict import Word

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
UNITS_A_DAY = 400_000
LOOKS = {0.01: 1800.0, 0.05: 360.0, 0.25: 180.0, 0.5: 3600.0}
"""Seconds between looks by the challenger's share: about twelve looks a step and twenty-four in the test."""
REQUESTS = 3
"""Of each unit."""
SLOW = 0.01
"""Share of the champion's requests that are slower than its frozen 99th percentile."""
SPREAD = 0.5
"""Standard deviation of the logarithm of latency."""

FILE = """
deployment: bench
task: classification
variants: {{champion: {{model: "models:/m/1"}}, challenger: {{model: "models:/m/2"}}}}
outcomes: {{seen: {{fields: {{amount: number}}}}}}
metrics:
  conversion: {{kind: proportion, outcome: seen, within: 1s, grace: 0s}}
{metrics}
release:
  of: challenger
  into: everybody
  stages:
    - canary: {{steps: [1%, 5%, 25%], bake: 30m, minimum_units: 1000}}
    - test: {{share: 50%, at_most: 1d}}
  primary: {{metric: conversion, minimum_effect: {{relative: 2%}}}}
  guardrails: {{{guardrails}}}
  then: promote
"""

Generator = np.random.Generator
Reduced = Moments | PairMoments


class Value(NamedTuple):
    """One metric of one unit, as it is made up.

    Attributes:
        champion: Draws ``n`` units of the champion, reduced.
        challenger: Likewise.
        want: Which direction is good, as the file says it.
        kind: As the file says it; "" for what is always there.
    """

    champion: Callable[[Generator, int], Reduced]
    challenger: Callable[[Generator, int], Reduced]
    want: str = "higher"
    kind: str = ""


def share(p: float) -> Callable[[Generator, int], Moments]:
    """Units with an event of chance ``p``."""
    return lambda rng, n: Moments.from_counts(int(rng.binomial(n, p)), n)


def several(p: float) -> Callable[[Generator, int], PairMoments]:
    """Requests of a unit, each slow with chance ``p``; reduced exactly from how many units have so many slow ones."""
    counts = np.arange(REQUESTS + 1, dtype=np.float64)
    chances = np.array([math.comb(REQUESTS, k) * p**k * (1 - p) ** (REQUESTS - k) for k in range(REQUESTS + 1)])

    def draw(rng: Generator, n: int) -> PairMoments:
        x = _of_counts(counts, rng.multinomial(n, chances))
        return PairMoments(n, x.mean, float(REQUESTS if n else 0), x.m2, 0.0, 0.0)

    return draw


def poisson(mean: float) -> Callable[[Generator, int], Moments]:
    """A count a unit (cut off where its chance is below 1e-12)."""
    values = np.arange(40, dtype=np.float64)
    chances = np.exp(values * math.log(mean) - mean - np.array([math.lgamma(v + 1) for v in values]))
    return lambda rng, n: _of_counts(values, rng.multinomial(n, chances / chances.sum()))


def lognormal(sigma: float, buys: float = 1.0) -> Callable[[Generator, int], Moments]:
    """An amount of mean 1 for a share ``buys`` of the units, 0 for the others."""

    def draw(rng: Generator, n: int) -> Moments:
        spent = np.exp(sigma * rng.standard_normal(int(rng.binomial(n, buys))) - sigma**2 / 2)
        return Moments.from_values(spent).merge(Moments(n - spent.size, 0.0, 0.0))

    return draw


def _of_counts(values: NDArray[np.float64], counts: NDArray[np.int64]) -> Moments:
    n = int(counts.sum())
    mean = float(values @ counts) / n if n else 0.0
    return Moments(n, mean, float(((values - mean) ** 2) @ counts))


def slower(factor: float) -> float:
    """Share of requests slower than the champion's 99th percentile, of a version that takes ``factor`` as long."""
    return float(ndtr(ndtri(SLOW) + math.log(factor) / SPREAD))


@dataclass(frozen=True)
class Scene:
    """A file and how its metrics come about.

    Attributes:
        values: By metric, the primary ``conversion`` first.
        errors: Chance that a request fails, (champion, challenger): for the canary of the usual kind.
        factor: The challenger's latency over the champion's, likewise.
        margins: Of guardrails, as the file says them; those that are not named have 0 %.
    """

    name: str
    values: dict[str, Value]
    errors: tuple[float, float] = (0.001, 0.001)
    factor: float = 1.0
    margins: tuple[tuple[str, str], ...] = ()

    @property
    def file(self) -> str:
        declared = [(name, v) for name, v in self.values.items() if v.kind and name != "conversion"]
        metrics = "\n".join(
            f"  {name}: {{kind: {v.kind}, outcome: seen, within: 1s, grace: 0s, want: {v.want}"
            + (", value: amount}" if v.kind == "mean" else "}")
            for name, v in declared
        )
        guarded = [name for name in self.values if name != "conversion"]
        guardrails = ", ".join(f"{name}: {{relative: {dict(self.margins).get(name, '0%')}}}" for name in guarded)
        return FILE.format(metrics=metrics, guardrails=guardrails)


def scene(
    name: str,
    *,
    heavy: bool = False,
    worse: float = 0.0,
    fails: float = 0.0,
    factor: float = 1.0,
    margins: tuple[tuple[str, str], ...] = (),
) -> Scene:
    """Conversion 10 % and five guardrails, at margin 0 if none are given.

    Args:
        heavy: Revenue per visitor and lognormal amounts instead of shares and counts.
        worse: How much lower the challenger's conversion is, relative.
        fails: Share of its requests that fail beyond the champion's 0.1 %.
        factor: Its latency over the champion's.
    """
    each = 0.001
    errors = [1 - (1 - p) ** REQUESTS for p in (each, each + fails)]
    # A margin of latency is in the challenger's threshold.
    tolerated = 1 + parse_share(dict(margins).get("p99", "0%"))
    values = {
        "conversion": Value(share(0.1), share(0.1 * (1 - worse)), kind="proportion"),
        "errors": Value(share(errors[0]), share(errors[1]), want="lower"),
        "p99": Value(several(SLOW), several(slower(factor / tolerated)), want="lower"),
    }
    light = {
        "clicks": Value(share(0.2), share(0.2), kind="proportion"),
        "complaints": Value(share(0.01), share(0.01), "lower", "proportion"),
        "visits": Value(poisson(3.0), poisson(3.0), kind="mean"),
    }
    tails = {
        "revenue": Value(lognormal(1.0, 0.05), lognormal(1.0, 0.05), kind="mean"),
        "spent": Value(lognormal(1.5), lognormal(1.5), kind="mean"),
        "refunds": Value(lognormal(2.0), lognormal(2.0), "lower", "mean"),
    }
    return Scene(name, values | (tails if heavy else light), (each, each + fails), factor, margins)


MARGINS = (("errors", "30%"), ("p99", "20%"), ("clicks", "5%"), ("complaints", "20%"), ("visits", "5%"))
"""What a version may be worse by that is worth having: about what a day at 50 % can tell."""
SCENES: tuple[Scene, ...] = (
    scene("identical, light"),
    scene("identical, heavy tails", heavy=True),
    scene("conversion 1 % worse", worse=0.01),
    scene("conversion 2 % worse", worse=0.02),
    scene("conversion 5 % worse", worse=0.05),
    scene("conversion 10 % worse", worse=0.10),
    scene("20 % slower", factor=1.2),
    scene("0.5 % of requests fail", fails=0.005),
    scene("conversion 5 % better, with margins", worse=-0.05, margins=MARGINS),
    scene("conversion 10 % better, with margins", worse=-0.10, margins=MARGINS),
    scene("conversion 10 % better, margins 0", worse=-0.10),
    scene("identical, with margins", margins=MARGINS),
)


class Fate(NamedTuple):
    """How one release ended.

    Attributes:
        status: Of the release: ``promoted``, ``rolled-back`` or ``inconclusive``.
        units: Units of the challenger until then.
        stage: Where it ended.
        better: Whether the primary was called better at any look.
    """

    status: str
    units: int
    stage: str
    better: bool


class Arms:
    """What has come in, by phase and metric: (challenger, champion), and the challenger's share."""

    def __init__(self) -> None:
        self.totals: dict[int, dict[str, tuple[Reduced, Reduced]]] = {}
        self.shares: dict[int, float] = {}
        self.units = 0

    def arrive(self, made_up: Scene, run: ReleaseRun, units: int, rng: Generator) -> None:
        """``units`` of both arms in the present phase."""
        assert run.phase is not None
        weight = run.phase.arms[-1].weight
        treated = int(rng.binomial(units, weight))
        self.units += treated
        self.shares[run.phase.number] = weight
        here = self.totals.setdefault(run.phase.number, {})
        for name, value in made_up.values.items():
            new = (value.challenger(rng, treated), value.champion(rng, units - treated))
            old = here.get(name)
            here[name] = new if old is None else (_merged(old[0], new[0]), _merged(old[1], new[1]))

    def sample(self, name: str, measure: Measure) -> Sample:
        """One metric as ``take_sample`` would give it."""
        effects, counts = {}, []
        for phase, metrics in self.totals.items():
            treatment, control = metrics[name]
            effects[phase] = _effect(treatment, control, measure)
            if measure.shape in ("proportion", "share"):
                counts.append(_counts(treatment, control, self.shares[phase]))
        phases = combine_phases(list(effects.values()))
        return Sample(
            two_valued=measure.shape == "proportion",
            phases=phases,
            arrived=phases.effect,
            uncapped=None,
            by_phase=effects,
            counts=tuple(counts),
            coverage=None,
            waiting=0,
            censored=0,
            missing=0,
            late=0,
            early=0,
        )


def _merged(one: Reduced, other: Reduced) -> Reduced:
    if isinstance(one, Moments):
        assert isinstance(other, Moments)
        return one.merge(other)
    assert isinstance(other, PairMoments)
    return one.merge(other)


def _effect(treatment: Reduced, control: Reduced, measure: Measure) -> Effect:
    if isinstance(treatment, Moments):
        assert isinstance(control, Moments)
        return Effect.of_means(treatment, control, two_valued=measure.shape == "proportion")
    assert isinstance(control, PairMoments)
    return Effect.of_ratios(treatment, control, two_valued=measure.shape == "share")


def _counts(treatment: Reduced, control: Reduced, weight: float) -> PhaseCounts:
    """Units with the event; of requests by unit an upper count, used only while there are hardly any."""
    parts = [(m if isinstance(m, Moments) else m.x) for m in (treatment, control)]
    events = [min(round(m.total), m.n) for m in parts]
    return PhaseCounts(events[0], parts[0].n, events[1], parts[1].n, weight)


def _judged(run: ReleaseRun, arms: Arms, asks: dict[str, Ask], measures: dict[str, Measure], now: int) -> Judgement:
    metrics = []
    words: dict[str, list[Word]] = {"primary": [], "guardrail": []}
    for name, measure in measures.items():
        sample = arms.sample(name, measure)
        verdict = verdict_of(asks[name], sample, measure, run)
        words[asks[name].part].append(verdict.word)
        metrics.append(
            MetricJudgement(
                name=name,
                part=asks[name].part,
                kind=asks[name].kind,
                verdict=verdict,
                within=1.0,
                matures=1.0,
                counts=Counts(champion=sample.effect.n_control, challenger=sample.effect.n_treatment),
                phases=tuple(
                    PhaseEffect(
                        number=number,
                        share=arms.shares[number],
                        champion=effect.n_control,
                        challenger=effect.n_treatment,
                        effect=None,
                        standard_error=None,
                    )
                    for number, effect in sample.by_phase.items()
                ),
                sentence="",
            )
        )
    assert run.phase is not None
    return Judgement(
        deployment=run.deployment,
        release=run.id,
        stage=run.stage,
        unit="unit",
        champion=run.champion,
        challenger=run.challenger,
        champion_version=run.champion_version,
        challenger_version=run.challenger_version,
        at=now,
        recommendation=recommend(primary=words["primary"][0], guardrails=words["guardrail"]),
        metrics=tuple(metrics),
        fresh=metrics[0].phases[-1].challenger,
        sentence="",
    )


def live(made_up: Scene, seed: int) -> Fate:
    """One release, to its end."""
    rng = np.random.default_rng(seed)
    text = made_up.file
    spec = load_deployment(text)
    assert spec.release is not None
    state, now, arms, better = _applied(spec, text), START, Arms(), False
    run = state.open_run
    assert run is not None
    asks = asks_of(spec, spec.release, run, {"p50": 1.0, "p99": 1.0}, answers=False)
    named = (spec.release.primary.metric, *spec.release.guardrails)
    known = {measure.name: measure for measure in measures_of(spec, run, asks)}
    measures = {name: known[name] for name in named}
    while (run := state.open_run) is not None:
        assert run.phase is not None
        step = LOOKS[run.phase.arms[-1].weight]
        now += round(step * SECOND)
        arms.arrive(made_up, run, round(UNITS_A_DAY * step / 86400), rng)
        judgement = _judged(run, arms, asks, measures, now)
        better = better or judgement.metrics[0].verdict.word == "better"
        for action in decided(observe(spec, state, now, judgement=judgement)).actions:
            state = _MOVES[action.kind](spec, state, now)
    assert state.run is not None
    return Fate(state.run.status, arms.units, state.run.stage, better)


_MOVES: dict[ActionKind, Callable[[Deployment, DeploymentState, int], DeploymentState]] = {
    "bake": lambda _spec, state, _now: baking(state),
    "advance": lambda spec, state, now: advanced(spec, state, now, state.revision + 1),
    "promote": lambda spec, state, now: promoted(spec, state, "challenger", now),
    "rollback": rolled_back,
    "conclude": lambda _spec, state, now: concluded(state, now),
}


def _applied(spec: Deployment, text: str) -> DeploymentState:
    moment = Moment(now=START, actor="bench", revision=1, run_id="run-1")
    slots = {name: _slot(name, version) for version, name in enumerate(spec.variants, start=1)}
    state = make_plan(spec, text, None, slots, moment).after
    assert state is not None
    return state


def _slot(variant: str, version: int) -> Slot:
    signature = Signature(
        task="classification",
        features=(Feature(name="x", kind="number"),),
        inputs=(Tensor(name="in", datatype="FP32", shape=(-1, 1), features=("x",)),),
        outputs=(Tensor(name="label", datatype="BYTES", shape=(-1,)),),
        answer=Answer(prediction="label", classes=("no", "yes")),
    )
    return Slot(
        variant=variant, model="m", version=version, digest=str(version), path="", runtime="onnx", signature=signature
    )


FAILED_CHECKS, MOST_ERRORS, MINUTES = 5, 0.01, 30
LIMITS = (1.2, 1.5)
"""The usual kind: back after so many failed checks of a step; a check fails over 1 % errors, or when the minute's p99
is over so many times the champion's; each step of 1, 5 and 25 % lasts half an hour, then it takes command."""


def usual(made_up: Scene, seed: int, times: float) -> Fate:
    """One release by fixed thresholds, looked at every minute."""
    rng = np.random.default_rng(seed)
    limit = math.exp(ndtri(1 - SLOW) * SPREAD) * times
    units = 0
    for weight in (0.01, 0.05, 0.25):
        failed_checks = 0
        for _ in range(MINUTES):
            n = int(rng.binomial(round(UNITS_A_DAY / 1440), weight))
            units += n
            requests = n * REQUESTS
            if not requests:
                continue
            latency = np.sort(np.exp(SPREAD * rng.standard_normal(requests))) * made_up.factor
            p99 = latency[min(requests - 1, math.ceil(0.99 * requests) - 1)]
            failed_checks += bool(rng.binomial(requests, made_up.errors[1]) / requests > MOST_ERRORS or p99 > limit)
            if failed_checks >= FAILED_CHECKS:
                return Fate("rolled-back", units, "canary", False)
    return Fate("promoted", units, "canary", False)


def seeds(made_up: Scene, worlds: int) -> list[int]:
    """One seed a world: the scene's position times a million, and the world's number."""
    first = [each.name for each in SCENES].index(made_up.name) * 1_000_000
    return [first + world for world in range(worlds)]


def upper_limit(events: int, worlds: int) -> float:
    """One-sided 95 % Clopper-Pearson limit of a share."""
    return 1.0 if events == worlds else float(betaincinv(events + 1, worlds - events, 0.95))


def row(made_up: Scene, fates: Sequence[Fate], others: Sequence[Sequence[Fate]]) -> str:
    """One line of the table; ``others`` are the usual kind's fates, by limit."""
    n = len(fates)
    back, up = ([fate for fate in fates if fate.status == status] for status in ("rolled-back", "promoted"))
    parts = [
        made_up.name,
        f"{n}",
        f"{len(back) / n:.1%} (≤ {upper_limit(len(back), n):.1%})",
        f"{sum(fate.stage == 'canary' for fate in back) / n:.1%}",
        _median_units(back, n),
        f"{sum(fate.better for fate in fates) / n:.1%}",
        f"{len(up) / n:.1%}",
        _median_units(up, n),
        *(f"{sum(fate.status == 'rolled-back' for fate in other) / n:.1%}" for other in others),
    ]
    return f"| {' | '.join(parts)} |"


def _median_units(some: Sequence[Fate], of: int) -> str:
    """The median of the challenger's units, where at least half of the releases ended so."""
    if 2 * len(some) < of:
        return "–"
    return f"{np.median([fate.units for fate in some]):,.0f}".replace(",", " ")


HEAD = "\n".join(
    (
        "| the version is | releases | rolled back (upper 95 % limit) | of them in the canary "
        "| its units until caught, median | called better | promoted | its units until promoted, median "
        + " ".join(f"| usual kind, p99 × {limit}: rolled back" for limit in LIMITS)
        + " |",
        "|---" * (8 + len(LIMITS)) + "|",
    )
)


def table(kept: Mapping[str, Mapping[int, Fate]]) -> str:
    """Every scene of which there are fates, by name and seed."""
    lines = [HEAD]
    for made_up in SCENES:
        fates = kept.get(made_up.name, {})
        if fates:
            others = [[usual(made_up, seed, limit) for seed in fates] for limit in LIMITS]
            lines.append(row(made_up, list(fates.values()), others))
    return "\n".join(lines)


class Kept(NamedTuple):
    """A line of the file of fates."""

    scene: str
    seed: int
    fate: Fate


def read(path: Path) -> dict[str, dict[int, Fate]]:
    """Fates by scene and seed."""
    found: dict[str, dict[int, Fate]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        kept = msgspec.json.decode(line, type=Kept)
        found.setdefault(kept.scene, {})[kept.seed] = kept.fate
    return found


def main(arguments: Iterable[str] | None = None) -> None:
    """Runs the scenes, keeps every fate, and prints the table of all that are kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--worlds", type=int, default=1000, help="of each scene")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="scenes whose name contains this")
    parser.add_argument("--keep", type=Path, required=True, help="file of fates; those in it are not made again")
    given = parser.parse_args(list(arguments) if arguments is not None else None)
    kept = read(given.keep)
    with _mapping(given.processes) as mapped, given.keep.open("a", buffering=1) as file:
        for made_up in SCENES:
            if given.only not in made_up.name:
                continue
            known = kept.setdefault(made_up.name, {})
            todo = [seed for seed in seeds(made_up, given.first + given.worlds)[given.first :] if seed not in known]
            for seed, fate in zip(todo, mapped(partial(live_named, made_up.name), todo), strict=True):
                known[seed] = fate
                file.write(msgspec.json.encode(Kept(made_up.name, seed, fate)).decode() + "\n")
    print(table(kept))


@contextmanager
def _mapping(processes: int) -> Iterator[Callable[[Callable[[int], Fate], list[int]], Iterable[Fate]]]:
    """A map, here or over so many processes (which are started afresh: a fork beside threads may hang)."""
    if processes == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield partial(pool.imap, chunksize=5)


def live_named(name: str, seed: int) -> Fate:
    """``live`` of the scene of that name (a scene's draws cannot be sent to another process)."""
    return live(next(each for each in SCENES if each.name == name), seed)


if __name__ == "__main__":
    main()
