"""What is known of a metric before it is asked about: as somebody states it, or as files of the past hold it."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.analysis.effects import plain_effect
from seatrial.analysis.files import Files
from seatrial.analysis.metrics import Kind, Metric
from seatrial.analysis.planning import CONTROLS
from seatrial.analysis.reduce import Reduction
from seatrial.analysis.relation import Relation
from seatrial.spec.errors import BadInput
from seatrial.stats.clustered_quantile import clustered_quantile
from seatrial.stats.cuped import EXPLAINS_ALL, Ratio, coefficients, linearised
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.verdict import Want

DAY = 86_400.0
LEAST_UNITS = 100
"""Units of the past below which nothing is foretold."""

Goal = Literal["better", "non-inferior"]
Values = NDArray[np.float64]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a metric before.

    Attributes:
        metric: Its name.
        kind: A ratio's spread is its delta-method spread by unit.
        mean: Mean, share or ratio of the control.
        sd: Standard deviation by unit; of a share that of zeros and ones, of a quantile its standard error times the
            root of the units.
        correlation: With its covariates (the root of R²), 0 without any.
        units: Of the past that say so; None: it was stated.
        variant: Whose units they are.
        units_a_day: Units that come a day; None: unknown.
        within: Window of the metric, seconds.
        counted: The share of units that have a value; the others come too, and say nothing.
        cluster: The column that was drawn whole: then units are its clusters throughout; "": units were drawn.
        range: Of a mean that is judged by betting at any time, the least and the largest that a unit counts with.
        q: Of a quantile, which.
        want: Which way is good; None: it was not said, and a margin is then planned for the way that takes more.
        ranks: It is compared by ranks, at one look only, and told by past values.
        below: Of a ratio, or anything by cluster, the effective units below the line that a unit adds, 0 to 1.
    """

    metric: str
    kind: Kind
    mean: float
    sd: float
    correlation: float = 0.0
    units: int | None = None
    variant: str = ""
    units_a_day: float | None = None
    within: float = 0.0
    counted: float = 1.0
    cluster: str = ""
    range: tuple[float, float] | None = None
    q: float | None = None
    want: Want | None = None
    ranks: bool = False
    below: float = 1.0

    @property
    def divided(self) -> bool:
        """Whether it is one total over another, of which few units have no verdict."""
        return self.kind == "ratio" or bool(self.cluster)

    @property
    def share(self) -> bool:
        """Whether its spread follows from its mean: a share of units, not of units in clusters."""
        return self.kind == "proportion" and not self.cluster

    @property
    def saved(self) -> float:
        """The share of the variance that the covariates take off."""
        return self.correlation**2


def stated(*, metric: str, baseline: float | None, mean: float | None, sd: float | None, correlation: float) -> Past:
    """The past as somebody states it: a share, or a mean with its standard deviation.

    Raises:
        BadInput: Neither, or both.
    """
    if baseline is not None and mean is None and sd is None:
        if not 0 < baseline < 1:
            raise BadInput(f"the baseline {baseline:.4%} is no share between 0% and 100%")
        spread = math.sqrt(baseline * (1 - baseline))
        return Past(metric=metric, kind="proportion", mean=baseline, sd=spread, correlation=correlation)
    if baseline is None and mean is not None and sd is not None:
        if not (sd > 0 and math.isfinite(sd) and math.isfinite(mean)):
            raise BadInput(f"the standard deviation {sd:g} must be above 0, and the mean {mean:g} a number")
        return Past(metric=metric, kind="mean", mean=mean, sd=sd, correlation=correlation)
    raise BadInput("say what there is now: --baseline 10% for a share, or --mean 20 --sd 35 for a value")


def past_of(
    files: Files, metrics: Sequence[Metric], control: str = "", cluster: str = ""
) -> tuple[tuple[Past, ...], Mapping[str, Values]]:
    """Mean, spread, covariates' gain and traffic of metrics in files of the past.

    Args:
        files: Open; every variant in them counts as itself, unless ``control`` names the one that stands for the past.
        metrics: Which.
        control: The variant whose units are used.
        cluster: A column above the unit that will be drawn whole; everything is then by cluster. How many of them come
            a day is not known, for those that were there at the beginning come again.

    Returns:
        What is known of each, and of quantiles and ranks by name the values [n] of the units.

    Raises:
        BadInput: Fewer than 100 units, or none that varies, or covariates that explain all of a metric.
    """
    apart = next((metric for metric in metrics if metric.kind == "quantile" or metric.ranks), None)
    if apart is not None and cluster:
        what = f"{apart.name!r}, by ranks," if apart.ranks else f"the quantile {apart.name!r}"
        raise BadInput(f"{what} is compared by unit, and not by {cluster!r}; leave --cluster out")
    reduction = Reduction(files, Relation(files, metrics, cluster=cluster))
    metrics = reduction.metrics
    units = reduction.crowd.units
    if not units:
        raise BadInput(f"{files.names['exposures']} has no rows; there is no past in it")
    if control and control not in units:
        raise BadInput(f"{control!r} is not among the variants {', '.join(units)}")
    named = [name for name in CONTROLS if name in units]
    chosen = control or (named[0] if len(named) == 1 else max(units, key=lambda name: units[name]))
    rate = None if cluster else _units_a_day(reduction)
    arms = reduction.arms()[""][""]
    found, values = [], {}
    for metric in metrics:
        arm = arms[metric.name][chosen]
        known = arm.moments.n / max(arm.moments.n + arm.missing, 1)
        past = _past(metric, arm.moments, rate, "clusters" if cluster else "units")
        found.append(msgspec.structs.replace(past, counted=known, cluster=cluster, variant=chosen))
        if metric.ranks or metric.q is not None:
            values[metric.name] = _values(reduction, metric, chosen)
        if metric.q is not None:
            found[-1] = _of_quantile(found[-1], values[metric.name], metric.q)
    return tuple(found), values


def _values(reduction: Reduction, metric: Metric, variant: str) -> Values:
    table = reduction.column(metric)
    here = np.array([name == variant for name in table["variant"].to_pylist()], dtype=np.bool_)
    found: Values = table["x"].to_numpy()[here]
    return found


def _of_quantile(past: Past, values: Values, q: float) -> Past:
    found = clustered_quantile(values, np.arange(values.size), q)
    if not 0 < found.se < math.inf:
        raise BadInput(
            f"{values.size} units of the past do not tell how dense they are about {past.metric!r}; give more"
        )
    return msgspec.structs.replace(past, mean=found.value, sd=found.se * math.sqrt(values.size), q=q, correlation=0.0)


def _past(metric: Metric, arm: MultiMoments, rate: float | None, what: str) -> Past:
    if arm.n < LEAST_UNITS:
        raise BadInput(f"{arm.n} {what} of the past say too little about {metric.name!r}; give {LEAST_UNITS} at least")
    own = 2 if metric.divided else 1
    columns: list[Ratio | int] = [Ratio(0, 1) if metric.divided else 0, *range(own, arm.k)]
    line = linearised(arm, columns)
    value = line.column(0)
    if not value.m2 > 0:
        raise BadInput(
            f"every unit of the past has the same {metric.name}, so its spread is not known; give more of it"
        )
    left = 1.0
    if line.k > 1:
        left = line.combination(np.concatenate([[1.0], -coefficients([line])])).m2 / value.m2
        if left < EXPLAINS_ALL:
            raise BadInput(
                f"the covariates explain all of {metric.name!r}, so they were not measured before the exposure, and it "
                "cannot be judged so; use a value from before it"
            )
    return Past(
        metric=metric.name,
        kind=metric.kind,
        mean=plain_effect(metric, arm, arm).control_mean,
        sd=math.sqrt(value.variance),
        correlation=math.sqrt(max(1 - left, 0.0)),
        units=arm.n,
        units_a_day=rate,
        within=metric.within or 0.0,
        want=metric.want,
        range=metric.range,
        ranks=metric.ranks,
        below=arm.column(1).effective_events / arm.n if metric.divided else 1.0,
    )


def _units_a_day(reduction: Reduction) -> float | None:
    """Units of all variants that came a day; None without times."""
    if not reduction.timed:
        return None
    (row,) = reduction.query("SELECT count(*) AS n, (max(first_at) - min(first_at)) / 1e6 AS seconds FROM judged")
    return float(row["n"]) / max(float(row["seconds"]), 3600.0) * DAY
