"""Whether the shares in which units arrive stay the same: a ramp that nobody named would be pooled over its weights.

What a later week is like would then be taken for what a variant does. Units are counted in blocks of time. For one look
the blocks are compared with each other (chi-squared). Looked at again and again each block is compared with the shares,
as a phase of the sequential sample-ratio check: blocks grow by a quarter each, so that where they end does not depend
on when anybody looks.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from seatrial.analysis.phases import Shares
from seatrial.analysis.reduce import Counts
from seatrial.analysis.verdicts import Check, How
from seatrial.spec.units import show_moment
from seatrial.stats.chi_squared import SMALLEST_EXPECTED, chi_squared_within
from seatrial.stats.sample_ratio import FIXED_ALPHA, PhaseShares, sample_ratio

_BLOCKS = 12
"""Of about equally many units, for one look."""

_FIRST, _GROWTH = 500, 1.25
"""Units of the first block, and how many times as many the next one has, looked at again and again."""


class _Block(NamedTuple):
    """Units by variant, and the interval from which on they came."""

    first: int
    units: dict[str, int]


def check_changing(counts: Counts, shares: Shares, method: How, phase: str = "") -> Check:
    """Whether the shares of arrivals change over time, within each phase where phases are named.

    Args:
        counts: Units in intervals.
        shares: What each variant was to get, by phase.
        method: Chi-squared at 0.001 for one look, else the sequential Bayes factor.
        phase: What the phases are called, if there are any.
    """
    blocks = {name: list(_blocks(units, method)) for name, units in counts.units.items()}
    if method == "fixed":
        tables = [[list(block.units.values()) for block in some] for some in blocks.values()]
        found = chi_squared_within(tables)
        value = 1.0 if found is None else found
        failed = value < FIXED_ALPHA
    else:
        ratio = sample_ratio([PhaseShares(b.units, shares[name]) for name, some in blocks.items() for b in some])
        value = 0.0 if ratio.log_bayes_factor is None else math.exp(-min(max(ratio.log_bayes_factor, 0.0), 700.0))
        failed = ratio.failed
    where = f" within the phases of {phase}" if phase else ""
    sentence = f"The shares in which units arrive do not change over time{where}."
    if failed:
        mend = (
            f"correct {phase}, or find out what was lost" if phase
            else "name the column that says which weights held when (--phase), or find out what was lost"
        )  # fmt: skip
        sentence = f"The shares in which units arrive change over time{where}: {_said(counts, blocks)}; {mend}."
    return Check(name="changing-shares", ok=not failed, withholds=True, value=value, sentence=sentence)


def _blocks(units: Mapping[str, Sequence[int]], method: How) -> Iterator[_Block]:
    total = {name: sum(column) for name, column in units.items()}
    whole = sum(total.values())
    rarest = min(total.values()) / whole
    wanted = max(whole / _BLOCKS, SMALLEST_EXPECTED / rarest) if method == "fixed" else _FIRST
    held, first = dict.fromkeys(units, 0), 0
    left = whole
    for i, column in enumerate(zip(*units.values(), strict=True)):
        for name, n in zip(units, column, strict=True):
            held[name] += n
        came = sum(held.values())
        last = method == "fixed" and left - came < wanted
        if came >= wanted and not last:
            yield _Block(first, held)
            left -= came
            held, first = dict.fromkeys(units, 0), i + 1
            wanted = wanted if method == "fixed" else wanted * _GROWTH
    if any(held.values()):
        yield _Block(first, held)


def _said(counts: Counts, blocks: Mapping[str, Sequence[_Block]]) -> str:
    """The variant and the moment at which its share before and after differ most, in standard errors."""
    most, said = -1.0, ""
    for some in blocks.values():
        names = list(some[0].units) if some else []
        for cut in range(1, len(some)):
            n, m = (sum(sum(b.units.values()) for b in part) for part in (some[:cut], some[cut:]))
            for name in names:
                a, b = (sum(block.units[name] for block in part) for part in (some[:cut], some[cut:]))
                pooled = (a + b) / (n + m)
                z = abs(a / n - b / m) / math.sqrt(max(pooled * (1 - pooled) * (1 / n + 1 / m), 1e-300))
                if z > most:
                    at = show_moment(counts.first + some[cut].first * counts.step).removesuffix("Z")
                    most, said = z, f"{name} {a / n:.1%} of them until {at} and {b / m:.1%} after it (UTC)"
    return said or "they are not what was planned"
