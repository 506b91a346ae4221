"""What a bandit's units earned: one record a unit and epoch, matured ones only, in order of maturity.

A unit's first row in an epoch is its record, whatever answered it; what it does within the window and before its next
epoch's first row is that record's reward. An outcome counts once, however often it is sent (the latest revision of an
id), and not at all when it lies before the row or after the window, or comes after maturity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.source import Source
from seatrial.experiments.units import SKEW
from seatrial.spec.deployment import RewardSpec

_FOREVER = 2**62
_ROWS = """
exposures AS (
  SELECT unit, phase, reason, variant, assigned_version, propensity, revision, epoch_us("at") AS t, request_id,
         CASE status WHEN 'ok' THEN answered_by IN ('default', 'fallback', 'none')
                     WHEN 'miss' THEN answered_by <> 'default' ELSE true END AS failed
  FROM rows
  WHERE entry = $entry AND reason IN (SELECT unnest($reasons)) AND contested AND unit_named
    AND role IN ('answer', 'app') AND epoch_us("at") BETWEEN $since AND $now
)"""
_REWARDS = f"""WITH {_ROWS},
firsts AS (
  SELECT unit, reason, phase, min(t) AS t, arg_min(variant, t) AS variant,
         arg_min(assigned_version, t) AS version, arg_min(propensity, t) AS propensity,
         arg_min(revision, t) AS revision
  FROM exposures GROUP BY unit, reason, phase
),
records AS (
  SELECT *, coalesce(lead(t) OVER (PARTITION BY unit ORDER BY t), {_FOREVER}) AS until FROM firsts
),
asked AS (
  SELECT request_id, any_value(unit) AS unit FROM rows WHERE role IN ('answer', 'app')
  GROUP BY request_id HAVING count(DISTINCT unit) = 1
),
keyed AS (
  SELECT "key" AS k, any_value(unit) AS unit FROM rows WHERE role IN ('answer', 'app') AND "key" IS NOT NULL
  GROUP BY "key" HAVING count(DISTINCT unit) = 1
),
came AS (
  SELECT coalesce(o.unit, a.unit, q.unit) AS unit, epoch_us(o."at") AS t, epoch_us(o.received_at) AS came,
         {{value}} AS value
  FROM outcomes o LEFT JOIN asked a ON o.unit IS NULL AND o.request_id = a.request_id
    LEFT JOIN keyed q ON o.unit IS NULL AND o.request_id IS NULL AND o."key" = q.k
  WHERE o.outcome = $outcome AND epoch_us(o.received_at) <= $now
)
SELECT r.unit, r.phase, r.reason, r.variant, r.version, r.propensity, r.revision, r.t,
       count(c.value) FILTER (c.t >= r.t) AS n, coalesce(sum(c.value) FILTER (c.t >= r.t), 0) AS total,
       count(*) FILTER (c.t < r.t AND r.before IS NULL) AS early
FROM (SELECT *, lag(t) OVER (PARTITION BY unit ORDER BY t) AS before FROM records) r
LEFT JOIN came c ON c.unit = r.unit AND c.t >= r.t - {SKEW} AND c.t < r.until AND c.t <= r.t + $within
  AND c.came <= r.t + $within + $grace
WHERE r.t + $within + $grace <= $now
GROUP BY ALL ORDER BY r.t, r.unit"""
_FAILED = f"""WITH {_ROWS}
SELECT variant, assigned_version AS version, count(*) AS n, count(*) FILTER (failed) AS failed
FROM exposures GROUP BY ALL"""
_PLAIN = "1.0"
_FIELD = """TRY_CAST(CASE json_extract_string(o."fields", $path) WHEN 'true' THEN '1' WHEN 'false' THEN '0'
ELSE json_extract_string(o."fields", $path) END AS DOUBLE)"""


@dataclass(frozen=True, eq=False)
class Rewards:
    """The matured records of a bandit, in order of exposure (all mature after the same time).

    Attributes:
        units: Who; length n.
        arms: The variant of each.
        epochs: Of each.
        values: Reward of each, shape [n]; 0 where nothing came.
        propensities: Logged with each first row, shape [n].
        at: First exposures, microseconds since 1970 UTC.
        revisions: Of the snapshot that drew each.
        any_came: Whether any outcome came at all.
        out_of_range: How many were cut to the range.
        early: Outcomes up to five minutes before a unit's first row, which do not count.
        rows: Rows of each arm, matured or not.
        failed: How many of them its variant did not answer.
    """

    units: tuple[str, ...]
    arms: tuple[str, ...]
    epochs: NDArray[np.int64]
    values: NDArray[np.float64]
    propensities: NDArray[np.float64]
    at: tuple[int, ...] = ()
    revisions: tuple[int, ...] = ()
    any_came: bool = False
    out_of_range: int = 0
    early: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)


def read_rewards(
    source: Source,
    entry: str,
    reward: RewardSpec,
    versions: Mapping[str, str],
    *,
    since: int,
    now: int,
    prior: bool = False,
) -> Rewards:
    """What the units of a bandit earned.

    Args:
        source: The ledger, or files.
        entry: Its routing entry.
        reward: What counts.
        versions: The version of each arm; empty: every variant and version.
        since: First exposures from then on, microseconds since 1970 UTC.
        now: Nothing later is seen.
        prior: Count what was earned while the entry was a split, too, whenever.
    """
    reasons = ["bandit", "split", "canary"] if prior else ["bandit"]
    given: dict[str, object] = {"entry": entry, "reasons": reasons, "since": 0 if prior else since, "now": now}
    window = {"within": round(reward.within * 1e6), "grace": round(reward.grace * 1e6), "outcome": reward.outcome}
    value = _PLAIN if reward.value is None else _FIELD
    if reward.value is not None:
        window["path"] = f'$."{reward.value}"'
    found = [
        row
        for row in source.sql(_REWARDS.format(value=value), given | window).to_pylist()
        if not versions or versions.get(row["variant"]) == row["version"]
    ]
    counted = source.sql(_FAILED, given).to_pylist()
    ours = [row for row in counted if not versions or versions.get(row["variant"]) == row["version"]]
    totals = np.array([float(row["total"]) for row in found])
    values, out_of_range = _in_range(totals, reward)
    return Rewards(
        units=tuple(row["unit"] for row in found),
        arms=tuple(row["variant"] for row in found),
        epochs=np.array([row["phase"] for row in found], dtype=np.int64),
        values=values,
        propensities=np.array([row["propensity"] for row in found], dtype=np.float64),
        at=tuple(row["t"] for row in found),
        revisions=tuple(row["revision"] for row in found),
        any_came=any(row["n"] for row in found),
        out_of_range=out_of_range,
        early=sum(row["early"] for row in found),
        rows={row["variant"]: row["n"] for row in ours},
        failed={row["variant"]: row["failed"] for row in ours},
    )


def _in_range(totals: NDArray[np.float64], reward: RewardSpec) -> tuple[NDArray[np.float64], int]:
    """Rewards within their range, and how many were not; that something came (twice, even) is a reward of 1."""
    if reward.value is None:
        return np.minimum(totals, 1.0), 0
    if reward.range is None:
        return totals, 0
    cut = np.clip(totals, *reward.range)
    return cut, int((cut != totals).sum())
