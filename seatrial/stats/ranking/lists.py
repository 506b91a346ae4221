"""Ranked lists against what turned out to be relevant: hit rate, precision, recall, NDCG at k, and reciprocal rank.

``gains`` [requests, places] hold the gain of the item shown at each place, first place first, 0 where it was not
relevant or where the list was shorter.

References:
    Järvelin, Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4).
    Voorhees (1999), The TREC-8 question answering track report (reciprocal rank).
    Manning, Raghavan, Schütze (2008), Introduction to information retrieval, chapter 8.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.quality.scores import Rows

Floats = NDArray[np.float64]


def hit_rate(gains: ArrayLike, k: int) -> Rows:
    """Whether any of the first k items was relevant."""
    return _each(np.asarray((_top(gains, k) > 0).any(axis=1), dtype=np.float64))


def precision_at(gains: ArrayLike, k: int) -> Rows:
    """The share of k places that held a relevant item; a list shorter than k has empty places."""
    found: Floats = np.count_nonzero(_top(gains, k) > 0, axis=1).astype(np.float64)
    return _each(np.divide(found, k))


def recall_at(gains: ArrayLike, k: int, relevant: ArrayLike) -> Rows:
    """The share of all relevant items, ``relevant`` [requests], that stood in the first k places.

    A request without any relevant item says nothing and counts for nothing.
    """
    found = (_top(gains, k) > 0).sum(axis=1).astype(np.float64)
    wanted = np.asarray(relevant, dtype=np.float64).ravel()
    if wanted.shape != found.shape or (wanted < found).any():
        raise BadInput(f"{wanted.size} numbers of relevant items for {found.size} lists, none below those found")
    counts = wanted > 0
    return Rows(np.where(counts, found / np.maximum(wanted, 1.0), 0.0), counts.astype(np.float64))


def mean_reciprocal_rank(gains: ArrayLike, k: int | None = None) -> Rows:
    """1 / place of the first relevant item among the first k (None: all), 0 without one."""
    relevant = _top(gains, k) > 0
    first = relevant.argmax(axis=1) + 1.0
    return _each(np.where(relevant.any(axis=1), 1 / first, 0.0))


def ndcg_at(gains: ArrayLike, k: int, ideal: ArrayLike | None = None) -> Rows:
    """Discounted gains of the first k items, gain / log2(place + 1), over those of the best order there could be.

    Args:
        gains: As above, 0 or more.
        k: Places that count.
        ideal: Gains of all relevant items of each request [requests, any], shown or not; None: only those shown.
    """
    top, whole = _top(gains, k), _gains(gains if ideal is None else ideal)
    if len(whole) != len(top):
        raise BadInput(f"{len(top)} lists and ideal gains of {len(whole)} requests are not one each")
    best = _discounted(-np.sort(-whole, axis=1)[:, :k])
    counts = best > 0
    return Rows(np.where(counts, _discounted(top) / np.where(counts, best, 1.0), 0.0), counts.astype(np.float64))


def _discounted(gains: Floats) -> Floats:
    total: Floats = gains @ (1 / np.log2(np.arange(gains.shape[1]) + 2.0))
    return total


def _each(values: Floats) -> Rows:
    return Rows(values, np.ones(values.size))


def _top(gains: ArrayLike, k: int | None) -> Floats:
    table = _gains(gains)
    if k is not None and k < 1:
        raise BadInput(f"k {k!r} is no number of places; give 1 or more")
    return table if k is None else table[:, :k]


def _gains(gains: ArrayLike) -> Floats:
    table = np.asarray(gains, dtype=np.float64)
    if table.ndim != 2 or not (np.isfinite(table).all() and (table >= 0).all()):
        raise BadInput(f"gains are a table of requests by places, 0 or more, not the shape {table.shape}")
    return table
