"""One plain sentence for a verdict."""

from collections.abc import Callable

from seatrial.stats.verdict import Question, Verdict


def sentence_of(verdict: Verdict, question: Question) -> str:
    """What is known about the metric, for somebody who has read nothing else."""
    if verdict.word == "no-data":
        return f"{verdict.metric}: no data yet, {verdict.reason}."
    since = "" if verdict.overrun is None else f"; {verdict.overrun.told(verdict.effect)}"
    return f"{verdict.metric}: {_claim(verdict, question)}{_evidence(verdict, question)}{since}."


def _claim(verdict: Verdict, question: Question) -> str:
    t, c = question.treatment, question.control
    claims = {
        "better": f"{t} is better than {c}{_by(verdict)}",
        "worse": f"{t} is worse than {c}{_by(verdict)}",
        "equivalent": f"{t} and {c} differ by less than {_margin(verdict)}, the smallest effect you care about",
        "non-inferior": f"{t} is not worse than {c} by more than {_margin(verdict)}",
        "inconclusive": f"{t} against {c} is not decided yet",
    }
    claim = claims[verdict.word]
    if verdict.role == "guardrail" and verdict.word == "worse":
        claim = f"{t} is worse than {c} by more than {_margin(verdict)}"
    if verdict.smaller_than_cared:
        claim += ", but smaller than the effect you care about"
    return claim


def _by(verdict: Verdict) -> str:
    if _in_shares(verdict) and verdict.relative_effect is not None:
        return f" by {abs(verdict.relative_effect):.2%}"
    return "" if verdict.effect is None else f" by {abs(verdict.effect):.4g}"


def _evidence(verdict: Verdict, question: Question) -> str:
    units = f"{_count(verdict.n_treatment)} and {_count(verdict.n_control)} units"
    if verdict.above is not None:
        told = verdict.above.told(question.treatment, question.control)
        return f" ({told}, so that no shift is told; {verdict.method}, {units})"
    if _in_shares(verdict):
        ends = _ends(verdict.relative_lower, verdict.relative_upper, lambda x: f"{x:+.2%}")
    else:
        ends = _ends(verdict.lower, verdict.upper, lambda x: f"{x:+.4g}")
    return f" (difference {ends}, {verdict.method}, {units})"


def _in_shares(verdict: Verdict) -> bool:
    """Whether to speak on the relative scale: the margin's own scale, as far as it can be had."""
    relative = verdict.relative_lower is not None or verdict.relative_upper is not None
    return relative and verdict.margin_scale != "absolute"


def _ends(lower: float | None, upper: float | None, show: Callable[[float], str]) -> str:
    if lower is None:
        return "unknown" if upper is None else f"at most {show(upper)}"
    if upper is None:
        return f"at least {show(lower)}"
    return f"{show(lower)} to {show(upper)}"


def _margin(verdict: Verdict) -> str:
    if verdict.margin is None:
        return "nothing"
    return f"{verdict.margin:.4g}" if verdict.margin_scale == "absolute" else f"{verdict.margin:.2%}"


def _count(n: int) -> str:
    return f"{n:,}".replace(",", " ")
