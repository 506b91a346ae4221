"""An effect: two arms' means and the variances of those means, which every interval and contrast is built from."""

import math
from typing import NamedTuple

import msgspec

from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.ratio import linearise


class Events(msgspec.Struct, frozen=True):
    """How many units carry each of the two values of a two-valued metric, per arm (effective numbers for counts)."""

    treatment: float
    treatment_others: float
    control: float
    control_others: float

    @property
    def fewest(self) -> float:
        """The rarest value in the poorer arm."""
        return min(self.treatment, self.treatment_others, self.control, self.control_others)

    def plus(self, other: "Events") -> "Events":
        """Both phases' events."""
        return Events(
            self.treatment + other.treatment,
            self.treatment_others + other.treatment_others,
            self.control + other.control,
            self.control_others + other.control_others,
        )


class Difference(NamedTuple):
    """A difference estimated otherwise than as one mean less the other.

    Attributes:
        value: Treatment minus control.
        variance: Its variance, each arm's own.
        variance_pooled: Its variance with what is common to both arms pooled.
        covariance: Its covariance with the control's unadjusted mean, from the control alone.
        covariance_pooled: The same, pooled.
        degrees: Degrees of freedom for one look.
    """

    value: float
    variance: float
    variance_pooled: float
    covariance: float
    covariance_pooled: float
    degrees: float


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """Treatment against control on one metric, over one phase or several combined.

    Attributes:
        n_treatment: Units of the treatment.
        n_control: Units of the control.
        treatment_mean: Mean (or ratio) of the treatment.
        control_mean: Mean (or ratio) of the control.
        treatment_variance: Variance of ``treatment_mean``, from its own arm (NaN with fewer than two units).
        control_variance: Variance of ``control_mean``, from its own arm.
        treatment_variance_pooled: The same with the variance pooled over both arms.
        control_variance_pooled: The same for the control.
        events: For two-valued metrics, how often each value was seen; else None.
        covariance: Of the two means: 0 unless the effect was adjusted, for then ``treatment_mean`` is the control's
            plus the adjusted effect.
        covariance_pooled: The same with the variance pooled over both arms.
        degrees: Degrees of freedom for one look; None: Welch's, from the two variances.
        clusters: How many clusters the units of treatment and control lie in; None: each stands for itself.
        carriers: Effective numbers of units that carry the means (the numerators of ratios) of treatment and control:
            (Σx)² / Σx². None: no such number is known.
        denominators: The same of a ratio's denominators; None of what is no ratio.
    """

    n_treatment: int
    n_control: int
    treatment_mean: float
    control_mean: float
    treatment_variance: float
    control_variance: float
    treatment_variance_pooled: float
    control_variance_pooled: float
    events: Events | None = None
    covariance: float = 0.0
    covariance_pooled: float = 0.0
    degrees: float | None = None
    clusters: tuple[int, int] | None = None
    carriers: tuple[float, float] | None = None
    denominators: tuple[float, float] | None = None

    @classmethod
    def of_means(cls, treatment: Moments, control: Moments, *, two_valued: bool = False) -> "Effect":
        """From two arms' moments; ``two_valued`` when the values are zeros and ones."""
        pooled = _pooled_variance(treatment, control)
        return cls(
            n_treatment=treatment.n,
            n_control=control.n,
            treatment_mean=treatment.mean,
            control_mean=control.mean,
            treatment_variance=_over(treatment.variance, treatment.n),
            control_variance=_over(control.variance, control.n),
            treatment_variance_pooled=_over(pooled, treatment.n),
            control_variance_pooled=_over(pooled, control.n),
            events=_events_of_means(treatment, control) if two_valued else None,
            carriers=(treatment.effective_events, control.effective_events),
        )

    @classmethod
    def of_ratios(cls, treatment: PairMoments, control: PairMoments, *, two_valued: bool = False) -> "Effect":
        """From numerators x and denominators y by unit; ``two_valued`` when x counts some of y's items (accuracy)."""
        return msgspec.structs.replace(
            cls.of_means(linearise(treatment), linearise(control)),
            events=_events_of_ratios(treatment, control) if two_valued else None,
            carriers=(treatment.x.effective_events, control.x.effective_events),
            denominators=(treatment.y.effective_events, control.y.effective_events),
        )

    def with_difference(self, difference: Difference) -> "Effect":
        """The same arms with another estimate of their difference; the control's mean stays as it is."""
        v, v_pooled = self.control_variance, self.control_variance_pooled
        return msgspec.structs.replace(
            self,
            treatment_mean=self.control_mean + difference.value,
            treatment_variance=difference.variance + v + 2 * difference.covariance,
            treatment_variance_pooled=difference.variance_pooled + v_pooled + 2 * difference.covariance_pooled,
            covariance=v + difference.covariance,
            covariance_pooled=v_pooled + difference.covariance_pooled,
            degrees=difference.degrees,
        )

    def unpooled(self) -> "Effect":
        """The same with each arm's own variance only, as Welch's t uses it."""
        return msgspec.structs.replace(
            self,
            treatment_variance_pooled=self.treatment_variance,
            control_variance_pooled=self.control_variance,
            covariance_pooled=self.covariance,
        )

    @property
    def n(self) -> int:
        """Units of both arms."""
        return self.n_treatment + self.n_control

    @property
    def effect(self) -> float:
        """Treatment minus control."""
        return self.treatment_mean - self.control_mean

    @property
    def relative(self) -> float | None:
        """The effect over the size of the control's mean; None when that is 0."""
        return self.effect / abs(self.control_mean) if self.control_mean else None

    @property
    def se_unpooled(self) -> float:
        """Standard error with each arm's own variance."""
        return _root(self.treatment_variance + self.control_variance - 2 * self.covariance)

    @property
    def se_pooled(self) -> float:
        """Standard error with one variance for both arms."""
        return _root(self.treatment_variance_pooled + self.control_variance_pooled - 2 * self.covariance_pooled)

    @property
    def se(self) -> float:
        """The larger of the two: what verdicts use."""
        return self.contrast_se(1.0)

    def contrast(self, factor: float) -> float:
        """Treatment - factor · control."""
        return self.treatment_mean - factor * self.control_mean

    def contrast_se(self, factor: float) -> float:
        """Standard error of the contrast, the larger of unpooled and pooled."""
        square = factor * factor
        unpooled = self.treatment_variance + square * self.control_variance - 2 * factor * self.covariance
        pooled = (
            self.treatment_variance_pooled + square * self.control_variance_pooled - 2 * factor * self.covariance_pooled
        )
        return _root(max(unpooled, pooled))

    @property
    def control_se(self) -> float:
        """Standard error of the control's mean, the larger of the two."""
        return math.sqrt(max(self.control_variance, self.control_variance_pooled))


def _root(variance: float) -> float:
    return math.sqrt(max(variance, 0.0))


def _pooled_variance(a: Moments, b: Moments) -> float:
    n = a.n + b.n
    return (a.m2 + b.m2) / (n - 2) if n > 2 else math.nan


def _over(variance: float, n: int) -> float:
    return variance / n if n else math.nan


def _events_of_means(treatment: Moments, control: Moments) -> Events:
    return Events(treatment.total, treatment.n - treatment.total, control.total, control.n - control.total)


def _events_of_ratios(treatment: PairMoments, control: PairMoments) -> Events:
    return Events(
        treatment.x.effective_events,
        treatment.combination(-1.0, 1.0).effective_events,
        control.x.effective_events,
        control.combination(-1.0, 1.0).effective_events,
    )
