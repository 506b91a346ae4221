"""The events that alerts can ask for by name; ``data`` asks for ``data.moderate`` and ``data.major``."""

from collections.abc import Sequence

EVENTS: dict[str, str] = {
    "promotion": "a challenger took command",
    "rollback": "a challenger was taken out, by itself or by hand",
    "quarantine": "workers crashed while a version ran, so that it is not asked any more",
    "breaker": "workers leave the default variant alone, because it kept failing",
    "guardrail": "a guardrail is shown worse than its margin",
    "verdict": "a release's recommendation changed, or waits for a person",
    "data.moderate": "a feature drifted moderately",
    "data.major": "a feature drifted strongly",
    "prediction.moderate": "the predictions drifted moderately",
    "prediction.major": "the predictions drifted strongly",
    "performance.moderate": "the model became somewhat worse on matured labels",
    "performance.major": "the model became clearly worse on matured labels",
    "concept.moderate": "the model's errors rose somewhat at some moment",
    "concept.major": "the model's errors rose clearly at some moment",
    "calibration.moderate": "what happens is somewhat off what scores say",
    "calibration.major": "what happens is clearly off what scores say",
    "fairness.moderate": "a rate differs more between groups than it may",
    "fairness.major": "a rate differs between groups by more than twice what it may",
    "multivariate.moderate": "a window's rows are somewhat unlike the same hours before, all columns together",
    "multivariate.major": "a window's rows are clearly unlike the same hours before, all columns together",
    "shadow_gap.moderate": "a version answers live somewhat otherwise than as a shadow",
    "shadow_gap.major": "a version answers live clearly otherwise than as a shadow",
    "skew.moderate": "logged features differ from another source more often than they may",
    "skew.major": "logged features differ from another source far more often than they may",
    "quality": "a column broke (gone missing, or another kind), or labels come for few answers only",
    "outcomes.stalled": "outcomes stopped coming in",
    "alias.moved": "somebody else moved the alias of a model in use",
    "failure": "a version could not be loaded, or a check could not be made",
    "failure.watch": "a monitor cannot be read, so that nobody is watched by it",
}

GROUPS: tuple[str, ...] = tuple(sorted({name.split(".")[0] for name in EVENTS if "." in name} - set(EVENTS)))


def covers(asked: Sequence[str], event: str) -> bool:
    """Whether an alert's ``events`` ask for an event; no events at all ask for every one."""
    return not asked or event in asked or event.split(".")[0] in asked
