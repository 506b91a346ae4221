"""All columns of a window together: can a classifier tell its rows from those of the same hours of earlier days?

It sees relations that no column shows. What it is compared with is the slot's own past, because a version keeps no row
of its training data. What it costs is bounded: so many rows of either side, one of each unit and day, drawn by a hash,
and at most so many columns (the most important ones first).

Numbers are taken as their rank among both sides, so that a tail weighs no more than a middle; categories as their most
frequent values; a missing value as a column of its own. Linear is in these, their squares and products.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.drift import FeatureProfile, Profile, Severity
from seatrial.drift.domain_classifier import domain_classifier
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment, MultivariateMonitor
from seatrial.spec.errors import Unavailable
from seatrial.watch import reading
from seatrial.watch.budget import lasting, per_window
from seatrial.watch.panes import DAY, DAYS
from seatrial.watch.reading import Span
from seatrial.watch.tables import APART, FOLDS
from seatrial.watch.window import Apart, Signal, Window, unmeasured

Floats = NDArray[np.float64]

MOST_ALPHA = 0.005
MOST_COLUMNS = 100
MOST_TERMS = 300
"""Columns, squares and products of a linear classifier, at most; with more columns there are no products."""
MOST_VALUES = 8
"""Values of a category that have a column."""
CALM = 0.75
"""Of the way from ½ to moderate: below, it is over."""

_DRAWN = """
SELECT {columns} FROM (
  SELECT *, row_number() OVER (PARTITION BY {each} ORDER BY hash(request_id, "row")) AS nth
  FROM rows WHERE {when} AND {which})
WHERE nth = 1 ORDER BY hash(request_id, "row") LIMIT $most"""

_SAME_HOURS = (
    '"at" >= make_timestamptz($start - $back) AND "at" < make_timestamptz($start) '
    'AND (epoch_us("at") - $start + $back) % $day < $end - $start'
)
"""The hours of the window in the days before it."""

_UNIT_AND_DAY = 'unit, (epoch_us("at") - $start + $back) // $day'
"""A unit is drawn once of every day, as it is of the window: drawn once of all days, those that come daily would be
rarer in the past than in a window."""


class _Column(NamedTuple):
    sql: str
    profile: FeatureProfile


def multivariate_window(deployment: Deployment, span: Span, source: Source, profile: Profile, variants: int) -> Window:
    """Judge one window of one variant."""
    monitor = deployment.monitors.multivariate
    assert monitor is not None
    columns, left_out = _columns(deployment, monitor, profile, reading.column_names(source))
    if len(columns) < 2:
        return _no_data(deployment, span, 0, "fewer than two numbers, categories or booleans are logged")
    window = _draw(source, span, columns, monitor.sample)
    past = _draw(source, span._replace(version=""), columns, monitor.sample, _days_before(span))
    if min(window.num_rows, past.num_rows) < monitor.minimum_rows:
        few = (
            f"{window.num_rows} units, {past.num_rows} at the same hours before, and {monitor.minimum_rows} are needed"
        )
        return _no_data(deployment, span, window.num_rows, few)
    before, after = coded(past, window, [column.profile for column in columns])
    if monitor.model == "linear":
        before, after = with_products(before), with_products(after)
    alpha = per_window(lasting(monitor, span), variants, MOST_ALPHA)
    try:
        found = domain_classifier(before, after, model=monitor.model, folds=FOLDS, level=1 - 2 * alpha)
    except Unavailable as error:
        return _no_data(deployment, span, window.num_rows, str(error))
    apart = Apart(
        auc=found.auc,
        lower=found.lower,
        upper=found.upper,
        level=1 - 2 * alpha,
        before=past.num_rows,
        columns=len(columns),
        left_out=left_out,
    )
    severity = severity_of(apart)
    return Window(
        deployment=deployment.deployment,
        monitor="multivariate",
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=window.num_rows,
        drift=Signal(severity, severity, calm=apart.auc < 0.5 + CALM * (APART["moderate"] - 0.5)),
        apart=apart,
        sentence=_sentence(span.variant, apart, window.num_rows),
    )


def severity_of(apart: Apart) -> Severity:
    """By the lower end of the interval of the area."""
    return next((severity for severity, area in APART.items() if apart.lower >= area), "none")


def coded(before: pa.Table, after: pa.Table, profiles: list[FeatureProfile]) -> tuple[Floats, Floats]:
    """Both sides as tables of numbers between −½ and ½ (or 0 and 1), shapes [m, columns] and [n, columns].

    Args:
        before, after: A column each of ``profiles``, in their order.
        profiles: Of the reference: which kind, and which values are frequent.
    """
    found: list[Floats] = []
    both = pa.concat_tables([before, after])
    for column, profile in zip(both.columns, profiles, strict=True):
        found += _of_values(column, profile) if profile.form == "category" else _of_numbers(column)
    kept = [column for column in found if column.min() < column.max()]
    table = np.column_stack(kept) if kept else np.zeros((both.num_rows, 1))
    return table[: before.num_rows], table[before.num_rows :]


def with_products(table: Floats) -> Floats:
    """The columns, their squares and, where they are few enough, their products; shape [n, terms]."""
    columns = table.shape[1]
    if columns + columns * (columns + 1) // 2 > MOST_TERMS:
        return np.column_stack([table, table**2])
    left, right = np.triu_indices(columns)
    return np.column_stack([table, table[:, left] * table[:, right]])


def _of_numbers(column: pa.ChunkedArray) -> list[Floats]:
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    present = ~np.isnan(values)
    ordered = np.sort(values[present])
    low, high = np.searchsorted(ordered, values, side="left"), np.searchsorted(ordered, values, side="right")
    rank: Floats = np.where(present, (low + high) / (2 * max(ordered.size, 1)) - 0.5, 0.0)
    return [rank, (~present).astype(np.float64)]


def _of_values(column: pa.ChunkedArray, profile: FeatureProfile) -> list[Floats]:
    values = np.array(column.to_pylist(), dtype=object)
    counts = dict(zip(profile.categories, profile.counts, strict=False))
    frequent = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_VALUES]
    return [(values == value).astype(np.float64) for value in frequent]


def _columns(
    deployment: Deployment, monitor: MultivariateMonitor, profile: Profile, names: frozenset[str]
) -> tuple[list[_Column], int]:
    """Numbers, booleans and categories that are logged as they are, and how many were left out."""
    found = [
        _Column(reading.expression(feature.kind, columns), feature)
        for feature in profile.features
        if (columns := reading.written(names, f"feature.{feature.name}"))
        and (monitor.features == "all" or feature.name in monitor.features)
        and feature.name not in deployment.log.redact
        and feature.kind in ("number", "integer", "boolean", "category")
    ]
    kept = sorted(found, key=lambda column: -(profile.importance_of(column.profile.name) or 0.0))[:MOST_COLUMNS]
    return kept, len(found) - len(kept)


def _days_before(span: Span) -> dict[str, object]:
    """How far the past reaches back, and from one window of it to the next: as many whole days as one takes."""
    step = -(-(span.end - span.start) // DAY) * DAY
    return {"back": DAYS * DAY // step * step, "day": step}


def _draw(
    source: Source, span: Span, columns: list[_Column], most: int, past: dict[str, object] | None = None
) -> pa.Table:
    """One row a unit of the window, or of each day of its past, drawn by a hash: the same rows are drawn again."""
    names = reading.column_names(source)
    sampled = " AND sampled" * ("sampled" in names)
    picked = ", ".join(f"{column.sql} AS c{index}" for index, column in enumerate(columns))
    when, each = (reading.IN_SPAN, "unit") if past is None else (_SAME_HOURS, _UNIT_AND_DAY)
    query = _DRAWN.format(columns=picked, each=each, when=when, which=f"{reading.FEATURE_ROWS}{sampled}")
    return source.sql(query, {**span.asked, **(past or {}), "most": most})


def _sentence(variant: str, apart: Apart, rows: int) -> str:
    said = (
        f"{rows} rows of {variant} and {apart.before} of the same hours before are told apart with an AUC of "
        f"{apart.auc:.3f} ({apart.lower:.3f} to {apart.upper:.3f}) by {apart.columns} columns together"
    )
    if severity_of(apart) == "none":
        return f"{said}: as before, as far as is certain."
    return f"{said}: they moved together, or in ways that one column hides."


def _no_data(deployment: Deployment, span: Span, rows: int, why: str) -> Window:
    return unmeasured(deployment.deployment, "multivariate", span, f"the columns of {span.variant} together", why, rows)
