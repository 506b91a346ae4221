"""Every metric's arms of an experiment in files, and what the plan's method says of each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from seatrial.analysis.at_looks import Taken, judge_at_looks
from seatrial.analysis.effects import Measured, bayesian_of, is_small, ratios_of, table_of, tests_of
from seatrial.analysis.metrics import Metric
from seatrial.analysis.one_by_one import Column, judge_column, quantile_of
from seatrial.analysis.phases import (
    Shares,
    counts_over,
    measure_over,
    measured_by_phase,
    merged,
    only,
    shown,
    uncapped_over,
    weight_of,
)
from seatrial.analysis.planning import Plan, question
from seatrial.analysis.reduce import Phased
from seatrial.analysis.verdicts import Finding, How, PhaseEffect
from seatrial.stats.at_once import judge_at_once, judge_by_ranks, judge_quantile_at_once
from seatrial.stats.contrast import Margin
from seatrial.stats.guardrail import judge_guardrail
from seatrial.stats.interval import TestResult
from seatrial.stats.minimum import is_few
from seatrial.stats.phases import Phases
from seatrial.stats.primary import judge_primary
from seatrial.stats.quantile_difference import quantile_test
from seatrial.stats.relabelling import DRAWN
from seatrial.stats.resampling import bootstrap_of_few
from seatrial.stats.uncertain_ratio import Ratios, is_uncertain
from seatrial.stats.unconditional import Table
from seatrial.stats.verdict import Question, Role, Verdict


@dataclass(frozen=True)
class Judged:
    """Every metric's arms, read as the plan asks.

    Attributes:
        plan: Checked.
        phased: Arms by phase and metric.
        control: Name of the control.
        shares: What each variant was to get in each phase.
        unbalanced: Covariates that are not adjusted for.
        columns: Of the metrics that are judged unit by unit.
        taken: What metrics had at planned looks.
        drawn: Relabellings of a small mean, where not all are counted.
    """

    plan: Plan
    phased: Phased
    control: str
    shares: Shares
    unbalanced: frozenset[str]
    columns: Mapping[str, Column] = field(default_factory=dict)
    taken: Mapping[str, Taken] = field(default_factory=dict)
    drawn: int = DRAWN

    @property
    def next_by(self) -> How:
        """By which method more units could still decide; ``fixed`` where none could, as after the last planned look."""
        looks, taken = self.plan.looks, self.taken.get(self.plan.primary)
        done = looks is not None and taken is not None and (self.plan.over or taken.n >= looks.units)
        return "fixed" if done else self.plan.method

    def findings(self, treatment: str, alpha: float) -> list[Finding]:
        """All that is known of every metric, the primary judged at ``alpha``."""
        return [self._finding(metric, treatment, alpha) for metric in self.plan.metrics]

    def _finding(self, metric: Metric, treatment: str, alpha: float) -> Finding:
        phases = merged(self.phased, metric.name)
        both = [arms[v] for arms in phases for v in (treatment, self.control) if v in arms]
        measured, table = self.measured(metric, treatment), self._table(metric, treatment)
        adjusted = measured.variance_ratio is not None
        return Finding(
            name=metric.name,
            part=self.plan.part(metric.name),
            kind=metric.kind,
            verdict=self.verdict(metric, treatment, alpha if metric.name == self.plan.primary else self.plan.alpha),
            waiting=sum(arm.waiting for arm in both),
            missing=sum(arm.missing for arm in both),
            tests=self._tests(metric, measured, table, treatment),
            bayesian=bayesian_of(metric, measured, table, self._smallest(metric), self.plan.alpha),
            covariates=metric.covariates if adjusted else (),
            variance_ratio=measured.variance_ratio,
            unadjusted=measured.unadjusted.effect if adjusted else None,
            cap=metric.cap,
            uncapped=uncapped_over(phases, treatment, self.control),
            phases=self._by_phase(metric, treatment) if len(self.phased) > 1 and metric.kind != "quantile" else (),
        )

    def _tests(self, metric: Metric, measured: Measured, table: Table | None, treatment: str) -> tuple[TestResult, ...]:
        """Classical results of the same units, shown beside."""
        if min(measured.effect.n_treatment, measured.effect.n_control) < 2:
            return ()
        if metric.kind == "quantile":
            phases = self.columns[metric.name].by_phase(treatment, self.control)
            return (quantile_test(phases, metric.q or 0.5, self.plan.alpha),)
        found = tests_of(measured, table, self._ratios(metric, treatment), self.plan.alpha)
        if metric.kind != "mean" or metric.one_by_one or not is_small(measured) or metric.name not in self.columns:
            return found
        arms = self.columns[metric.name].arms(treatment, self.control)
        return found + (bootstrap_of_few(*arms, self.plan.alpha) if is_few(measured.unadjusted, *arms) else ())

    def _by_phase(self, metric: Metric, treatment: str) -> tuple[PhaseEffect, ...]:
        return shown(self.phased, metric, self._phases(metric, treatment), treatment, self.control)

    def _phases(self, metric: Metric, treatment: str) -> Phases:
        adjust = not self.unbalanced.intersection(metric.covariates)
        return measured_by_phase(metric, merged(self.phased, metric.name), treatment, self.control, adjust=adjust)

    def heterogeneity(self, treatments: Sequence[str]) -> dict[str, list[float]]:
        """By metric the p-value of Cochran's Q between phases, of each treatment."""
        return {
            metric.name: [self._phases(metric, treatment).p_value for treatment in treatments]
            for metric in self.plan.metrics
            if metric.kind != "quantile"
        }

    def _table(self, metric: Metric, treatment: str) -> Table | None:
        """Of a share of one phase: units with the event, and all."""
        arms = only(self.phased)
        return None if arms is None else table_of(metric, arms[metric.name], treatment, self.control)

    def _ratios(self, metric: Metric, treatment: str) -> tuple[Ratios, ...]:
        return ratios_of(metric, merged(self.phased, metric.name), treatment, self.control)

    def _smallest(self, metric: Metric) -> Margin | None:
        return self.plan.minimum_effect if metric.name == self.plan.primary else None

    def measured(self, metric: Metric, treatment: str) -> Measured:
        """The effect of a treatment on a metric."""
        if metric.kind == "quantile":
            effect = quantile_of(metric, self.columns[metric.name], treatment, self.control)
            return Measured(effect, effect, None)
        adjust = not self.unbalanced.intersection(metric.covariates)
        phases = merged(self.phased, metric.name)
        found = measure_over(metric, phases, treatment, self.control, adjust=adjust)
        if self.plan.method == "fixed" and (is_small(found) or is_uncertain(self._ratios(metric, treatment))):
            return Measured(found.unadjusted, found.unadjusted, None)
        return found

    def small_means(self, treatments: Sequence[str]) -> frozenset[str]:
        """Names of the means that one look judges by their units' values, because these are few."""
        return frozenset(
            metric.name
            for metric in self.plan.metrics
            if self.plan.method == "fixed"
            and metric.kind == "mean"
            and not (metric.one_by_one or metric.divided)
            and len(self.phased) == 1
            and any(is_small(self.measured(metric, treatment)) for treatment in treatments)
        )

    def verdict(self, metric: Metric, treatment: str, alpha: float) -> Verdict:
        """What the plan's method says of it."""
        plan = self.plan
        measured = self.measured(metric, treatment)
        effect = measured.effect
        counts = (
            counts_over(metric, self.phased, self.shares, treatment, self.control) if plan.method != "fixed" else ()
        )
        asked = question(plan, metric, treatment, self.control, alpha)
        part = plan.part(metric.name)
        if metric.name in self.taken:
            adjust = not self.unbalanced.intersection(metric.covariates)
            return judge_at_looks(self.taken[metric.name], plan, metric, asked, part, adjust=adjust, now=effect)
        if metric.one_by_one and plan.method != "fixed":
            column = self.columns[metric.name]
            weights = {name: weight_of(shares, treatment, self.control) for name, shares in self.shares.items()}
            return judge_column(metric, column, effect, asked, part, weights)
        if plan.method == "fixed":
            return self._at_once(metric, measured, asked, part)
        if part == "guardrail":
            return judge_guardrail(effect, asked, counts=counts, method="always-valid")
        return judge_primary(effect, asked, counts=counts, method="always-valid", role=part)

    def _at_once(self, metric: Metric, measured: Measured, asked: Question, part: Role) -> Verdict:
        column = self.columns.get(metric.name)

        def values() -> tuple[ArrayLike, ArrayLike]:
            assert column is not None
            return column.arms(asked.treatment, asked.control)

        if metric.ranks:
            return judge_by_ranks(measured.effect, asked, part, values)
        if metric.kind == "quantile":
            assert column is not None
            phases = column.by_phase(asked.treatment, asked.control)
            return judge_quantile_at_once(measured.effect, asked, part, phases, metric.q or 0.5)
        table = None if measured.variance_ratio is not None else self._table(metric, asked.treatment)
        of_means = values if metric.kind == "mean" and column is not None else None
        ratios = self._ratios(metric, asked.treatment)
        return judge_at_once(
            measured.effect, asked, part, table=table, values=of_means, ratios=ratios, drawn=self.drawn
        )
