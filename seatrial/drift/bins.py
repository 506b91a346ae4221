"""Where a reference cuts a number line: quantile edges with open ends, and cells of their own for atoms.

The cells of edges e₁ < e₂ < … are (−∞, e₁], (e₁, e₂], …, (e_k, ∞) in order; an edge that is an *atom* (a value that
holds much of the mass, such as a pixel's 0) splits its cell in two: everything below it, and itself.
"""

import math

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
        ordered = np.sort(values)
        if atoms is None:
            atoms = _atoms_of(ordered)
        rest = _without(ordered, atoms)
        edges = set(atoms)
        if rest.size:
            share = rest.size / values.size
            number = max(2, round(BINS * share))
            cuts = rest[_inverted_cdf(rest.size, np.arange(1, number) / number)]
            edges |= {float(cut) for cut in cuts if np.isfinite(cut) and cut < rest[-1]}
        return cls(tuple(sorted(edges)), tuple(sorted(atoms)))

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return len(self.edges) + 1 + len(self.atoms)

    def count(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many of ``values`` (no NaN) fall into each cell, in order; shape [cells]."""
        atoms, ends = set(self.atoms), [0]
        for edge in self.edges:  # a pass for each of a dozen edges is faster than looking up every value
            if edge in atoms:
                ends.append(int(np.count_nonzero(values < edge)))
            ends.append(int(np.count_nonzero(values <= edge)))
        return np.diff([*ends, values.size]).astype(np.int64)


def _atoms_of(ordered: NDArray[np.float64]) -> tuple[float, ...]:
    """Values that hold so much that one of every so many rows must be theirs."""
    step = math.ceil(ATOM * ordered.size)
    maybe = np.unique(ordered[::step])
    rows = np.searchsorted(ordered, maybe, side="right") - np.searchsorted(ordered, maybe, side="left")
    return tuple(float(value) for value in maybe[rows >= ATOM * ordered.size] if np.isfinite(value))


def _without(ordered: NDArray[np.float64], atoms: tuple[float, ...]) -> NDArray[np.float64]:
    if not atoms:
        return ordered
    gone = np.sort(np.array(atoms))
    ends = np.searchsorted(ordered, gone, side="left"), np.searchsorted(ordered, gone, side="right")
    starts, stops = [0, *ends[1].tolist()], [*ends[0].tolist(), ordered.size]
    return np.concatenate([ordered[start:stop] for start, stop in zip(starts, stops, strict=True)])


def _inverted_cdf(n: int, shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where the quantiles of ``n`` sorted values stand: the first whose distribution function reaches the share."""
    return np.maximum(np.ceil(n * shares - 1), 0).astype(np.intp)
