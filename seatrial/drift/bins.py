"""Where a reference cuts a number line: quantile edges with open ends, and cells of their own for atoms.

The cells of edges e₁ < e₂ < … are (−∞, e₁], (e₁, e₂], …, (e_k, ∞) in order; an edge that is an *atom* (a value that
holds much of the mass, such as a pixel's 0) splits its cell in two: everything below it, and itself.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

BINS = 10
ATOM = 0.1
"""A value that holds at least this share of the reference has a cell of its own: as much as a whole quantile bin."""


class Bins(msgspec.Struct, frozen=True):
    """Edges in increasing order, and which of them are atoms."""

    edges: tuple[float, ...] = ()
    atoms: tuple[float, ...] = ()

    @classmethod
    def from_values(cls, values: NDArray[np.float64], atoms: tuple[float, ...] | None = None) -> "Bins":
        """Cut the reference's own values (no NaN); ``atoms`` given are taken as they are."""
        if values.size == 0:
            return cls(tuple(sorted(atoms or ())), tuple(sorted(atoms or ())))
        if atoms is None:
            distinct, counts = np.unique(values, return_counts=True)
            atoms = tuple(float(v) for v in distinct[counts >= ATOM * values.size] if np.isfinite(v))
        rest = values[~np.isin(values, atoms)]
        edges = set(atoms)
        if rest.size:
            share = rest.size / values.size
            number = max(2, round(BINS * share))
            cuts = np.quantile(rest, np.arange(1, number) / number, method="inverted_cdf")
            edges |= {float(cut) for cut in cuts if np.isfinite(cut) and cut < rest.max()}
        return cls(tuple(sorted(edges)), tuple(sorted(atoms)))

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return len(self.edges) + 1 + len(self.atoms)

    def count(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many of ``values`` (no NaN) fall into each cell, in order; shape [cells]."""
        edges = np.asarray(self.edges, dtype=np.float64)
        ordered = np.sort(values)  # then each edge is looked up once: faster than looking up every value
        under, until = np.searchsorted(ordered, edges, side="left"), np.searchsorted(ordered, edges, side="right")
        is_atom = np.isin(edges, np.asarray(self.atoms, dtype=np.float64))
        ends = np.sort(np.concatenate((under[is_atom], until)))
        return np.diff(np.concatenate(([0], ends, [values.size]))).astype(np.int64)
