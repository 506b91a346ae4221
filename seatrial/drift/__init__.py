"""Drift: what a version's world looked like, and whether a window of live rows still looks like it. Pure.

Profile, FeatureProfile    what is stored with a version (counts, moments, missing values, range)
profile_of_window          a window counted in the reference's cells
decide_window              all columns of a window together: drift, quality incidents, severity, words
decide_windows             many windows at once, each by itself, at one or more levels
psi, ks, chi_squared, …    the statistics, one a file; ``drift.null`` says what each is when nothing drifted
Reconstruction             columns together: PCA's error. ``drift.domain_classifier`` is imported by itself
drift.concept              where a stream of errors changed
drift.estimates            performance before there are labels
"""

from seatrial.drift.benjamini_hochberg import benjamini_hochberg
from seatrial.drift.chi_squared import ChiSquared, chi_squared
from seatrial.drift.cramers_v import cramers_v
from seatrial.drift.decide import FeatureDrift, decide_window, decide_windows
from seatrial.drift.feature import FeatureProfile, profile_of_tally, profile_of_window
from seatrial.drift.finding import Finding
from seatrial.drift.hellinger import hellinger
from seatrial.drift.jensen_shannon import jensen_shannon, jensen_shannon_divergence
from seatrial.drift.ks import Ks, ks, ks_binned
from seatrial.drift.moments import Moments
from seatrial.drift.profile import (
    Baseline,
    Profile,
    accuracy_baseline,
    classification_profile,
    regression_profile,
)
from seatrial.drift.psi import psi
from seatrial.drift.reconstruction import Reconstruction
from seatrial.drift.severity import Severity, worst
from seatrial.drift.shift import shifts
from seatrial.drift.total_variation import total_variation
from seatrial.drift.wasserstein import wasserstein, wasserstein_scaled

__all__ = [
    "Baseline",
    "ChiSquared",
    "FeatureDrift",
    "FeatureProfile",
    "Finding",
    "Ks",
    "Moments",
    "Profile",
    "Reconstruction",
    "Severity",
    "accuracy_baseline",
    "benjamini_hochberg",
    "chi_squared",
    "classification_profile",
    "cramers_v",
    "decide_window",
    "decide_windows",
    "hellinger",
    "jensen_shannon",
    "jensen_shannon_divergence",
    "ks",
    "ks_binned",
    "profile_of_tally",
    "profile_of_window",
    "psi",
    "regression_profile",
    "shifts",
    "total_variation",
    "wasserstein",
    "wasserstein_scaled",
    "worst",
]
