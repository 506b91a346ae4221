"""Holm's adjustment: several p-values as one family, at no more than alpha for any false claim among them.

It needs no independence, and holds for always-valid p-values too.

References:
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2).
"""

from collections.abc import Sequence

from seatrial.spec.errors import BadInput


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values in the given order; reject those at or below alpha."""
    for p in p_values:
        if not 0 <= p <= 1:
            raise BadInput(f"{p!r} is not a p-value; give numbers from 0 to 1")
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)
