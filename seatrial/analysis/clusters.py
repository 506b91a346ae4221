"""Clusters above the unit, drawn whole (shops, classes): they are counted, and every metric is a ratio by them.

Units of a cluster resemble each other; counted as if they had been drawn one by one they find differences where there
are none. A mean by unit becomes "sum over the cluster's units, over how many they are", by the delta method.

References:
    Deng, Lu, Qin (2021), The equivalence of the delta method and the cluster-robust variance estimator for the analysis
    of clustered randomized experiments.
"""

from collections.abc import Sequence

import msgspec

from seatrial.analysis.crowd import Crowd
from seatrial.analysis.files import Files
from seatrial.analysis.metrics import Metric, Total
from seatrial.analysis.refusing import refuse_empty, refuse_other_than_share
from seatrial.ledger.sql import quoted
from seatrial.spec.errors import BadInput
from seatrial.spec.units import show_count


def clustered(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """The same metrics, each a total by cluster over another; a share stays one of events that must be seen."""
    return tuple(_by_cluster(metric) for metric in metrics)


def _by_cluster(metric: Metric) -> Metric:
    below = metric.below or Total(None, "units")
    return msgspec.structs.replace(metric, below=below, cap=None)


def check_clusters(metrics: Sequence[Metric]) -> None:
    """Raises BadInput for a metric that cannot be told by cluster."""
    for metric in metrics:
        if metric.one_by_one or metric.covariates:
            of = "ranks" if metric.ranks else "a range" if metric.range else "a quantile"
            what = "a covariate" if metric.covariates else of
            raise BadInput(f"{metric.name!r} has or is {what}, which is not told by cluster; use a plain mean")


def gather_clusters(
    files: Files,
    metrics: Sequence[Metric],
    cluster: str,
    kept: Sequence[str],
    crowd: Crowd,
    phase: str = "",
    *,
    timed: bool = False,
) -> Crowd:
    """Turns ``judged``, a row a unit, into a row a cluster, and counts those; its phase is that of its first unit.

    Raises:
        BadInput: A unit without a cluster, or in several; a cluster in several phases whose first is not known.
    """
    check_clusters(metrics)
    for metric in metrics:
        if metric.kind == "proportion" and not files.with_outcomes:
            refuse_other_than_share(files, metric)
    _one_each(files, cluster)
    name = quoted("kept " + cluster)
    if phase and not timed:
        _one_phase(files, cluster, phase)
    files.run("ALTER TABLE judged RENAME TO judged_units")
    parts = [f"CAST({name} AS VARCHAR) AS unit", "min(variant) AS variant", "min(first_at) AS first_at"]
    parts.append("min(variant) <> max(variant) AS crossed")
    parts += _totals(metrics)
    parts += [
        f"any_value({quoted('kept ' + each)}) AS {quoted('kept ' + each)}"
        for each in kept
        if each not in (cluster, phase)
    ]
    parts += [f"any_value({name}) AS {name}"]
    if phase and phase != cluster:
        first = quoted("kept " + phase)
        parts += [f"{f'arg_min({first}, first_at)' if timed else f'any_value({first})'} AS {first}"]
    files.run(f"CREATE TEMP TABLE judged AS SELECT {', '.join(parts)} FROM judged_units GROUP BY {name}")
    rows = files.query(
        "SELECT variant, count(*) AS n, count(CASE WHEN crossed THEN 1 END) AS both, "
        "min(CASE WHEN crossed THEN unit END) AS one FROM judged GROUP BY 1 ORDER BY 1"
    ).to_pylist()
    return crowd._replace(
        units={row["variant"]: row["n"] for row in rows},
        both=sum(row["both"] for row in rows),
        one=min((row["one"] for row in rows if row["one"] is not None), default=""),
        what="cluster",
    )


def clusters_by_segment(files: Files, metrics: Sequence[Metric], cluster: str, column: str, phase: str = "") -> str:
    """Makes the relation of a row for each cluster and segment that it has units of; gives its name.

    A shop has customers of several kinds, and its row in ``judged`` is all of them.
    """
    kept = quoted("kept " + column)
    own = [f"c.{quoted('kept ' + phase)}"] if phase and phase != column else []
    parts = ["c.unit", "c.variant", "c.first_at", *own, f"u.{kept}", *_totals(metrics, "u.")]
    grouped = ", ".join(["c.unit", "c.variant", "c.first_at", *own, f"u.{kept}"])
    files.run(
        f"CREATE OR REPLACE TEMP TABLE judged_by AS SELECT {', '.join(parts)} FROM judged_units u JOIN judged c "
        f"ON c.unit = CAST(u.{quoted('kept ' + cluster)} AS VARCHAR) GROUP BY {grouped}"
    )
    return "judged_by"


def _totals(metrics: Sequence[Metric], prefix: str = "") -> list[str]:
    """SQL of a cluster's totals, over its units that count."""
    parts = []
    for i, metric in enumerate(metrics):
        x, y, k, w = (f"{prefix}{name}{i}" for name in "xykw")
        above = x if metric.cap is None else f"CASE WHEN {x} > {metric.cap!r} THEN {metric.cap!r} ELSE {x} END"
        below = f"sum(CASE WHEN {k} THEN {y} END)" if metric.divided else f"nullif(count({x}), 0)"
        parts.append(f"CAST(sum(CASE WHEN {k} THEN {above} END) AS DOUBLE) AS x{i}")
        parts += [f"CAST({below} AS DOUBLE) AS y{i}", f"bool_or({k}) AS k{i}", f"bool_and({w}) AS w{i}"]
    return parts


def _one_each(files: Files, cluster: str) -> None:
    column, unit = files.text("exposures", cluster), quoted(files.columns.unit)
    refuse_empty(files, cluster)
    found = files.query(
        f"SELECT count(*) AS n, min(one) AS one FROM (SELECT CAST({unit} AS VARCHAR) AS one FROM exposures "
        f"GROUP BY {unit} HAVING min({column}) <> max({column}))"
    ).to_pylist()[0]
    if found["n"]:
        who = "units are" if found["n"] > 1 else "unit is"
        raise BadInput(
            f"{show_count(found['n'])} {who} in several of {cluster} (for example {found['one']!r}), so clusters were "
            "not drawn whole; give each its first, or judge by unit"
        )


def _one_phase(files: Files, cluster: str, phase: str) -> None:
    name, held = quoted("kept " + cluster), quoted("kept " + phase)
    found = files.query(
        f"SELECT CAST({name} AS VARCHAR) AS one FROM judged GROUP BY {name} HAVING min({held}) <> max({held}) "
        "ORDER BY 1 LIMIT 1"
    ).to_pylist()
    if found:
        raise BadInput(
            f"the {cluster} {found[0]['one']!r} is in several phases of {phase!r}, and without times nobody knows its "
            "first; add the column `at`"
        )
