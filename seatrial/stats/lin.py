"""Lin's regression: the metric on the variant, the centred covariates and their products, with robust errors.

It never loses to the plain difference in large samples, whatever the truth looks like, also where the arms are unequal
or the covariates matter more in one of them. Reads one row a unit: leverage is not in any aggregate.

With ``target="population"`` (the default) the variance has one term more than textbooks print: covariates are centred
at their means in this sample, which vary where the effect depends on them. For a statement about future units that
counts; for these very units (``sample``) it does not.

References:
    Lin (2013), Agnostic notes on regression adjustments to experimental data, Annals of Applied Statistics 7(1).
    MacKinnon, White (1985), Some heteroskedasticity-consistent covariance matrix estimators, J. Econometrics 29(3).
    Negi, Wooldridge (2021), Revisiting regression adjustment in experiments with heterogeneous treatment effects,
    Econometric Reviews 40(5), equation 13 (the term more).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.cuped import EXPLAINS_ALL, Adjusted
from seatrial.stats.degrees import satterthwaite
from seatrial.stats.effect import Difference, Effect
from seatrial.stats.moments import Moments, PairMoments

Robust = Literal["HC2", "HC3"]
Target = Literal["population", "sample"]
Floats = NDArray[np.float64]


class _Fit(NamedTuple):
    """One arm: intercept at the common mean of the covariates, slopes, and what each unit adds to the intercept."""

    at_mean: float
    slopes: Floats
    influence: Floats
    residual: Floats
    n: int


def lin(
    values: ArrayLike,
    covariates: ArrayLike,
    treated: ArrayLike,
    *,
    robust: Robust = "HC2",
    target: Target = "population",
    two_valued: bool = False,
) -> Adjusted:
    """Adjusts a mean by each arm's own regression.

    Args:
        values: The metric [n], a value a unit.
        covariates: From before the exposure [n] or [n, k], no missing ones (``impute`` them).
        treated: Whether the unit is the treatment's [n].
        robust: ``HC2`` (unbiased under equal variances) or ``HC3`` (more careful in small samples).
        target: ``population`` for units to come, ``sample`` for these.
        two_valued: The values are zeros and ones.

    Raises:
        BadInput: Shapes that do not match, a value that is not finite, an arm with fewer units than it needs, or
            covariates that explain the whole metric.
    """
    y, x, t = _checked(values, covariates, treated)
    plain = Effect.of_means(Moments.from_values(y[t]), Moments.from_values(y[~t]), two_valued=two_valued)
    return _adjusted(y, x, t, plain, robust, target)


def lin_ratios(
    numerator: ArrayLike,
    denominator: ArrayLike,
    covariates: ArrayLike,
    treated: ArrayLike,
    *,
    robust: Robust = "HC2",
    target: Target = "population",
) -> Adjusted:
    """Adjusts a ratio of totals: each unit's linearised value in its own arm takes the metric's place.

    Raises:
        BadInput: As ``lin``; an arm whose denominators add up to 0.
    """
    top, x, t = _checked(numerator, covariates, treated)
    below, _, _ = _checked(denominator, covariates, treated)
    value = np.empty_like(top)
    for arm in (t, ~t):
        if below[arm].sum() == 0:
            raise BadInput("the denominators of an arm add up to 0, so there is no ratio yet")
        ratio = top[arm].sum() / below[arm].sum()
        value[arm] = ratio + (top[arm] - ratio * below[arm]) / below[arm].mean()
    plain = Effect.of_ratios(PairMoments.from_values(top[t], below[t]), PairMoments.from_values(top[~t], below[~t]))
    return _adjusted(value, x, t, plain, robust, target)


def _adjusted(y: Floats, x: Floats, t: NDArray[np.bool_], plain: Effect, robust: Robust, target: Target) -> Adjusted:
    centred = x - x.mean(axis=0)
    one, other = _fit(y[t], centred[t], robust), _fit(y[~t], centred[~t], robust)
    a, b = float(one.influence @ one.influence), float(other.influence @ other.influence)
    variance = a + b
    if target == "population":
        variance += float((centred @ (one.slopes - other.slopes)).var(ddof=1)) / len(y)
    deviation = y[~t] - y[~t].mean()
    leverage = 1 - 1 / other.n
    weight = deviation / other.n / (leverage if robust == "HC3" else leverage**0.5)
    covariance = -float(other.influence @ weight)
    pooled = _pooled(one, other, centred, t)
    effect = plain.with_difference(
        Difference(
            value=one.at_mean - other.at_mean,
            variance=variance,
            variance_pooled=pooled,
            covariance=covariance,
            covariance_pooled=covariance,
            degrees=satterthwaite(a, one.n - x.shape[1], b, other.n - x.shape[1]),
        )
    )
    return Adjusted(
        effect=effect,
        unadjusted=plain,
        coefficients=tuple(map(float, (one.slopes * one.n + other.slopes * other.n) / len(y))),
        variance_ratio=variance / plain.se_unpooled**2 if plain.se_unpooled > 0 else float("nan"),
    )


def _fit(y: Floats, x: Floats, robust: Robust) -> _Fit:
    """Least squares of one arm; the intercept is at the whole sample's mean."""
    scale = np.sqrt((x * x).mean(axis=0))
    scale[scale == 0] = 1.0
    design = np.column_stack([np.ones(len(y)), x / scale])
    u, s, vt = np.linalg.svd(design, full_matrices=False)
    kept = s > 1e-10 * s[0]
    u, inverse = u[:, kept], vt[kept].T / s[kept]
    found = inverse @ (u.T @ y)
    residual = y - design @ found
    spread = float(((y - y.mean()) ** 2).sum())
    if spread > 0 and float(residual @ residual) < EXPLAINS_ALL * spread:
        raise BadInput(
            "the covariates explain all of the metric, so they were not measured before the exposure; "
            "use a value from before it"
        )
    left = 1 - (u * u).sum(axis=1)
    # A unit that alone decides a coefficient has leverage 1 and residual 0: it says nothing about the spread.
    safe = np.where(left > 1e-12, left, 1.0)
    weight = (u @ inverse[0]) * residual / (safe if robust == "HC3" else np.sqrt(safe))
    return _Fit(float(found[0]), found[1:] / scale, weight, residual, len(y))


def _pooled(one: _Fit, other: _Fit, centred: Floats, t: NDArray[np.bool_]) -> float:
    """The variance with one residual variance for both arms, for the guarded standard error."""
    freedom = one.n + other.n - 2 - 2 * centred.shape[1]
    left = float(one.residual @ one.residual + other.residual @ other.residual)
    means = centred[t].mean(axis=0), centred[~t].mean(axis=0)
    distance = 0.0
    for mean, arm in zip(means, (t, ~t), strict=True):
        spread = centred[arm] - mean
        unit = np.sqrt((spread * spread).sum(axis=0))
        unit[unit == 0] = 1.0
        distance += float(
            (mean / unit) @ np.linalg.lstsq((spread / unit).T @ (spread / unit), mean / unit, rcond=1e-10)[0]
        )
    return float(left / freedom * (1 / one.n + 1 / other.n + distance))


def _checked(values: ArrayLike, covariates: ArrayLike, treated: ArrayLike) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    y = np.asarray(values, dtype=np.float64).ravel()
    x = np.asarray(covariates, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    t = np.asarray(treated, dtype=np.bool_).ravel()
    if not (x.ndim == 2 and len(y) == len(x) == len(t)):
        raise BadInput(f"{len(y)} values, covariates {x.shape} and {len(t)} variants are not a row a unit")
    for name, column in (("value", y), ("covariate", x)):
        if not np.isfinite(column).all():
            where = int(np.argwhere(~np.isfinite(column))[0][0])
            raise BadInput(
                f"the {name} of unit {where} is not a finite number; impute covariates, leave such values out"
            )
    fewest = min(int(t.sum()), int((~t).sum()))
    if fewest < x.shape[1] + 3:
        raise BadInput(f"{fewest} units in an arm are too few for {x.shape[1]} covariates of its own; wait for more")
    return y, x, t
