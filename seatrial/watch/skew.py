"""Training-serving skew: the features that a request brought beside the same features as another source has them.

The other source is an outcome whose fields have the names of features: a feature store's job sends, for the request,
the key or the unit, what it would have computed. Row by row, values are the same or they are not (numbers within a
share of the larger one, times within seconds; a value that only one side has differs), so nothing is inferred from
distributions: those are compared with the training data by the data monitor.

A feature's share of values that differ is moderate when its whole interval lies beyond what the file allows, major ten
points further; intervals are by unit and hold for all features together.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.drift import Profile, Severity, worst
from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.spec.deployment import Deployment, MetricSpec, SkewMonitor
from seatrial.spec.signature import FeatureKind
from seatrial.watch import reading
from seatrial.watch.budget import lasting, per_window
from seatrial.watch.interval import share_by_unit
from seatrial.watch.labels import read_beside
from seatrial.watch.reading import Span
from seatrial.watch.window import GroupRate, Signal, Window, unmeasured

MOST_ALPHA = 0.025
MAJOR_MORE = 0.1
DIFFERS = "differs"
"""What the rate is called."""

COMPARED: frozenset[FeatureKind] = frozenset({"number", "integer", "boolean", "category", "text", "id", "time"})
_ZONED = "[T ][0-9:.]+ ?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$"
"""A time of day and then a zone; the last part of a date is none."""

_NUMBERS: frozenset[FeatureKind] = frozenset({"number", "integer", "boolean"})


def skew_window(deployment: Deployment, span: Span, source: Source, profile: Profile, variants: int) -> Window:
    """Judge one window of one variant."""
    monitor = deployment.monitors.skew
    assert monitor is not None
    names = reading.column_names(source)
    asked = compared_of(deployment, monitor, profile, names)
    if not asked:
        return _no_data(deployment, span, 0, f"no field of {monitor.outcome} is a feature that is logged")
    metric = MetricSpec(kind="mean", outcome=monitor.outcome, within=monitor.within, grace=monitor.grace)
    of = [column for name in asked for column in reading.written(names, f"feature.{name}")]
    paths = {f"path{i}": _path(name) for i, name in enumerate(asked)}
    table = read_beside(source, span, metric, asked, [*of, *({"sampled"} & names)], paths)
    units = np.array(table["unit"].to_pylist(), dtype=object).astype(str)
    alpha = per_window(lasting(monitor, span), variants, MOST_ALPHA) / len(asked)
    rates = [
        rate
        for name in asked
        if (rate := _rate(name, _floats(table[name]), units, alpha, monitor.minimum_rows)) is not None
    ]
    if not rates:
        most = max(int(np.isfinite(_floats(table[name])).sum()) for name in asked)
        few = f"{most} of {table.num_rows} rows have both values, and {monitor.minimum_rows} are needed"
        return _no_data(deployment, span, table.num_rows, few)
    severity = worst(severity_of(rate, monitor.at_most) for rate in rates)
    return Window(
        deployment=deployment.deployment,
        monitor="skew",
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=max(rate.rows for rate in rates),
        drift=Signal(severity, severity, calm=all(rate.value <= monitor.at_most for rate in rates)),
        rates=tuple(sorted(rates, key=lambda rate: (-rate.lower, -rate.value, rate.by))),
        sentence=_sentence(span.variant, rates, monitor),
    )


def severity_of(rate: GroupRate, at_most: float) -> Severity:
    """How bad it is: the whole interval beyond what may be, or ten points further."""
    return "major" if rate.lower > at_most + MAJOR_MORE else "moderate" if rate.lower > at_most else "none"


def compared_of(
    deployment: Deployment, monitor: SkewMonitor, profile: Profile, names: frozenset[str]
) -> dict[str, str]:
    """SQL of whether a feature's values differ (null where they cannot be compared), by the feature's name.

    What is compared is a feature that the file asks for, that the outcome has a field of, and that is logged as it is.
    """
    fields = deployment.outcomes[monitor.outcome].fields
    found: dict[str, str] = {}
    for feature in profile.features:
        columns = reading.written(names, f"feature.{feature.name}")
        wanted = monitor.features == "all" or feature.name in monitor.features
        hidden = feature.name in deployment.log.redact or feature.kind not in COMPARED
        if wanted and not hidden and columns and feature.name in fields:
            found[feature.name] = _differs(feature.kind, columns, f"$path{len(found)}", monitor, names)
    return found


def _differs(
    kind: FeatureKind, columns: tuple[str, ...], path: str, monitor: SkewMonitor, names: frozenset[str]
) -> str:
    told = f"json_extract_string(fields, {path})"
    if kind == "time":
        mine = f"coalesce({', '.join(_seconds(quoted(column)) for column in columns)})"
        other = _seconds(told)
        apart = f"abs({mine} - {other}) > {monitor.time_tolerance!r}"
    elif kind in _NUMBERS:
        mine = f"coalesce({', '.join(f'TRY_CAST({quoted(column)} AS DOUBLE)' for column in columns)})"
        truth = f"CASE lower({told}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
        other = f"coalesce(TRY_CAST({told} AS DOUBLE), {truth})"
        apart = f"abs({mine} - {other}) > {monitor.tolerance!r} * greatest(abs({mine}), abs({other}))"
    else:
        mine = f"coalesce({', '.join(f'TRY_CAST({quoted(column)} AS VARCHAR)' for column in columns)})"
        other, apart = told, f"{mine} <> {told}"
    either = f"CASE WHEN {mine} IS NULL OR {other} IS NULL THEN ({mine} IS NULL) <> ({other} IS NULL) ELSE {apart} END"
    there = f"fields IS NOT NULL AND json_exists(fields, {path}){' AND sampled' * ('sampled' in names)}"
    return f"CASE WHEN {there} THEN ({either})::INT END"


def _seconds(said: str) -> str:
    """SQL of a time as seconds since 1970 UTC: a number as it is, text as the instant that it says (no zone: UTC)."""
    text = f"TRY_CAST({said} AS VARCHAR)"
    zoned, plain = (f"epoch_us(TRY_CAST({text} AS {kind})) / 1e6" for kind in ("TIMESTAMPTZ", "TIMESTAMP"))
    has_zone = f"regexp_matches({text}, '{_ZONED}')"
    return f"coalesce(TRY_CAST({said} AS DOUBLE), CASE WHEN {has_zone} THEN {zoned} ELSE {plain} END)"


def _rate(name: str, differs: NDArray[np.float64], units: NDArray[Any], alpha: float, minimum: int) -> GroupRate | None:
    known = np.isfinite(differs)
    rows = int(known.sum())
    if rows < minimum:
        return None
    _, place = np.unique(units[known], return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    hits = np.bincount(place, weights=differs[known]).astype(np.float64)
    return GroupRate(by=name, group="", rate=DIFFERS, rows=rows, **share_by_unit(hits, counts, alpha)._asdict())


def _sentence(variant: str, rates: list[GroupRate], monitor: SkewMonitor) -> str:
    loud = [rate for rate in rates if severity_of(rate, monitor.at_most) != "none"]
    first = max(rates, key=lambda rate: (rate.lower, rate.value))
    said = (
        f"{first.by} differs from {monitor.outcome} in {first.value:.2%} of {first.rows} rows of {variant} "
        f"({first.lower:.2%} to {first.upper:.2%}), {100 * monitor.at_most:.3g} % may"
    )
    if not loud:
        return f"{said}: no feature of {len(rates)} differs more for certain."
    return f"{said}; {len(loud)} of {len(rates)} features differ more for certain."


def _no_data(deployment: Deployment, span: Span, rows: int, why: str) -> Window:
    return unmeasured(deployment.deployment, "skew", span, f"the skew of {span.variant}", why, rows)


def _path(name: str) -> str:
    return '$."' + name.replace('"', '\\"') + '"'


def _floats(column: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values
