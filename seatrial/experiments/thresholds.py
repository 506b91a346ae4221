"""Latency thresholds: the champion's quantiles, fixed before the first look and never moved.

Over all requests of a unit a quantile has no sequence, but the share of requests slower than a fixed number has. The
number must not depend on what is looked at afterwards, so it is read once and kept with the release.
"""

from seatrial.experiments.source import Source
from seatrial.releases.run import ReleaseRun

QUANTILES: dict[str, float] = {"p50": 0.5, "p99": 0.99}

NEEDED: dict[str, int] = {"p50": 100, "p99": 1000}
"""The champion's requests that must have been seen before its quantile is fixed."""

LOOK_BACK = 7 * 86_400_000_000
"""Microseconds before the release from which the champion's requests count."""

_QUANTILES = """
SELECT count(*) AS n, quantile_disc(latency_us, 0.5) AS p50, quantile_disc(latency_us, 0.99) AS p99 FROM rows
WHERE role = 'answer' AND variant = $champion AND assigned_version = $version
  AND "at" >= to_timestamp($since) AND epoch_us("at") <= $now"""


def fixed_thresholds(source: Source, run: ReleaseRun, now: int) -> dict[str, float]:
    """Thresholds in microseconds by metric: those the release keeps, and those that can be fixed now."""
    kept = {name: run.caps[name] for name in QUANTILES if name in run.caps}
    if len(kept) == len(QUANTILES):
        return kept
    since = (run.started_at - LOOK_BACK) / 1e6
    given = {"champion": run.champion, "version": run.champion_version, "since": since, "now": now}
    row = source.sql(_QUANTILES, given).to_pylist()[0]
    return kept | {name: float(row[name]) for name in QUANTILES if name not in kept and row["n"] >= NEEDED[name]}
