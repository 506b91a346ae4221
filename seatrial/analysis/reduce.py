"""From files to moments: every metric of every arm in one pass, as (n, means, products of deviations)."""

import math
from typing import NamedTuple

import duckdb
import pyarrow as pa

from seatrial.analysis import sums
from seatrial.analysis.files import Files
from seatrial.analysis.metrics import Metric
from seatrial.analysis.refusing import refuse_infinite, refuse_no_share
from seatrial.analysis.relation import Relation, Row, unfolds
from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.multivariate import MultiMoments


class Arm(NamedTuple):
    """One metric of one variant.

    Attributes:
        moments: Column 0 the metric (of a ratio: 0 above, 1 below the line), then its covariates, holes filled, and a
            flag for each covariate that has holes.
        uncapped: Mean without the cap; None where there is none.
        waiting: Units whose window is still open.
        missing: Units without a value.
        halves: Totals by unit, x in the first third of the window and y after it; None without a window.
        before: Totals over as long a time before the exposure; None likewise.
    """

    moments: MultiMoments
    uncapped: float | None
    waiting: int
    missing: int
    halves: PairMoments | None = None
    before: Moments | None = None


class Counts(NamedTuple):
    """Rows in equal intervals from ``first``, ``step`` long, microseconds (since 1970 UTC).

    Attributes:
        exposures: All rows.
        units: First exposures by phase ("" without phases) and variant.
        outcomes: By name.
    """

    first: int
    step: int
    exposures: list[int]
    units: dict[str, dict[str, list[int]]]
    outcomes: dict[str, list[int]]


_INTERVALS = (60, 600, 3600, 4 * 3600, 12 * 3600, 86_400, 7 * 86_400)
"""Seconds that an interval may last."""

MOST_INTERVALS = 500

Arms = dict[str, Arm]
"""By variant."""

Phased = dict[str, dict[str, Arms]]
"""By phase of constant weights ("" without phases), then by metric."""


class Reduction:
    """What is read from the relation ``judged``.

    Args:
        files: Open.
        relation: Made from them.
    """

    def __init__(self, files: Files, relation: Relation) -> None:
        self._files = files
        self._relation = relation
        self.metrics, self.timed, self.crowd = relation.metrics, relation.timed, relation.crowd

    def arms(self, by: str | None = None, of: str = "judged") -> dict[str, Phased]:
        """Every metric's arms, by the value of the SQL expression ``by`` ("" without one), phase and metric.

        ``of`` is the relation that they are read from.
        """
        group = "''" if by is None else f"coalesce(CAST({by} AS VARCHAR), 'none')"
        quick = not self._files.with_outcomes  # there the units cost more than their moments, and twice is too often
        rows = self._moments(group, of, quick=quick)
        if quick and any(self._is_far(row) for row in rows):
            quick, rows = False, self._moments(group, of, quick=False)
        found: dict[str, Phased] = {}
        for row in rows:
            phases = found.setdefault(row["g"], {})
            metrics = phases.setdefault(row["phase"], {metric.name: {} for metric in self.metrics})
            for index, metric in enumerate(self.metrics):
                metrics[metric.name][row["variant"]] = self._arm(index, row, quick=quick)
        return found

    @property
    def all_units(self) -> str:
        """The relation with a row a unit, also where clusters are counted."""
        return self._relation.all_units

    def segments(self, column: str) -> dict[str, Phased]:
        """The same by the values of a column that was kept."""
        return self.arms(by=quoted("kept " + column), of=self._relation.by_segment(column))

    def _moments(self, group: str, of: str, *, quick: bool) -> list[Row]:
        select = ", ".join(part for i in range(len(self.metrics)) for part in self._select(i, quick=quick))
        return self._read(
            f"SELECT {group} AS g, {self._relation.phase} AS phase, variant, {select} FROM {of} "
            "GROUP BY ALL ORDER BY ALL"
        )

    def units(self) -> dict[str, dict[str, int]]:
        """Units, or clusters, by phase and variant, before any exclusion."""
        if not self._relation.phased:  # they are counted already, and the file may be long
            return {"": dict(self.crowd.units)}
        rows = self.query(
            f"SELECT {self._relation.phase} AS phase, variant, count(*) AS n FROM judged GROUP BY ALL ORDER BY ALL"
        )
        found: dict[str, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row["phase"], {})[row["variant"]] = int(row["n"])
        return found

    def _is_far(self, row: Row) -> bool:
        return any(sums.is_far(str(i), row, row[f"n{i}"], self.width(metric)) for i, metric in enumerate(self.metrics))

    def covariates(self, metric: Metric) -> list[str]:
        """Whose a metric's columns after its own are: a covariate with holes stands twice, for its flag."""
        return self._relation.covariates(metric)

    def counts(self) -> "Counts | None":
        """Rows in equal intervals; None without times."""
        moments = [(table, m) for table in ("exposures", "outcomes") if (m := self._moment(table)) is not None]
        if not self.timed:
            return None
        ends = " UNION ALL ".join(f"SELECT epoch_us({m}) AS t FROM {table}" for table, m in moments)
        (row,) = self.query(f"SELECT min(t) AS first, max(t) AS last FROM ({ends})")
        first, last = int(row["first"]), int(row["last"])
        step = 1_000_000 * next((s for s in _INTERVALS if (last - first) / 1e6 / s <= MOST_INTERVALS), _INTERVALS[-1])
        n = (last - first) // step + 1
        found: dict[str, dict[str, list[int]]] = {}
        at = [f"epoch_us({moment})" for _, moment in moments]
        asked = {"exposures": ("''", at[0], "exposures")}
        if len(moments) > 1:
            asked["outcomes"] = ("CAST(outcome AS VARCHAR)", at[1], "outcomes")
        for what, (name, moment, table) in asked.items():
            rows = self.query(
                f"SELECT {name} AS name, ({moment} - {first}) // {step} AS b, count(*) AS n FROM {table} "
                "GROUP BY ALL ORDER BY ALL"
            )
            for one in rows:
                found.setdefault(what, {}).setdefault(one["name"], [0] * n)[int(one["b"])] = int(one["n"])
        units: dict[str, dict[str, list[int]]] = {}
        for one in self.query(
            f"SELECT {self._relation.phase} AS phase, variant, (first_at - {first}) // {step} AS b, count(*) AS n "
            "FROM judged GROUP BY ALL ORDER BY ALL"
        ):
            units.setdefault(one["phase"], {}).setdefault(one["variant"], [0] * n)[int(one["b"])] = int(one["n"])
        return Counts(first, step, found["exposures"][""], units, found.get("outcomes", {}))

    def _moment(self, table: str) -> str | None:
        return self._files.moment(table) if table == "exposures" or self._files.with_outcomes else None

    def table(self, variant: str, most: int) -> pa.Table:
        """Units of a variant, ``most`` of them by the hash of their names: ``unit``, and for metric i ``k<i>`` and its
        columns ``m<i>_<j>``."""
        picked = [
            f"{column} AS m{index}_{j}"
            for index, _ in enumerate(self.metrics)
            for j, column in enumerate(self._relation.columns(index))
        ]
        counted = [f"k{index}" for index, _ in enumerate(self.metrics)]
        return self._files.query(
            f"SELECT unit, {', '.join([*counted, *picked])} FROM judged WHERE variant = {literal(variant)} "
            f"ORDER BY hash(unit), unit LIMIT {most}"
        )

    def column(self, metric: Metric) -> pa.Table:
        """Every counted unit's value of a metric in order of exposure: ``variant``, ``x``, ``phase``."""
        index = self.metrics.index(metric)
        order = "first_at, unit" if self.timed else "hash(unit), unit"
        value = f"CAST({self._relation.columns(index)[0]} AS DOUBLE)"
        phase = self._relation.phase
        return self._files.query(
            f"SELECT variant, {value} AS x, {phase} AS phase FROM judged WHERE k{index} ORDER BY {order}"
        )

    def width(self, metric: Metric) -> int:
        """How many columns a metric's moments have."""
        return len(metric.totals) + len(self.covariates(metric))

    def query(self, sql: str) -> list[Row]:
        """Rows of a query over ``judged``."""
        return self._relation.query(sql)

    def _read(self, sql: str) -> list[Row]:
        rows: list[Row] = []
        try:
            rows = self.query(sql)
            beyond = False
        except duckdb.OutOfRangeException:
            beyond = True
        if beyond or any(isinstance(v, float) and not math.isfinite(v) for row in rows for v in row.values()):
            refuse_infinite(self._files, self.metrics)
            raise BadInput("the totals of a unit are beyond what numbers can hold; cap or scale the metric")
        return rows

    def _columns(self, index: int) -> list[str]:
        """Totals of units that do not count are null, and aggregates leave nulls out; of covariates that must be
        said."""
        own = len(self.metrics[index].totals)
        return [
            c if i < own else f"CASE WHEN k{index} THEN {c} END" for i, c in enumerate(self._relation.columns(index))
        ]

    def _select(self, index: int, *, quick: bool) -> list[str]:
        metric = self.metrics[index]
        parts = [f"count(x{index}) AS n{index}", *sums.select(str(index), self._columns(index), quick=quick)]
        waiting = "0" if metric.within is None else f"count(CASE WHEN w{index} THEN 1 END)"
        parts.append(f"{waiting} AS w{index}")
        parts.append(f"count(*) AS a{index}")
        if metric.cap is not None or metric.range is not None:
            parts.append(f"favg(x{index}) AS u{index}")
        if self._files.with_outcomes and unfolds(metric):
            parts += [f"favg({n}{index}) AS m{n}{index}" for n in "elp"]
            parts += [f"var_samp({n}{index}) AS v{n}{index}" for n in "elp"]
            parts.append(f"covar_samp(e{index}, l{index}) AS vel{index}")
        return parts

    def _arm(self, index: int, row: Row, *, quick: bool) -> Arm:
        def number(key: str) -> float:
            value = row[key]
            return float(value) if isinstance(value, int | float) else 0.0

        n = int(number(f"n{index}"))
        means, covariances = sums.read(str(index), row, n, self.width(self.metrics[index]), quick=quick)
        waiting = int(number(f"w{index}"))
        refuse_no_share(self._files, self.metrics[index], n, means[0], covariances[0, 0])
        halves, before = None, None
        if f"me{index}" in row:
            early, late, first = (number(f"m{name}{index}") for name in "elp")
            spread = (number(f"v{name}{index}") for name in ("e", "l", "el"))
            halves = PairMoments.from_variances(n, early, late, *spread)
            before = Moments.from_variance(n, first, number(f"vp{index}"))
        return Arm(
            MultiMoments.from_covariances(n, means, covariances),
            number(f"u{index}") if f"u{index}" in row else None,
            waiting,
            int(number(f"a{index}")) - n - waiting,
            halves,
            before,
        )
