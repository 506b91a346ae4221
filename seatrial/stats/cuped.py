"""Regression adjustment from aggregates (CUPED): what covariates from before the exposure explain is taken out.

    effect = (mean_T - mean_C) - b·(covariate_T - covariate_C)

with the coefficients b pooled *within* arms, so that they cannot learn from the difference between the arms; this is
the analysis of covariance. The control's mean stays unadjusted, because relative margins are relative to it, and the
covariance of the effect with it is kept: the contrast "effect - x·control mean" has its right standard error.

References:
    Deng, Xu, Kohavi, Walker (2013), Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data, WSDM.
    Yang, Tsiatis (2001), Efficiency study of estimators for a treatment effect in a pretest-posttest trial,
    The American Statistician 55(4).
    Deng, Knoblich, Lu (2018), Applying the delta method in metric analytics, KDD (for ratios).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.degrees import satterthwaite
from seatrial.stats.effect import Difference, Effect
from seatrial.stats.moments import PairMoments
from seatrial.stats.multivariate import MultiMoments

EXPLAINS_ALL = 1e-9
"""A smaller share of the variance left over means that the covariate is the metric itself."""


class Ratio(NamedTuple):
    """A metric or covariate that is a ratio of two columns' totals, by their numbers."""

    numerator: int
    denominator: int


class Adjusted(msgspec.Struct, frozen=True, kw_only=True):
    """An effect with covariates taken out.

    Attributes:
        effect: The adjusted effect; its ``control_mean`` is unadjusted, its ``treatment_mean`` is that plus the effect.
        unadjusted: The same without covariates.
        coefficients: What was taken out for each unit of each covariate, in the metric's unit.
        variance_ratio: Squared standard error of the adjusted effect over the unadjusted one's; about 1 - R².
    """

    effect: Effect
    unadjusted: Effect
    coefficients: tuple[float, ...]
    variance_ratio: float


def cuped(treatment: MultiMoments, control: MultiMoments, *, two_valued: bool = False) -> Adjusted:
    """Adjusts a mean; column 0 is the metric, the others its covariates.

    Args:
        treatment: The challenger's moments.
        control: The champion's.
        two_valued: The metric's values are zeros and ones.

    Raises:
        BadInput: No covariate; columns that do not match; a covariate that is the metric itself; too few units for the
            number of covariates.
    """
    _check(treatment, control)
    plain = Effect.of_means(treatment.column(0), control.column(0), two_valued=two_valued)
    slopes = coefficients([treatment, control])
    weights = np.concatenate([[1.0], -slopes])
    t, c = treatment.combination(weights), control.combination(weights)
    _refuse_the_metric_itself(t.m2 + c.m2, treatment.products[0][0] + control.products[0][0])
    difference = Difference(
        value=t.mean - c.mean,
        variance=t.variance / t.n + c.variance / c.n,
        variance_pooled=_pooled_variance(treatment, control, t.m2 + c.m2),
        covariance=-float(weights @ control.matrix[0]) / (c.n - 1) / c.n,
        covariance_pooled=-float(weights @ (control.matrix + treatment.matrix)[0]) / (t.n + c.n - 2) / c.n,
        degrees=satterthwaite(t.variance / t.n, t.n, c.variance / c.n, c.n),
    )
    effect = plain.with_difference(difference)
    return Adjusted(
        effect=effect,
        unadjusted=plain,
        coefficients=tuple(map(float, slopes)),
        variance_ratio=difference.variance / plain.se_unpooled**2 if plain.se_unpooled > 0 else math.nan,
    )


def cuped_one(treatment: PairMoments, control: PairMoments, *, two_valued: bool = False) -> Adjusted:
    """Adjusts a mean for one covariate: x is the metric, y the covariate."""
    return cuped(_of_pairs(treatment), _of_pairs(control), two_valued=two_valued)


def cuped_ratios(
    treatment: MultiMoments, control: MultiMoments, metric: Ratio, covariates: Sequence[Ratio | int]
) -> Adjusted:
    """Adjusts a ratio of totals by unit (delta method); a covariate is a column, or a ratio of two.

    Raises:
        BadInput: As ``cuped``; an arm whose denominator is 0.
    """
    columns = [metric, *covariates]
    return cuped(linearised(treatment, columns), linearised(control, columns))


def linearised(arm: MultiMoments, columns: Sequence[Ratio | int]) -> MultiMoments:
    """Ratios as if they were means: each unit's (x - R·y) / mean y + R; other columns as they are."""
    rows, means = np.zeros((len(columns), arm.k)), []
    for row, column in zip(rows, columns, strict=True):
        if isinstance(column, Ratio):
            below = arm.means[column.denominator]
            if arm.n and below == 0:
                raise BadInput(f"column {column.denominator} is 0 in every unit of an arm, so there is no ratio yet")
            ratio = arm.means[column.numerator] / below if arm.n else 0.0
            row[column.numerator] += 1 / below if arm.n else 0.0
            row[column.denominator] -= ratio / below if arm.n else 0.0
            means.append(ratio)
        else:
            row[column] = 1.0
            means.append(arm.means[column])
    return arm.transformed(rows, means)


def coefficients(arms: Sequence[MultiMoments]) -> NDArray[np.float64]:
    """Least squares of column 0 on the others within the given arms, [k - 1]; 0 for a covariate that is redundant."""
    within = np.sum([arm.matrix for arm in arms], axis=0)
    scale = np.sqrt(np.diag(within)[1:])
    used = scale > 1e-12 * max(1.0, *(abs(m) for arm in arms for m in arm.means[1:]))
    slopes = np.zeros(len(scale))
    if used.any():
        unit = scale[used]
        covariates = within[1:, 1:][np.ix_(used, used)] / np.outer(unit, unit)
        slopes[used] = np.linalg.lstsq(covariates, within[1:, 0][used] / unit, rcond=1e-10)[0] / unit
    return slopes


def _check(treatment: MultiMoments, control: MultiMoments) -> None:
    if treatment.k != control.k or treatment.k < 2:
        raise BadInput(f"{treatment.k} and {control.k} columns: give the metric and the same covariates for both arms")
    if treatment.n + control.n < treatment.k + 2 or min(treatment.n, control.n) < 2:
        raise BadInput(
            f"{treatment.n} and {control.n} units are too few to adjust for {treatment.k - 1} covariates; wait for more"
        )


def _refuse_the_metric_itself(left: float, before: float) -> None:
    if before > 0 and left < EXPLAINS_ALL * before:
        raise BadInput(
            "the covariates explain all of the metric, so they were not measured before the exposure; "
            "use a value from before it"
        )


def _pooled_variance(treatment: MultiMoments, control: MultiMoments, left: float) -> float:
    """The effect's variance by least squares with one residual variance for both arms."""
    freedom = treatment.n + control.n - 1 - treatment.k
    gap = treatment.mean[1:] - control.mean[1:]
    within = (treatment.matrix + control.matrix)[1:, 1:]
    unit = np.sqrt(np.diag(within))
    unit[unit == 0] = 1.0
    scaled = within / np.outer(unit, unit)
    distance = float((gap / unit) @ np.linalg.lstsq(scaled, gap / unit, rcond=1e-10)[0])
    return left / freedom * (1 / treatment.n + 1 / control.n + distance)


def _of_pairs(pair: PairMoments) -> MultiMoments:
    return MultiMoments(pair.n, (pair.mean_x, pair.mean_y), ((pair.m2_x, pair.c_xy), (pair.c_xy, pair.m2_y)))
