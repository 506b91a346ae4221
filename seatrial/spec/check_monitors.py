"""Checks of monitors against the metrics and outcomes they name."""

from typing import Any

from seatrial.spec.check_metrics import BUILT_IN
from seatrial.spec.check_models import OF_SHOWN
from seatrial.spec.check_windows import check_windows
from seatrial.spec.declared import declared_outcome, longest_within
from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.shapes import BAD
from seatrial.spec.units import show

MISTAKES_ONLY = ("ddm", "hddm-a", "hddm-w")
"""Detectors that read answers that are right or wrong, not errors of any size."""

UNWATCHED = frozenset(OF_SHOWN)
"""Kinds that a release measures and a monitor does not."""

Values = dict[str, Any]


def check_monitors(values: Values, found: Findings) -> None:
    """Notes monitors of what is not declared, or cannot be watched in this way."""
    monitors = values.get("monitors")
    if not isinstance(monitors, dict):
        return
    check_windows(monitors, found)
    if isinstance(monitors.get("data"), dict):
        _data(monitors["data"], found)
    if isinstance(monitors.get("fairness"), dict):
        _fairness(monitors["fairness"], values, found)
    if isinstance(monitors.get("skew"), dict):
        _skew(monitors["skew"], values, found)
    performance, concept = monitors.get("performance"), monitors.get("concept")
    if isinstance(performance, dict):
        _performance(performance, values, found)
    if isinstance(concept, dict):
        _concept(concept, values, found)


def _data(data: Values, found: Findings) -> None:
    """Constraints and bounds that nothing could keep."""
    constraints, arrival = data.get("constraints"), data.get("arrival")
    for name, constraint in constraints.items() if isinstance(constraints, dict) else ():
        if isinstance(constraint, dict):
            path = f"monitors.data.constraints.{name}"
            _order(path, constraint, "least", "most", found)
            if not constraint:
                message = (
                    f"the constraint of `{name}` says nothing; write `{{least: 0}}`, `{{missing: 1%}}` or the like"
                )
                found.add(path, name, message)
            if "values" in constraint and ("least" in constraint or "most" in constraint):
                message = f"`{name}` has `values` and a range, but a column is of one kind; keep one of the two"
                found.add(path, name, message)
    if isinstance(arrival, dict):
        _order("monitors.data.arrival", arrival, "at_least", "at_most", found)


def _order(path: str, values: Values, low: str, high: str, found: Findings) -> None:
    least, most = values.get(low), values.get(high)
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        message = f"`{low}` is {least:g} and `{high}` is {most:g}: nothing lies between; swap them"
        found.add(f"{path}.{low}", least, message)


def _performance(performance: Values, values: Values, found: Findings) -> None:
    metrics, name = values.get("metrics", {}), performance.get("metric")
    if not isinstance(name, str) or not isinstance(metrics, dict):
        return
    path = "monitors.performance.metric"
    if name in BUILT_IN:
        found.add(path, name, f"a performance monitor of `{name}` is not built yet: name a declared metric")
    elif name not in metrics:
        found.add(path, name, f"{show(name)} is not a declared metric; {did_you_mean(name, metrics)}")
    elif isinstance(metrics[name], dict):
        kind = metrics[name].get("kind")
        if kind in UNWATCHED:
            message = (
                f"a performance monitor of a `{kind}` is not built yet: name a metric of answers or lists, a mean, a "
                "proportion, a ratio, a quantile or a value"
            )
            found.add(path, name, message)
        if performance.get("estimate") is True:
            _estimate(name, metrics[name], values, found)
        if "segments" in performance:
            check_by("monitors.performance.segments", performance["segments"], values, found)
        if performance.get("calibration") is True and isinstance(kind, str) and kind != "accuracy":
            message = (
                f"calibration is about scores and labels, but `{name}` is a {kind}; watch an accuracy, or remove it"
            )
            found.add("monitors.performance.calibration", "true", message)


def _estimate(name: str, metric: Values, values: Values, found: Findings) -> None:
    """What can be estimated is about answers and their labels: accuracy, and a regression's errors."""
    outcomes, outcome = values.get("outcomes"), metric.get("outcome")
    declared = outcomes.get(outcome) if isinstance(outcomes, dict) and isinstance(outcome, str) else None
    is_label = isinstance(declared, dict) and declared.get("label") is True
    kind = metric.get("kind")
    if kind in ("accuracy", "mae") or not isinstance(kind, str) or (kind == "mean" and is_label):
        return
    message = (
        f"`estimate` says before there are labels what they will say of the answers, but `{name}` is a {kind} of "
        f"`{outcome}`, which is no label; watch a metric of a label, or remove `estimate`"
    )
    found.add("monitors.performance.estimate", "true", message)


def _fairness(fairness: Values, values: Values, found: Findings) -> None:
    """Groups are told by what is declared, and labels are of a declared outcome."""
    check_by("monitors.fairness.by", fairness.get("by"), values, found)
    if values.get("task") not in (None, "classification", BAD):
        message = f"fairness compares rates of labels, but the task is `{values['task']}`; remove it"
        found.add("monitors.fairness", values["task"], message)
    if "outcome" in fairness:
        outcome = declared_outcome(fairness["outcome"], values, "monitors.fairness.outcome", found)
        if isinstance(outcome, dict):
            _label("monitors.fairness", fairness, str(fairness["outcome"]), outcome, found)
            _wait("monitors.fairness", fairness, values, found)
    elif "value" in fairness:
        message = "`value` is a field of the label, and no `outcome` is named; add it, or remove `value`"
        found.add("monitors.fairness.value", fairness["value"], message)


def _skew(skew: Values, values: Values, found: Findings) -> None:
    """What is compared are fields of a declared outcome, which have the names of features."""
    name = skew.get("outcome")
    outcome = declared_outcome(name, values, "monitors.skew.outcome", found)
    if not isinstance(outcome, dict):
        return
    fields = outcome.get("fields", {})
    if not isinstance(fields, dict):
        return
    if not fields:
        message = (
            f"the features of another source are fields of `{name}`, and it has none; declare "
            f"`{name}: {{fields: {{<feature>: number}}}}`"
        )
        found.add("monitors.skew.outcome", name, message)
    for feature in skew["features"] if isinstance(skew.get("features"), list | tuple) else ():
        if fields and feature not in fields:
            found.add(
                "monitors.skew.features",
                feature,
                f"{show(feature)} is not a field of `{name}`; {did_you_mean(feature, fields)}",
            )


def check_by(path: str, told: Any, values: Values, found: Findings) -> None:
    """Keys of the context that groups are told by are declared; features are the model's, and not known here."""
    context = values.get("context", {})
    for by in told if isinstance(told, list | tuple) else ():
        name = str(by).removeprefix("context.")
        if str(by).startswith("context.") and isinstance(context, dict) and name not in context:
            mend = did_you_mean(name, context) if context else f"add `context: {{{name}: string}}`"
            found.add(path, by, f"{show(name)} is not a declared key of the context; {mend}")


def _concept(concept: Values, values: Values, found: Findings) -> None:
    name = concept.get("outcome")
    outcome = declared_outcome(name, values, "monitors.concept.outcome", found)
    if isinstance(outcome, dict):
        _label("monitors.concept", concept, str(name), outcome, found)
        _wait("monitors.concept", concept, values, found)
    detector = concept.get("detector")
    if values.get("task") == "regression" and detector in MISTAKES_ONLY:
        message = f"`{detector}` reads answers that are right or wrong, but the task is `regression`; write `adwin`"
        found.add("monitors.concept.detector", detector, message)


def _label(path: str, monitor: Values, name: str, outcome: Values, found: Findings) -> None:
    """Its outcome is a label, and what is read of it is one of its fields."""
    if outcome.get("label", False) is False:
        message = f"errors are answers that differ from labels, but `{name}` is none; declare `{name}: {{label: true}}`"
        found.add(f"{path}.outcome", name, message)
    fields, value = outcome.get("fields", {}), monitor.get("value")
    if not isinstance(fields, dict):
        return
    if isinstance(value, str) and value not in fields:
        mend = did_you_mean(value, fields) if fields else "it has none: remove `value`"
        found.add(f"{path}.value", value, f"{show(value)} is not a field of the outcome `{name}`; {mend}")
    elif fields and "value" not in monitor:
        message = f"the label is read from one field, and `{name}` has {len(fields)}; {did_you_mean('', fields)}"
        found.add(path, name, f"{message}: add `value`")


def _wait(path: str, monitor: Values, values: Values, found: Findings) -> None:
    """How long labels may take is said here, or by a metric."""
    name = monitor.get("outcome")
    if "within" in monitor or not isinstance(name, str) or longest_within(name, values) is not None:
        return
    message = f"how long a label may take is not said: no metric of `{name}` has a `within`; add one here, `within: 7d`"
    found.add(path, name, message)
