"""Traffic over time from the ledger, in one query."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from seatrial.ledger.reader import Reader
from seatrial.reports.points import Bins, TrafficPoint

POINTS = 60
"""How many whole intervals a chart shows, whatever its range; the one under way is added."""

_QUERY = """
select
    epoch_us("at") // $step * $step as slot,
    variant,
    role,
    count(*) as n,
    count(*) filter (status not in ('ok', 'miss')) as failed,
    quantile_cont(latency_us, 0.5) / 1000.0 as p50,
    quantile_cont(latency_us, 0.99) / 1000.0 as p99
from rows
where role in ('answer', 'shadow') and epoch_us("at") >= $since
group by all
order by slot, role, variant
"""


_BY_VERSION = """
select
    variant,
    assigned_version as version,
    count(*) filter (role = 'answer') as n,
    count(*) filter (status not in ('ok', 'miss')) as failed,
    quantile_cont(latency_us, 0.5) filter (role = 'answer') / 1000.0 as p50,
    quantile_cont(latency_us, 0.99) filter (role = 'answer') / 1000.0 as p99
from rows
where role in ('answer', 'shadow') and epoch_us("at") >= $since
group by all
"""


class VersionTraffic(NamedTuple):
    """A version in a variant's slot over the whole range; after a promotion the same variant is another version.

    Attributes:
        rows: Users' requests.
        failed: Attempts that failed, shadows' too.
        p50_ms, p99_ms: Latency of users' requests; None without any.
    """

    rows: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None


class Traffic(NamedTuple):
    """The points of a range.

    Attributes:
        points: Of the intervals in which something happened.
        bins: All intervals.
        versions: The whole range by (variant, ``name:version``).
    """

    points: tuple[TrafficPoint, ...]
    bins: Bins
    versions: dict[tuple[str, str], VersionTraffic]


class TrafficReader:
    """Reads traffic of deployments; an answer is kept for ``keep`` seconds, so that many open pages cost one query."""

    def __init__(self, home: Path, *, keep: float = 1.5, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._reader = Reader(home)
        self._keep = keep
        self._monotonic = monotonic
        self._lock = Lock()
        self._kept: dict[tuple[str, int], tuple[float, Traffic]] = {}

    def read(self, deployment: str, *, now: int, seconds: int) -> Traffic:
        """Traffic of the last ``seconds`` before ``now`` (microseconds since 1970 UTC)."""
        with self._lock:
            asked = self._monotonic()
            made, kept = self._kept.get((deployment, seconds), (0.0, None))
            if kept is not None and asked - made < self._keep:
                return kept
            traffic = self._query(deployment, now, seconds)
            self._kept[deployment, seconds] = (self._monotonic(), traffic)
            return traffic

    def _query(self, deployment: str, now: int, seconds: int) -> Traffic:
        step = max(1, seconds * 1_000_000 // POINTS)
        since = (now - seconds * 1_000_000) // step * step
        with self._reader.open(deployment) as view:
            rows = view.sql(_QUERY, {"step": step, "since": since}).to_pylist()
            whole = view.sql(_BY_VERSION, {"since": since}).to_pylist()
        points = tuple(
            TrafficPoint(r["slot"], r["variant"], r["role"], r["n"], r["failed"], r["p50"] or 0.0, r["p99"] or 0.0)
            for r in rows
        )
        versions = {
            (r["variant"], r["version"]): VersionTraffic(r["n"], r["failed"], r["p50"], r["p99"]) for r in whole
        }
        return Traffic(points, Bins(since, step, (now - since) // step + 1), versions)
