"""A metrics file: the part of a deployment file that judges, on its own; a whole deployment file is read too."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from seatrial.spec import build
from seatrial.spec.deployment import Margin, MetricSpec, Model, OutcomeSpec, Primary
from seatrial.spec.grammar.measures import METRIC, OUTCOME
from seatrial.spec.grammar.release import PRIMARY
from seatrial.spec.grammar.words import FIELD, MARGIN, NAME
from seatrial.spec.problems import Findings, SpecError, did_you_mean
from seatrial.spec.read import load_deployment
from seatrial.spec.shapes import Choice, Key, Listed, Named, Number, Record
from seatrial.spec.tree import lines_of, parse
from seatrial.spec.units import Amount

FAMILIES = ("holm", "e-bh")

METRICS_FILE = Record(
    "a metrics file",
    {
        "outcomes": Key(Named(NAME, OUTCOME), "What happens to units afterwards.", default="{}"),
        "metrics": Key(Named(NAME, METRIC, least=1), "What is measured.", required=True),
        "primary": Key(PRIMARY, "What decides; without it the first metric."),
        "guardrails": Key(Named(NAME, MARGIN), "By how much a metric may be worse at most.", default="{}"),
        "alpha": Key(Number(above=0, maximum=0.5), "Chance of a false verdict.", default="0.05"),
        "cluster": Key(FIELD, "A column of the exposures above the unit that was drawn whole, like `shop`."),
        "segments": Key(Listed(FIELD, least=1), "Columns of the exposures by which effects are shown: `[country]`."),
        "family": Key(Choice(FAMILIES), "How several treatments, or metrics, are adjusted.", default="holm"),
    },
    forms="write at least `metrics: {conversion: {kind: proportion, outcome: purchase}}`",
)


class MetricsFile(Model):
    """What is measured, and what it is judged by."""

    outcomes: Mapping[str, OutcomeSpec] = Field(default={})
    metrics: dict[str, MetricSpec]
    primary: Primary | None = None
    guardrails: Mapping[str, Margin] = Field(default={})
    alpha: float = 0.05
    family: Literal["holm", "e-bh"] = "holm"
    cluster: str | None = None
    segments: tuple[str, ...] = ()


def load_metrics(text: str, source: str = "metrics.yaml") -> MetricsFile:
    """Reads a metrics file, or the metrics of a deployment file (one with the key ``deployment``).

    Raises:
        SpecError: With all of the file's problems, in order of lines.
    """
    root = parse(text, source, METRICS_FILE.least)
    if "deployment" in root.keys:
        return _of_deployment(text, source)
    found = Findings(lines_of(root))
    values = METRICS_FILE.read(root, "", found)
    if not found.problems:
        _check(values, found)
    if found.problems:
        raise SpecError(source, found.problems)
    return MetricsFile.model_validate(_built(values))


def _of_deployment(text: str, source: str) -> MetricsFile:
    whole = load_deployment(text, source)
    release = whole.release
    asked = () if release is None else (release.primary.metric, *release.guardrails)
    known = release is not None and release.primary.metric in whole.metrics
    return MetricsFile(
        outcomes=whole.outcomes,
        metrics=whole.metrics,
        guardrails={name: release.guardrails[name] for name in asked[1:] if name in whole.metrics} if release else {},
        alpha=release.method.alpha if release else 0.05,
        segments=tuple(by.removeprefix("context.") for by in release.segments) if release is not None else (),
        primary=release.primary if release is not None and known else None,
    )


def _check(values: dict[str, Any], found: Findings) -> None:
    metrics = values["metrics"]
    primary = values.get("primary", {}).get("metric")
    for path, name in [("primary.metric", primary), *((f"guardrails.{n}", n) for n in values.get("guardrails", {}))]:
        if name is not None and name not in metrics:
            found.add(path, name, f"`{name}` is not a declared metric; {did_you_mean(name, metrics)}")
    outcomes = values.get("outcomes", {})
    for name, metric in metrics.items():
        outcome = metric.get("outcome")
        if outcomes and outcome is not None and outcome not in outcomes:
            message = f"`{outcome}` is not a declared outcome; {did_you_mean(outcome, outcomes)}"
            found.add(f"metrics.{name}.outcome", outcome, message)


def _built(values: dict[str, Any]) -> dict[str, Any]:
    made = {**values, "metrics": {name: build.metric(metric) for name, metric in values["metrics"].items()}}
    if "primary" in made:
        made["primary"] = {**made["primary"], "minimum_effect": _margin(made["primary"]["minimum_effect"])}
    made["guardrails"] = {name: _margin(size) for name, size in values.get("guardrails", {}).items()}
    return made


def _margin(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.value if isinstance(value, Amount) else value for key, value in values.items()}
