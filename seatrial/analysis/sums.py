"""SQL of averages and covariances of columns, and how their rows are read.

Averages are compensated sums. Covariances come in two ways that give the same numbers: exactly, by Welford's steps,
which divide once a value; or quickly, from sums of products, which lose the digits of 1 + (mean / deviation)² (Chan,
Golub, LeVeque 1983). The quick way is taken where that is four digits of sixteen at most; ``is_far`` tells where it is
not, and the exact way must be asked.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FAR = 100.0
"""Standard deviations from zero."""


def select(tag: str, columns: Sequence[str], *, quick: bool) -> list[str]:
    """Expressions of the moments of ``columns``, named after ``tag``."""
    parts = [f"favg({c}) AS m{tag}_{i}" for i, c in enumerate(columns)]
    for i, a in enumerate(columns):
        for j, b in enumerate(columns[: i + 1]):
            exact = f"var_samp({a})" if i == j else f"covar_samp({a}, {b})"
            parts.append(f"{f'sum({a} * {b})' if quick else exact} AS v{tag}_{i}_{j}")
    return parts


def read(
    tag: str, row: Mapping[str, object], n: int, width: int, *, quick: bool
) -> tuple[list[float], NDArray[np.float64]]:
    """Averages [k] and sample covariances [k, k] of ``n`` units from a row; nulls are 0."""
    means = [_number(row[f"m{tag}_{i}"]) for i in range(width)]
    found = np.zeros((width, width))
    for i in range(width):
        for j in range(i + 1):
            found[i, j] = found[j, i] = _number(row[f"v{tag}_{i}_{j}"])
    return means, (found - n * np.outer(means, means)) / max(n - 1, 1) if quick else found


def is_far(tag: str, row: Mapping[str, object], n: int, width: int) -> bool:
    """Whether a mean lies so far from zero that the quick way lost its digits."""
    for i in range(width):
        mean, square = _number(row[f"m{tag}_{i}"]), _number(row[f"v{tag}_{i}_{i}"])
        if mean and n and mean * mean > FAR * FAR * max(square / n - mean * mean, 0.0):
            return True
    return False


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
