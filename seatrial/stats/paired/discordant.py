"""Paired accuracy at every look: of the inputs that only one model got right, whose are they?

Given that a pair is discordant it is a coin that should be fair; the evidence is the mixture e-value of
``stats.conditional`` with equal weights, one-sided each way at alpha / 2. One pair per distinct input or unit (its
first), in order of the label's arrival: repeats of one input are one observation.

References:
    McNemar (1947), Psychometrika 12(2).
    Lindon, Malek (2022), Anytime-valid inference for multinomial count data, NeurIPS.
"""

import math

import msgspec

from seatrial.spec.errors import BadInput
from seatrial.stats.bernoulli import share_sequence
from seatrial.stats.conditional import PhaseCounts, conditional_p, ratio_sequence
from seatrial.stats.contrast import Margin
from seatrial.stats.interval import Interval
from seatrial.stats.verdict import Question, Verdict, Word

MINIMUM_PAIRS = 10
"""Labelled pairs below which nothing is said at all."""


class PairedAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Labelled pairs.

    Attributes:
        both: Pairs that both models got right.
        treatment_only: Only the treatment.
        control_only: Only the control.
        neither: None of them.
    """

    both: int
    treatment_only: int
    control_only: int
    neither: int

    @property
    def pairs(self) -> int:
        """All labelled pairs."""
        return self.both + self.treatment_only + self.control_only + self.neither

    @property
    def discordant(self) -> int:
        """Pairs that only one of them got right."""
        return self.treatment_only + self.control_only

    @property
    def difference(self) -> float:
        """Treatment's accuracy minus control's."""
        return (self.treatment_only - self.control_only) / self.pairs

    def checked(self) -> "PairedAccuracy":
        """Itself; raises BadInput for negative counts."""
        if min(self.both, self.treatment_only, self.control_only, self.neither) < 0:
            raise BadInput(f"counts of pairs must be 0 or more, not {self}")
        return self


def discordant_share(pairs: PairedAccuracy, alpha: float = 0.05) -> Interval:
    """The interval of the treatment's share of discordant pairs, valid at every look."""
    odds = ratio_sequence(_as_phase(pairs), alpha)
    return Interval(_share(odds.lower), _share(odds.upper))


def discordant_p(pairs: PairedAccuracy) -> float:
    """The always-valid two-sided p-value against "both are right equally often"."""
    return conditional_p(_as_phase(pairs))


def judge_pairs(pairs: PairedAccuracy, question: Question) -> Verdict:
    """The verdict on paired accuracy; its interval is the discordant pairs', at the observed share of discordance.

    ``worse`` is said at ``question.alpha_worse`` on its one side too, where that is stricter than half of alpha.

    ``equivalent`` allows for the uncertainty of that share as well, at half of alpha for each.
    """
    pairs.checked()
    if pairs.pairs < MINIMUM_PAIRS:
        reason = f"{pairs.pairs} of {MINIMUM_PAIRS} labelled pairs"
        return _verdict(pairs, question, "no-data", None, reason)
    share = discordant_share(pairs, question.alpha)
    at = pairs.discordant / pairs.pairs
    return _verdict(
        pairs, question, _word(pairs, share, question), Interval(_gap(share.lower, at), _gap(share.upper, at))
    )


def _word(pairs: PairedAccuracy, share: Interval, question: Question) -> Word:
    if share.lower > 0.5:
        return "better"
    if share.upper < 0.5 and _worse_for_certain(pairs, question):
        return "worse"
    return "equivalent" if _inside(pairs, question) else "inconclusive"


def _worse_for_certain(pairs: PairedAccuracy, question: Question) -> bool:
    if question.alpha_worse is None or 2 * question.alpha_worse >= question.alpha:
        return True
    return discordant_share(pairs, 2 * question.alpha_worse).upper < 0.5


def _inside(pairs: PairedAccuracy, question: Question) -> bool:
    if question.margin is None or question.margin.size <= 0:
        return False
    share = discordant_share(pairs, question.alpha / 2)
    at = share_sequence(pairs.discordant, pairs.pairs, question.alpha / 2, "upper").upper
    widest = max(abs(_gap(share.lower, at)), abs(_gap(share.upper, at)))
    return widest < _absolute(question.margin, (pairs.both + pairs.control_only) / pairs.pairs)


def _absolute(margin: Margin, control_accuracy: float) -> float:
    return margin.size if margin.scale == "absolute" else margin.size * control_accuracy


def _verdict(
    pairs: PairedAccuracy, question: Question, word: Word, interval: Interval | None, reason: str = ""
) -> Verdict:
    n = pairs.pairs
    effect = pairs.difference if n else None
    return Verdict(
        metric=question.metric,
        role="primary",
        word=word,
        want="higher",
        method=f"{100 * (1 - question.alpha):.4g}% interval on discordant pairs, exact, valid at every look",
        alpha=question.alpha,
        n_treatment=n,
        n_control=n,
        treatment_mean=(pairs.both + pairs.treatment_only) / n if n else None,
        control_mean=(pairs.both + pairs.control_only) / n if n else None,
        effect=effect,
        lower=None if interval is None else interval.lower,
        upper=None if interval is None else interval.upper,
        margin_scale=None if question.margin is None else question.margin.scale,
        margin=None if question.margin is None else question.margin.size,
        p_value=discordant_p(pairs) if n else None,
        reason=reason,
        sentence=_sentence(pairs, question, word, reason),
    )


def _sentence(pairs: PairedAccuracy, question: Question, word: Word, reason: str) -> str:
    if word == "no-data":
        return f"{question.metric}: no data yet, {reason}."
    t, c = question.treatment, question.control
    claim = {
        "better": f"{t} is right more often than {c}",
        "worse": f"{t} is right less often than {c}",
        "equivalent": f"{t} and {c} are right equally often, within the smallest effect you care about",
        "inconclusive": f"whether {t} or {c} is right more often is not decided yet",
    }[word]
    return (
        f"{question.metric}: {claim} (on {pairs.pairs} pairs; of the {pairs.discordant} that only one got right, "
        f"{t} has {pairs.treatment_only} and {c} {pairs.control_only})."
    )


def _as_phase(pairs: PairedAccuracy) -> tuple[PhaseCounts, ...]:
    return (PhaseCounts(pairs.treatment_only, pairs.pairs, pairs.control_only, pairs.pairs, 0.5),)


def _share(odds: float) -> float:
    return 1.0 if math.isinf(odds) else odds / (1 + odds)


def _gap(share: float, discordant: float) -> float:
    """Difference of accuracies when the treatment has ``share`` of the discordant pairs."""
    return (2 * share - 1) * discordant
