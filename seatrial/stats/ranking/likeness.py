"""How alike two ranked lists are, item by item: overlap in the first k, and rank-biased overlap.

A shadow's list was seen by nobody: alike or not is all that can be said, not which of them would have been clicked.

References:
    Webber, Moffat, Zobel (2010), A similarity measure for indefinite rankings, ACM TOIS 28(4), equations 30 and 32.
"""

from collections.abc import Hashable, Sequence

from seatrial.spec.errors import BadInput

PERSISTENCE = 0.9
"""The chance that a reader goes on to the next place: the first ten places carry 86 % of the weight."""


def overlap_at(one: Sequence[Hashable], other: Sequence[Hashable], k: int) -> float:
    """The share of the first k places whose items stand in both lists' first k, in any order; 0 to 1."""
    if k < 1:
        raise BadInput(f"k {k!r} is no number of places; give 1 or more")
    _without_repeats(one, other)
    return len(set(one[:k]) & set(other[:k])) / k


def rank_biased_overlap(one: Sequence[Hashable], other: Sequence[Hashable], persistence: float = PERSISTENCE) -> float:
    """The overlap at every depth, weighted by how many readers get there; 0 to 1.

    Beyond the end of a list the agreement so far is taken to go on (the paper's extrapolated form, also for lists of
    unequal length). Two empty lists are alike.

    Raises:
        BadInput: A persistence outside 0 to 1, or an item that stands twice in a list.
    """
    if not 0 < persistence < 1:
        raise BadInput(f"persistence {persistence!r} must lie between 0 and 1; give for example {PERSISTENCE}")
    _without_repeats(one, other)
    short, long = sorted((one, other), key=len)
    s, n, p = len(short), len(long), persistence
    if n == 0:
        return 1.0
    if s == 0:
        return 0.0
    common = _common(short, long)
    total = sum(common[d - 1] / d * p**d for d in range(1, n + 1))
    total += sum(common[s - 1] * (d - s) / (s * d) * p**d for d in range(s + 1, n + 1))
    rest = ((common[n - 1] - common[s - 1]) / n + common[s - 1] / s) * p**n
    return (1 - p) / p * total + rest


def _common(short: Sequence[Hashable], long: Sequence[Hashable]) -> list[int]:
    """Items in both lists' first d, for each d up to the longer one's length."""
    seen_short: set[Hashable] = set()
    seen_long: set[Hashable] = set()
    common, found = 0, []
    for depth, item in enumerate(long):
        seen_long.add(item)
        if depth < len(short):
            seen_short.add(short[depth])
            common += (short[depth] in seen_long) + (item in seen_short and item != short[depth])
        else:
            common += item in seen_short
        found.append(common)
    return found


def _without_repeats(*lists: Sequence[Hashable]) -> None:
    for ranked in lists:
        if len(set(ranked)) != len(ranked):
            raise BadInput(f"a ranked list of {len(ranked)} items holds one twice; rank each item once")
