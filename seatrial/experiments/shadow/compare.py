"""The comparison of a challenger in shadow with the champion, on pairs of answers to the same request."""

from typing import NamedTuple

import msgspec

from seatrial.experiments.shadow.classes import compare_classes
from seatrial.experiments.shadow.comparison import Review, ShadowComparison
from seatrial.experiments.shadow.differing import differ_most
from seatrial.experiments.shadow.imported import imported_review
from seatrial.experiments.shadow.lists import compare_lists, places_of
from seatrial.experiments.shadow.metrics import paired_metrics
from seatrial.experiments.shadow.numbers import compare_numbers
from seatrial.experiments.shadow.pairs import Answered, Label, Pairs, answered, read_pairs
from seatrial.experiments.source import Source
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment, ReleaseSpec

FAILURES_TOLERATED = 0.01
"""Share of shadow pairs in which a challenger may fail and still pass, when no guardrail on ``errors`` says another."""


def compare_shadow(
    deployment: Deployment,
    run: ReleaseRun,
    view: Source,
    now: int,
    *,
    inputs: str = "inputs",
    in_detail: bool = False,
) -> ShadowComparison | None:
    """The comparison on shadow pairs; None where the release has no shadow, or no pair yet.

    Args:
        deployment: Its metrics and outcomes say what the truth is.
        run: The two variants and their versions.
        view: Where rows and outcomes are read.
        now: Microseconds since 1970 UTC; nothing later is seen.
        inputs: What distinct inputs are called in the sentence.
        in_detail: With the metrics that are resampled, and the pairs that differ most: for somebody who asked, as these
            take seconds and show answers.
    """
    if not _has_shadow(deployment, run):
        return None
    answer, label = answered(view, deployment.task or ""), label_of(deployment)
    found = read_pairs(view, run, now, answer, label, scores=in_detail)
    if found is None:
        return None
    labels = [name for name, outcome in deployment.outcomes.items() if outcome.label]
    judged = imported_review(view, run, now, answer, labels)
    comparison = _compare(_Asked(deployment, run, label, inputs, judged), found, answer)
    if not in_detail:
        return comparison
    return msgspec.structs.replace(
        comparison,
        metrics=paired_metrics(found, answer, deployment, label, run.alpha),
        differ_most=differ_most(found, answer),
    )


def label_of(deployment: Deployment) -> Label | None:
    """The outcome that says what the right answer was: the primary's if it is an accuracy, else the first accuracy's,
    else the only labelling outcome; None where there is none."""
    accuracies = {name: spec for name, spec in deployment.metrics.items() if spec.kind == "accuracy"}
    primary = deployment.release.primary.metric if deployment.release is not None else ""
    spec = accuracies.get(primary) or next(iter(accuracies.values()), None)
    if spec is not None and spec.outcome is not None:
        return Label(spec.outcome, spec.value)
    labelling = [name for name, outcome in deployment.outcomes.items() if outcome.label]
    return Label(labelling[0], None) if len(labelling) == 1 else None


def failures_tolerated(release: ReleaseSpec) -> float:
    """The share of shadow pairs in which the challenger may fail and still pass."""
    errors = release.guardrails.get("errors")
    return errors.absolute if errors is not None and errors.absolute is not None else FAILURES_TOLERATED


class _Asked(NamedTuple):
    deployment: Deployment
    run: ReleaseRun
    label: Label | None
    inputs: str
    judged: Review | None


def _compare(asked: _Asked, found: Pairs, answer: Answered) -> ShadowComparison:
    if answer.numbers:
        return compare_numbers(found, asked.run, asked.inputs)
    if answer.lists:
        return compare_lists(found, asked.run, asked.inputs, places_of(asked.deployment))
    return compare_classes(
        found, asked.deployment, asked.run, asked.inputs, labels=asked.label is not None, judged=asked.judged
    )


def _has_shadow(deployment: Deployment, run: ReleaseRun) -> bool:
    stages = deployment.release.stages if deployment.release is not None else ()
    return run.stage == "shadow" or any(stage.kind == "shadow" for stage in stages)
