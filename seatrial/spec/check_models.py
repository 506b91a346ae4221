"""Checks of metrics of answers: they need labels, and a task whose answers they can rate."""

from typing import Any

from seatrial.spec.problems import Findings

OF_POSITIVES = ("precision", "recall", "f1", "log_loss", "brier", "auc", "calibration_error")
OF_LABELS = ("accuracy", *OF_POSITIVES)
"""Those that rate a classification, whose labels may be words."""
OF_VALUES = ("mae", "rmse")
OF_ANSWERS = (*OF_LABELS, *OF_VALUES)
OF_LISTS = ("hit_rate", "precision_at", "recall_at", "ndcg", "mrr", "click_through")
OF_SHOWN = ("coverage",)
"""Those of what lists show, whatever comes of it."""
ERRORS = frozenset({"log_loss", "brier", "calibration_error", *OF_VALUES})
"""Those of which less is better."""
NOT_PLANNED = frozenset({"quantile"})
"""Those judged at every look or once: nothing between is known of them."""
ONE_LOOK = frozenset({"auc", "calibration_error", "coverage"})
"""Those of which no interval is known that holds at every look."""


def check_answers(
    kind: str, path: str, name: str, outcome: dict[str, Any], values: dict[str, Any], found: Findings
) -> None:
    """Notes an outcome that is no label, and a task whose answers the kind cannot rate."""
    if outcome.get("label", False) is False:
        message = f"{kind} compares answers with labels, but `{name}` is none; declare `{name}: {{label: true}}`"
        found.add(f"{path}.outcome", name, message)
    check_task(kind, path, "regression" if kind in OF_VALUES else "classification", values, found)


def check_task(kind: str, path: str, needed: str, values: dict[str, Any], found: Findings) -> None:
    """Notes a task whose answers the kind cannot rate."""
    task = values.get("task")
    if isinstance(task, str) and task != needed:
        message = f"{kind} needs `task: {needed}`, but the task is `{task}`; use a `mean` of an outcome"
        found.add(f"{path}.kind", kind, message)
