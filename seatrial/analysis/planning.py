"""What was planned before anybody looked: metrics, what decides, margins, error rates."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from seatrial.analysis.ends import moment_of
from seatrial.analysis.looks import MOST_LOOKS
from seatrial.analysis.metrics import Metric, margin_of, metrics_of_file, named, read_margin
from seatrial.analysis.verdicts import How
from seatrial.spec.errors import BadInput
from seatrial.spec.metrics_file import load_metrics
from seatrial.spec.problems import did_you_mean
from seatrial.stats.contrast import Margin
from seatrial.stats.families import FamilyName
from seatrial.stats.interval import check_alpha
from seatrial.stats.looks_so_far import LookPlan
from seatrial.stats.verdict import Question, Role

CONTROLS = ("control", "champion")
"""Variants that are the control unless another is named."""


@dataclass(frozen=True)
class Plan:
    """What was planned before anybody looked.

    Attributes:
        metrics: What is measured.
        primary: The metric that decides; "": the first.
        minimum_effect: The smallest difference cared about; None: any.
        guardrails: By how much a metric may be worse at most.
        alpha: Chance of a false claim on the primary, over all treatments.
        method: ``fixed`` for one look at the planned end, ``always-valid`` for any number, ``group-sequential`` for a
            few planned ones.
        looks: Those, of ``group-sequential``; None: of the others.
        over: Whether no more units come, so that the last look is now.
        control: Name of the control; "": the variant called so.
        shares: What each variant was to get; empty: equal shares.
        phase: A column of the exposures that says which weights held; "": the same throughout.
        phase_shares: What each variant was to get in each phase, where they are not the same in all.
        family: How several treatments, and the metrics that do not decide, are adjusted.
        cluster: A column of the exposures above the unit that was drawn whole; "": units were drawn.
        segments: Columns of the exposures by which effects are shown too.
        as_of: Until when both files are complete, microseconds since 1970 UTC; None: as far as their outcomes reach.
        plan_units: Units at which an always-valid interval is narrowest.
    """

    metrics: tuple[Metric, ...]
    primary: str = ""
    minimum_effect: Margin | None = None
    guardrails: Mapping[str, Margin] = field(default_factory=dict)
    alpha: float = 0.05
    method: How = "fixed"
    looks: LookPlan | None = None
    over: bool = False
    control: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)
    phase: str = ""
    phase_shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    family: FamilyName = "holm"
    cluster: str = ""
    segments: tuple[str, ...] = ()
    as_of: int | None = None
    plan_units: int = 5000

    def checked(self) -> "Plan":
        """Itself, with its primary named.

        Raises:
            BadInput: No metric, two of one name, or a primary or guardrail that is none of them.
        """
        if not self.metrics:
            raise BadInput("there is no metric to judge by; name one, like `--metric conversion=proportion:purchase`")
        names = [metric.name for metric in self.metrics]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise BadInput(f"the metric {twice!r} stands twice; keep one")
        for name in (self.primary, *self.guardrails):
            if name and name not in names:
                raise BadInput(f"{name!r} is not one of the metrics; {did_you_mean(name, names)}")
        primary = self.primary or next((n for n in names if n not in self.guardrails), names[0])
        if primary in self.guardrails:
            raise BadInput(f"{primary!r} is the primary metric and a guardrail; it can be one of them")
        check_alpha(self.alpha)
        self._check_looks()
        ranked = next((metric.name for metric in self.metrics if metric.ranks), None)
        if ranked is not None and self.method != "fixed":
            raise BadInput(
                f"{ranked!r} is compared by ranks, which hold for one look, and not by the method {self.method!r}; "
                "use `fixed`, or compare means"
            )
        if ranked is not None and self.phase:
            raise BadInput(
                f"{ranked!r} is compared by ranks, which need one split throughout, and not over the phases of "
                f"{self.phase!r}; compare means"
            )
        if self.phase_shares and not self.phase:
            raise BadInput(
                f"the shares are given for the phases {', '.join(self.phase_shares)}; say which column names the "
                "phase (--phase)"
            )
        ordered = sorted(self.metrics, key=lambda m: (m.name != primary, m.name not in self.guardrails))
        return replace(self, primary=primary, metrics=tuple(ordered))

    def _check_looks(self) -> None:
        if (self.method == "group-sequential") != (self.looks is not None):
            raise BadInput(
                "planned looks and the method `group-sequential` belong together: give --planned-units with it, and "
                "with no other method"
            )
        if self.over and self.looks is None:
            raise BadInput("only planned looks end before their time; leave --over out, or use group-sequential")
        if self.looks is None:
            return
        units, looks = self.looks.units, self.looks.looks
        if not (2 <= looks <= MOST_LOOKS and units >= looks):
            raise BadInput(
                f"{looks} looks at {units} planned units are none: give 2 to {MOST_LOOKS} looks, and units for each"
            )

    def part(self, name: str) -> Role:
        """A metric's part in the decision."""
        if name == self.primary:
            return "primary"
        return "guardrail" if name in self.guardrails else "secondary"


def plan_of(metrics: Mapping[str, str] | str | Path, *, outcomes: bool) -> Plan:
    """The plan that metrics by name, or a metrics file, say."""
    if isinstance(metrics, Mapping):
        return Plan(named(metrics, outcomes=outcomes))
    path = Path(metrics)
    if not path.is_file():
        raise BadInput(f"there is no metrics file {str(path)!r}")
    file = load_metrics(path.read_text("utf-8"), path.name)
    return Plan(
        metrics_of_file(file, outcomes=outcomes),
        primary=file.primary.metric if file.primary else "",
        minimum_effect=read_margin(file.primary.minimum_effect) if file.primary else None,
        guardrails={name: read_margin(margin) for name, margin in file.guardrails.items()},
        alpha=file.alpha,
        family=file.family,
        cluster=file.cluster or "",
        segments=file.segments,
    )


def with_options(
    plan: Plan,
    *,
    primary: str,
    minimum_effect: str | None,
    guardrails: Mapping[str, str],
    alpha: float | None,
    method: How,
    control: str,
    shares: Mapping[str, float | Mapping[str, float]],
    looks: LookPlan | None = None,
    over: bool = False,
    family: FamilyName | None = None,
    cluster: str = "",
    phase: str = "",
    as_of: str | None = None,
) -> Plan:
    """The plan with what was said beside its metrics; what was said wins."""
    effect = plan.minimum_effect if minimum_effect is None else margin_of(minimum_effect, "the minimum effect")
    margins = {name: margin_of(text, f"the margin of {name!r}") for name, text in guardrails.items()}
    flat = {name: one for name, one in shares.items() if not isinstance(one, Mapping)}
    by_phase = {name: one for name, one in shares.items() if isinstance(one, Mapping)}
    if flat and by_phase:
        raise BadInput("the shares are given both for all phases and for some; give each phase its own")
    return replace(
        plan,
        primary=primary or plan.primary,
        minimum_effect=effect,
        guardrails={**plan.guardrails, **margins},
        alpha=plan.alpha if alpha is None else alpha,
        method=method,
        looks=looks,
        over=over,
        control=control or plan.control,
        shares=flat or plan.shares,
        phase=phase or plan.phase,
        phase_shares=by_phase or plan.phase_shares,
        family=family or plan.family,
        cluster=cluster or plan.cluster,
        as_of=plan.as_of if as_of is None else moment_of(as_of),
    )


def question(plan: Plan, metric: Metric, treatment: str, control: str, alpha: float) -> Question:
    """What is asked of a metric."""
    margin = plan.minimum_effect if metric.name == plan.primary else plan.guardrails.get(metric.name)
    return Question(
        metric=metric.name,
        want=metric.want,
        margin=margin,
        alpha=alpha,
        plan_units=plan.plan_units,
        treatment=treatment,
        control=control,
    )
