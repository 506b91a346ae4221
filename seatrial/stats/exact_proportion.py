"""Two shares in small samples, exactly: Fisher's test given the margins, and Boschloo's, which is never weaker.

Fisher asks how unlikely the table is among those with the same row and column totals. Boschloo takes Fisher's p-value
as a mere ordering of tables and asks how often one as extreme comes, at the common share that makes it most frequent.

References:
    Fisher (1935), The logic of inductive inference, JRSS 98(1).
    Boschloo (1970), Raised conditional level of significance for the 2x2-table when testing the equality of two
    probabilities, Statistica Neerlandica 24(1).
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

from seatrial.spec.errors import BadInput
from seatrial.stats.chi_squared import chi_squared
from seatrial.stats.interval import TestResult, finite
from seatrial.stats.proportion import newcombe, two_proportion_z
from seatrial.stats.relative_risk import relative_risk

Floats = NDArray[np.float64]

SMALL = 5.0
"""Expected counts below this make approximations doubtful: the exact tests are then preferred."""

BOSCHLOO_UNITS = 400
"""Largest arm for Boschloo's test, whose cost grows with the product of the arms."""

_TIE = 1 + 1e-7
"""Tables as likely as the one seen, up to rounding, count as extreme."""


def fisher(treatment: int, n_treatment: int, control: int, n_control: int, alpha: float = 0.05) -> TestResult:
    """Fisher's exact test, two-sided; the statistic is the odds ratio, the interval of the difference Newcombe's.

    Raises:
        BadInput: Counts that cannot be.
    """
    _check(treatment, n_treatment, control, n_control)
    below = (n_treatment - treatment) * control
    above = treatment * (n_control - control)
    return _result(
        "Fisher's exact",
        (treatment, n_treatment, control, n_control),
        p_value=float(
            _fisher_two_sided(n_treatment, n_control, treatment + control)[
                treatment - max(0, treatment + control - n_control)
            ]
        ),
        statistic=above / below if below else None,
        alpha=alpha,
    )


def boschloo(treatment: int, n_treatment: int, control: int, n_control: int, alpha: float = 0.05) -> TestResult:
    """Boschloo's exact test, two-sided; the statistic is Fisher's p-value.

    Raises:
        BadInput: Counts that cannot be, or an arm above ``BOSCHLOO_UNITS``.
    """
    _check(treatment, n_treatment, control, n_control)
    if max(n_treatment, n_control) > BOSCHLOO_UNITS:
        raise BadInput(
            f"{max(n_treatment, n_control)} units are more than the {BOSCHLOO_UNITS} that Boschloo's test is for; "
            "use the two-proportion z-test"
        )
    ordering = _fisher_table(n_treatment, n_control)
    seen = float(ordering[treatment, control])
    extreme = ordering <= seen * _TIE
    return _result(
        "Boschloo's exact",
        (treatment, n_treatment, control, n_control),
        p_value=_worst_share(extreme, n_treatment, n_control),
        statistic=seen,
        alpha=alpha,
    )


def exact_is_better(treatment: int, n_treatment: int, control: int, n_control: int) -> bool:
    """Whether a cell expects so few that the z-test and chi-squared are doubtful."""
    n, events = n_treatment + n_control, treatment + control
    if not n_treatment or not n_control:
        return True
    return min(n_treatment, n_control) * min(events, n - events) / n < SMALL


def shares_tests(
    treatment: int, n_treatment: int, control: int, n_control: int, alpha: float = 0.05
) -> tuple[TestResult, ...]:
    """The classical tests that fit: z and chi-squared, or where a cell expects too few, the exact ones, saying why."""
    counts = treatment, n_treatment, control, n_control
    if n_treatment and n_control and exact_is_better(*counts):
        exact = [fisher(*counts, alpha)]
        if max(n_treatment, n_control) <= BOSCHLOO_UNITS:
            exact.insert(0, boschloo(*counts, alpha))
        why = f" Chosen because a cell expects fewer than {SMALL:g}."
        return tuple(msgspec.structs.replace(test, note=test.note + why) for test in exact)
    table = [[treatment, n_treatment - treatment], [control, n_control - control]]
    return two_proportion_z(*counts, alpha), chi_squared(table)


def _check(treatment: int, n_treatment: int, control: int, n_control: int) -> None:
    if not (0 <= treatment <= n_treatment and 0 <= control <= n_control and n_treatment and n_control):
        raise BadInput(f"{treatment} of {n_treatment} and {control} of {n_control} are not shares of units in two arms")


def _result(
    method: str, counts: tuple[int, int, int, int], *, p_value: float, statistic: float | None, alpha: float
) -> TestResult:
    x, n, y, m = counts
    interval, ratio = newcombe(x, n, y, m, alpha), relative_risk(x, n, y, m, alpha)
    return TestResult(
        method=method,
        statistic=statistic,
        p_value=min(1.0, p_value),
        effect=x / n - y / m,
        lower=interval.lower,
        upper=interval.upper,
        relative_effect=(x / n) / (y / m) - 1 if y else None,
        relative_lower=ratio.lower - 1,
        relative_upper=finite(ratio.upper - 1),
        note="Exact, for one look at a planned end; the interval is Newcombe's, the relative one Koopman's.",
    )


def _log_choose(n: int, k: Floats) -> Floats:
    found: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return found


def _fisher_two_sided(n: int, m: int, events: int) -> Floats:
    """Fisher's p-value for each number of events that the first arm can have, from the smallest up."""
    x = np.arange(max(0, events - m), min(n, events) + 1, dtype=np.float64)
    log_chance = _log_choose(n, x) + _log_choose(m, events - x)
    chance = np.exp(log_chance - log_chance.max())
    chance /= chance.sum()
    order = np.argsort(chance, kind="stable")
    # As unlikely as this one, or more: a cumulative sum up to the last table within rounding of it.
    last = np.searchsorted(chance[order], chance * _TIE, "right") - 1
    p_values: Floats = np.minimum(np.cumsum(chance[order])[last], 1.0)
    return p_values


def _fisher_table(n: int, m: int) -> Floats:
    """Fisher's p-value of every table [n + 1, m + 1]."""
    table = np.empty((n + 1, m + 1))
    for events in range(n + m + 1):
        found = _fisher_two_sided(n, m, events)
        x = np.arange(max(0, events - m), min(n, events) + 1)
        table[x, events - x] = found
    return table


def _worst_share(extreme: NDArray[np.bool_], n: int, m: int) -> float:
    """The largest chance of an extreme table over common shares: a grid, then golden sections about its best."""
    x, y = np.nonzero(extreme)
    weight = _log_choose(n, x.astype(np.float64)) + _log_choose(m, y.astype(np.float64))
    events = (x + y).astype(np.int64)
    # All tables with the same number of events change with the share alike, so they are added up first.
    top = np.full(n + m + 1, -math.inf)
    np.logaddexp.at(top, events, weight)
    k = np.flatnonzero(np.isfinite(top)).astype(np.float64)
    top = top[np.isfinite(top)]

    def chance(share: Floats) -> Floats:
        p = share[:, None]
        found: Floats = np.exp(top + xlogy(k, p) + xlog1py(n + m - k, -p)).sum(axis=1)
        return found

    grid = (1 - np.cos(np.linspace(0, math.pi, 4 * (n + m) + 101))) / 2
    heights = chance(grid)
    best = 0.0
    for at in np.argsort(heights)[-5:]:
        low, high = grid[max(at - 1, 0)], grid[min(at + 1, grid.size - 1)]
        for _ in range(6):
            fine = np.linspace(low, high, 21)
            found = chance(fine)
            top_at = int(found.argmax())
            best = max(best, float(found[top_at]))
            low, high = fine[max(top_at - 1, 0)], fine[min(top_at + 1, 20)]
    return best
