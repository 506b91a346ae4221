"""The counted units of one measure, and how any part of them becomes an effect.

Arms are compared within strata of constant chance and then combined. With covariates each stratum's effect is Lin's
regression: every arm has its own slope. A pooled slope (CUPED) is as good where arms are equal and alike, and too sure
of itself where they are not: with a fifth of the units in the challenger's arm and an effect that grows with the
covariate its 95 % intervals cover 92 % (``tests/statistics/adjustment.py``).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.answers import Answers
from seatrial.experiments.shapes import BY_ROW, Shape
from seatrial.experiments.units import STRATUM
from seatrial.spec.errors import BadInput
from seatrial.stats.clusters import Stratum, by_cluster, combine_strata
from seatrial.stats.effect import Effect, Events
from seatrial.stats.impute import impute
from seatrial.stats.lin import lin, lin_ratios
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.phases import Phases, combine_phases
from seatrial.stats.quality import Auc, auc, auc_effect, carriers
from seatrial.stats.quantile_difference import Arms, quantile_effect
from seatrial.stats.uncertain_ratio import Ratios

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]

UNITS_A_COVARIATE = 20
"""Units that the smaller arm of a stratum must have for each column it is adjusted for: below, its slope is chance."""


@dataclass(frozen=True, eq=False)
class Counted:
    """Units of one measure, arrays [n] over all exposed units in order of exposure.

    Attributes:
        shape: How ``x`` and ``y`` become a mean.
        x: Numerator, or value.
        y: Denominator.
        treatment: Whether the unit is the challenger's.
        strata: Groups in which the chance of either arm is constant.
        here: Which are counted.
        first_at: Their exposure, microseconds since 1970 UTC.
        z: Their covariates [n, k], NaN where one is missing; None: the effect is not adjusted.
        answers: Labelled answers one by one, for a shape that ranks them.
        q: Of a quantile, which.
        cluster: A number from 0 for the cluster that each lies in; None: each stands for itself.
    """

    shape: Shape
    x: Values
    y: Values
    treatment: Mask
    strata: NDArray[np.int64]
    here: Mask
    first_at: NDArray[np.int64]
    z: Values | None = None
    answers: Answers | None = None
    q: float = 0.5
    cluster: NDArray[np.int64] | None = None

    @property
    def n(self) -> int:
        """How many are counted."""
        return int(np.count_nonzero(self.here))

    def where(self, mask: Mask) -> "Counted":
        """Those of them in ``mask`` [n] too."""
        return replace(self, here=self.here & mask)

    def first(self, n: int) -> "Counted":
        """The first ``n`` of them, by exposure."""
        return self.where(np.cumsum(self.here) <= n)

    def without_covariate(self) -> "Counted":
        """The same, not adjusted."""
        return replace(self, z=None)

    def by_stratum(self) -> dict[int, Effect]:
        """The effect within each stratum.

        Raises:
            BadInput: The covariates explain the whole metric.
        """
        if self._clustered:
            return {s: by_cluster(one, self._clusters) for s, one in self._strata().items()}
        effect = self._plain if self.z is None else self._adjusted
        return self._each(effect)

    def combined(self) -> Phases:
        """All strata, weighted by precision; raises as ``by_stratum``."""
        if self._clustered:
            return combine_strata(list(self._strata().values()), self._clusters)
        return combine_phases(list(self.by_stratum().values()))

    @property
    def _clustered(self) -> bool:
        """Whether errors are summed by cluster; what is ranked or sorted one by one is not told so."""
        return self.cluster is not None and self.shape not in BY_ROW and self.shape != "quantile"

    @property
    def _clusters(self) -> int:
        assert self.cluster is not None
        return int(self.cluster.max(initial=-1)) + 1

    def _strata(self) -> dict[int, Stratum]:
        return {s: self._stratum(here) for s, here in self.parts().items()}

    def _stratum(self, here: Mask) -> Stratum:
        """The units of a stratum for errors by cluster; a root's error is its mean square's over twice the root."""
        assert self.cluster is not None
        effect = self._plain(here)
        y = np.ones(int(here.sum())) if self.shape in ("mean", "proportion") else self.y[here]
        scale = (2 * effect.treatment_mean, 2 * effect.control_mean) if self.shape == "root" else (1.0, 1.0)
        return Stratum(effect, self.x[here], y, self.treatment[here], self.cluster[here], scale)

    def parts(self) -> dict[int, Mask]:
        """Those counted in each stratum."""
        present = np.flatnonzero(np.bincount(self.strata[self.here]))  # unlike unique it need not sort
        return {int(s): self.here & (self.strata == s) for s in present}

    def arms(self) -> list[Arms]:
        """Both arms' values in each stratum."""
        return [
            Arms.of(self.x[here & self.treatment], self.x[here & ~self.treatment]) for here in self.parts().values()
        ]

    def ratios(self) -> tuple[Ratios, ...]:
        """Of a ratio both arms' pairs in each stratum; by cluster where units lie in some, then none over several."""
        parts = self.parts().values()
        if self.shape not in ("ratio", "share", "root") or (self._clustered and len(parts) > 1):
            return ()
        arms = ((self._pairs(here & self.treatment), self._pairs(here & ~self.treatment)) for here in parts)
        return tuple(Ratios(*pair, root=self.shape == "root") for pair in arms)

    def _pairs(self, units: Mask) -> PairMoments:
        x, y = self.x[units], self.y[units]
        if self._clustered:
            assert self.cluster is not None
            among, of = np.unique(self.cluster[units], return_inverse=True)
            x, y = (np.bincount(of, weights=of_unit, minlength=among.size).astype(float) for of_unit in (x, y))
        return PairMoments.from_values(x, y)

    def gap_of(self, values: Values) -> Effect:
        """The difference of the arms' means of other values [n] of these units."""
        return replace(self, shape="mean", x=values, z=None).combined().effect

    def _each(self, of: Callable[[Mask], Effect]) -> dict[int, Effect]:
        return {stratum: of(here) for stratum, here in self.parts().items()}

    def _plain(self, here: Mask) -> Effect:
        t, c = here & self.treatment, here & ~self.treatment
        if self.shape in ("mean", "proportion"):
            arms = Moments.from_values(self.x[t]), Moments.from_values(self.x[c])
            return Effect.of_means(*arms, two_valued=self.shape == "proportion")
        if self.shape == "quantile":
            return quantile_effect(Arms.of(self.x[t], self.x[c]), self.q)
        if self.shape in BY_ROW:
            return self._ranked(t, c)
        pairs = PairMoments.from_values(self.x[t], self.y[t]), PairMoments.from_values(self.x[c], self.y[c])
        found = Effect.of_ratios(*pairs, two_valued=self.shape == "share")
        return rooted(found) if self.shape == "root" else found

    def _ranked(self, t: Mask, c: Mask) -> Effect:
        """The areas of both arms; of an area of one kind, and of the other shapes, no standard error is known."""
        areas = (self.area(t), self.area(c)) if self.shape == "auc" else ()
        if areas and all(area.se is not None for area in areas):
            return auc_effect(*areas)
        values = [math.nan if area.value is None else area.value for area in areas] or [math.nan, math.nan]
        return Effect(
            n_treatment=int(np.count_nonzero(t)),
            n_control=int(np.count_nonzero(c)),
            treatment_mean=values[0],
            control_mean=values[1],
            treatment_variance=math.nan,
            control_variance=math.nan,
            treatment_variance_pooled=math.nan,
            control_variance_pooled=math.nan,
            events=Events(*self._labels(t), *self._labels(c)) if self.shape in ("auc", "calibration") else None,
        )

    def _labels(self, units: Mask) -> tuple[float, float]:
        """Effective numbers of units with a positive label, and with another."""
        assert self.answers is not None
        found = self.answers.of(units)
        positive = found.label > 0
        return carriers(found.unit[positive]), carriers(found.unit[~positive])

    def area(self, units: Mask) -> Auc:
        """The area under the curve of some units' answers."""
        assert self.answers is not None
        found = self.answers.of(units)
        return auc(found.label, found.score, found.unit)

    def _adjusted(self, here: Mask) -> Effect:
        """Each stratum by itself: where an arm has too few units for slopes of its own, the plain difference."""
        assert self.z is not None
        columns = covariates_of(self.z[here])
        treated = self.treatment[here]
        fewest = min(np.count_nonzero(treated), np.count_nonzero(~treated))
        ratio = self.shape not in ("mean", "proportion")
        if not columns.size or fewest < UNITS_A_COVARIATE * columns.shape[1] or (ratio and not self._divides(here)):
            return self._plain(here)
        if ratio:
            return lin_ratios(self.x[here], self.y[here], columns, treated).effect
        return lin(self.x[here], columns, treated, two_valued=self.shape == "proportion").effect

    def _divides(self, here: Mask) -> bool:
        return all(self.y[here & arm].sum() > 0 for arm in (self.treatment, ~self.treatment))


def by_phase(found: Mapping[int, Effect]) -> dict[int, Effect]:
    """The effect of each phase, its strata combined, from the effects by stratum."""
    return {
        phase: combine_phases([effect for stratum, effect in found.items() if stratum // STRATUM == phase]).effect
        for phase in sorted({stratum // STRATUM for stratum in found})
    }


def rooted(effect: Effect) -> Effect:
    """The roots of two mean squares, by the delta method; a mean square of 0 has no error yet."""

    def variance(of_square: float, square: float) -> float:
        return of_square / (4 * square) if square > 0 else math.nan

    t, c = effect.treatment_mean, effect.control_mean
    return msgspec.structs.replace(
        effect,
        treatment_mean=math.sqrt(max(t, 0.0)),
        control_mean=math.sqrt(max(c, 0.0)),
        treatment_variance=variance(effect.treatment_variance, t),
        control_variance=variance(effect.control_variance, c),
        treatment_variance_pooled=variance(effect.treatment_variance_pooled, t),
        control_variance_pooled=variance(effect.control_variance_pooled, c),
    )


def covariates_of(z: Values) -> Values:
    """Covariates [n, k] as columns to adjust for: filled, each with a flag where some are missing; of one that all
    lack, or that is the same for all, none."""
    return np.column_stack([np.empty((len(z), 0)), *(_columns(each) for each in z.T)])


def _columns(z: Values) -> Values:
    filled, missing = impute(z).T
    if missing.all() or filled.min(initial=np.inf) == filled.max(initial=-np.inf):
        return np.empty((len(z), 0))
    return np.column_stack([filled, missing]) if missing.any() else filled[:, None]


def refusal(counted: Counted) -> str:
    """Why the effect cannot be adjusted, in words that end a sentence; "" when it can."""
    try:
        counted.by_stratum()
    except BadInput as error:
        return str(error)
    return ""
