"""A judgement: all that is known about a release at one moment, as one frozen value to store, show and replay."""

from collections.abc import Container
from typing import Literal

import msgspec

from seatrial.experiments.shadow.comparison import ShadowComparison
from seatrial.spec.deployment import MethodName
from seatrial.stats.bayes import Bayesian
from seatrial.stats.interval import TestResult
from seatrial.stats.recommendation import Recommendation
from seatrial.stats.verdict import Role, Verdict

CheckName = Literal[
    "sample-ratio",
    "dropped-rows",
    "label-coverage",
    "both-arms",
    "outcome-ids",
    "crossers",
    "phases",
    "covariates",
    "novelty",
    "carry-over",
    "logging-gaps",
    "trigger-rate",
    "untriggered",
]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Who is in a metric's comparison, and who is not, by reason.

    Attributes:
        champion: Units counted in the champion's arm.
        challenger: In the challenger's.
        waiting: Units whose window or grace is still open.
        censored: Units whose variant changed while their window was open.
        missing: Matured units without a label, or with an outcome without its number.
        late: Outcomes that arrived after their unit matured: in the fixed analyses only.
        early: Outcomes stamped before their unit's exposure: in none.
        clusters: Clusters that the counted units lie in: of the arm that has more; None where none are declared.
        events: Of a share of one phase, units with the event and all: the champion's, then the challenger's; with what
            arrived late.
    """

    champion: int
    challenger: int
    waiting: int = 0
    censored: int = 0
    missing: int = 0
    late: int = 0
    early: int = 0
    clusters: int | None = None
    events: tuple[tuple[int, int], tuple[int, int]] | None = None


class PhaseEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One phase's own effect: shown, never decided on alone.

    Attributes:
        number: The phase's.
        share: The challenger's share of the two arms.
        champion: Units of the champion counted.
        challenger: Units of the challenger counted.
        effect: Challenger minus champion; None when an arm has fewer than two units.
        standard_error: Of the effect, likewise.
    """

    number: int
    share: float
    champion: int
    challenger: int
    effect: float | None
    standard_error: float | None


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """What an effect is adjusted for, and what that changed.

    Attributes:
        covariates: Each ``context.<key>``, or ``prediction``: the champion's last one before the exposure.
        missing: Share of the counted units that lack one: imputed, and flagged beside.
        variance_ratio: Squared standard error of the adjusted effect over the plain one's; None where it is refused.
        unadjusted: The plain effect; likewise.
        refused: Why it is not adjusted after all, in words; empty when it is.
    """

    covariates: tuple[str, ...]
    missing: float
    variance_ratio: float | None = None
    unadjusted: float | None = None
    refused: str = ""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of answers of one variant by itself.

    Attributes:
        variant: Its name.
        units: Units counted.
        value: None where nothing can be said yet, as of a precision without positive answers.
        lower, upper: Its interval at 1 - alpha, for one look; None likewise.
    """

    variant: str
    units: int
    value: float | None = None
    lower: float | None = None
    upper: float | None = None


class Triggered(msgspec.Struct, frozen=True, kw_only=True):
    """A metric told by the units whose answers differ, and what that is over all of them.

    Attributes:
        share: What they are of all that the metric divides by: of the units, or of a ratio's lower side.
        units: How many they are.
        of: How many there are in all.
        effect: Diluted: over all of these units, if the others saw none; None where nothing is known.
        lower, upper: The verdict's interval, diluted likewise.
        relative: The diluted effect over the champion's mean of all units.
        rest_lower, rest_upper: Of the effect on the others, which must cover 0; at 0.001, at every look.
    """

    share: float
    units: int
    of: int
    effect: float | None = None
    lower: float | None = None
    upper: float | None = None
    relative: float | None = None
    rest_lower: float | None = None
    rest_upper: float | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How often what one variant shows at one place of its lists is taken, for one look.

    Attributes:
        variant: Its name.
        place: From 1.
        shown: How often something was shown there.
        share: Of those, the share that was taken.
        lower, upper: Its interval at 1 - alpha, by unit; None with one unit.
    """

    variant: str
    place: int
    shown: int
    share: float | None = None
    lower: float | None = None
    upper: float | None = None


class SpanEffect(msgspec.Struct, frozen=True, kw_only=True):
    """The effect in one span of a metric's window, of the units whose whole window has matured; for one look.

    Attributes:
        begins, ends: Seconds since the exposure.
        champion, challenger: What a unit comes to in it, or the share of units to which it happens in it; None where an
            arm has fewer than two units.
        effect: Challenger minus champion; likewise.
        lower, upper: Its interval at 1 - alpha; None where units or events are too few for one.
    """

    begins: float
    ends: float
    champion: float | None = None
    challenger: float | None = None
    effect: float | None = None
    lower: float | None = None
    upper: float | None = None


class MetricJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one metric.

    Attributes:
        name: The metric's.
        part: Its part in the release.
        kind: As declared; for the metrics that are always there ``errors`` or ``latency``.
        verdict: The always-valid verdict: the only one that is acted on.
        within: Window from the first exposure, seconds.
        matures: Seconds from the first exposure until a unit is counted.
        counts: Who is counted.
        phases: The effect of each phase.
        fixed: Classical results of the same units with all that has arrived since, shown and never acted on.
        bayesian: Likewise a posterior comparison; None where there is no spread yet.
        uncapped: The effect without the outlier cap, where there is one.
        cap: The cap, or for latency the frozen threshold in microseconds.
        tolerated: For a latency guardrail the challenger's own threshold, its margin added, in microseconds.
        adjustment: What the effect is adjusted for; None where nothing.
        adjusted_p: Of a secondary metric, its p-value as one of them all (Holm; by e-BH none): its word stands by it.
        scores: Of a metric of answers, and of coverage, each variant by itself, over all phases; for one look.
        places: Of click-through, each place of each variant's lists, over all phases; for one look.
        spans: The effect by the time since the exposure, where somebody asked and the window is two days at least.
        triggered: Where only units whose answers differ count: the effect over all; None where all count.
        sentence: One plain sentence.
    """

    name: str
    part: Role
    kind: str
    verdict: Verdict
    within: float
    matures: float
    counts: Counts
    phases: tuple[PhaseEffect, ...] = ()
    fixed: tuple[TestResult, ...] = ()
    bayesian: Bayesian | None = None
    uncapped: float | None = None
    cap: float | None = None
    tolerated: float | None = None
    adjustment: Adjustment | None = None
    adjusted_p: float | None = None
    scores: tuple[Score, ...] = ()
    places: tuple[Place, ...] = ()
    spans: tuple[SpanEffect, ...] = ()
    triggered: Triggered | None = None
    sentence: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check of trust.

    Attributes:
        name: Which.
        ok: Whether it passed; a failed one withholds or warns.
        withholds: Whether failing withholds every verdict; else it is a warning.
        value: What was measured, in the sentence's terms; None when there is nothing to measure yet.
        sentence: What it says.
    """

    name: CheckName
    ok: bool
    withholds: bool
    value: float | None
    sentence: str


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """When the primary of a release under way can be decided: a forecast, and nothing acts on it.

    Attributes:
        at: The moment, microseconds since 1970 UTC.
        units: Units of both arms that will have matured by then.
        units_a_day: That come now.
        chance: Of a conclusion by then, by what is seen now.
        in_time: Whether that is before the release has run ``at_most``.
        sentence: All of it in one sentence.
    """

    at: int
    units: int
    units_a_day: float
    chance: float
    in_time: bool
    sentence: str


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a release at one moment.

    Attributes:
        deployment, release, stage: Which.
        unit: What a unit is called.
        champion, challenger: Names of the variants.
        champion_version, challenger_version: ``name:version`` in their slots.
        at: Microseconds since 1970 UTC.
        recommendation: The first that applies of withheld, stop, ship, no-difference, wait.
        because: Which metrics or checks made it so.
        metrics: The primary first, then guardrails, then the others.
        checks: Checks of trust.
        exposed: Units of the two arms by variant, before any exclusion.
        fresh: Units of the challenger first exposed in the present phase, before any exclusion.
        left_out: Rows that are no evidence, by reason.
        caps: Every number that was fixed before the first look; store it with the release.
        edited: What was edited while the release ran.
        method: When its primary may be judged.
        shadow: The paired comparison, where there are shadow rows.
        expected: When it can be decided, where that can be told; only of a judgement that was asked for.
        ended: How the release ended (``promoted``, ``rolled-back``, ...); empty while it is under way.
        sentence: One plain sentence.
    """

    deployment: str
    release: str
    stage: str
    unit: str
    champion: str
    challenger: str
    champion_version: str
    challenger_version: str
    at: int
    recommendation: Recommendation
    because: tuple[str, ...] = ()
    metrics: tuple[MetricJudgement, ...] = ()
    checks: tuple[Check, ...] = ()
    exposed: dict[str, int] = {}
    fresh: int = 0
    left_out: dict[str, int] = {}
    caps: dict[str, float] = {}
    edited: tuple[str, ...] = ()
    method: MethodName = "always-valid"
    shadow: ShadowComparison | None = None
    expected: Expected | None = None
    ended: str = ""
    sentence: str

    @property
    def primary(self) -> MetricJudgement | None:
        """The primary metric's judgement, or None before any unit was exposed."""
        return next((metric for metric in self.metrics if metric.part == "primary"), None)

    def metric(self, name: str) -> MetricJudgement:
        """One metric's judgement; KeyError when it is not among them."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def _repr_html_(self) -> str:
        from seatrial.experiments.shown import notebook_html  # slow to import: the charts

        return notebook_html(self)

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        from seatrial.reports.notebook import bundle  # slow to import: the charts

        return bundle(self.sentence, self._repr_html_(), include, exclude)
