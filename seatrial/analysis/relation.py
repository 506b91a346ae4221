"""One row a unit: the relation ``judged`` that every moment is read from.

It has the unit, its variant, its first exposure, and for metric i the totals ``x<i>`` (and ``y<i>``), whether it is
counted ``k<i>``, whether its window is still open ``w<i>``, and covariates by name.
"""

import math
from collections.abc import Sequence
from typing import Any

from seatrial.analysis.caps import with_caps
from seatrial.analysis.clusters import clustered, clusters_by_segment, gather_clusters
from seatrial.analysis.counting import count_units
from seatrial.analysis.crowd import Crowd
from seatrial.analysis.ends import Ends, find_ends
from seatrial.analysis.files import Files
from seatrial.analysis.joining import SKEW, join_counts
from seatrial.analysis.keys import keys
from seatrial.analysis.metrics import Metric, Total
from seatrial.analysis.refusing import refuse_empty, refuse_nameless, refuse_timeless, refuse_value
from seatrial.analysis.repeats import find_repeats
from seatrial.analysis.surveying import Survey
from seatrial.analysis.zones import refuse_mixed_zones
from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput

Row = dict[str, Any]


def unfolds(metric: Metric) -> bool:
    """Whether a metric's window can be told early from late: sums and counts of one outcome, each where it happened."""
    whole = metric.kind in ("mean", "proportion") and not metric.divided
    return metric.within is not None and whole and not metric.label


class Relation:
    """The relation ``judged``, made.

    Args:
        files: Open.
        metrics: What is measured.
        kept: Columns of the exposures that are kept beside (segments).
        several: Whether it will be read several times: then it is computed once and kept.
        once: Whether it is looked at once, so that a cap of the data is of all units.
        cluster: A column of the exposures above the unit: ``judged`` then has a row a cluster, and ``metrics`` are
            ratios.
        phase: A column of the exposures that says which weights held at a unit's first.
        as_of: Until when both files are complete, microseconds since 1970 UTC.

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
        phase: str = "",
        as_of: int | None = None,
        once: bool = True,
    ) -> None:
        self._files = files
        self.metrics = tuple(metrics)
        self._covariates = tuple(dict.fromkeys(name for m in metrics for name in m.covariates))
        self._kept = tuple(dict.fromkeys(name for name in (*kept, cluster, phase) if name))
        self._phase, self._as_of = phase, as_of
        self.phase = f"CAST({quoted('kept ' + phase)} AS VARCHAR)" if phase else "''"
        self.timed = files.moment("exposures") is not None
        for name in self._covariates:
            if name == files.columns.variant:
                raise BadInput(f"the covariate {name!r} is the variant itself; name a column that was known before it")
            files.number("exposures", name)
        self.filled: dict[str, tuple[float, bool]] = {}
        if phase:
            refuse_empty(files, phase)
        refuse_timeless(files)
        refuse_mixed_zones(files)
        capped = any(metric.cap_at is not None for metric in self.metrics)
        self.crowd = self._judged("TABLE" if several or cluster or capped else "VIEW")
        self.metrics = with_caps(files, self.metrics, once=once, timed=self.timed)
        self._cluster, self._of_units_metrics = cluster, self.metrics
        if cluster:
            self.crowd = gather_clusters(files, self.metrics, cluster, kept, self.crowd, phase, timed=self.timed)
            self.metrics = clustered(self.metrics)

    def covariates(self, metric: Metric) -> list[str]:
        """Whose a metric's columns after its own are: a covariate with holes stands twice, for its flag."""
        return [name for name in metric.covariates for _ in range(2 if self.filled[name][1] else 1)]

    @property
    def all_units(self) -> str:
        """The relation with a row a unit, also where clusters are counted."""
        return "judged_units" if self._cluster else "judged"

    def by_segment(self, column: str) -> str:
        """The relation to read segments of a kept column from: of clusters, a row for each segment that one has."""
        if not self._cluster:
            return "judged"
        return clusters_by_segment(self._files, self._of_units_metrics, self._cluster, column, self._phase)

    @property
    def phased(self) -> bool:
        """Whether a column names phases."""
        return bool(self._phase)

    def query(self, sql: str) -> list[Row]:
        """Rows of a query over ``judged``."""
        rows: list[Row] = self._files.query(sql).to_pylist()
        return rows

    def _judged(self, how: str) -> Crowd:
        return self._with_outcomes(how) if self._files.with_outcomes else self._of_units(how)

    def _of_units(self, how: str) -> Crowd:
        files, columns = self._files, self._files.columns
        if self._as_of is not None:
            raise BadInput(f"{files.names['exposures']} holds totals by unit, of no window; leave --as-of out")
        parts = [
            f"CAST({quoted(columns.unit)} AS VARCHAR) AS unit",
            f"{files.text('exposures', columns.variant)} AS variant",
        ]
        moment = files.moment("exposures")
        parts += [f"{'NULL::BIGINT' if moment is None else f'epoch_us({moment})'} AS first_at"]
        for index, metric in enumerate(self.metrics):
            if metric.within is not None:
                raise BadInput(f"{metric.name!r} has a window, but a file of units holds totals; remove `within`")
            values = [files.number("exposures", total.column) for total in metric.totals]
            kept = " AND ".join(f"{value} IS NOT NULL" for value in values)
            if len(values) > 1:
                values = [f"CASE WHEN {kept} THEN {value} END" for value in values]
            parts += [f"{value} AS {name}{index}" for value, name in zip(values, "xy", strict=False)]
            parts += [f"({kept}) AS k{index}", f"false AS w{index}"]
        self._fill_from("exposures")
        parts += self._beside("")
        files.run(f"CREATE TEMP {how} judged AS SELECT {', '.join(parts)} FROM exposures")
        units = count_units(files)
        until = files.query(f"SELECT CAST(max({moment}) AS VARCHAR) AS t FROM exposures") if moment else None
        return Crowd(units, 0, "", None if until is None else until["t"][0].as_py())

    def _with_outcomes(self, how: str) -> Crowd:
        files, columns = self._files, self._files.columns
        refuse_nameless(files)
        moment, happened = files.moment("exposures"), files.moment("outcomes")
        self._check_windows(moment, happened)
        self._survey = Survey(files, self.metrics)
        self._keys = keys(files)
        variant = files.text("exposures", columns.variant)
        started = "NULL::BIGINT" if moment is None else f"epoch_us(min({moment}))"
        listed = "(SELECT *, row_number() OVER () AS seatrial_row FROM exposures)" if moment is None else "exposures"
        files.run(
            f"CREATE TEMP TABLE exposed AS SELECT * EXCLUDE (first_row), unnest(first_row) FROM ("
            f"SELECT {self._keys['exposures']} AS unit, {self._first_row(variant, moment)} AS first_row, "
            f"{started} AS first_at, {self._crossed(variant)} AS crossed FROM {listed} GROUP BY 1)"
        )
        self._fill_from("exposed")
        theirs = self._keys["outcomes"]
        found = join_counts(files, theirs, self._measured(), happened if moment else None)
        repeats = find_repeats(files, theirs, self._measured(), self._summed(), timed=happened is not None)
        self._source = repeats.source
        ends = self._ends(moment, happened)
        last = 0 if ends is None else ends.until
        until = self._until(moment, happened) if ends is None else self._written(ends.until)
        files.run(f"CREATE TEMP VIEW totals AS {self._totals(happened if moment else None)}")
        parts = ["CAST(e.unit AS VARCHAR) AS unit", "e.variant", "e.first_at"]
        for index, metric in enumerate(self.metrics):
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
        return Crowd(
            {r["v"]: r["n"] for r in rows},
            int(sum(r["b"] for r in rows)),
            one,
            until,
            joined=found,
            repeats=repeats,
            ends=ends,
        )

    def _crossed(self, variant: str) -> str:
        """SQL of whether a unit met two variants; within one phase where there are several, as new weights move it."""
        if not self._phase:
            return f"min({variant}) <> max({variant})"
        phase = self._files.text("exposures", self._phase)
        return f"count(DISTINCT ({phase}, {variant})) > count(DISTINCT {phase})"

    def _first_row(self, variant: str, moment: str | None) -> str:
        """SQL of a unit's first row as one value: taken column by column, a hole would be filled from a later row."""
        names = {"variant": variant} | {n: quoted(n) for n in (*self._covariates, *self._kept)}
        packed = f"struct_pack({', '.join(f'{quoted(name)} := {value}' for name, value in names.items())})"
        return f"arg_min({packed}, {moment or 'seatrial_row'})"

    def _check_windows(self, moment: str | None, happened: str | None) -> None:
        for metric in self.metrics:
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

    def _ends(self, moment: str | None, happened: str | None) -> Ends | None:
        """Where the files end, if any window depends on it."""
        windows = [round(metric.within * 1e6) for metric in self.metrics if metric.within is not None]
        if moment is None or happened is None or not (windows or self._as_of is not None):
            if self._as_of is not None:
                raise BadInput("--as-of says when windows are over, and a file has no times; leave it out or add `at`")
            return None
        return find_ends(
            self._files, self._keys["outcomes"], happened, self._measured(), max(windows, default=0), self._as_of
        )

    def _written(self, at: int) -> str:
        (row,) = self.query(f"SELECT CAST(make_timestamp({at}) AT TIME ZONE 'UTC' AS VARCHAR) AS t")
        return str(row["t"])

    def _until(self, moment: str | None, happened: str | None) -> str | None:
        """The last moment in the files."""
        tables = ((moment, "exposures"), (happened, "outcomes"))
        ends = [f"SELECT max({m}) AS t FROM {table}" for m, table in tables if m is not None]
        if not ends:
            return None
        (row,) = self.query(f"SELECT CAST(max(t) AS VARCHAR) AS t FROM ({' UNION ALL '.join(ends)})")
        return None if row["t"] is None else str(row["t"])

    def _totals(self, happened: str | None) -> str:
        """A query for every metric's totals by unit."""
        files = self._files
        parts = ["o.unit"]
        for index, metric in enumerate(self.metrics):
            for name, hole, total in zip("xy", "gh", metric.totals, strict=False):
                value, where = self._value(total, metric), [f"o.outcome = {literal(total.outcome or '')}"]
                if happened is not None:
                    where.append(f"o.lag >= -{SKEW}")
                if metric.within is not None:
                    where.append(f"o.lag <= {round(metric.within * 1e6)}")
                parts.append(f"{value.format(' AND '.join(where))} AS {name}{index}")
                if self._leaves_holes(metric, total):
                    unknown = f"{' AND '.join(where)} AND {self._row(total)} IS NULL"
                    parts.append(f"bool_or({unknown}) AS {hole}{index}")
            parts += self._around(index, metric)
        fields = {t.column for m in self.metrics for t in m.totals if t.column}
        picked = [f"{self._keys['outcomes']} AS unit", "CAST(outcome AS VARCHAR) AS outcome"]
        picked += [f"{'NULL::BIGINT' if happened is None else f'epoch_us({happened})'} AS t"]
        picked += [f"{files.number('outcomes', field)} AS {quoted('field ' + field)}" for field in sorted(fields)]
        if any(not t.column and self._survey.valued(t) for m in self.metrics for t in m.totals):
            picked.append(f"{files.number('outcomes', 'value')} AS own")
        wanted = ", ".join(literal(name) for name in self._measured())
        source = f"SELECT {', '.join(picked)} FROM {self._source} WHERE outcome IN ({wanted})"
        joined = f"SELECT s.*, s.t - e.first_at AS lag FROM ({source}) s JOIN exposed e ON e.unit = s.unit"
        return f"SELECT {', '.join(parts)} FROM ({joined}) o GROUP BY o.unit"

    def _measured(self) -> list[str]:
        """Outcomes that are measured."""
        return sorted({total.outcome or "" for metric in self.metrics for total in metric.totals})

    def _summed(self) -> list[str]:
        """Those of which each row counts, so that one that stands twice counts twice."""
        summing = [m for m in self.metrics if m.kind in ("mean", "ratio")]
        return sorted({total.outcome or "" for metric in summing for total in metric.totals})

    def _around(self, index: int, metric: Metric) -> list[str]:
        """Totals of the first third of the window, of the rest, and of as long before the exposure."""
        if not unfolds(metric):
            return []
        value = "1" if metric.kind == "proportion" else self._row(metric.above)
        whole = round((metric.within or 0.0) * 1e6)
        third, mine = whole // 3, f"o.outcome = {literal(metric.above.outcome or '')}"
        early = f"o.lag BETWEEN -{SKEW} AND {third}"
        late = f"o.lag > {third} AND o.lag <= {whole}"
        before = f"o.lag BETWEEN -{whole} AND -{SKEW}"
        return [
            f"sum(CASE WHEN {mine} AND {when} THEN {value} END) AS {name}{index}"
            for name, when in (("e", early), ("l", late), ("p", before))
        ]

    def _row(self, total: Total) -> str:
        """SQL of what one row adds: a field, or its own value; an outcome that never has any simply happened: 1."""
        if total.column:
            return f"o.{quoted('field ' + total.column)}"
        return "o.own" if self._survey.valued(total) else "1.0"

    def _leaves_holes(self, metric: Metric, total: Total) -> bool:
        """Whether a row without a value makes its unit's total unknown; an absent label is no label."""
        return self._survey.holed(total) and not metric.label

    def _value(self, total: Total, metric: Metric) -> str:
        """SQL of a unit's total of the rows that meet a condition, which stands for ``{}``.

        Conditions stand inside: DuckDB slices every column once for each FILTER, which many metrics make costly.
        """
        value = self._row(total)
        if metric.kind == "proportion":
            return f"max(CASE WHEN {{}} THEN ({value} <> 0)::INT END)"
        if metric.kind == "quantile":
            return f"any_value(CASE WHEN {{}} THEN {value} END ORDER BY o.lag, {value})"
        return f"{'avg' if metric.label and metric.kind == 'mean' else 'sum'}(CASE WHEN {{}} THEN {value} END)"

    def _unit_of_outcomes(self, index: int, metric: Metric, last: int) -> list[str]:
        waiting = "false"
        if metric.within is not None:
            waiting = f"(e.first_at + {round(metric.within * 1e6)} > {last})"
        names = "xy"[: len(metric.totals)]
        kept = f"t.x{index} IS NOT NULL AND NOT {waiting}" if metric.label else f"NOT {waiting}"
        for hole, total in zip("gh", metric.totals, strict=False):
            if self._leaves_holes(metric, total):
                known = f"coalesce(t.x{index}, 0) = 1 OR " if metric.kind == "proportion" else ""
                kept += f" AND ({known}NOT coalesce(t.{hole}{index}, false))"
        names += "elp" if unfolds(metric) else ""
        value = f"CASE WHEN {kept} THEN CAST(coalesce(t.{{0}}, 0) AS DOUBLE) END AS {{0}}"
        values = [value.format(f"{name}{index}") for name in names]
        return [*values, f"({kept}) AS k{index}", f"{waiting} AS w{index}"]

    def _fill_from(self, table: str) -> None:
        """What holes of each covariate are filled with, its mean in the units' rows, and whether there are any."""
        for name in self._covariates:
            value = self._files.number("exposures", name)
            query = f"SELECT avg({value}) AS mean, count(*) > count({value}) AS holes FROM {table}"
            (row,) = self.query(query)
            if row["mean"] is not None and not math.isfinite(row["mean"]):
                refuse_value(self._files, ("exposures", name))
            self.filled[name] = (row["mean"] or 0.0, bool(row["holes"]))

    def _beside(self, prefix: str) -> list[str]:
        parts = []
        for name in self._covariates:
            fill, holes = self.filled[name]
            value = f"CAST({prefix}{quoted(name)} AS DOUBLE)"
            parts.append(f"coalesce({value}, {fill!r}) AS {quoted('covariate ' + name)}")
            if holes:
                parts.append(f"({value} IS NULL)::INT::DOUBLE AS {quoted('hole ' + name)}")
        parts += [f"{prefix}{quoted(name)} AS {quoted('kept ' + name)}" for name in self._kept]
        return parts

    def columns(self, index: int) -> list[str]:
        """SQL of a metric's columns: itself, then covariates and their flags."""
        metric = self.metrics[index]
        own = [f"{name}{index}" for name in "xy"[: len(metric.totals)]]
        if metric.cap is not None:
            own[0] = f"CASE WHEN {own[0]} > {metric.cap!r} THEN {metric.cap!r} ELSE {own[0]} END"
        if metric.range is not None:
            (low, high), x = metric.range, own[0]
            own[0] = f"CASE WHEN {x} < {low!r} THEN {low!r} WHEN {x} > {high!r} THEN {high!r} ELSE {x} END"
        for name in metric.covariates:
            own.append(quoted("covariate " + name))
            if self.filled[name][1]:
                own.append(quoted("hole " + name))
        return own
