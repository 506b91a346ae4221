"""Who is counted: the units of a release, by intention to treat, each once, where its first exposure put it.

Evidence is a row answered for a named unit while chance decided between at least two variants of this release. A unit
belongs to the variant that it was *assigned* at its first such row, in the phase of that row, whatever answered it.

Within a phase the assignment is a pure function of the unit, so the units whose variant changes under later weights are
known by computation. Those whose window is still open at that moment are censored, whether or not they came back:
who comes back may depend on the variant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.experiments.source import Source
from seatrial.releases.run import Phase, ReleaseRun
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Entry

NEVER = np.iinfo(np.int64).max
"""``moved_at`` of a unit that no later phase moves."""

STRATUM = 1000
"""A stratum is a phase's number times this, plus how many later phases began inside the window."""

SKEW = 300_000_000
"""Five minutes, in microseconds: how far an event may lie before the exposure that it follows."""

SLACK = 3_600_000_000
"""An hour: rows this much older than the release are read too, because clocks differ."""

DRAWN = """release = $release AND "at" >= to_timestamp($since) AND epoch_us("at") <= $now AND role IN ('answer', 'app')
    AND contested AND unit_named AND reason IN ('split', 'canary', 'bandit')"""
"""Which rows are evidence, as a condition on ``rows``."""

NAMED = "named_as"
"""Column of ``rows`` that a source has where people go by several names: the one that was served."""

_EVIDENCE = f"""
evidence AS MATERIALIZED (
  SELECT row_number() OVER () AS r, unit, {{named}} AS named_as, variant, phase,
         epoch_us("at") AS t, request_id, "row" AS i, "key" AS k,
         CASE status WHEN 'ok' THEN answered_by IN ('default', 'fallback', 'none')
                     WHEN 'miss' THEN answered_by <> 'default' ELSE true END AS failed, latency_us,
         {{answer}} AS answer{{also}}
  FROM rows
  WHERE {DRAWN}
),
firsts AS (
  SELECT unit, min(t) AS first_at, arg_min(variant, t) AS variant, arg_min(phase, t) AS phase,
         arg_min(named_as, t) AS drawn_as
  FROM evidence GROUP BY unit
),
units AS MATERIALIZED (
  SELECT row_number() OVER (ORDER BY first_at, unit) - 1 AS u, * FROM firsts
),
placed AS MATERIALIZED (
  SELECT e.*, u.u, u.first_at, u.variant AS arm FROM evidence e JOIN units u USING (unit)
),
met AS (
  SELECT u, count(*) AS n
  FROM (SELECT u FROM placed GROUP BY u, named_as, phase HAVING min(variant) <> max(variant)) GROUP BY u
)"""
_COUNTS = """
SELECT CASE
    WHEN NOT unit_named THEN 'no unit'
    WHEN reason NOT IN ('split', 'canary', 'bandit') THEN reason
    WHEN release <> $release THEN 'another release'
    WHEN NOT contested THEN 'only one variant had a chance'
    ELSE '' END AS why, variant, count(*) AS n
FROM rows WHERE role IN ('answer', 'app') AND "at" >= to_timestamp($since) AND epoch_us("at") <= $now
GROUP BY why, variant ORDER BY why, variant"""


_CROSSED = f"""
SELECT count(*) AS n FROM (
  SELECT unit FROM (
    SELECT unit, {NAMED}, arg_min(variant, "at") AS variant FROM rows WHERE {DRAWN} GROUP BY unit, {NAMED})
  GROUP BY unit HAVING min(variant) <> max(variant))"""


class Named(Protocol):
    """Columns by name, each as long as the others."""

    def __getitem__(self, name: str, /) -> pa.ChunkedArray:
        """One of them."""


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a release in order of exposure; arrays of one length [n].

    Attributes:
        unit: Their names.
        variant: Assigned at the first exposure.
        phase: Of the first exposure.
        first_at: Microseconds since 1970 UTC.
        moved_at: When later weights moved the unit to another variant, or the release ended; else ``NEVER``.
        met: In how many phases it met two variants, where assignment is a pure function: in none. None: not known.
        cluster: A number from 0 for the cluster that each lies in; None where the file declares none.
    """

    unit: pa.ChunkedArray
    variant: NDArray[np.object_]
    phase: NDArray[np.int64]
    first_at: NDArray[np.int64]
    moved_at: NDArray[np.int64]
    met: NDArray[np.int64] | None = None
    cluster: NDArray[np.int64] | None = None

    @classmethod
    def from_table(cls, table: Named, run: ReleaseRun, longest: int, drawn_as: str = "unit") -> "Units":
        """From the columns unit, variant, phase, first_at and met.

        Args:
            table: In order of exposure.
            run: Its phases, entry and salt say who moves when.
            drawn_as: The column of the names at the first exposure, by which units were drawn.
            longest: The longest window of any metric, microseconds: later moves cannot matter and are not computed.
        """
        unit, drawn, variant = table["unit"], table[drawn_as], _shared(table["variant"])
        phase, first_at, met = (table[name].to_numpy().astype(np.int64) for name in ("phase", "first_at", "met"))
        moved_at = np.full(len(first_at), NEVER, dtype=np.int64)
        for later in sorted(run.phases, key=lambda p: p.number):
            open_ = (phase < later.number) & (moved_at == NEVER) & (first_at + longest > later.started_at)
            where = np.flatnonzero(open_)
            if where.size:
                then = assign_many(_entry(run, later), drawn.take(pa.array(where)).to_pylist())
                moved_at[where[then != variant[where]]] = later.started_at
        if run.ended_at is not None:  # one arm goes to the other's version then: no open window is its arm's alone
            moved_at = np.minimum(moved_at, run.ended_at)
        return cls(unit, variant, phase, first_at, moved_at, met)

    @cached_property
    def _of(self) -> dict[str, NDArray[np.bool_]]:
        return {}

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """Those that any unit was assigned, sorted."""
        return tuple(sorted(set(self.variant)))

    def of(self, variant: str) -> NDArray[np.bool_]:
        """Which are a variant's [n]; asked for every metric, so it is kept."""
        if variant not in self._of:
            self._of[variant] = np.asarray(self.variant == variant, dtype=bool)
        return self._of[variant]

    @property
    def in_both_arms(self) -> int:
        """Times that a name met two variants within one phase: there must be none."""
        return 0 if self.met is None else int(self.met.sum())

    def strata(self, run: ReleaseRun, within: int) -> NDArray[np.int64]:
        """Groups [n] within which the chance of either arm, given that a unit is not censored, is constant.

        A phase alone is not enough: of the units whose window was open when weights changed, one arm keeps fewer, so
        adding them to the earlier ones would weight the two arms by different days. The group is the phase and how
        many later phases began inside the window.
        """
        crossed = np.zeros(len(self.first_at), dtype=np.int64)
        for later in run.phases:
            crossed += (self.phase < later.number) & (self.first_at + within > later.started_at)
        groups: NDArray[np.int64] = self.phase * STRATUM + crossed
        return groups


class RowCounts(NamedTuple):
    """Rows since the release began.

    Attributes:
        by_variant: Rows of evidence by the variant assigned.
        left_out: The others by reason, each decided before the assignment or without one.
    """

    by_variant: dict[str, int]
    left_out: dict[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_variant.values()) + sum(self.left_out.values())


def evidence(columns: Sequence[str], answer: str = "NULL", also: str = "") -> str:
    """SQL of rows of evidence, units in order of exposure, and rows with their unit's number, first exposure and arm.

    Args:
        columns: Those of ``rows``.
        answer: SQL of what was answered.
        also: SQL of further columns of ``evidence``, each after a comma.
    """
    return _EVIDENCE.format(named=_named(columns), answer=answer, also=also)


def parameters(run: ReleaseRun, now: int) -> dict[str, object]:
    """What ``evidence`` needs; nothing later than ``now`` (microseconds since 1970 UTC) is seen."""
    return {"release": run.id, "since": (run.started_at - SLACK) / 1e6, "now": now}


def count_rows(source: Source, run: ReleaseRun, now: int) -> RowCounts:
    """Counts the rows since the release began, by whether and why they are left out."""
    by_variant: dict[str, int] = {}
    left_out: dict[str, int] = {}
    for row in source.sql(_COUNTS, parameters(run, now)).to_pylist():
        counts, name = (left_out, row["why"]) if row["why"] else (by_variant, row["variant"])
        counts[name] = counts.get(name, 0) + row["n"]
    return RowCounts(by_variant, left_out)


def count_crossers(source: Source, run: ReleaseRun, now: int, columns: Sequence[str]) -> int | None:
    """People who were met in both arms because they went by several names; None where nobody is known to."""
    if NAMED not in columns:
        return None
    return int(source.sql(_CROSSED, parameters(run, now))["n"][0].as_py())


def _named(columns: Sequence[str]) -> str:
    return NAMED if NAMED in columns else "unit"


def _entry(run: ReleaseRun, phase: Phase) -> Entry:
    return Entry(name=run.entry, arms=phase.arms, salt=run.salt, release=run.id, phase=phase.number)


def _shared(words: pa.ChunkedArray) -> NDArray[np.object_]:
    """Strings [n] of which there are few: each is one object, however often it stands there."""
    coded = words.dictionary_encode().unify_dictionaries()
    if not len(coded):
        return np.empty(0, dtype=object)
    found = np.array(coded.chunk(0).dictionary.to_pylist(), dtype=object)
    shared: NDArray[np.object_] = found[np.concatenate([chunk.indices.to_numpy() for chunk in coded.chunks])]
    return shared
