"""From files to moments: every metric of every arm in one pass, as (n, means, products of deviations).

A relation ``judged`` has a row a unit: its variant, its first exposure, and for metric i the totals ``x<i>`` (and
``y<i>``), whether it is counted ``k<i>``, whether its window is still open ``w<i>``, and covariates ``c<i>_<j>``.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from seatrial.analysis.clusters import clustered, gather_clusters
from seatrial.analysis.crowd import Crowd
from seatrial.analysis.files import Files
from seatrial.analysis.metrics import Metric, Total
from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.multivariate import MultiMoments

SKEW = 300_000_000
"""Five minutes, in microseconds: how far an outcome may lie before the exposure that it follows."""


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
        units: First exposures by variant.
        outcomes: By name.
    """

    first: int
    step: int
    exposures: list[int]
    units: dict[str, list[int]]
    outcomes: dict[str, list[int]]


_INTERVALS = (60, 600, 3600, 4 * 3600, 12 * 3600, 86_400, 7 * 86_400)
"""Seconds that an interval may last."""

MOST_INTERVALS = 500

Row = dict[str, Any]

Arms = dict[str, Arm]
"""By variant."""


def unfolds(metric: Metric) -> bool:
    """Whether a metric's window can be told early from late: sums and counts of one outcome, each where it happened."""
    return metric.within is not None and metric.kind in ("mean", "proportion") and not metric.label


class Reduction:
    """The relation ``judged`` and what is read from it.

    Args:
        files: Open.
        metrics: What is measured.
        kept: Columns of the exposures that are kept beside (segments).
        several: Whether it will be read several times: then it is computed once and kept.
        cluster: A column of the exposures above the unit: ``judged`` then has a row a cluster, and metrics are ratios.

    Raises:
        BadInput: A column is missing or holds no numbers; a value is not finite; a unit stands twice in a file of
            units.
    """

    def __init__(
        self,
        files: Files,
        metrics: Sequence[Metric],
        kept: Sequence[str] = (),
        *,
        several: bool = False,
        cluster: str = "",
    ) -> None:
        self._files = files
        self._metrics = tuple(metrics)
        self._covariates = tuple(dict.fromkeys(name for m in metrics for name in m.covariates))
        self._kept = tuple(dict.fromkeys((*kept, cluster) if cluster else kept))
        self.timed = files.moment("exposures") is not None
        self._filled = {name: self._fill(name) for name in self._covariates}
        self.crowd = self._judged("TABLE" if several or cluster else "VIEW")
        if cluster:
            self.crowd = gather_clusters(files, self._metrics, cluster, kept, self.crowd)
            self._metrics = clustered(self._metrics)

    def arms(self, by: str | None = None) -> dict[str, dict[str, Arms]]:
        """Every metric's arms, by the value of the SQL expression ``by`` ("" without one), then by metric."""
        group = "''" if by is None else f"coalesce(CAST({by} AS VARCHAR), 'none')"
        select = ", ".join(part for index, _ in enumerate(self._metrics) for part in self._select(index))
        rows = self._read(f"SELECT {group} AS g, variant, {select} FROM judged GROUP BY ALL ORDER BY ALL")
        found: dict[str, dict[str, Arms]] = {}
        for row in rows:
            metrics = found.setdefault(row["g"], {metric.name: {} for metric in self._metrics})
            for index, metric in enumerate(self._metrics):
                metrics[metric.name][row["variant"]] = self._arm(index, row)
        return found

    def covariates(self, metric: Metric) -> list[str]:
        """Whose a metric's columns after its own are: a covariate with holes stands twice, for its flag."""
        return [name for name in metric.covariates for _ in range(2 if self._filled[name][1] else 1)]

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
        asked = {"exposures": ("''", at[0], "exposures"), "units": ("variant", "first_at", "judged")}
        if len(moments) > 1:
            asked["outcomes"] = ("CAST(outcome AS VARCHAR)", at[1], "outcomes")
        for what, (name, moment, table) in asked.items():
            rows = self.query(
                f"SELECT {name} AS name, ({moment} - {first}) // {step} AS b, count(*) AS n FROM {table} "
                "GROUP BY ALL ORDER BY ALL"
            )
            for one in rows:
                found.setdefault(what, {}).setdefault(one["name"], [0] * n)[int(one["b"])] = int(one["n"])
        return Counts(first, step, found["exposures"][""], found["units"], found.get("outcomes", {}))

    def _moment(self, table: str) -> str | None:
        return self._files.moment(table) if table == "exposures" or self._files.with_outcomes else None

    def table(self, variant: str, most: int) -> pa.Table:
        """Units of a variant, ``most`` of them by the hash of their names: ``unit``, and for metric i ``k<i>`` and its
        columns ``m<i>_<j>``."""
        picked = [
            f"{column} AS m{index}_{j}"
            for index, _ in enumerate(self._metrics)
            for j, column in enumerate(self._columns(index))
        ]
        counted = [f"k{index}" for index, _ in enumerate(self._metrics)]
        return self._files.query(
            f"SELECT unit, {', '.join([*counted, *picked])} FROM judged WHERE variant = {literal(variant)} "
            f"ORDER BY hash(unit), unit LIMIT {most}"
        )

    def column(self, metric: Metric) -> pa.Table:
        """Every counted unit's value of a metric in order of exposure: ``variant``, ``x``."""
        index = self._metrics.index(metric)
        order = "first_at, unit" if self.timed else "hash(unit), unit"
        value = f"CAST({self._columns(index)[0]} AS DOUBLE)"
        return self._files.query(f"SELECT variant, {value} AS x FROM judged WHERE k{index} ORDER BY {order}")

    def width(self, metric: Metric) -> int:
        """How many columns a metric's moments have."""
        return len(metric.totals) + len(self.covariates(metric))

    def query(self, sql: str) -> list[Row]:
        """Rows of a query over ``judged``."""
        rows: list[Row] = self._files.query(sql).to_pylist()
        return rows

    def _read(self, sql: str) -> list[Row]:
        rows: list[Row] = []
        try:
            rows = self._files.query(sql).to_pylist()
            beyond = False
        except duckdb.OutOfRangeException:
            beyond = True
        if beyond or any(isinstance(v, float) and not math.isfinite(v) for row in rows for v in row.values()):
            self._refuse_infinite()
            raise BadInput("the totals of a unit are beyond what numbers can hold; cap or scale the metric")
        return rows

    # ---- one row a unit

    def _judged(self, how: str) -> Crowd:
        return self._with_outcomes(how) if self._files.with_outcomes else self._of_units(how)

    def _of_units(self, how: str) -> Crowd:
        files, columns = self._files, self._files.columns
        parts = [
            f"CAST({quoted(columns.unit)} AS VARCHAR) AS unit",
            f"{files.text('exposures', columns.variant)} AS variant",
        ]
        moment = files.moment("exposures")
        parts += [f"{'NULL::BIGINT' if moment is None else f'epoch_us({moment})'} AS first_at"]
        for index, metric in enumerate(self._metrics):
            if metric.within is not None:
                raise BadInput(f"{metric.name!r} has a window, but a file of units holds totals; remove `within`")
            values = [files.number("exposures", total.column) for total in metric.totals]
            kept = " AND ".join(f"{value} IS NOT NULL" for value in values)
            if len(values) > 1:
                values = [f"CASE WHEN {kept} THEN {value} END" for value in values]
            parts += [f"{value} AS {name}{index}" for value, name in zip(values, "xy", strict=False)]
            parts += [f"({kept}) AS k{index}", f"false AS w{index}"]
        parts += self._beside("")
        files.run(f"CREATE TEMP {how} judged AS SELECT {', '.join(parts)} FROM exposures")
        unit, variant = quoted(columns.unit), quoted(columns.variant)
        self._refuse_nameless()
        (row,) = self.query(f"SELECT count(*) AS n, count(DISTINCT {unit}) AS units FROM exposures")
        if row["units"] < row["n"]:
            twice = files.query(
                f"SELECT CAST({unit} AS VARCHAR) AS u, count(*) AS n FROM exposures GROUP BY {unit} "
                "HAVING count(*) > 1 ORDER BY n DESC, u LIMIT 1"
            ).to_pylist()[0]
            raise BadInput(
                f"the unit {twice['u']!r} stands in {twice['n']} rows of {files.names['exposures']}, which has one a "
                "unit; leave doubles out, or give outcomes in a file of their own"
            )
        counted = files.query(
            f"SELECT CAST({variant} AS VARCHAR) AS v, count(*) AS n FROM exposures GROUP BY 1 ORDER BY 1"
        )
        until = files.query(f"SELECT CAST(max({moment}) AS VARCHAR) AS t FROM exposures") if moment else None
        units = {r["v"]: r["n"] for r in counted.to_pylist()}
        return Crowd(units, 0, "", None if until is None else until["t"][0].as_py())

    def _with_outcomes(self, how: str) -> Crowd:
        files, columns = self._files, self._files.columns
        self._refuse_nameless()
        moment, happened = files.moment("exposures"), files.moment("outcomes")
        self._check_windows(moment, happened)
        names = [t.outcome for m in self._metrics if not m.declared for t in m.totals if t.outcome is not None]
        if names:
            files.known_outcomes(names)
        variant = files.text("exposures", columns.variant)
        first = "any_value({0})" if moment is None else f"arg_min({{0}}, {moment})"
        beside = [first.format(quoted(n)) + f" AS {quoted(n)}" for n in (*self._covariates, *self._kept)]
        started = "NULL::BIGINT" if moment is None else f"epoch_us(min({moment}))"
        listed = ", ".join([f"{files.key('exposures')} AS unit", f"{first.format(variant)} AS variant"])
        files.run(
            f"CREATE TEMP TABLE exposed AS SELECT {listed}, {started} AS first_at, "
            f"min({variant}) <> max({variant}) AS crossed{''.join(f', {b}' for b in beside)} FROM exposures GROUP BY 1"
        )
        until, last = self._until(moment, happened)
        files.run(f"CREATE TEMP VIEW totals AS {self._totals(happened if moment else None)}")
        parts = ["CAST(e.unit AS VARCHAR) AS unit", "e.variant", "e.first_at"]
        for index, metric in enumerate(self._metrics):
            parts += self._unit_of_outcomes(index, metric, last)
        parts += self._beside("e.")
        joined = "exposed e LEFT JOIN totals t ON t.unit = e.unit"
        files.run(f"CREATE TEMP {how} judged AS SELECT {', '.join(parts)} FROM {joined}")
        rows = files.query(
            "SELECT variant AS v, count(*) AS n, sum(crossed::INT) AS b, "
            "CAST(min(CASE WHEN crossed THEN unit END) AS VARCHAR) AS one "
            "FROM exposed GROUP BY 1 ORDER BY 1"
        ).to_pylist()
        one = min((r["one"] for r in rows if r["one"] is not None), default="")
        return Crowd({r["v"]: r["n"] for r in rows}, int(sum(r["b"] for r in rows)), one, until)

    def _check_windows(self, moment: str | None, happened: str | None) -> None:
        for metric in self._metrics:
            if metric.within is not None and (moment is None or happened is None):
                which = self._files.names["exposures" if moment is None else "outcomes"]
                raise BadInput(
                    f"{metric.name!r} has a window, but {which} has no column {self._files.columns.at!r}; "
                    "add the times, or remove `within`"
                )
            if metric.kind == "quantile" and happened is None:
                raise BadInput(
                    f"{metric.name!r} is of each unit's first outcome, but {self._files.names['outcomes']} has no "
                    f"column {self._files.columns.at!r}; add the times"
                )

    def _until(self, moment: str | None, happened: str | None) -> tuple[str | None, int | None]:
        """The last moment in the files, as text and in microseconds."""
        tables = ((moment, "exposures"), (happened, "outcomes"))
        ends = [f"SELECT max({m}) AS t FROM {table}" for m, table in tables if m is not None]
        if not ends:
            return None, None
        (row,) = self.query(
            f"SELECT CAST(max(t) AS VARCHAR) AS t, epoch_us(max(t)) AS us FROM ({' UNION ALL '.join(ends)})"
        )
        return row["t"], row["us"]

    def _totals(self, happened: str | None) -> str:
        """A query for every metric's totals by unit."""
        files = self._files
        parts = ["o.unit"]
        for index, metric in enumerate(self._metrics):
            for name, total in zip("xy", metric.totals, strict=False):
                value, where = self._value(total, metric), [f"o.outcome = {literal(total.outcome or '')}"]
                if happened is not None:
                    where.append(f"o.lag >= -{SKEW}")
                if metric.within is not None:
                    where.append(f"o.lag <= {round(metric.within * 1e6)}")
                parts.append(f"{value.format(' AND '.join(where))} AS {name}{index}")
            parts += self._around(index, metric)
        fields = {t.column for m in self._metrics for t in m.totals if t.column}
        picked = [f"{files.key('outcomes')} AS unit", "CAST(outcome AS VARCHAR) AS outcome"]
        picked += [f"{'NULL::BIGINT' if happened is None else f'epoch_us({happened})'} AS t"]
        picked += [f"{files.number('outcomes', field)} AS {quoted('field ' + field)}" for field in sorted(fields)]
        picked.append(f"{self._own_value()} AS own")
        wanted = ", ".join(sorted({literal(t.outcome or "") for m in self._metrics for t in m.totals}))
        source = f"SELECT {', '.join(picked)} FROM outcomes WHERE outcome IN ({wanted})"
        joined = f"SELECT s.*, s.t - e.first_at AS lag FROM ({source}) s JOIN exposed e ON e.unit = s.unit"
        return f"SELECT {', '.join(parts)} FROM ({joined}) o GROUP BY o.unit"

    def _around(self, index: int, metric: Metric) -> list[str]:
        """Totals of the first third of the window, of the rest, and of as long before the exposure."""
        if not unfolds(metric):
            return []
        value = f"o.{quoted('field ' + metric.above.column)}" if metric.above.column else "o.own"
        value = "1" if metric.kind == "proportion" else value
        whole = round((metric.within or 0.0) * 1e6)
        third, mine = whole // 3, f"o.outcome = {literal(metric.above.outcome or '')}"
        early = f"o.lag BETWEEN -{SKEW} AND {third}"
        late = f"o.lag > {third} AND o.lag <= {whole}"
        before = f"o.lag BETWEEN -{whole} AND -{SKEW}"
        return [
            f"sum(CASE WHEN {mine} AND {when} THEN {value} END) AS {name}{index}"
            for name, when in (("e", early), ("l", late), ("p", before))
        ]

    def _own_value(self) -> str:
        """An outcome's own value; one without any simply happened: 1."""
        return (
            f"coalesce({self._files.number('outcomes', 'value')}, 1)" if self._files.has("outcomes", "value") else "1.0"
        )

    def _value(self, total: Total, metric: Metric) -> str:
        """SQL of a unit's total of the rows that meet a condition, which stands for ``{}``.

        Conditions stand inside: DuckDB slices every column once for each FILTER, which many metrics make costly.
        """
        value = f"o.{quoted('field ' + total.column)}" if total.column else "o.own"
        if metric.kind == "proportion":
            return f"max(CASE WHEN {{}} THEN ({value} <> 0)::INT END)"
        if metric.kind == "quantile":
            return f"any_value(CASE WHEN {{}} THEN {value} END ORDER BY o.lag, {value})"
        return f"{'avg' if metric.label and metric.kind == 'mean' else 'sum'}(CASE WHEN {{}} THEN {value} END)"

    def _unit_of_outcomes(self, index: int, metric: Metric, last: int | None) -> list[str]:
        waiting = "false"
        if metric.within is not None:
            waiting = f"(e.first_at + {round(metric.within * 1e6)} > {last or 0})"
        names = "xy"[: len(metric.totals)]
        kept = f"t.x{index} IS NOT NULL AND NOT {waiting}" if metric.label else f"NOT {waiting}"
        names += "elp" if unfolds(metric) else ""
        total = f"CASE WHEN {kept} THEN CAST(coalesce(t.{{0}}, 0) AS DOUBLE) END AS {{0}}"
        values = [total.format(f"{name}{index}") for name in names]
        return [*values, f"({kept}) AS k{index}", f"{waiting} AS w{index}"]

    # ---- what stands beside

    def _fill(self, covariate: str) -> tuple[float, bool]:
        """What holes of a covariate are filled with, and whether there are any."""
        value = self._files.number("exposures", covariate)
        row = self._files.query(
            f"SELECT avg({value}) AS mean, count(*) > count({value}) AS holes FROM exposures"
        ).to_pylist()[0]
        mean = row["mean"]
        if mean is not None and not math.isfinite(mean):
            self._refuse(("exposures", covariate))
        return (mean or 0.0, bool(row["holes"]))

    def _beside(self, prefix: str) -> list[str]:
        parts = []
        for name in self._covariates:
            fill, holes = self._filled[name]
            value = f"CAST({prefix}{quoted(name)} AS DOUBLE)"
            parts.append(f"coalesce({value}, {fill!r}) AS {quoted('covariate ' + name)}")
            if holes:
                parts.append(f"({value} IS NULL)::INT::DOUBLE AS {quoted('hole ' + name)}")
        parts += [f"{prefix}{quoted(name)} AS {quoted('kept ' + name)}" for name in self._kept]
        return parts

    def _columns(self, index: int) -> list[str]:
        """SQL of a metric's columns: itself, then covariates and their flags."""
        metric = self._metrics[index]
        own = [f"{name}{index}" for name in "xy"[: len(metric.totals)]]
        if metric.cap is not None:
            own[0] = f"CASE WHEN {own[0]} > {metric.cap!r} THEN {metric.cap!r} ELSE {own[0]} END"
        if metric.range is not None:
            low, high = metric.range
            own[0] = (
                f"CASE WHEN {own[0]} < {low!r} THEN {low!r} WHEN {own[0]} > {high!r} THEN {high!r} ELSE {own[0]} END"
            )
        for name in metric.covariates:
            own.append(quoted("covariate " + name))
            if self._filled[name][1]:
                own.append(quoted("hole " + name))
        return own

    def _select(self, index: int) -> list[str]:
        metric, columns = self._metrics[index], self._columns(index)
        # Totals of units that do not count are null, and aggregates leave nulls out; of covariates that must be said.
        own = len(metric.totals)
        columns = [c if i < own else f"CASE WHEN k{index} THEN {c} END" for i, c in enumerate(columns)]
        parts = [f"count(x{index}) AS n{index}"]
        parts += [f"favg({c}) AS m{index}_{i}" for i, c in enumerate(columns)]
        for i, a in enumerate(columns):
            parts.append(f"var_samp({a}) AS v{index}_{i}_{i}")
            parts += [f"covar_samp({a}, {b}) AS v{index}_{i}_{j}" for j, b in enumerate(columns[:i])]
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

    def _arm(self, index: int, row: Row) -> Arm:
        def number(key: str) -> float:
            value = row[key]
            return float(value) if isinstance(value, int | float) else 0.0

        k, n = len(self._columns(index)), int(number(f"n{index}"))
        covariances = np.zeros((k, k))
        for i in range(k):
            for j in range(i + 1):
                covariances[i, j] = covariances[j, i] = number(f"v{index}_{i}_{j}")
        means = [number(f"m{index}_{i}") for i in range(k)]
        waiting = int(number(f"w{index}"))
        self._check_share(index, n, means[0], covariances[0, 0])
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

    # ---- refusals

    def _check_share(self, index: int, n: int, mean: float, variance: float) -> None:
        """Raises BadInput where a share's column holds anything but 0 and 1, which its two moments show."""
        metric = self._metrics[index]
        if metric.kind != "proportion" or self._files.with_outcomes:
            return
        if abs(variance * (n - 1) - n * mean * (1 - mean)) <= 1e-6 * n and 0 <= mean <= 1:
            return
        value = self._files.number("exposures", metric.above.column)
        found = self._files.first_row("exposures", f"{value} NOT IN (0, 1)", value)
        if found is not None:
            raise BadInput(
                f"row {found[0]} of {self._files.names['exposures']} has the {metric.above.column} {found[1]}, and a "
                "proportion takes 0 and 1; use a mean"
            )

    def _refuse_nameless(self) -> None:
        columns = self._files.columns
        unit, variant = quoted(columns.unit), quoted(columns.variant)
        row = self._files.query(f"SELECT count(*) AS n, count({unit}) AS u, count({variant}) AS v FROM exposures")
        n, units, variants = (row[name][0].as_py() for name in ("n", "u", "v"))
        for count, column in ((units, columns.unit), (variants, columns.variant)):
            if count < n:
                found = self._files.first_row("exposures", f"{quoted(column)} IS NULL", "''")
                raise BadInput(
                    f"row {found[0] if found else '?'} of {self._files.names['exposures']} has no {column}; "
                    "leave it out or fill it in"
                )

    def _refuse_infinite(self) -> None:
        """Raises BadInput with the first value that is not finite."""
        for metric in self._metrics:
            for total in metric.totals:
                table = "exposures" if total.outcome is None else "outcomes"
                column = total.column or ("value" if self._files.has(table, "value") else "")
                if column:
                    self._refuse((table, column), total.outcome)

    def _refuse(self, where: tuple[str, str], outcome: str | None = None) -> None:
        table, column = where
        value = self._files.number(table, column)
        condition = f"NOT isfinite({value})" + (f" AND outcome = {literal(outcome)}" if outcome else "")
        found = self._files.first_row(table, condition, value)
        if found is not None:
            raise BadInput(
                f"row {found[0]} of {self._files.names[table]} has the {column} {found[1]}; correct it, or leave it "
                "empty where nothing is known"
            )
