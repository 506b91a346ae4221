"""Deployment-months in which nothing is wrong: what is shown, what becomes an alert, whom it wakes.

    python -m bench.false_alerts --months 1000 --processes 2 --keep /tmp/months.jsonl

A month is 720 windows of an hour with 300 rows of ten features, against one reference of 2 000 rows that all of them
share, and 30 days of 400 labels by 80 units (correlation 0.3), against a holdout of 500 rows. Everything after the rows
is the product at its defaults: the decision on a window, ``alerts_of`` with two of three windows, the fates of
``watch.policy`` for one receiver that names no events. Left out are the state and the sending.

Worlds in which nothing moves but the time: a still one; a daily cycle in four of the features (mean up and down by 0.3
or by 0.8 sd) compared with the whole reference, as by default; with weekends that are 0.8 sd off beside; without asking
the earlier days, as a severity alone would tell; and compared with the same hour of the reference. In the last two a
shift by 0.8 sd of three features (one of them with the cycle) begins on the eleventh day, or with the first hour, and
stays: how many hours until somebody is told, and how often it is told again.
"""

import argparse
import math
import multiprocessing
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.drift import FeatureDrift, FeatureProfile, decide_window, profile_of_window
from seatrial.drift.decide import Q
from seatrial.releases.records import Alert
from seatrial.spec.deployment import AlertingSpec, AlertSpec, DataMonitor, PerformanceMonitor
from seatrial.spec.signature import Feature
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.budget import per_window
from seatrial.watch.data import signal_of
from seatrial.watch.interval import difference, share_by_unit, share_interval
from seatrial.watch.performance import alpha_of
from seatrial.watch.policy import Scene, verdicts
from seatrial.watch.usual import usual
from seatrial.watch.window import Signal, Usual, Window

HOUR = 3_600_000_000
HOURS, DAYS, FEATURES, CYCLING = 720, 30, 10, 4
ROWS, REFERENCE = 300, 2000
LABELS, UNITS, CORRELATION, HOLDOUT, ACCURACY, MARGIN = 400, 80, 0.3, 500, 0.9, 0.05
_ROUND = 4
"""Months of each world in turn, so that a run that is stopped has some of every one."""
RECEIVER = AlertSpec(to="json://receiver")

Values = NDArray[np.float64]


class World(NamedTuple):
    """A kind of month.

    Attributes:
        swing: By how many sd the mean of the cycling features goes up and down in a day.
        by_hour: The reference is cut by the hour of the day.
        weekend: By how many sd two days of seven are off.
        beside: The same hours of earlier days are asked, as the product does.
        shift: By how many sd three features move for good.
        since: At which hour they do.
    """

    name: str
    swing: float = 0.0
    by_hour: bool = False
    weekend: float = 0.0
    beside: bool = True
    shift: float = 0.0
    since: int = 240


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
)
SHIFTED = (0, 4, 5)
"""Features that move for good: one that has the cycle, and two that have not."""


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
    """Alerts made, and the moments at which one was told, hour by hour, as the loop would have them."""
    kept: list[Alert] = []
    alerting = AlertingSpec()
    alerts = alerts_of(windows, (), 0, calm_day=_Calm(windows))
    for number, alert in enumerate(alerts):
        condition = condition_of(alert)
        assert condition is not None
        at = condition.end
        seen = msgspec.structs.replace(alert, at=at, id=number)
        (verdict,) = verdicts([seen], Scene(alerting, (RECEIVER,), kept, (), {}, 20, at))
        kept.append(msgspec.structs.replace(seen, fate=verdict.fate))
    edges = [(alert, condition_of(alert)) for alert in kept]
    begun = [alert for alert, condition in edges if condition is not None and condition.edge != "ends"]
    return len(begun), [alert.at for alert in begun if alert.fate == "told"]


class _Calm:
    """Whether the day before a window showed nothing."""

    def __init__(self, windows: list[Window]) -> None:
        self._severities = {(w.monitor, w.end): w.severity for w in windows}

    def __call__(self, window: Window) -> bool:
        day = [self._severities.get((window.monitor, window.start - hour * HOUR)) for hour in range(23)]
        return all(severity == "none" for severity in day)


def _data(world: World, rng: np.random.Generator) -> Iterator[Window]:
    strict = per_window(DataMonitor().window, 1, Q)
    hours = rng.integers(0, 168, REFERENCE * (24 if world.by_hour else 1))
    columns = [_draw(rng, column, hours, world) for column in range(FEATURES)]
    references: dict[int, list[FeatureProfile]] = {}
    lived: list[list[FeatureProfile]] = []
    for hour in range(HOURS):
        of_day = hour % 24 if world.by_hour else -1
        if of_day not in references:
            chosen = hours % 24 == of_day if world.by_hour else np.ones(len(hours), bool)
            references[of_day] = [
                FeatureProfile.from_values(Feature(name=f"{i}", kind="number"), column[chosen])
                for i, column in enumerate(columns)
            ]
        now = np.full(ROWS, hour % 168)
        moved = world.shift if hour >= world.since else 0.0
        pairs = [
            (reference, profile_of_window(reference, _draw(rng, i, now, world, moved)))
            for i, reference in enumerate(references[of_day])
        ]
        lived.append([window for _, window in pairs])
        drifts = decide_window(pairs)
        loud = any(finding.significant for drift in drifts for finding in drift.findings)
        sure = decide_window(pairs, q=strict) if loud else drifts  # nothing is surer at a stricter level
        yield Window(
            deployment="d",
            monitor="data",
            variant="champion",
            start=hour * HOUR,
            end=(hour + 1) * HOUR,
            rows=ROWS,
            drift=signal_of(drifts, sure, quality=False),
            quality=signal_of(drifts, sure, quality=True),
            features=drifts,
            usual=_usual(lived, sure) if world.beside and not world.by_hour else None,
        )


def _usual(lived: list[list[FeatureProfile]], sure: tuple[FeatureDrift, ...]) -> Usual:
    """The newest window beside the same hours of the days before, as ``watch.data`` reads them from the ledger."""
    *_, windows = lived
    hour = len(lived) - 1
    days = [lived[at] for at in range(hour - 24, max(hour - 28 * 24, 0) - 1, -24)]
    weeks = [lived[at] for at in range(hour - 168, max(hour - 28 * 24, 0) - 1, -168)]
    merged = [[_merged([day[i] for day in past]) for i in range(FEATURES)] for past in (days, weeks) if past]
    return usual(sure, windows, merged, days=len(days), minimum_rows=DataMonitor().minimum_rows)


def _merged(profiles: list[FeatureProfile]) -> FeatureProfile:
    found = profiles[0]
    for profile in profiles[1:]:
        found = found.merge(profile)
    return found


def _draw(rng: np.random.Generator, column: int, hours: NDArray[np.int64], world: World, moved: float = 0.0) -> Values:
    """Normal, lognormal, zero-inflated and count columns in turn; the first ones go up and down with the day.

    Args:
        hours: Of the week, each row's.
        moved: By how many sd the features that move for good are off.
    """
    values = _plain(rng, column, hours, world)
    return values + moved * _SD[column % 4 if column >= CYCLING else 0] if column in SHIFTED else values


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


def read(path: Path) -> list[Month]:
    """Months that were kept."""
    return [msgspec.json.decode(line, type=Month) for line in path.read_text().splitlines()] if path.exists() else []


def main(arguments: Iterable[str] | None = None) -> None:
    """Lives the months that are not kept yet, keeps each, and prints the table of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--months", type=int, default=1000, help="of each world")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="worlds whose name contains this")
    parser.add_argument("--keep", type=Path, required=True, help="file of months; those in it are not lived again")
    given = parser.parse_args(list(arguments) if arguments is not None else None)
    kept = read(given.keep)
    known = {(m.world, m.seed) for m in kept}
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool, given.keep.open("a", buffering=1) as file:
        for seed in range(0, given.months, _ROUND):
            for number, world in enumerate(WORLDS):
                todo = [s for s in range(seed, min(seed + _ROUND, given.months)) if (world.name, s) not in known]
                if given.only in world.name:
                    for found in pool.imap(partial(_numbered, number), todo):
                        kept.append(found)
                        file.write(msgspec.json.encode(found).decode() + "\n")
    print(table(kept))


def _numbered(world: int, seed: int) -> Month:
    return month(WORLDS[world], seed)


if __name__ == "__main__":
    main()
