"""Two rankings on the same requests: how alike their lists are. What people would click, no shadow can show."""

from collections.abc import Sequence
from typing import Any

import msgspec

from seatrial.experiments.ranking_measures import KINDS
from seatrial.experiments.sentences import count, counted, names
from seatrial.experiments.shadow.comparison import Ends, Likeness, ShadowComparison
from seatrial.experiments.shadow.pairs import Pairs
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.stats.interval import TestResult
from seatrial.stats.moments import Moments
from seatrial.stats.paired import paired_difference
from seatrial.stats.ranking import PERSISTENCE, overlap_at, rank_biased_overlap

MOST_READ = 10_000
"""Pairs whose lists are compared, the newest: more would tell the third digit, and take seconds at every look."""

PLACES = 10
"""Where no metric of the file says how many count."""

UNSEEN = "nobody saw its lists, so this shadow cannot show whether items that only it put up would be clicked"


def places_of(deployment: Deployment) -> int:
    """The places that count: of the primary where it is a metric of lists, else of the first that is."""
    primary = deployment.release.primary.metric if deployment.release is not None else ""
    counting = {name: spec.k for name, spec in deployment.metrics.items() if spec.kind in KINDS}
    return counting.get(primary) or next(iter(counting.values()), PLACES)


def compare_lists(found: Pairs, run: ReleaseRun, inputs: str, k: int) -> ShadowComparison:
    """Overlap of the first ``k`` places and rank-biased overlap of independent pairs, for one look."""
    comparison = ShadowComparison(
        pairs=found.pairs,
        inputs=found.independent.num_rows,
        clustered_by="input and unit",
        failures=found.failures,
        likeness=_likeness(found, k, run.alpha),
        sentence="",
    )
    return msgspec.structs.replace(comparison, sentence=_sentence(comparison, run, inputs))


def items(given: Sequence[Any] | None) -> list[str] | None:
    """A list as it is compared: an item that a model put up twice stands where it stood first; None without a list."""
    return None if given is None else list(dict.fromkeys(str(item) for item in given if item is not None))


def alike(one: Sequence[str], other: Sequence[str]) -> float:
    """Rank-biased overlap of two lists without repeats, 0 to 1."""
    return rank_biased_overlap(one, other, PERSISTENCE)


def _likeness(found: Pairs, k: int, alpha: float) -> Likeness | None:
    newest = found.independent.slice(max(0, found.independent.num_rows - MOST_READ))
    pairs = [
        (ours, theirs)
        for ours, theirs in zip(*(map(items, newest[who].to_pylist()) for who in ("answer", "other")), strict=True)
        if ours is not None and theirs is not None
    ]
    if not pairs:
        return None
    overlap = _mean([_overlap(ours, theirs, k) for ours, theirs in pairs], alpha)
    biased = _mean([alike(ours, theirs) for ours, theirs in pairs], alpha)
    return Likeness(
        pairs=len(pairs),
        k=k,
        overlap=overlap.effect or 0.0,
        overlap_ends=_ends(overlap),
        persistence=PERSISTENCE,
        rank_biased_overlap=biased.effect or 0.0,
        rank_biased_ends=_ends(biased),
    )


def _overlap(one: Sequence[str], other: Sequence[str], k: int) -> float:
    longer = max(len(one), len(other))
    return overlap_at(one, other, min(k, longer)) if longer else 1.0


def _mean(values: Sequence[float], alpha: float) -> TestResult:
    return paired_difference(Moments.from_values(values), alpha)


def _ends(found: TestResult) -> Ends | None:
    if found.lower is None or found.upper is None:
        return None
    return Ends(max(found.lower, 0.0), min(found.upper, 1.0))


def _sentence(found: ShadowComparison, run: ReleaseRun, inputs: str) -> str:
    challenger, champion = names(run)
    parts = []
    if found.likeness is not None:
        like = found.likeness
        ends = like.overlap_ends
        between = "" if ends is None else f" ({_percent(ends.lower)} to {_percent(ends.upper)}, one look)"
        parts.append(
            f"On {counted(like.pairs, inputs)}, the first {like.k} places of {challenger} and of {champion} share "
            f"{_percent(like.overlap)} of their items{between}, and their rank-biased overlap is "
            f"{like.rank_biased_overlap:.3g}"
        )
    if found.failures:
        parts.append(f"{challenger} failed on {count(found.failures)} of {count(found.pairs)} requests")
    text = "; ".join([*parts, UNSEEN])
    return f"{text[0].upper()}{text[1:]}."


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
