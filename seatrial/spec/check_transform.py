"""Checks of a transform: code that is trusted in words, and keys that belong to its kind."""

from typing import Any

from seatrial.spec.problems import Findings
from seatrial.spec.shapes import BAD

Values = dict[str, Any]


def check_transform(values: Values, found: Findings) -> None:
    """Notes what in a transform contradicts itself."""
    transform = values.get("transform")
    if not isinstance(transform, dict) or ("model" in transform) == ("python" in transform):
        return
    if "python" in transform:
        _python(transform, found)
    else:
        _model(transform, found)


def _python(transform: Values, found: Findings) -> None:
    trust, function = transform.get("trust", "none"), transform["python"]
    if trust not in ("python", BAD):
        message = f"`{function}` is code that will run on your servers; write `trust: python` beside it if you trust it"
        found.add("transform.trust" if "trust" in transform else "transform.python", function, message)
    if "gives" not in transform:
        message = (
            f"nobody knows which features `{function}` gives; add them as the versions call them: `gives: [visits_30d]`"
        )
        found.add("transform", function, message)


def _model(transform: Values, found: Findings) -> None:
    if transform.get("trust") == "python":
        message = (
            "`trust: python` is for a function, and this transform is a model; remove it, or write `trust: pickle`"
        )
        found.add("transform.trust", "python", message)
    for key in ("features", "gives"):
        if key in transform:
            message = f"a registered model says itself what it takes and gives; remove `{key}`"
            found.add(f"transform.{key}", key, message)
