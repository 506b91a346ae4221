"""McNemar's test: among inputs where only one of two models is right, is it one of them more often? At one look.

References:
    McNemar (1947), Note on the sampling error of the difference between correlated proportions, Psychometrika 12(2).
    Fagerland, Lydersen, Laake (2013), The McNemar test for binary matched-pairs data: mid-p and asymptotic are better
    than exact conditional, BMC Medical Research Methodology 13.
"""

import math
from typing import NamedTuple

from scipy.special import bdtr, gammaln

from seatrial.spec.errors import BadInput


class McNemar(NamedTuple):
    """Two-sided p-values, exact and mid-p (less conservative, nearly always at its level)."""

    exact: float
    mid_p: float


def mcnemar(treatment_only: int, control_only: int) -> McNemar:
    """From the inputs that only the treatment, and only the control, got right."""
    if treatment_only < 0 or control_only < 0:
        raise BadInput(f"counts {treatment_only} and {control_only} must be 0 or more")
    n, k = treatment_only + control_only, min(treatment_only, control_only)
    if n == 0:
        return McNemar(1.0, 1.0)
    tail = 2 * float(bdtr(k, n, 0.5))
    point = math.exp(float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)) - n * math.log(2))
    return McNemar(min(1.0, tail), min(1.0, tail - point))
