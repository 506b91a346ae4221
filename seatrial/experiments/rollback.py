"""A release's budget of taking back a version that is no worse, and who shares it."""

from seatrial.spec.deployment import Deployment
from seatrial.stats.guardrail import rollback_alpha

ALPHA_ROLLBACK = 0.05
"""Chance, per release, that an identical version is ever rolled back."""


def alpha_of_rollback(deployment: Deployment) -> float:
    """The part of each sequence that may say ``worse``, on one side.

    They are the primary's, one for each guardrail, and the paired accuracy of a shadow where labels may come to it.
    """
    release = deployment.release
    if release is None:
        return ALPHA_ROLLBACK
    return rollback_alpha(ALPHA_ROLLBACK, len(release.guardrails) + _shadow_may_tell(deployment))


def _shadow_may_tell(deployment: Deployment) -> bool:
    """Whether a shadow stage may be ended by labels: only an accuracy has a sequence there."""
    release = deployment.release
    shadow = release is not None and any(stage.kind == "shadow" for stage in release.stages)
    labels = sum(outcome.label for outcome in deployment.outcomes.values())
    labelled = labels == 1 or any(spec.kind == "accuracy" for spec in deployment.metrics.values())
    return shadow and labelled and deployment.task not in ("regression", "ranking")
