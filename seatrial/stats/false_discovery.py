"""Benjamini and Hochberg's adjustment for results read once, such as segments in a finished report.

Never for metrics that are watched: there it does not hold its rate (use Holm on always-valid p-values, or e-BH).

References:
    Benjamini, Hochberg (1995), Controlling the false discovery rate, JRSS B 57(1).
    Benjamini, Yekutieli (2001), The control of the false discovery rate under dependency, Ann. Stat. 29(4).
"""

from collections.abc import Sequence

from seatrial.spec.errors import BadInput


def benjamini_hochberg(p_values: Sequence[float], *, dependent: bool = False) -> tuple[float, ...]:
    """Adjusted p-values in the given order; reject those at or below the rate wanted.

    ``dependent`` holds under any dependence (Benjamini and Yekutieli), at a loss.
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise BadInput(f"{p!r} is not a p-value; give numbers from 0 to 1")
    m = len(p_values)
    price = sum(1 / k for k in range(1, m + 1)) if dependent else 1.0
    adjusted, running = [0.0] * m, 1.0
    for rank, index in sorted(enumerate(sorted(range(m), key=lambda i: p_values[i]), start=1), reverse=True):
        running = min(running, p_values[index] * m * price / rank)
        adjusted[index] = running
    return tuple(adjusted)
