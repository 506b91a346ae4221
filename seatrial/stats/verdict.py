"""The verdict on one metric: a word, its evidence, and one plain sentence."""

import math
from typing import Literal

import msgspec

from seatrial.stats.contrast import Margin
from seatrial.stats.interval import Interval, finite

Word = Literal["better", "worse", "equivalent", "non-inferior", "inconclusive", "no-data"]
"""``non-inferior`` is said of guardrails only; ``equivalent`` and ``better`` only of the others."""

Role = Literal["primary", "secondary", "guardrail"]
Want = Literal["higher", "lower"]


class Above(msgspec.Struct, frozen=True, kw_only=True):
    """How often a unit of the challenger lies above one of the champion, equal ones counted half.

    Attributes:
        value: That share of all pairs, 0 to 1; one half where neither tends to larger values.
        lower: Lower end of its interval.
        upper: Upper end.
        equal: Share of pairs with equal values.
    """

    value: float
    lower: float
    upper: float
    equal: float

    def told(self, treatment: str, control: str) -> str:
        """In words, without a full stop."""
        return (
            f"of pairs {self.equal:.2%} are equal, and {treatment} is above {control} in {self.value:.2%} "
            f"({self.lower:.2%} to {self.upper:.2%}), equal ones counted half"
        )


class Overrun(msgspec.Struct, frozen=True, kw_only=True):
    """A decision stands whatever comes after it; this came.

    Attributes:
        decided_at: The planned look that decided, from 1.
        units: Of both arms at the latest look.
        effect: The plain one over all of them, in the metric's unit.
    """

    decided_at: int
    units: int
    effect: float

    def turned(self, decided_on: float | None) -> bool:
        """Whether it points the other way than the effect that was decided on."""
        return decided_on is not None and decided_on * self.effect < 0

    def told(self, decided_on: float | None) -> str:
        """In words, without a full stop."""
        warning = ", the other way" if self.turned(decided_on) else ""
        units = f"{self.units:,}".replace(",", " ")
        return f"decided at look {self.decided_at}; over all {units} units by now it is {self.effect:+.4g}{warning}"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said about one metric now.

    Attributes:
        metric: Its name.
        role: What the word is used for.
        word: better, worse, equivalent, inconclusive or no-data; for a guardrail non-inferior in the place of the first
            and third.
        want: Whether higher or lower values are better.
        method: How the interval was made, in words.
        alpha: Error budget of the good (and for two-sided intervals of both) ends.
        alpha_worse: Error budget of the end that says ``worse``, where it is another one.
        n_treatment: Units of the challenger counted.
        n_control: Units of the champion counted.
        treatment_mean: Mean or ratio of the challenger; None when unknown.
        control_mean: Mean or ratio of the champion.
        effect: Challenger minus champion, in the metric's unit.
        lower: Lower end of the effect's interval; None when there is no such end.
        upper: Upper end.
        relative_effect: The effect over the size of the champion's mean; None where that is refused.
        relative_lower: Lower end on that scale.
        relative_upper: Upper end on that scale.
        margin_scale: ``relative`` or ``absolute``: of the guardrail's margin, or of the smallest effect cared about.
        margin: Its size.
        p_value: Always-valid p-value against "no difference" (a guardrail: against "beyond the margin").
        above: By ranks, where values are tied so that no shift is told: what the word rests on in place of an effect.
        smaller_than_cared: The direction is shown, and the whole interval lies inside the smallest effect cared about.
        not_worse: Whether it is shown not to be worse by the smallest effect cared about (without one: at all); None of
            guardrails, and without data.
        overrun: What planned looks saw after the one that decided; None of other methods, and where none came.
        futile: At a planned look below its futility bound: going on is unlikely to show the smallest effect cared
            about. Advice; nothing acts on it.
        reason: Why there is no data, in words; empty otherwise.
        sentence: All of it in one sentence.
    """

    metric: str
    role: Role
    word: Word
    want: Want
    method: str
    alpha: float
    alpha_worse: float | None = None
    n_treatment: int = 0
    n_control: int = 0
    treatment_mean: float | None = None
    control_mean: float | None = None
    effect: float | None = None
    lower: float | None = None
    upper: float | None = None
    relative_effect: float | None = None
    relative_lower: float | None = None
    relative_upper: float | None = None
    margin_scale: Literal["relative", "absolute"] | None = None
    margin: float | None = None
    p_value: float | None = None
    above: Above | None = None
    smaller_than_cared: bool = False
    not_worse: bool | None = None
    overrun: Overrun | None = None
    futile: bool = False
    reason: str = ""
    sentence: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a metric, fixed before the first look.

    Attributes:
        metric: Its name, for the sentence.
        want: Whether higher or lower is better.
        margin: For a guardrail, how much worse is accepted; for others the smallest effect cared about (None: any).
        alpha: Error budget, 0 to 1.
        alpha_worse: Error budget for saying ``worse``; None: that of alpha.
        plan_units: Units of both arms at which the sequence is narrowest.
        treatment: What the challenger is called in sentences.
        control: What the champion is called.
    """

    metric: str
    want: Want = "higher"
    margin: Margin | None = None
    alpha: float = 0.05
    alpha_worse: float | None = None
    plan_units: float = 5000
    treatment: str = "challenger"
    control: str = "champion"


def withheld(verdict: Verdict, reason: str) -> Verdict:
    """The same metric as ``no-data``, because a check of trust failed; the evidence stays visible."""
    return msgspec.structs.replace(
        verdict, word="no-data", reason=reason, sentence=f"{verdict.metric}: no verdict, because {reason}."
    )


def interval_of(verdict: Verdict) -> Interval:
    """The interval with infinite ends restored."""
    return Interval(
        -math.inf if verdict.lower is None else verdict.lower, math.inf if verdict.upper is None else verdict.upper
    )


def known(value: float | None) -> float | None:
    """The value if it is a finite number, else None."""
    return None if value is None else finite(value)
