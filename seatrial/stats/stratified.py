"""Shares from a stratified sample: each stratum's labelled members stand for all of it, by their probability.

A share of a population in strata of known sizes is estimated by Hájek's ratio, with the chance of a member to be drawn
and labelled (labelled members over all, so unlabelled ones are taken to be missing at random in their stratum). Its
interval joins each stratum's Wilson interval (MOVER), so that a stratum of which all labels are alike is not taken to
be known for certain; and it counts that the population is itself a sample of what such members are like, so that it
holds beyond these members (two-phase sampling).

References:
    Hájek (1971), in Godambe, Sprott (eds.), Foundations of statistical inference (the ratio of weighted totals).
    Neyman (1938), Contribution to the theory of sampling human populations, JASA 33; Cochran (1977), Sampling
    Techniques, 3rd edition, section 12.2 (two phases).
    Zou, Huang, Zhang (2009), A note on confidence interval estimation for a linear function of binomial proportions,
    Computational Statistics and Data Analysis 53 (intervals of strata joined).
    Fieller (1954), Some problems in interval estimation, JRSS B 16 (a ratio by the contrast that is 0 at it).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from scipy.optimize import brentq
from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import check_alpha
from seatrial.stats.proportion import wilson


class Weighted(msgspec.Struct, frozen=True, kw_only=True):
    """A weighted share or difference.

    Attributes:
        value: None where nothing is below the line, or nothing is known.
        lower, upper: 1 - alpha interval, for one look; None likewise.
        labelled: Members that it rests on.
    """

    value: float | None
    lower: float | None
    upper: float | None
    labelled: int


NOTHING = Weighted(value=None, lower=None, upper=None, labelled=0)


class Stratum(NamedTuple):
    """Members of one kind.

    Attributes:
        size: All of them.
        labelled: Of these, a simple random sample that has labels, one at least.
        hits: Of these, those that count; between 0 and ``labelled``, and whole unless hits have parts.
    """

    size: int
    labelled: int
    hits: float


class _Term(NamedTuple):
    """A stratum's mean of something, with its interval."""

    size: int
    mean: float
    lower: float
    upper: float

    def times(self, factor: float) -> "_Term":
        ends = sorted((factor * self.lower, factor * self.upper))
        return _Term(self.size, factor * self.mean, ends[0], ends[1])


def stratified_share(strata: Sequence[Stratum], alpha: float = 0.05) -> Weighted:
    """The share of hits over all members; nothing without strata.

    Raises:
        BadInput: Counts that cannot be.
    """
    terms = [_term(one, alpha) for one in strata]
    if not terms:
        return NOTHING
    mean, below, above = _joined(terms, alpha)
    return _weighted(mean, max(mean - below, 0.0), min(mean + above, 1.0), strata)


def stratified_difference(apart: Sequence[Stratum], same: int, alpha: float = 0.05) -> Weighted:
    """The mean of a difference between -1 and 1 over all members.

    Args:
        apart: Strata with ``hits`` = Σ (1 + difference) / 2 of the labelled members.
        same: Members whose difference is 0 whatever their label.
        alpha: The interval's.
    """
    terms = [_term(one, alpha) for one in apart]
    shifted = [_Term(t.size, 2 * t.mean - 1, 2 * t.lower - 1, 2 * t.upper - 1) for t in terms]
    if same:
        shifted.append(_Term(same, 0.0, 0.0, 0.0))
    if not shifted:
        return NOTHING
    mean, below, above = _joined(shifted, alpha)
    return _weighted(mean, max(mean - below, -1.0), min(mean + above, 1.0), apart)


def stratified_part(inside: Sequence[Stratum], outside: Sequence[Stratum], alpha: float = 0.05) -> Weighted:
    """Of all hits, the share inside some strata, as a recall is: hits of the strata that were answered so.

    The interval holds the shares r at which the contrast (1 - r) inside - r outside may be 0.
    """
    ours, theirs = ([_term(one, alpha) for one in part] for part in (inside, outside))
    totals = [sum(t.size * t.mean for t in part) for part in (ours, theirs)]
    if not sum(totals) > 0:
        return NOTHING
    value = totals[0] / sum(totals)

    def end(share: float, side: int) -> float:
        mean, below, above = _joined([t.times(1 - share) for t in ours] + [t.times(-share) for t in theirs], alpha)
        return mean + above if side > 0 else mean - below

    # The contrast falls from inside's total at 0 to minus outside's at 1.
    lower = 0.0 if end(0.0, -1) <= 0 else _root(lambda r: end(r, -1), 0.0, value)
    upper = 1.0 if end(1.0, 1) >= 0 else _root(lambda r: end(r, 1), value, 1.0)
    return _weighted(value, lower, upper, (*inside, *outside))


def allocate(sizes: Mapping[str, int], wanted: int, least: int = 2) -> dict[str, int]:
    """How many to draw of each stratum: in proportion, at least ``least`` of each (all of smaller ones)."""
    total = sum(sizes.values())
    return {
        name: min(size, max(least, math.floor(wanted * size / total + 0.5))) for name, size in sizes.items() if size > 0
    }


def _term(stratum: Stratum, alpha: float) -> _Term:
    size, n, hits = stratum
    if not (0 < n <= size and 0 <= hits <= n):
        raise BadInput(f"a stratum of {size} members with {n} labels and {hits:g} hits cannot be; check the file")
    ends = wilson(hits, n, alpha)
    return _Term(size, hits / n, ends.lower, ends.upper)


def _joined(terms: Sequence[_Term], alpha: float) -> tuple[float, float, float]:
    """The mean over all members, and how far its interval reaches below and above."""
    z, population = float(ndtri(1 - check_alpha(alpha) / 2)), sum(t.size for t in terms)
    weights = [t.size / population for t in terms]
    mean = sum(w * t.mean for w, t in zip(weights, terms, strict=True))
    kinds = z * z / population * sum(w * (t.mean - mean) ** 2 for w, t in zip(weights, terms, strict=True))
    below = math.sqrt(kinds + sum((w * (t.mean - t.lower)) ** 2 for w, t in zip(weights, terms, strict=True)))
    above = math.sqrt(kinds + sum((w * (t.upper - t.mean)) ** 2 for w, t in zip(weights, terms, strict=True)))
    return mean, below, above


def _weighted(value: float, lower: float, upper: float, strata: Sequence[Stratum]) -> Weighted:
    return Weighted(value=value, lower=lower, upper=upper, labelled=sum(one.labelled for one in strata))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    if function(low) == 0 or low == high:
        return low
    return high if function(low) * function(high) > 0 else float(brentq(function, low, high, xtol=1e-12))
