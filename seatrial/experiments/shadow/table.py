"""A shadow comparison as rows of text: for a terminal, a page and the dashboard alike."""

from typing import NamedTuple

from seatrial.experiments.shadow.comparison import DifferingPair, Ends, PairedMetric, ShadowComparison
from seatrial.stats.interval import TestResult
from seatrial.stats.stratified import Weighted

EVERY_LOOK, ONE_LOOK = "every look", "one look (fixed)"
HEADER = ("on the same requests", "champion", "challenger", "result", "pairs", "holds at")
DIFFERING = ("differ most", "row", "champion", "challenger", "label", "apart by")

_SHARES = ("precision", "recall")


class Line(NamedTuple):
    """One number of a comparison in words: see ``HEADER``."""

    what: str
    champion: str
    challenger: str
    both: str
    pairs: str
    holds: str


def lines(found: ShadowComparison) -> tuple[Line, ...]:
    """What is known of the pairs."""
    return (
        *_accuracy(found),
        *_judged(found),
        *_agreement(found),
        *_numbers(found),
        *_lists(found),
        *map(_metric, found.metrics),
    )


def differing(found: ShadowComparison) -> tuple[tuple[str, ...], ...]:
    """The pairs that differ most, as ``DIFFERING`` names their columns."""
    return tuple(_differing(one) for one in found.differ_most)


def _differing(one: DifferingPair) -> tuple[str, ...]:
    return (one.request_id, str(one.row), one.champion, one.challenger, one.truth or "", f"{one.gap:.4g}")


def _accuracy(found: ShadowComparison) -> list[Line]:
    verdict = found.verdict
    if verdict is None or not found.labelled:
        return []
    ends = None if verdict.lower is None or verdict.upper is None else Ends(verdict.lower, verdict.upper)
    said = _points(verdict.effect, ends)
    shares = (_percent(found.champion_accuracy), _percent(found.challenger_accuracy))
    known = [Line("accuracy", *shares, said, str(found.labelled), EVERY_LOOK)]
    known += [
        Line(test.method.removesuffix(" (fixed)"), "", "", _p(test), str(found.labelled), ONE_LOOK)
        for test in found.fixed
    ]
    return known


def _judged(found: ShadowComparison) -> list[Line]:
    review = found.judged
    if review is None:
        return []
    ours, theirs, n = review.champion, review.challenger, str(review.labelled)
    known = [Line("judged: accuracy", _weighed(ours.accuracy), _weighed(theirs.accuracy), "", n, ONE_LOOK)]
    ends = review.difference
    if ends.value is not None and ends.lower is not None and ends.upper is not None:
        said = _points(ends.value, Ends(ends.lower, ends.upper))
        known.append(Line("judged: difference of accuracy", "", "", said, str(ends.labelled), ONE_LOOK))
    for name, of, others in (
        ("precision", ours.precision, theirs.precision),
        ("recall", ours.recall, theirs.recall),
    ):
        for label in sorted(of.keys() | others.keys()):
            shares = (_weighed(of.get(label)), _weighed(others.get(label)))
            known.append(Line(f"judged: {name} of {label}", *shares, "", n, ONE_LOOK))
    return known


def _weighed(found: Weighted | None) -> str:
    if found is None or found.value is None or found.lower is None or found.upper is None:
        return ""
    return f"{_percent(found.value)}{_between(Ends(found.lower, found.upper), percent=True)}"


def _agreement(found: ShadowComparison) -> list[Line]:
    n = str(found.inputs)
    known = []
    if found.agreement is not None:
        said = f"{_percent(found.agreement)}{_between(found.agreement_ends, percent=True)}"
        known.append(Line("same answer", "", "", said, n, ONE_LOOK))
    if found.kappa is not None:
        said = f"{found.kappa:.3g}{_between(found.kappa_ends)}"
        known.append(Line("Cohen's kappa", "", "", said, n, ONE_LOOK))
    return known


def _numbers(found: ShadowComparison) -> list[Line]:
    if found.verdict is not None:
        return []
    known = [
        Line(test.method.removesuffix(" (fixed)"), "", "", _difference(test), "", ONE_LOOK)
        for test in found.fixed
        if test.effect is not None
    ]
    limits = found.limits
    if limits is not None:
        n = str(limits.pairs)
        for what, limit, ends in (
            ("lower limit of agreement, 95%", limits.lower, limits.lower_ends),
            ("upper limit of agreement, 95%", limits.upper, limits.upper_ends),
        ):
            known.append(Line(what, "", "", f"{limit:+.4g}{_between(ends)}", n, ONE_LOOK))
    return known


def _lists(found: ShadowComparison) -> list[Line]:
    like = found.likeness
    if like is None:
        return []
    n = str(like.pairs)
    shared = f"{_percent(like.overlap)}{_between(like.overlap_ends, percent=True)}"
    biased = f"{like.rank_biased_overlap:.3g}{_between(like.rank_biased_ends)}"
    return [
        Line(f"overlap of the first {like.k}", "", "", shared, n, ONE_LOOK),
        Line(f"rank-biased overlap, p = {like.persistence:g}", "", "", biased, n, ONE_LOOK),
    ]


def _metric(one: PairedMetric) -> Line:
    number = _percent if one.kind in _SHARES else _plain
    name = one.name if one.name == one.kind else f"{one.name} ({one.kind})"
    return Line(
        name, number(one.champion), number(one.challenger), _difference(one.difference), str(one.pairs), ONE_LOOK
    )


def _difference(test: TestResult) -> str:
    if test.effect is None:
        return ""
    ends = None if test.lower is None or test.upper is None else Ends(test.lower, test.upper)
    return f"{test.effect:+.4g}{_between(ends, sign=True)}"


def _p(test: TestResult) -> str:
    return "" if test.p_value is None else f"p = {test.p_value:.3g}"


def _points(effect: float | None, ends: Ends | None) -> str:
    if effect is None:
        return ""
    between = "" if ends is None else f" ({100 * ends.lower:+.3g} to {100 * ends.upper:+.3g})"
    return f"{100 * effect:+.3g}{between} points"


def _between(ends: Ends | None, *, percent: bool = False, sign: bool = False) -> str:
    if ends is None:
        return ""
    form = _percent if percent else (lambda end: f"{end:+.4g}") if sign else _plain
    return f" ({form(ends.lower)} to {form(ends.upper)})"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.4g}%"
