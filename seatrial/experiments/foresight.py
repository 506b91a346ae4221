"""Before a release begins: how many units and days each of its metrics will need, at the traffic that there is.

What the champion did in the last days in the release's entry stands for both arms: its mean and spread by unit, how
many units come a day, and what part of them gets a label. With no true difference a guardrail is shown to keep its
margin, and a primary of its smallest effect is shown to be better, with so many units in four of five releases
(``stats.power``). All of them must hold for a version to ship, so that each is planned with the power by which all
together have that (``power_of_each``). It is a forecast, and nothing acts on it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from seatrial.experiments.answer_measures import latency_measure
from seatrial.experiments.asks import Ask, asks_of, measures_of
from seatrial.experiments.caps import caps_before
from seatrial.experiments.counted import Mask
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.needing import Floats, units_needed
from seatrial.experiments.past import SPLITS, AsIfDrawn, past_run
from seatrial.experiments.question import read
from seatrial.experiments.shapes import BY_ROW
from seatrial.experiments.source import Source
from seatrial.experiments.thresholds import QUANTILES, fixed_thresholds
from seatrial.experiments.units import Units
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import CanaryStage, Deployment, ReleaseSpec, TestStage
from seatrial.spec.errors import BadInput
from seatrial.spec.units import show_count
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.power import Design, power_of_each
from seatrial.stats.quantile import quantile
from seatrial.stats.ratio import linearise

LEAST_UNITS = 100
"""Units below which nothing is foretold."""

POWER = 0.8
"""Of the primary and every guardrail together."""

_DAY = 86_400.0
_RELAXED = "/relaxed"


class Need(NamedTuple):
    """What one metric needs.

    Attributes:
        metric: Its name.
        units: Of both arms together; None when it cannot be told.
        days: Until so many have come, with a label where one is needed, and matured; None likewise.
        why: Why it cannot be told, in words that end a sentence; "" when it can.
    """

    metric: str
    units: int | None
    days: float | None
    why: str = ""


class Foresight(NamedTuple):
    """What a release will need.

    Attributes:
        units_a_day: Units that come to the release's entry a day, by the last days; None when too few came to tell.
        steps: Days that each canary step needs for its ``minimum_units``.
        needs: The primary first, then the guardrails.
        at_most: Days that the file allows; None: no limit.
        each: The power that every metric is planned with, so that the primary and all guardrails hold with ``POWER``.
    """

    units_a_day: float | None
    steps: tuple[float, ...] = ()
    needs: tuple[Need, ...] = ()
    at_most: float | None = None
    each: float = POWER


def foresee(deployment: Deployment, run: ReleaseRun, view: Source, now: int) -> Foresight:
    """What ``run`` will need, from what the champion did in the week before ``now`` (microseconds since 1970 UTC)."""
    release = deployment.release
    assert release is not None
    past = past_run(run, now)
    past = msgspec.structs.replace(past, caps=past.caps | caps_before(deployment, past, view, now))
    thresholds = fixed_thresholds(view, past, now)
    asks = asks_of(deployment, release, past, thresholds, answers=True)
    measures = [m for m in measures_of(deployment, past, asks) if asks[m.name].part != "secondary"]
    measures += [_relaxed(m.name, deployment, past, asks[m.name]) for m in measures if m.name in QUANTILES]
    units, columns = read(AsIfDrawn(view, run.champion, run.entry), past, measures, now)
    n = len(units.first_at)
    if n < LEAST_UNITS:
        return Foresight(None, at_most=_at_most(release))
    rate = _units_a_day(view, run.entry, past.started_at, now)
    if rate is None:
        return Foresight(None, at_most=_at_most(release))
    share, each = _largest_share(release), power_of_each(POWER, len(release.guardrails))
    known = {m.name: m for m in measures}
    return Foresight(
        units_a_day=rate,
        steps=tuple(days for stage in release.stages if isinstance(stage, CanaryStage) for days in _steps(stage, rate)),
        needs=tuple(
            _need(ask, known, columns, units, now, Design(share=share, power=each), rate)
            for ask in asks.values()
            if ask.part != "secondary"
        ),
        at_most=_at_most(release),
        each=each,
    )


def told(foresight: Foresight) -> tuple[str, ...]:
    """The same in sentences, for a plan."""
    if foresight.units_a_day is None:
        return (
            f"fewer than {LEAST_UNITS} units came in the last days, so how long this takes cannot be told; see "
            "seatrial power.",
        )
    lines = [f"step {k} needs about {_days(days)} for its units." for k, days in enumerate(foresight.steps, start=1)]
    lines += [_line(need, foresight) for need in foresight.needs]
    if foresight.each > POWER and foresight.needs:
        lines.append(
            f"each is planned with a power of {foresight.each:.3g}, so that the primary and all guardrails hold "
            f"together with {POWER:g}."
        )
    return (f"about {show_count(round(foresight.units_a_day))} units come a day.", *lines)


def _line(need: Need, foresight: Foresight) -> str:
    if need.units is None or need.days is None:
        return f"{need.metric}: how much it needs cannot be told, because {need.why}."
    text = f"{need.metric} needs about {show_count(need.units)} units, {_days(need.days)}"
    if foresight.at_most is not None and need.days > foresight.at_most:
        return f"{text}: WARNING, the release ends after {_days(foresight.at_most)}."
    return f"{text}."


def _days(days: float) -> str:
    seconds = days * _DAY
    for unit, size in (("days", _DAY), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return "a minute"


def _units_a_day(view: Source, entry: str, since: int, now: int) -> float | None:
    """Units that an entry takes a day, whichever variant they get: of both arms where a release is under way."""
    asked = f"""SELECT count(DISTINCT unit) AS n, min(epoch_us("at")) AS first FROM rows
        WHERE role IN ('answer', 'app') AND unit_named AND {SPLITS} AND entry = $entry
          AND "at" >= to_timestamp($since) AND epoch_us("at") <= $now"""
    (row,) = view.sql(asked, {"since": since / 1e6, "now": now, "entry": entry}).to_pylist()
    if row["n"] < LEAST_UNITS:
        return None
    return float(row["n"]) / (max(float(now - row["first"]) / 1e6, 3600.0) / _DAY)


def _relaxed(name: str, deployment: Deployment, run: ReleaseRun, ask: Ask) -> Measure:
    threshold = ask.tolerated or ask.cap or 0.0
    measure = latency_measure(name, deployment, run, threshold, threshold)
    return dataclasses.replace(measure, name=name + _RELAXED)


def _need(
    ask: Ask,
    measures: Mapping[str, Measure],
    columns: Mapping[str, Column],
    units: Units,
    now: int,
    design: Design,
    rate: float,
) -> Need:
    name = ask.question.metric
    if name not in measures:
        return Need(name, None, None, ask.impossible)
    measure = measures[name]
    if measure.shape in BY_ROW:
        return Need(name, None, None, "it ranks answers, and how they will be ranked is not foretold")
    once = ask.part == "primary" and ask.plan.name == "fixed"
    matured = units.first_at + measure.matures <= now
    values = _moments(columns[name], measure, matured)
    level = values.mean
    if measure.shape == "quantile" and values.n:
        level = quantile(_counted(columns[name], measure, matured)[0], measure.q or 0.5)
    difference = _difference(ask, level)
    if name + _RELAXED in measures:
        difference = values.mean - _moments(columns[name + _RELAXED], measure, matured).mean
    if values.n < LEAST_UNITS:
        return Need(name, None, None, f"{values.n} units have matured in it so far")
    if not values.m2 > 0:
        return Need(name, None, None, "it has not varied yet")
    if not difference > 0:
        return Need(name, None, None, "a margin of 0 can only be kept by a version that is better")
    sides = 2 if ask.part == "primary" else 1
    design = design._replace(alpha=ask.question.alpha, sides=sides, plan_units=ask.question.plan_units)
    try:
        here = _counted(columns[name], measure, matured)
        found = units_needed(ask, measure, values, difference, here, design, once=once)
    except BadInput as error:
        return Need(name, None, None, str(error))
    told = values.n / int(np.count_nonzero(matured))  # of the units that come the others lack a label, or a number
    return Need(name, found, found / (rate * told) + measure.matures / 1e6 / _DAY)


def _difference(ask: Ask, level: float) -> float:
    margin = ask.question.margin
    if margin is None:
        return 0.0
    return margin.size * abs(level) if margin.scale == "relative" else margin.size


def _counted(column: Column, measure: Measure, mask: Mask) -> tuple[Floats, Floats]:
    counted = mask & measure.told(column)
    return measure.limited(column.x[counted]), column.y[counted]


def _moments(column: Column, measure: Measure, mask: Mask) -> Moments:
    x, y = _counted(column, measure, mask)
    if measure.shape in ("mean", "proportion", "quantile"):
        return Moments.from_values(x)
    found = linearise(PairMoments.from_values(x, y))
    if measure.shape != "root" or not found.mean > 0:
        return found
    return Moments(found.n, float(np.sqrt(found.mean)), found.m2 / (4 * found.mean))


def _steps(stage: CanaryStage, rate: float) -> Sequence[float]:
    return [max(stage.minimum_units / (share * rate), stage.bake / _DAY) for share in stage.steps]


def planned_shares(release: ReleaseSpec) -> tuple[float, ...]:
    """The challenger's shares of its canary's steps and its test, below 1; a half where there is neither."""
    found: list[float] = []
    for stage in release.stages:
        if isinstance(stage, CanaryStage):
            found += stage.steps
        elif isinstance(stage, TestStage):
            found.append(stage.share)
    return tuple(share for share in found if share < 1) or (0.5,)


def _largest_share(release: ReleaseSpec) -> float:
    shares = [0.5]
    for stage in release.stages:
        if isinstance(stage, CanaryStage):
            shares = [stage.steps[-1]]
        elif isinstance(stage, TestStage):
            shares = [stage.share]
    return shares[-1]


def _at_most(release: ReleaseSpec) -> float | None:
    """Days that a release may last: its own limit, or the test's where nothing before it is unlimited."""
    if release.at_most is not None:
        return release.at_most / _DAY
    tests = [stage.at_most for stage in release.stages if isinstance(stage, TestStage)]
    return tests[0] / _DAY if tests and tests[0] is not None else None
