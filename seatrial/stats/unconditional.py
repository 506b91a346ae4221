"""Two shares exactly, for one look: the differences, and the ratios, that an exact test does not refute.

The score statistic orders the tables; the p-value is the chance of a table at least as far, at the common share that
makes it most frequent. Not given the margins (as Fisher's), so it holds for any margin, absolute or relative. The
common share is looked for where the data leave it with a certainty of 1 - 1e-6, and that 1e-6 is added: still exact,
and quick with a million units and few events.

References:
    Suissa, Shuster (1985), Exact unconditional sample sizes for the 2x2 binomial trial, JRSS A 148(4).
    Farrington, Manning (1990), Test statistics and sample size formulae for comparative binomial trials with null
    hypothesis of non-zero risk difference or non-unity relative risk, Statistics in Medicine 9(12).
    Berger, Boos (1994), P values maximized over a confidence set for the nuisance parameter, JASA 89.
    Chan, Zhang (1999), Test-based exact confidence intervals for the difference of two binomial proportions,
    Biometrics 55(4).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv, gammaln, xlog1py, xlogy

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.evidence import Evidence, Levels, words
from seatrial.stats.interval import Interval, Side
from seatrial.stats.proportion import newcombe
from seatrial.stats.relative_risk import relative_risk

Floats = NDArray[np.float64]

_DOUBT = 1e-6
"""Chance that the common share lies outside of where it is looked for."""

_GRID = 61
_STEPS = 9
"""Halvings of an interval's end: to a five-hundredth of its distance."""

_FARTHEST = 60.0
"""|ln ratio| beyond which no end is looked for."""


class Table(NamedTuple):
    """Units with the event, and all units, of both arms."""

    treatment: int
    n_treatment: int
    control: int
    n_control: int

    def checked(self) -> "Table":
        """Itself; raises BadInput for counts that cannot be, or an arm without units."""
        x, n, y, m = self
        if not (0 <= x <= n and 0 <= y <= m and n and m):
            raise BadInput(f"{x} of {n} and {y} of {m} are not shares of units in two arms")
        return self

    @property
    def swapped(self) -> "Table":
        """With the arms exchanged."""
        return Table(self.control, self.n_control, self.treatment, self.n_treatment)


def unconditional_p(table: Table, shift: Margin = ZERO, side: Side = "two") -> float:
    """The exact p-value against "the effect is ``shift``", or for one side "at most" (``lower``) or "at least" it.

    Args:
        table: The counts.
        shift: A signed difference of shares, or relative to the control's share.
        side: ``two`` is twice the smaller of both sides.
    """
    table.checked()
    if side == "two":
        return min(1.0, 2 * min(_above(table, shift), _below(table, shift)))
    return _above(table, shift) if side == "lower" else _below(table, shift)


def unconditional_evidence(table: Table, levels: Levels) -> Evidence:
    """What is known of two shares, for one look; no least number of units or events."""
    table.checked()
    low, high = min(e.one_sided for e in levels.lower), min(e.one_sided for e in levels.upper)

    def beyond(shift: Margin) -> Interval:
        above, below = _above(table, shift) <= low, _below(table, shift) <= high
        return Interval(1.0 if above else -1.0, -1.0 if below else 1.0)

    return Evidence(
        method=words(levels, "exact for one look, as events or units are few"),
        absolute=Interval(_least_difference(table, low), -_least_difference(table.swapped, high)),
        relative=Interval(_least_ratio(table, low) - 1, _inverse(_least_ratio(table.swapped, high)) - 1),
        beyond=beyond,
        p_value=lambda shift, side: unconditional_p(table, shift, side),
    )


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio > 0 else math.inf


def _least_difference(table: Table, level: float) -> float:
    """The lower end of the difference: below it everything is refuted at ``level``."""
    x, n, y, m = table
    effect, guess = x / n - y / m, newcombe(*table, 2 * level).lower
    return _end(lambda shift: _above(table, Margin("absolute", shift)), effect, guess, -1.0, level)


def _least_ratio(table: Table, level: float) -> float:
    """The lower end of treatment's share over the control's; 0 where the treatment has no events."""
    x, n, y, m = table
    if not x:
        return 0.0
    middle = math.log((x + 0.5) / (n + 0.5)) - math.log((y + 0.5) / (m + 0.5))
    guess = math.log(max(relative_risk(*table, 2 * level).lower, 1e-25))

    def p_value(log: float) -> float:
        return _above(table, Margin("relative", math.expm1(log)))

    found = _end(p_value, max(middle, guess + 1e-9), guess, -_FARTHEST, level)
    return math.exp(found) if found > -_FARTHEST else 0.0


def _end(p_value: Callable[[float], float], inside: float, outside: float, least: float, level: float) -> float:
    """Where a p-value that rises passes ``level``: its outer side, to a part of the distance of two guesses."""
    step = max(inside - outside, 1e-9)
    while p_value(inside) <= level and inside < -least:
        inside, outside, step = inside + step, inside, 2 * step
    while outside > least and p_value(outside) > level:
        inside, outside, step = outside, outside - step, 2 * step
    if outside <= least:
        outside = least
        if p_value(least) > level:
            return least
    width = inside - outside
    if outside < 0 < inside:  # no difference is what words are about: its side is exact
        inside, outside = (0.0, outside) if p_value(0.0) > level else (inside, 0.0)
    for _ in range(_STEPS):
        if inside - outside < width / 2**_STEPS:
            break
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p_value(middle) > level else (inside, middle)
    return outside


def _below(table: Table, shift: Margin) -> float:
    """Evidence that the effect is below a shift: that of the exchanged arms above its opposite."""
    if shift.scale == "absolute":
        return _above(table.swapped, shift.flipped())
    ratio = 1 + shift.size
    return _above(table.swapped, Margin("relative", 1 / ratio - 1)) if ratio > 0 else 1.0


def _above(table: Table, shift: Margin) -> float:
    """The chance, at its largest over common shares, of a table at least as far above the shift."""
    x, n, y, m = table
    null = _Null.of(shift)
    low, high = null.common(table)
    if low > high:
        return _DOUBT
    seen = float(null.score(np.array([float(x)]), np.array([float(y)]), n, m)[0])
    if seen == -math.inf:
        return 1.0
    seen = seen if math.isinf(seen) else seen - 1e-9 * max(1.0, abs(seen))
    first, last = _reach(float(null.treated(low)), float(null.treated(high)), n)
    own = np.arange(first, last + 1, dtype=np.float64)
    most = _most_events(null, own, table, seen)
    here = most >= 0
    own, most = own[here], most[here]
    if not own.size:
        return _DOUBT
    ways = gammaln(n + 1) - gammaln(own + 1) - gammaln(n - own + 1)

    def chance(share: Floats) -> Floats:
        p, q = null.treated(share)[:, None], share[:, None]
        found: Floats = (np.exp(ways + xlogy(own, p) + xlog1py(n - own, -p)) * bdtr(most, m, q)).sum(axis=1)
        return found

    return min(1.0, _largest(chance, low, high) + _DOUBT)


def _largest(chance: Callable[[Floats], Floats], low: float, high: float) -> float:
    """Of a curve with several hills: a grid, then finer ones about its best."""
    grid = np.linspace(low, high, _GRID)
    heights = chance(grid)
    best = float(heights.max())
    for at in np.argsort(heights)[-2:]:
        a, b = grid[max(at - 1, 0)], grid[min(at + 1, _GRID - 1)]
        for _ in range(2):
            fine = np.linspace(a, b, 13)
            found = chance(fine)
            top = int(found.argmax())
            best = max(best, float(found[top]))
            a, b = fine[max(top - 1, 0)], fine[min(top + 1, 12)]
    return best


def _reach(low: float, high: float, n: int) -> tuple[int, int]:
    """Numbers of events outside of which shares between two hardly ever fall: with a chance far below ``_DOUBT``."""
    ends = [n * p + sign * (7 * math.sqrt(n * p * (1 - p)) + 25) for p, sign in ((low, -1), (high, 1))]
    return max(0, math.floor(ends[0])), min(n, math.ceil(ends[1]))


def _most_events(null: "_Null", own: Floats, table: Table, seen: float) -> Floats:
    """For each number of the treatment's events the most of the control's that is still as far; -1 for none."""
    n, m = table.n_treatment, table.n_control
    low, high = np.full(own.size, -1.0), np.full(own.size, m + 1.0)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        far = (null.score(own, np.clip(middle, 0, m), n, m) >= seen) & (middle <= m) | (middle < 0)
        low, high = np.where(far, middle, low), np.where(far, high, middle)
    return low


class _Null(NamedTuple):
    """What is to be refuted: the treatment's share is the control's plus ``size``, or ``size`` times it."""

    ratio: bool
    size: float

    @classmethod
    def of(cls, shift: Margin) -> "_Null":
        if shift.scale == "absolute":
            return cls(False, shift.size)
        return cls(True, min(max(1 + shift.size, 1e-26), 1e26))

    def treated(self, share: Floats | float) -> Floats:
        """The treatment's share where the control's is ``share``, 0 to 1."""
        found: Floats = np.clip(np.asarray(share) * self.size if self.ratio else np.asarray(share) + self.size, 0, 1)
        return found

    def common(self, table: Table) -> tuple[float, float]:
        """Control's shares that both arms leave possible; the first above the second where there are none."""
        x, n, y, m = table
        a, b = _clopper_pearson(x, n)
        own = (a / self.size, b / self.size) if self.ratio else (a - self.size, b - self.size)
        least, most = (0.0, 1 / self.size) if self.ratio else (-self.size, 1 - self.size)
        theirs = _clopper_pearson(y, m)
        return max(own[0], theirs[0], least, 0.0), min(own[1], theirs[1], most, 1.0)

    def score(self, x: Floats, y: Floats, n: int, m: int) -> Floats:
        """How many standard errors under the null a table lies above it."""
        p, q = self._likeliest(x, y, n, m)
        factor = self.size if self.ratio else 1.0
        gap = x / n - factor * (y / m) - (0.0 if self.ratio else self.size)
        gap = np.where(np.abs(gap) < 1e-14, 0.0, gap)
        variance = p * (1 - p) / n + factor * factor * q * (1 - q) / m
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = np.where(gap == 0, 0.0, gap / np.sqrt(np.maximum(variance, 0.0)))
        return found

    def _likeliest(self, x: Floats, y: Floats, n: int, m: int) -> tuple[Floats, Floats]:
        """Both shares, likeliest under the null."""
        if self.ratio:  # the smaller root of a quadratic (Farrington and Manning, appendix)
            r = self.size
            b = -(n * r + x + m + y * r)
            root = np.sqrt(np.maximum(b * b - 4 * (n + m) * r * (x + y), 0.0))
            q = np.clip(2 * (x + y) / (root - b), 0.0, min(1.0, 1 / r))
            return np.clip(r * q, 0.0, 1.0), q
        d, theta = self.size, m / n
        if d == 0:
            pooled = (x + y) / (n + m)
            return pooled, pooled
        # the root of a cubic that lies between 0 and 1 (the same, for a difference)
        a = 1 + theta
        b = -(1 + theta + x / n + theta * (y / m) + d * (theta + 2))
        c = d * d + d * (2 * x / n + theta + 1) + x / n + theta * (y / m)
        e = -(x / n) * d * (1 + d)
        v = b**3 / (27 * a**3) - b * c / (6 * a * a) + e / (2 * a)
        u = np.sqrt(np.maximum(b * b / (9 * a * a) - c / (3 * a), 1e-300)) * np.where(v < 0, -1.0, 1.0)
        w = (math.pi + np.arccos(np.clip(v / u**3, -1.0, 1.0))) / 3
        p = np.clip(2 * u * np.cos(w) - b / (3 * a), max(d, 0.0), min(1.0, 1 + d))
        return p, np.clip(p - d, 0.0, 1.0)


def _clopper_pearson(x: int, n: int) -> tuple[float, float]:
    """Shares that ``x`` of ``n`` leave possible, each arm with half of the doubt."""
    tail = _DOUBT / 4
    return (
        float(betaincinv(x, n - x + 1, tail)) if x else 0.0,
        float(betaincinv(x + 1, n - x, 1 - tail)) if x < n else 1.0,
    )
