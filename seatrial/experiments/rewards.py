"""What a bandit's units earned: one record a unit and epoch, matured ones only, in order of maturity.

A unit's first row in an epoch is its record, whatever answered it; what it does in the whole window after that row is
that record's reward. Where the windows of two epochs overlap, what lies in both counts for both: cutting the first at
the unit's return would pay arms by who came back. Each epoch draws anew, so what an earlier arm brings falls on all
arms of the later epoch alike. Rows of a split (``prior``) are one record a unit and release. An outcome counts once in
a record, however often it is sent (the latest revision of an id), and not at all when it lies before the row or after
the window, or comes after maturity. A record with an outcome that lacks the number it is paid by is not known, and left
out: 0 would be a claim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seatrial.experiments.declared_measures import path
from seatrial.experiments.outcome_tables import whose
from seatrial.experiments.source import Source
from seatrial.experiments.units import SKEW
from seatrial.experiments.worth import FIELD, HAPPENED, OWN
from seatrial.ledger.reviewed import WEIGHED_ALIKE
from seatrial.routing.seen import FEATURE
from seatrial.spec.deployment import RewardSpec

_ROWS = """
exposures AS (
  SELECT unit, phase, CASE reason WHEN 'bandit' THEN 'epoch ' || phase ELSE 'release ' || release END AS place,
         variant, assigned_version, propensity, contested, revision, request_id, "row", epoch_us("at") AS t,
         {more} AS more,
         CASE status WHEN 'ok' THEN answered_by IN ('default', 'fallback', 'none')
                     WHEN 'miss' THEN answered_by <> 'default' ELSE true END AS failed
  FROM rows
  WHERE entry = $entry AND reason IN (SELECT unnest($reasons)) AND (contested OR reason = 'bandit') AND unit_named
    AND role IN ('answer', 'app') AND epoch_us("at") BETWEEN $since AND $now
)"""
"""A bandit's rows count though one arm has everything: else nothing would ever be learned of it again."""
_OURS = "($everyone OR list_contains($ours, variant || ' ' || version))"
_REWARDS = f"""WITH {_ROWS},
records AS (
  SELECT unit, place, min(t) AS t, unnest(arg_min(
    {{{{phase: phase, variant: variant, version: assigned_version, propensity: propensity, revision: revision,
       more: more}}}}, (t, request_id, "row")))
  FROM exposures GROUP BY unit, place
),
happened AS MATERIALIZED (
  SELECT row_number() OVER () AS h, o.unit, o.request_id, o."row" AS i, o."key" AS k, epoch_us(o."at") AS t,
         epoch_us(o.received_at) AS came, {{value}} AS value
  FROM outcomes o WHERE o.outcome = $outcome AND epoch_us(o.received_at) <= $now AND {WEIGHED_ALIKE}
),
{whose("true")},
came AS (
  SELECT unit, t, came, value FROM happened WHERE unit IS NOT NULL
  UNION ALL
  SELECT w.unit, h.t, w.came, h.value FROM whose w JOIN happened h USING (h)
)
SELECT r.unit, r.phase, r.variant, r.propensity, r.revision, r.t, r.more,
       count(c.value) FILTER (c.t >= r.t) AS n, coalesce(sum(c.value) FILTER (c.t >= r.t), 0)::DOUBLE AS total,
       count(*) FILTER (c.t < r.t AND r.before IS NULL) AS early,
       count(*) FILTER (c.t >= r.t AND c.value IS NULL) AS holes
FROM (SELECT *, lag(t) OVER (PARTITION BY unit ORDER BY t) AS before FROM records) r
LEFT JOIN came c ON c.unit = r.unit AND c.t >= r.t - {SKEW} AND c.t <= r.t + $within
  AND c.came <= r.t + $within + $grace
WHERE r.t + $within + $grace <= $now AND {_OURS}
GROUP BY ALL ORDER BY r.t, r.unit"""
_FAILED = f"""WITH {_ROWS},
first_places AS (
  SELECT unit, variant, assigned_version AS version, count(*) AS n, count(*) FILTER (failed) AS failed,
         row_number() OVER (PARTITION BY unit, variant, assigned_version ORDER BY min(t)) = 1 AS first
  FROM exposures GROUP BY unit, variant, assigned_version, place
)
SELECT variant, sum(n)::BIGINT AS n, sum(failed)::BIGINT AS failed, count(*) FILTER (first) AS units,
       coalesce(sum(failed / n) FILTER (first), 0)::DOUBLE AS unit_failures
FROM first_places WHERE {_OURS} GROUP BY variant"""


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
        unknown: Matured records left out, because an outcome of theirs lacks the number they are paid by.
        early: Outcomes up to five minutes before a unit's first row, which do not count.
        rows: Rows of each arm, matured or not.
        failed: How many of them its variant did not answer.
        met: Units of each arm.
        unit_failures: Sum over them of the share of failures among the unit's rows in its first epoch with the arm.
        contexts: Of each first row the values of the context keys that were asked for; None where it has none.
        chances: Of each first row the chances of all arms, in the order of its revision's entry, where they depended on
            its context; else None.
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
    unknown: int = 0
    early: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    met: Mapping[str, int] = field(default_factory=dict)
    unit_failures: Mapping[str, float] = field(default_factory=dict)
    contexts: tuple[tuple[Any, ...], ...] = ()
    chances: tuple[Sequence[float] | None, ...] = ()


def read_rewards(
    source: Source,
    entry: str,
    reward: RewardSpec,
    versions: Mapping[str, str],
    *,
    since: int,
    now: int,
    prior: bool = False,
    context: Mapping[str, str] | None = None,
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
        context: What to read along with the chances, and the kind of each: context keys, and features with
            ``features.`` before their names; None: neither.
    """
    reasons = ["bandit", "split", "canary"] if prior else ["bandit"]
    given: dict[str, object] = {"entry": entry, "reasons": reasons, "since": 0 if prior else since, "now": now}
    given |= {"everyone": not versions, "ours": [f"{arm} {version}" for arm, version in versions.items()]}
    window = {"within": round(reward.within * 1e6), "grace": round(reward.grace * 1e6), "outcome": reward.outcome}
    if reward.value is not None:
        window["path"] = path(reward.value)
    more = "NULL" if context is None else _more(source, context)
    matured = source.sql(_REWARDS.format(value=_value(reward), more=more), given | window)
    found = matured.filter(pc.equal(matured["holes"], 0))
    counted = source.sql(_FAILED.format(more="NULL"), given).to_pylist()
    along = [] if context is None else found["more"].to_pylist()
    values, out_of_range = _in_range(_numbers(found, "total"), reward)
    return Rewards(
        units=tuple(found["unit"].to_pylist()),
        arms=tuple(found["variant"].to_pylist()),
        epochs=found["phase"].to_numpy().astype(np.int64),
        values=values,
        propensities=_numbers(found, "propensity"),
        at=tuple(found["t"].to_pylist()),
        revisions=tuple(found["revision"].to_pylist()),
        any_came=bool(_numbers(matured, "n").any()),
        out_of_range=out_of_range,
        unknown=matured.num_rows - found.num_rows,
        early=int(_numbers(matured, "early").sum()),
        rows={row["variant"]: row["n"] for row in counted},
        failed={row["variant"]: row["failed"] for row in counted},
        met={row["variant"]: row["units"] for row in counted},
        unit_failures={row["variant"]: row["unit_failures"] for row in counted},
        contexts=tuple(tuple(one[f"c{place}"] for place in range(len(context or ()))) for one in along),
        chances=tuple(one["chances"] for one in along),
    )


def _more(source: Source, context: Mapping[str, str]) -> str:
    """SQL of a row's chances and context values, as one value; what the ledger has no column for is null."""
    there = set(source.sql("SELECT * FROM rows LIMIT 0", {}).column_names)
    named = {"chances": "chances"}
    for place, (key, kind) in enumerate(context.items()):
        name = f"feature.{key.removeprefix(FEATURE)}" if key.startswith(FEATURE) else f"context.{key}"
        # A key whose kind was changed has its newer values in a column of their own.
        columns = (f"{name}#{kind}", name)
        named[f"c{place}"] = next((column for column in columns if column in there), columns[1])
    quoted = {
        name: '"' + column.replace('"', '""') + '"' if column in there else "NULL" for name, column in named.items()
    }
    parts = [f"{name} := {column}" for name, column in quoted.items()]
    return f"struct_pack({', '.join(parts)})"


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    found: NDArray[np.float64] = table[name].to_numpy().astype(np.float64)
    return found


def _whether(reward: RewardSpec) -> bool:
    """Only whether the outcome came counts, not its value."""
    return reward.value is None and reward.range is None and reward.kind == "binary"


def _value(reward: RewardSpec) -> str:
    """SQL of what an outcome is worth."""
    if reward.value is not None:
        return FIELD
    return HAPPENED if _whether(reward) else OWN


def _in_range(totals: NDArray[np.float64], reward: RewardSpec) -> tuple[NDArray[np.float64], int]:
    """Rewards within their range, and how many were not; that something came (twice, even) is a reward of 1."""
    if _whether(reward):
        return np.minimum(totals, 1.0), 0
    if reward.range is None:
        return totals, 0
    cut = np.clip(totals, *reward.range)
    return cut, int((cut != totals).sum())
