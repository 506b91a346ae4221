"""What an embedding is watched by beyond its norm, without keeping a row: where a vector lies along the direction in
which the reference varies most, and how badly the widest directions draw it (``drift.reconstruction``).

A cloud that moves or turns shows in one of them though every vector keeps its length.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.drift import columns
from seatrial.drift.reconstruction import Reconstruction

Floats = NDArray[np.float64]

LEAST = 40
"""Vectors of the reference without which no direction is learnt."""
MOST_DIRECTIONS = 8
_DIGITS = 5
"""Of what is kept: some tens of kilobytes for 768 dimensions."""


class Cloud(msgspec.Struct, frozen=True, kw_only=True):
    """The widest directions of an embedding's reference."""

    drawing: Reconstruction

    @classmethod
    def from_vectors(cls, values: columns.Values, *, seed: int) -> tuple["Cloud", Floats, Floats] | None:
        """Learn from one half of the reference, and measure the other.

        Args:
            values: A vector, None or NaN each.
            seed: Of the halves.

        Returns:
            The cloud, and ``along`` and ``residual`` of the other half; None where fewer than 40 vectors of one width
            (two dimensions at least) are there.
        """
        vectors = _vectors(values)
        width = _width(vectors)
        known = [vector for vector in vectors if vector is not None and vector.size == width]
        if len(known) < LEAST or width < 2:
            return None
        mine = np.random.default_rng(seed).permutation(len(known)) < len(known) // 2
        table = np.array(known)
        made = Reconstruction.fit(table[mine], seed=seed, most=MOST_DIRECTIONS, digits=_DIGITS)
        cloud = cls(drawing=made)
        along, residual = cloud.of([*table[~mine]])
        return cloud, along, residual

    def of(self, values: columns.Values) -> tuple[Floats, Floats]:
        """Of each vector, shape [n], its place ``along`` the widest direction and its ``residual``, both in standard
        deviations of the dimensions; NaN of one that is missing, of another width, or not finite."""
        vectors = _vectors(values)
        width = len(self.drawing.means)
        fits = np.array([v is not None and v.size == width for v in vectors], dtype=np.bool_)
        along, residual = np.full(len(vectors), np.nan), np.full(len(vectors), np.nan)
        if fits.any():
            table = np.array([v for v, fit in zip(vectors, fits, strict=True) if fit])
            along[fits], residual[fits] = self.drawing.along(table), self.drawing.of(table)
        return along, residual


def _vectors(values: columns.Values) -> list[Floats | None]:
    rows = list(values)  # type: ignore[arg-type]
    return [_vector(row) for row in rows]


def _vector(row: object) -> Floats | None:
    if row is None or isinstance(row, float):
        return None
    vector = np.asarray(row, dtype=np.float64)
    return vector if vector.ndim == 1 and np.isfinite(vector).all() else None


def _width(vectors: list[Floats | None]) -> int:
    """The most frequent one."""
    sizes = [vector.size for vector in vectors if vector is not None]
    return int(np.bincount(sizes).argmax()) if sizes else 0
