"""Calibration by an increasing step function: a chance for every stretch of scores, and the rows behind it."""

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.drift.estimates.scores import pairs_of, scores_of

Floats = NDArray[np.float64]


class Isotonic(msgspec.Struct, frozen=True, kw_only=True, tag="isotonic"):
    """Steps of increasing chance.

    Attributes:
        edges: Where one step ends and the next begins, increasing; shape [steps − 1]. A score at an edge is above it.
        chances: Share of rows in which it happened, by step, not decreasing; shape [steps].
        rows: Rows of the holdout behind each step; shape [steps].

    References:
        M. Ayer et al., An Empirical Distribution Function for Sampling with Incomplete Information, Ann. Math. Stat.
        26, 1955 (pool adjacent violators); for calibration B. Zadrozny and C. Elkan, KDD 2002.
    """

    edges: tuple[float, ...]
    chances: tuple[float, ...]
    rows: tuple[int, ...]

    @classmethod
    def fit(cls, scores: ArrayLike, happened: ArrayLike) -> "Isotonic":
        """Learn from the holdout: scores [n] in [0, 1], and whether it happened [n]."""
        x, y = pairs_of(scores, happened)
        distinct, place = np.unique(x, return_inverse=True)
        rows = np.bincount(place)
        blocks = _pooled(np.bincount(place, weights=y).tolist(), rows.tolist())
        ends = np.cumsum([width for *_, width in blocks])[:-1]
        return cls(
            edges=tuple(((distinct[ends - 1] + distinct[ends]) / 2).tolist()),
            chances=tuple(events / n for events, n, _ in blocks),
            rows=tuple(int(n) for _, n, _ in blocks),
        )

    def apply(self, scores: ArrayLike) -> Floats:
        """The chance behind each score; shape [n]."""
        return np.asarray(self.chances)[self._steps(scores_of(scores))]

    def variance(self, scores: ArrayLike, weights: ArrayLike) -> float:
        """Variance of Σ weight · chance over rows, as the holdout's own chance makes it.

        A step's variance is that of a share of its rows, half a row of each kind added: a step in which it always
        happened is not certain.
        """
        rows = np.asarray(self.rows, dtype=np.float64)
        shares = (np.asarray(self.chances) * rows + 0.5) / (rows + 1)
        loads = np.bincount(self._steps(scores_of(scores)), weights=np.asarray(weights), minlength=rows.size)
        return float((loads**2 * shares * (1 - shares) / rows).sum())

    def _steps(self, scores: Floats) -> NDArray[np.intp]:
        return np.searchsorted(np.asarray(self.edges), scores, side="right")


def _pooled(events: list[float], rows: list[int]) -> list[tuple[float, int, int]]:
    """Blocks (events, rows, distinct scores) whose shares increase: a block not above the one before is merged in."""
    blocks: list[tuple[float, int, int]] = []
    for happened, n in zip(events, rows, strict=True):
        block = (happened, n, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    return blocks
