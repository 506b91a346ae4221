"""Deployment-months in which nothing is wrong: what is shown, what becomes an alert, whom it wakes.

    python -m bench.false_alerts --months 1000 --processes 2 --keep FILE

A month is 720 windows of an hour with 300 rows of ten features, against one reference of 2 000 rows that all of them
share, and 30 days of 400 labels by 80 units (correlation 0.3), against a holdout of 500 rows. Everything after the rows
is the product at its defaults: the decision on a window, ``alerts_of`` with two of three windows, the fates of
``watch.policy`` for one receiver that names no events. Left out are the state and the sending.

Worlds in which nothing moves but the time: a still one; a daily cycle in four of the features (mean up and down by 0.3
or by 0.8 sd) compared with the whole reference, as by default; with weekends that are 0.8 sd off beside; without asking
the earlier days, as a severity alone would tell; and compared with the same hour of the reference. In the others a
shift by 0.8 sd of three features (one of them with the cycle) begins on the eleventh day, or with the first hour, or
one of two that have the cycle on the fourth day, and stays: how many hours until somebody is told, and how often again.
"""

import argparse
import gc
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.months import arguments_of, live
from bench.results import PAGE, filled
from seatrial.drift import FeatureDrift, FeatureProfile, Moments, decide_windows
from seatrial.drift.decide import Q
from seatrial.drift.feature import merged
from seatrial.releases.records import Alert
from seatrial.spec.deployment import AlertingSpec, AlertSpec, DataMonitor, PerformanceMonitor
from seatrial.spec.signature import Feature
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.budget import per_window
from seatrial.watch.data import signal_of
from seatrial.watch.ending import Nothing
from seatrial.watch.interval import difference, share_by_unit, share_interval
from seatrial.watch.performance import alpha_of
from seatrial.watch.policy import DAY, Scene, verdicts
from seatrial.watch.usual import Beside, usuals
from seatrial.watch.window import Signal, Usual, Window

HOUR = 3_600_000_000
HOURS, DAYS, FEATURES, CYCLING = 720, 30, 10, 4
PAST = 28 * 24
"""Hours back that are asked."""
ROWS, REFERENCE = 300, 2000
LABELS, UNITS, CORRELATION, HOLDOUT, ACCURACY, MARGIN = 400, 80, 0.3, 500, 0.9, 0.05
RECEIVER = AlertSpec(to="json://receiver")

Values = NDArray[np.float64]

SHIFTED = (0, 4, 5)
"""Features that move for good: one that has the cycle, and two that have not."""


class World(NamedTuple):
    """A kind of month.

    Attributes:
        swing: By how many sd the mean of the cycling features goes up and down in a day.
        by_hour: The reference is cut by the hour of the day.
        weekend: By how many sd two days of seven are off.
        beside: The same hours of earlier days are asked, as the product does.
        shift: By how many sd three features move for good.
        since: At which hour they do.
        moving: Which features.
    """

    name: str
    swing: float = 0.0
    by_hour: bool = False
    weekend: float = 0.0
    beside: bool = True
    shift: float = 0.0
    since: int = 240
    moving: tuple[int, ...] = SHIFTED


WORLDS = (
    World("nothing moves"),
    World("a daily cycle of 0.3 sd in four features", 0.3),
    World("a daily cycle of 0.8 sd in four features", 0.8),
    World("the same, against the same hour of the reference", 0.8, True),
    World("a daily cycle of 0.8 sd, and weekends", 0.8, weekend=0.8),
    World("a daily cycle of 0.8 sd, earlier days not asked", 0.8, beside=False),
    World("a shift on the eleventh day", shift=0.8),
    World("a daily cycle of 0.8 sd, and a shift on the eleventh day", 0.8, shift=0.8),
    World("a shift in the first hour", shift=0.8, since=0),
    World(
        "a daily cycle of 0.8 sd, and a shift of its own features on the fourth day",
        0.8,
        shift=0.8,
        since=72,
        moving=(0, 1),
    ),
)


class Month(msgspec.Struct, frozen=True):
    """What one month came to.

    Attributes:
        shown: Windows of data that showed drift.
        made: Alerts that began or became worse.
        told: Of these, the ones that somebody was told at once.
        delay: Hours from the beginning of the lasting shift to the first that was told; None: none was, or no shift.
    """

    world: str
    seed: int
    shown: int
    made: int
    told: int
    delay: int | None = None


def month(world: World, seed: int) -> Month:
    """One month of a deployment that is as it always was."""
    rng = np.random.default_rng([seed, WORLDS.index(world)])
    windows = [*_data(world, rng), *_performance(rng)]
    windows.sort(key=lambda window: (window.end, window.start))
    shown = sum(window.severity in ("moderate", "major") for window in windows if window.monitor == "data")
    made, told = _lived(windows)
    hours = [at // HOUR - world.since for at in told if at // HOUR > world.since] if world.shift else []
    return Month(world.name, seed, shown, made, len(told), min(hours, default=None))


def _lived(windows: list[Window]) -> tuple[int, list[int]]:
    """Alerts made, and the moments at which one was told, hour by hour: what waits is asked about again."""
    made: dict[int, list[Alert]] = {}
    for number, alert in enumerate(alerts_of(windows, (), 0, earlier=_Calm(windows)), 1):
        condition = condition_of(alert)
        assert condition is not None
        made.setdefault(condition.end, []).append(msgspec.structs.replace(alert, at=condition.end, id=number))
    kept: list[Alert] = []
    waiting: list[Alert] = []
    told: list[int] = []
    for now in range(HOUR, (HOURS + 1) * HOUR, HOUR):
        waiting += made.get(now, [])
        if not waiting:
            continue
        had = {RECEIVER.to: sum(at > now - DAY for at in told)}
        found = verdicts(waiting, Scene(AlertingSpec(), (RECEIVER,), kept, (), had, 20, now))
        decided = [v for v in found if v.fate]
        told += [now for v in decided if v.fate == "told" and not v.recovery]
        kept = sorted(
            [*kept, *(msgspec.structs.replace(v.alert, fate=v.fate, fate_why=v.why) for v in decided)],
            key=lambda alert: alert.id,
        )
        waiting = [v.alert for v in found if not v.fate]
    edges = [condition_of(alert) for alerts in made.values() for alert in alerts]
    return sum(condition is not None and condition.edge != "ends" for condition in edges), told


class _Calm(Nothing):
    """Whether the day, or the week, before a window showed nothing."""

    def __init__(self, windows: list[Window]) -> None:
        self._severities = {(w.monitor, w.end): w.severity for w in windows}

    def is_calm_day(self, window: Window) -> bool:
        return self._is_at_rest(window, 23)

    def is_silent(self, window: Window) -> bool:
        return self._is_at_rest(window, 7 * 24 - 1)

    def _is_at_rest(self, window: Window, hours: int) -> bool:
        found = (self._severities.get((window.monitor, window.start - hour * HOUR)) for hour in range(hours))
        return all(severity == "none" for severity in found)


def _data(world: World, rng: np.random.Generator) -> list[Window]:
    hours = rng.integers(0, 168, REFERENCE * (24 if world.by_hour else 1))
    drawn = [_draw(rng, column, hours, world) for column in range(FEATURES)]
    references = {
        of_day: [
            FeatureProfile.from_values(
                Feature(name=f"{i}", kind="number"), column[hours % 24 == of_day] if world.by_hour else column
            )
            for i, column in enumerate(drawn)
        ]
        for of_day in (range(24) if world.by_hour else (-1,))
    }
    times = np.repeat(np.arange(HOURS), ROWS)
    moved = np.where(times >= world.since, world.shift, 0.0)
    values = [_draw(rng, i, times % 168, world, moved).reshape(HOURS, ROWS) for i in range(FEATURES)]
    lived: list[list[FeatureProfile]] = [[] for _ in range(HOURS)]
    for of_day, mine in references.items():
        chosen = [hour for hour in range(HOURS) if of_day in (hour % 24, -1)]
        for reference, column in zip(mine, values, strict=True):
            for hour, profile in zip(chosen, count_windows(reference, column[chosen]), strict=True):
                lived[hour].append(profile)
    pairs = [
        list(zip(references[hour % 24 if world.by_hour else -1], profiles, strict=True))
        for hour, profiles in enumerate(lived)
    ]
    decided = decide_windows(pairs, levels=(Q, per_window(DataMonitor().window, 1, Q)))
    beside = _beside(lived, [sure for _, sure in decided]) if world.beside and not world.by_hour else {}
    return [
        Window(
            deployment="d",
            monitor="data",
            variant="champion",
            start=hour * HOUR,
            end=(hour + 1) * HOUR,
            rows=ROWS,
            drift=signal_of(shown, sure, quality=False),
            quality=signal_of(shown, sure, quality=True),
            features=shown,
            usual=beside.get(hour),
        )
        for hour, (shown, sure) in enumerate(decided)
    ]


def count_windows(reference: FeatureProfile, values: Values) -> list[FeatureProfile]:
    """What ``profile_of_window`` makes of each row of numbers, shape [windows, rows], none missing; all at once."""
    bins, (windows, rows) = reference.bins, values.shape
    ends = [
        below for edge in bins.edges for below in ([values < edge] if edge in bins.atoms else []) + [values <= edge]
    ]
    until = [np.zeros(windows, np.int64), *(below.sum(axis=1) for below in ends), np.full(windows, rows)]
    counts = np.diff(np.stack(until, axis=1), axis=1)
    low, high = reference.limits or (-math.inf, math.inf)
    mean = values.mean(axis=1)
    away = values - mean[:, np.newaxis]
    square = away * away
    moments = zip(
        mean.tolist(),
        square.sum(axis=1).tolist(),
        (square * away).sum(axis=1).tolist(),
        (square * square).sum(axis=1).tolist(),
        strict=True,
    )
    outside = ((values < low) | (values > high)).sum(axis=1)
    told = (column.tolist() for column in (counts, values.min(axis=1), values.max(axis=1), outside))
    return [
        FeatureProfile(
            name=reference.name,
            kind=reference.kind,
            rows=rows,
            bins=bins,
            counts=tuple(cells),
            moments=Moments(rows, *powers),
            minimum=least,
            maximum=most,
            limits=reference.limits,
            outside=beyond,
        )
        for powers, cells, least, most, beyond in zip(moments, *told, strict=True)
    ]


def _beside(lived: list[list[FeatureProfile]], sure: list[tuple[FeatureDrift, ...]]) -> dict[int, Usual]:
    """Each hour beside the same hours of the days before, as ``watch.data`` reads them from the ledger.

    From the first alarm on: before it no condition is open, and nothing is asked.
    """
    first = next((hour for hour, drifts in enumerate(sure) if any(d.severity != "none" for d in drifts)), HOURS)
    if first == HOURS:
        return {}
    days, weeks = _pasts(lived, 24), _pasts(lived, 168)
    asked = []
    for hour in range(first, HOURS):
        pasts = [past for past in (days[hour], weeks[hour]) if past]
        asked.append(Beside(sure[hour], lived[hour], pasts, min(hour // 24, PAST // 24)))
    return dict(enumerate(usuals(asked, minimum_rows=DataMonitor().minimum_rows), first))


def _pasts(lived: list[list[FeatureProfile]], step: int) -> list[list[FeatureProfile]]:
    """What each hour is compared with: every ``step`` hours back, 28 days at most; [] while there is none."""
    found: list[list[FeatureProfile]] = []
    for hour in range(HOURS):
        if hour < step:
            found.append([])
        elif hour <= PAST:  # all that was: one more than the hour before it had
            older, newest = found[hour - step], lived[hour - step]
            found.append([one.merge(two) for one, two in zip(older, newest, strict=True)] if older else newest)
        else:
            past = [lived[at] for at in range(hour - step, hour - PAST - 1, -step)]
            found.append([merged(column) for column in zip(*past, strict=True)])
    return found


def _draw(
    rng: np.random.Generator, column: int, hours: NDArray[np.int64], world: World, moved: Values | float = 0.0
) -> Values:
    """Normal, lognormal, zero-inflated and count columns in turn; the first ones go up and down with the day.

    Args:
        hours: Of the week, each row's.
        moved: By how many sd the features that move for good are off.
    """
    values = _plain(rng, column, hours, world)
    return values + moved * _SD[column % 4 if column >= CYCLING else 0] if column in world.moving else values


_SD = (1.0, math.sqrt((math.e - 1) * math.e))
"""Of normal and lognormal columns, among which the ones are that move for good."""


def _plain(rng: np.random.Generator, column: int, hours: NDArray[np.int64], world: World) -> Values:
    rows = len(hours)
    if column < CYCLING:
        off = np.where(hours >= 120, world.weekend, 0.0)
        return rng.normal(world.swing * np.sin(2 * math.pi * hours / 24) + off, 1.0)
    match column % 4:
        case 0:
            return rng.normal(size=rows)
        case 1:
            return rng.lognormal(0, 1, rows)
        case 2:
            return np.where(rng.random(rows) < 0.8, 0.0, rng.integers(1, 17, rows))
        case _:
            return rng.poisson(3.0, rows).astype(np.float64)


def _performance(rng: np.random.Generator) -> Iterator[Window]:
    alpha = alpha_of(PerformanceMonitor(metric="right"), 1)
    base = share_interval(rng.binomial(HOLDOUT, ACCURACY) / HOLDOUT, HOLDOUT, alpha)
    strength = 1 / CORRELATION - 1
    for day in range(DAYS):
        of_unit = rng.beta(ACCURACY * strength, (1 - ACCURACY) * strength, UNITS)
        hits = rng.binomial(LABELS // UNITS, of_unit).astype(np.float64)
        worse = difference(base, share_by_unit(hits, np.full(UNITS, LABELS / UNITS), alpha))
        lower = worse.lower
        word = "major" if lower > 2 * MARGIN else "moderate" if lower > MARGIN else "none"
        yield Window(
            deployment="d",
            monitor="performance",
            variant="champion",
            start=day * 24 * HOUR,
            end=(day + 1) * 24 * HOUR,
            rows=LABELS,
            drift=Signal(word, word, worse.value < MARGIN),  # type: ignore[arg-type]
        )


def table(months: Iterable[Month]) -> str:
    """The published table, of all months that are kept."""
    rows = [
        "| world | months | windows that showed drift | alerts made a month | told at once a month | months with more "
        "than one told (95 %) | hours until a shift is told: median, most (months in which it was not) |",
        "|---|---|---|---|---|---|---|",
    ]
    every = list(months)
    for world in WORLDS:
        mine = [m for m in every if m.world == world.name]
        if mine:
            more = sum(m.told > 1 for m in mine)
            _, low, high = share_interval(more / len(mine), len(mine), 0.025)
            rows.append(
                f"| {world.name} | {len(mine)} | {np.mean([m.shown for m in mine]) / HOURS:.2%} | "
                f"{np.mean([m.made for m in mine]):.3f} | {np.mean([m.told for m in mine]):.3f} | "
                f"{more} ({low:.1%} to {high:.1%}) | {_delays(world, mine)} |"
            )
    return "\n".join(rows)


def _delays(world: World, months: list[Month]) -> str:
    if not world.shift:
        return "-"
    hours = [m.delay for m in months if m.delay is not None]
    found = f"{np.median(hours):.0f}, {max(hours)}" if hours else "-"
    return f"{found} ({len(months) - len(hours)})"


def main(arguments: Iterable[str] | None = None) -> None:
    """Lives the months that are not kept yet, keeps each, and prints the table of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments_of(parser, months=1000)
    given = parser.parse_args(list(arguments) if arguments is not None else None)
    kept = live(given, [world.name for world in WORLDS], _named, Month)
    print(table(kept))
    if given.publish:
        PAGE.write_text(filled(PAGE.read_text("utf-8"), "false-alerts", table(kept)), "utf-8")


def _named(name: str, seed: int) -> Month:
    gc.disable()  # a month makes a hundred thousand values that live until its end
    found = month(next(world for world in WORLDS if world.name == name), seed)
    gc.enable()
    gc.collect()
    return found


if __name__ == "__main__":
    main()
