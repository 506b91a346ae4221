"""Evidence that multiplies: e-values, and their false-discovery control (e-BH), under any dependence and at any look.

An e-value is what a fair bet of one turned into; above 1/alpha it refutes at alpha. A p-value becomes one by a
calibrator, at some loss.

References:
    Wang, Ramdas (2022), False discovery rate control with e-values, JRSS B 84(3).
    Vovk, Wang (2021), E-values: calibration, combination and applications, Annals of Statistics 49(3).
"""

import math
from collections.abc import Sequence

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import check_alpha


def e_bh(e_values: Sequence[float], alpha: float = 0.05) -> tuple[bool, ...]:
    """Which hypotheses are rejected, in the given order: the k largest, for the largest k with k·e_(k) >= m/alpha.

    Raises:
        BadInput: A negative or missing e-value.
    """
    check_alpha(alpha)
    for e in e_values:
        if not e >= 0:
            raise BadInput(f"{e!r} is not an e-value; give numbers of 0 or more")
    m, order = len(e_values), sorted(range(len(e_values)), key=lambda i: -e_values[i])
    kept = max((k for k, i in enumerate(order, start=1) if k * e_values[i] >= m / alpha), default=0)
    rejected = set(order[:kept])
    return tuple(i in rejected for i in range(m))


def e_from_p(p_value: float) -> float:
    """The e-value of a p-value (always-valid ones too) by the calibrator (1 - p + p ln p) / (p ln² p)."""
    if not 0 <= p_value <= 1:
        raise BadInput(f"{p_value!r} is not a p-value; give a number from 0 to 1")
    if p_value == 0:
        return math.inf
    log = math.log(p_value)
    if log > -1e-4:
        return 0.5 + log / -6  # its limit: the closed form loses all digits next to 1
    return (1 - p_value + p_value * log) / (p_value * log * log)
