"""A small tree that divides rows by how wrong a model's answers are, learnt on a holdout and honest about it.

Half of the holdout's rows decide where to divide, the other half says how large the loss is there; so the means are
unbiased, and their errors are those of plain means.
"""

import heapq

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.drift.moments import Moments
from seatrial.spec.errors import BadInput

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
LEAVES, LEAST, CUTS = 16, 25, 31
ABSENT = -1.7976931348623157e308
"""Stands for a missing value: below every other, so that a division can set it apart."""


class LossTree(msgspec.Struct, frozen=True, kw_only=True):
    """Divisions, and the losses of the holdout in each leaf.

    Attributes:
        feature: Column that a node divides by, −1 for a leaf; shape [nodes], the root first.
        cut: Rows with at most this go to ``below``.
        below, above: Nodes; for a leaf ``below`` is its place in ``leaves``.
        leaves: Moments of the losses of the holdout's second half.
        columns: How many columns rows have.

    References:
        L. Breiman et al., Classification and Regression Trees, 1984; honesty: S. Athey and G. Imbens, Recursive
        Partitioning for Heterogeneous Causal Effects, PNAS 113(27), 2016.
    """

    feature: tuple[int, ...]
    cut: tuple[float, ...]
    below: tuple[int, ...]
    above: tuple[int, ...]
    leaves: tuple[Moments, ...]
    columns: int

    @classmethod
    def fit(cls, rows: ArrayLike, losses: ArrayLike, *, seed: int = 0, most: int = LEAVES) -> "LossTree":
        """Learn where losses are large.

        Args:
            rows: Shape [n, columns]: what is known of a row before its label (features as numbers, the answer); NaN is
                missing.
            losses: Shape [n]: how wrong the answer was (its absolute error, say).
            seed: Of the division into halves.
            most: Leaves.
        """
        x, y = rows_of(rows), np.asarray(losses, dtype=np.float64)
        if y.shape != (len(x),):
            raise BadInput(f"{len(x)} rows and {y.size} losses do not belong together; give one loss a row")
        if len(x) < 2 * LEAST:
            raise BadInput(f"a holdout of {len(x)} rows is too small to learn losses from; give at least {2 * LEAST}")
        if not np.isfinite(y).all():
            raise BadInput(f"{y[~np.isfinite(y)][0]} is not a loss; leave out rows whose label is not known")
        order = np.random.default_rng(seed).permutation(len(x))
        divide, fill = order[: len(x) // 2], order[len(x) // 2 :]
        return _Growth(x, y, divide).grown(fill, most)

    def places(self, rows: ArrayLike) -> Rows:
        """Which leaf each row falls into; shape [n]."""
        x = rows_of(rows)
        if x.shape[1] != self.columns:
            raise BadInput(f"rows have {x.shape[1]} columns, and the losses were learnt on {self.columns}")
        feature, cut = np.asarray(self.feature), np.asarray(self.cut)
        below, above = np.asarray(self.below), np.asarray(self.above)
        at = np.zeros(len(x), dtype=np.intp)
        while (inner := np.flatnonzero(feature[at] >= 0)).size:
            node = at[inner]
            at[inner] = np.where(x[inner, feature[node]] <= cut[node], below[node], above[node])
        places: Rows = below[at]
        return places


def rows_of(rows: ArrayLike) -> Floats:
    """As float64 [n, columns], missing values as ``ABSENT``."""
    x = np.asarray(rows, dtype=np.float64)
    if x.ndim != 2:
        raise BadInput(f"rows are a table of two axes, not {x.ndim}")
    return np.nan_to_num(x, nan=ABSENT, posinf=-ABSENT, neginf=ABSENT)


class _Growth:
    """A tree while it grows."""

    def __init__(self, x: Floats, y: Floats, divide: Rows) -> None:
        self.x, self.y, self.divide = x, y, divide
        self.cuts = [_cuts(column) for column in x[divide].T]
        self.codes = np.column_stack([np.searchsorted(c, v, side="left") for c, v in zip(self.cuts, x.T, strict=True)])

    def grown(self, fill: Rows, most: int) -> LossTree:
        nodes: list[tuple[int, float, int, int]] = [(-1, 0.0, 0, 0)]
        waiting: list[tuple[float, int, int, int, Rows, Rows]] = []
        leaves: dict[int, Rows] = {0: fill}
        self._consider(waiting, 0, self.divide, fill)
        while waiting and len(leaves) < most:
            _, node, column, code, divide, filled = heapq.heappop(waiting)
            low, high = len(nodes), len(nodes) + 1
            nodes[node] = (column, float(self.cuts[column][code]), low, high)
            nodes += [(-1, 0.0, 0, 0)] * 2
            del leaves[node]
            for child, side in ((low, True), (high, False)):
                mine, theirs = self._side(divide, column, code, side), self._side(filled, column, code, side)
                leaves[child] = theirs
                self._consider(waiting, child, mine, theirs)
        for place, node in enumerate(leaves):
            nodes[node] = (-1, 0.0, place, place)
        feature, cut, below, above = zip(*nodes, strict=True)
        return LossTree(
            feature=feature,
            cut=cut,
            below=below,
            above=above,
            leaves=tuple(Moments.from_values(self.y[rows]) for rows in leaves.values()),
            columns=self.x.shape[1],
        )

    def _side(self, rows: Rows, column: int, code: int, low: bool) -> Rows:
        side: Rows = rows[(self.codes[rows, column] <= code) == low]
        return side

    def _consider(
        self, waiting: list[tuple[float, int, int, int, Rows, Rows]], node: int, divide: Rows, fill: Rows
    ) -> None:
        best = max((self._best(column, divide, fill) for column in range(len(self.cuts))), default=(0.0, 0, 0))
        if best[0] > 0:
            heapq.heappush(waiting, (-best[0], node, best[1], best[2], divide, fill))

    def _best(self, column: int, divide: Rows, fill: Rows) -> tuple[float, int, int]:
        """The largest fall of the squared error by dividing at one cut, with enough rows of both halves either side."""
        size = len(self.cuts[column]) + 1
        codes = self.codes[divide, column]
        n = np.cumsum(np.bincount(codes, minlength=size))[:-1]
        s = np.cumsum(np.bincount(codes, weights=self.y[divide], minlength=size))[:-1]
        filled = np.cumsum(np.bincount(self.codes[fill, column], minlength=size))[:-1]
        able = np.flatnonzero(
            np.minimum(np.minimum(n, divide.size - n), np.minimum(filled, fill.size - filled)) >= LEAST
        )
        if not able.size:
            return 0.0, column, 0
        n, s, total = n[able], s[able], float(self.y[divide].sum())
        gain = s**2 / n + (total - s) ** 2 / (divide.size - n) - total**2 / divide.size
        place = int(np.argmax(gain))
        return float(gain[place]), column, int(able[place])


def _cuts(column: Floats) -> Floats:
    """Where a column may be divided: at its quantiles, and between missing and present."""
    present = column[column != ABSENT]
    quantiles = np.quantile(present, np.arange(1, CUTS + 1) / (CUTS + 1), method="inverted_cdf") if present.size else []
    cuts: Floats = np.unique(np.concatenate([[ABSENT], quantiles]))
    return cuts
