"""Where a release's logs fell silent in the midst of traffic, or one arm's units lagged behind its weight.

Rows and outcomes are counted in equal intervals, at most ``MOST`` since the release began, and units by phase as well.
The interval grows with the release: an hour's traffic is looked at by minutes, a month's by half days. All intervals of
all lengths share one error budget, so it may be asked at every look.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seatrial.experiments.census import MINUTE, Census, by_interval
from seatrial.experiments.source import Source
from seatrial.releases.run import ReleaseRun
from seatrial.stats.gaps import ALPHA, silences, too_few

STEPS = (60, 600, 3600, 4 * 3600, 12 * 3600, 86_400, 7 * 86_400)
"""Seconds that an interval may last."""

MOST = 80
"""Intervals at most; with every phase begun within one there may be twice as many cells."""

_ROWS = """SELECT epoch_us("at") // {step} AS b, count(*) AS n FROM rows
WHERE role IN ('answer', 'app') AND epoch_us("at") >= $since AND epoch_us("at") <= $now GROUP BY b"""
_OUTCOMES = """SELECT outcome, epoch_us("at") // {step} AS b, count(*) AS n FROM all_outcomes
WHERE outcome IN (SELECT unnest($outcomes)) AND epoch_us("at") >= $since AND epoch_us("at") <= $now GROUP BY ALL"""


class Silent(NamedTuple):
    """Nothing of a kind from ``first`` to ``last``, microseconds since 1970 UTC."""

    what: str
    first: int
    last: int


class Short(NamedTuple):
    """A variant got too few units in the interval from ``first`` to ``last``, likewise."""

    variant: str
    first: int
    last: int


class Gaps(NamedTuple):
    """All that was found, in order of time."""

    silent: tuple[Silent, ...] = ()
    short: tuple[Short, ...] = ()


def step_of(run: ReleaseRun, now: int) -> int:
    """How long an interval is, microseconds."""
    seconds = max(now - run.started_at, 1) / 1e6
    return 1_000_000 * next((s for s in STEPS if seconds / s <= MOST), STEPS[-1])


def find_gaps(source: Source, run: ReleaseRun, census: Census, outcomes: Sequence[str], now: int) -> Gaps:
    """What the logs of a release lack.

    Args:
        source: Where rows and outcomes are read.
        run: Its phases and weights.
        census: Of its units.
        outcomes: Names of those that are measured.
        now: Microseconds since 1970 UTC.
    """
    step = step_of(run, now)
    given: dict[str, object] = {"since": run.started_at, "now": now}
    counts = {"requests": {row["b"]: row["n"] for row in source.sql(_ROWS.format(step=step), given).to_pylist()}}
    if outcomes:
        for row in source.sql(_OUTCOMES.format(step=step), given | {"outcomes": list(outcomes)}).to_pylist():
            counts.setdefault(row["outcome"], {})[row["b"]] = row["n"]
    silent = [found for what, by in counts.items() for found in _silent(what, by, step)]
    return Gaps(tuple(sorted(silent, key=lambda one: one.first)), short_of(census, run, now))


def short_of(census: Census, run: ReleaseRun, now: int) -> tuple[Short, ...]:
    """Intervals, over by ``now``, in which an arm got fewer fresh units than its weight allows."""
    step = step_of(run, now)
    found = []
    for phase in run.phases:
        arms = [arm for arm in phase.arms if arm.weight > 0]
        if len(arms) < 2:
            continue
        level = ALPHA / (len(STEPS) * 2 * MOST * len(arms))
        cells = by_interval(census.arrivals.get(phase.number, {}), [arm.variant for arm in arms], step // MINUTE)
        for b, *n in zip(cells.place.tolist(), *(arm.tolist() for arm in cells.n), strict=True):
            few = too_few(n, [arm.weight for arm in arms], level) if b < now // step else []
            found += [Short(arms[i].variant, b * step, (b + 1) * step) for i in few]
    return tuple(sorted(found, key=lambda one: one.first))


def _silent(what: str, by: Mapping[int, int], step: int) -> list[Silent]:
    if not by:
        return []
    first, last = min(by), max(by)
    runs = silences([by.get(b, 0) for b in range(first, last + 1)])
    return [Silent(what, (first + one.first) * step, (first + one.last + 1) * step) for one in runs]
