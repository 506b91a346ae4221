"""Effects whose units lie in clusters (customers of a shop): errors are summed by cluster before they are squared.

Units of a cluster resemble each other. Each unit's share in the error of its arm's mean is its linearised residual over
the arm's total below the line; added up by cluster these are independent, so the variance of a mean is the sum of their
squares, and where a cluster has units of both arms the two means go together by the sum of the products. The same holds
over strata: a cluster that is in several adds up over them.

References:
    Liang, Zeger (1986), Longitudinal data analysis using generalized linear models, Biometrika 73(1).
    Deng, Lu, Qin (2021), The equivalence of the delta method and the cluster-robust variance estimator for the analysis
    of clustered randomized experiments.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.stats.effect import Effect
from seatrial.stats.phases import Phases, combine_phases

Values = NDArray[np.float64]
Codes = NDArray[np.int64]


class Stratum(NamedTuple):
    """Units compared with each other, arrays [n].

    Attributes:
        effect: Of them, as if they were independent.
        x: Numerator, or value.
        y: Denominator; ones for a mean.
        treatment: Whether the unit is the treatment's.
        cluster: A number from 0 for each cluster.
        scale: What an arm's error is divided by beyond its total: (treatment, control), 1 unless the effect is of a
            function of the two means.
    """

    effect: Effect
    x: Values
    y: Values
    treatment: NDArray[np.bool_]
    cluster: Codes
    scale: tuple[float, float] = (1.0, 1.0)


class _Sums(NamedTuple):
    """Errors of both means by cluster, arrays [clusters], and which clusters have units of each arm."""

    treatment: Values
    control: Values
    in_treatment: NDArray[np.bool_]
    in_control: NDArray[np.bool_]


def by_cluster(stratum: Stratum, clusters: int) -> Effect:
    """The effect of one stratum with errors by cluster.

    Its pooled variances stay those of independent units: a sequence takes the larger of the two, so few or oddly equal
    clusters never make it surer than the units themselves would.

    Args:
        stratum: With at least two units an arm; else its effect stays as it is.
        clusters: How many there are of all strata.
    """
    if not _known(stratum.effect):
        return stratum.effect
    return _with(stratum.effect, _sums(stratum, clusters))


def combine_strata(strata: Sequence[Stratum], clusters: int) -> Phases:
    """All strata weighed as ``combine_phases`` weighs phases, with errors added up over strata by cluster."""
    found = combine_phases([by_cluster(stratum, clusters) for stratum in strata])
    used = [stratum for stratum in strata if _known(stratum.effect)]
    if not used:
        return found
    weights = [s.effect.n_treatment * s.effect.n_control / s.effect.n for s in used]
    total = sum(weights)
    parts = [_sums(stratum, clusters) for stratum in used]
    scaled = list(zip(weights, parts, strict=True))
    whole = _Sums(
        np.sum([w / total * part.treatment for w, part in scaled], axis=0),
        np.sum([w / total * part.control for w, part in scaled], axis=0),
        np.any([part.in_treatment for part in parts], axis=0),
        np.any([part.in_control for part in parts], axis=0),
    )
    return msgspec.structs.replace(found, effect=_with(found.effect, whole))


def _known(effect: Effect) -> bool:
    return min(effect.n_treatment, effect.n_control) > 1 and math.isfinite(effect.treatment_variance_pooled)


def _sums(stratum: Stratum, clusters: int) -> _Sums:
    t, c = stratum.treatment, ~stratum.treatment
    return _Sums(
        _errors(stratum, t, stratum.scale[0], clusters),
        _errors(stratum, c, stratum.scale[1], clusters),
        np.bincount(stratum.cluster[t], minlength=clusters) > 0,
        np.bincount(stratum.cluster[c], minlength=clusters) > 0,
    )


def _errors(stratum: Stratum, arm: NDArray[np.bool_], scale: float, clusters: int) -> Values:
    x, y = stratum.x[arm], stratum.y[arm]
    below = float(y.sum())
    if not below:
        return np.full(clusters, math.nan)
    residuals = (x - x.sum() / below * y) / (below * scale)
    return np.bincount(stratum.cluster[arm], weights=residuals, minlength=clusters).astype(np.float64)


def _with(effect: Effect, sums: _Sums) -> Effect:
    t, c = int(sums.in_treatment.sum()), int(sums.in_control.sum())
    factors = [n / (n - 1) if n > 1 else math.nan for n in (t, c)]
    return msgspec.structs.replace(
        effect,
        treatment_variance=factors[0] * float(sums.treatment @ sums.treatment),
        control_variance=factors[1] * float(sums.control @ sums.control),
        covariance=math.sqrt(factors[0] * factors[1]) * float(sums.treatment @ sums.control),
        clusters=(t, c),
        degrees=float(min(t, c) - 1),
    )
