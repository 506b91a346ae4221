"""What an analysis of files gives back: one frozen value to print, draw, write as JSON and show in a notebook."""

from collections.abc import Container
from typing import Any, Literal

import msgspec

from seatrial.stats.all_variants import AllVariants
from seatrial.stats.bayes import Bayesian
from seatrial.stats.families import FamilyName
from seatrial.stats.interval import TestResult
from seatrial.stats.recommendation import Recommendation
from seatrial.stats.segments import Segments
from seatrial.stats.verdict import Role, Verdict, Word

How = Literal["fixed", "always-valid", "group-sequential"]
CheckName = Literal[
    "sample-ratio",
    "changing-shares",
    "both-arms",
    "label-coverage",
    "unexposed-outcomes",
    "early-outcomes",
    "repeated-outcomes",
    "phases",
    "covariates",
    "carry-over",
    "novelty",
    "logging-gaps",
    "file-ends",
]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check of trust.

    Attributes:
        name: Which.
        ok: Whether it passed.
        withholds: Whether failing withholds every verdict; else it is a warning.
        value: What was measured (a p-value, or a number of units); None where there is nothing to measure.
        sentence: What it says.
    """

    name: CheckName
    ok: bool
    withholds: bool
    value: float | None
    sentence: str


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A metric's effect as it stood when the units of a time and before had been exposed.

    Attributes:
        at: Microseconds since 1970 UTC.
        n_treatment, n_control: Units counted by then.
        effect, lower, upper: The effect and its always-valid interval, in the metric's unit.
        word: The always-valid verdict by then.
    """

    at: int
    n_treatment: int
    n_control: int
    effect: float
    lower: float
    upper: float
    word: Word


class PhaseEffect(msgspec.Struct, frozen=True, kw_only=True):
    """A metric's effect in one phase of constant weights.

    Attributes:
        name: The phase's.
        n_treatment, n_control: Units counted in it.
        effect: In the metric's unit; None where an arm has fewer than two units, so that the phase carries no weight.
        se: Its standard error; likewise.
    """

    name: str
    n_treatment: int
    n_control: int
    effect: float | None
    se: float | None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one metric in one comparison.

    Attributes:
        name: The metric's.
        part: Its part in the decision.
        kind: As declared.
        verdict: The verdict by the analysis' method.
        waiting: Units of both arms whose window is still open.
        missing: Units of both arms without a value.
        tests: Classical results of the same units.
        bayesian: A posterior comparison; None where there is no spread.
        covariates: What the effect was adjusted for.
        variance_ratio: Squared standard error with them over without; None where none.
        unadjusted: The effect without covariates, where there are some.
        cap: The largest total that a unit counts with, where there is one.
        uncapped: The effect without the outlier cap, likewise.
        adjusted_p: Of a metric that does not decide, or of one of several treatments: its p-value as one of all of them
            (Holm); its word stands by it.
        looks: The effect over time, where it was asked for.
        segments: The effect by segment, by the column that cuts them.
        phases: The effect in each phase, where there are several; the verdict is of all, weighted by precision.
    """

    name: str
    part: Role
    kind: str
    verdict: Verdict
    waiting: int = 0
    missing: int = 0
    tests: tuple[TestResult, ...] = ()
    bayesian: Bayesian | None = None
    covariates: tuple[str, ...] = ()
    variance_ratio: float | None = None
    unadjusted: float | None = None
    cap: float | None = None
    uncapped: float | None = None
    adjusted_p: float | None = None
    looks: tuple[Look, ...] = ()
    segments: dict[str, Segments] = {}
    phases: tuple[PhaseEffect, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One treatment against the control.

    Attributes:
        treatment: Its name.
        recommendation: The first that applies of withheld, stop, ship, no-difference, wait.
        because: Which metrics or checks made it so.
        metrics: The primary first, then guardrails, then the others.
        sentence: One plain sentence, and what to do next.
    """

    treatment: str
    recommendation: Recommendation
    because: tuple[str, ...]
    metrics: tuple[Finding, ...]
    sentence: str

    @property
    def primary(self) -> Finding:
        """The metric that decides."""
        return self.metrics[0]

    def metric(self, name: str) -> Finding:
        """One metric's finding; KeyError when it is not among them."""
        return next((m for m in self.metrics if m.name == name), None) or _unknown(name)


class Daily(msgspec.Struct, frozen=True, kw_only=True):
    """Units that were first exposed in a period.

    Attributes:
        at: Its start, microseconds since 1970 UTC.
        units: By variant.
    """

    at: int
    units: dict[str, int]


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment judged from files.

    Attributes:
        control: Name of the control.
        method: ``fixed``: one look, now, as planned. ``always-valid``: may be repeated as data come in.
            ``group-sequential``: likewise, and speaks at its planned looks.
        alpha: Chance of a false claim on the primary metric, over all treatments.
        units: By variant, before any exclusion.
        shares: What each variant was to get, fractions of 1; over several phases, of all their units.
        until: Until when the files tell what happened: windows that ended later are still open. None without times.
        checks: Checks of trust.
        comparisons: One a treatment, in order of name.
        family: How several treatments, and the metrics that do not decide, were adjusted.
        arrivals: Units over time, where it was asked for.
        all_variants: Of each share of units, one test over all variants where there are three or more: shown beside.
    """

    control: str
    method: How
    alpha: float
    units: dict[str, int]
    shares: dict[str, float]
    until: str | None
    checks: tuple[Check, ...]
    comparisons: tuple[Comparison, ...]
    arrivals: tuple[Daily, ...] = ()
    family: FamilyName = "holm"
    all_variants: tuple[AllVariants, ...] = ()

    @property
    def sentence(self) -> str:
        """All comparisons, a sentence each."""
        return " ".join(comparison.sentence for comparison in self.comparisons)

    def comparison(self, treatment: str) -> Comparison:
        """One treatment's; KeyError when it is not among them."""
        return next((c for c in self.comparisons if c.treatment == treatment), None) or _unknown(treatment)

    def to_dict(self) -> dict[str, Any]:
        """The whole as dicts, lists and scalars, as ``--json`` prints it."""
        document: dict[str, Any] = msgspec.to_builtins(self, str_keys=True)
        return document

    def to_html(self, title: str = "Experiment") -> str:
        """The page that ``--html`` writes."""
        from seatrial.analysis.page import analysis_page  # slow to import: the charts

        return analysis_page(self, title)

    def _repr_html_(self) -> str:
        from seatrial.analysis.page import notebook_html  # slow to import: the charts

        return notebook_html(self)

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        from seatrial.reports.notebook import bundle  # slow to import: the charts

        return bundle(str(self), self._repr_html_(), include, exclude)

    def __str__(self) -> str:
        return self.sentence


def _unknown(name: str) -> Any:
    raise KeyError(name)
