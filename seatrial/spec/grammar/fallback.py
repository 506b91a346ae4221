"""The answer of last resort."""

import math
from typing import Any

from seatrial.spec.problems import Findings
from seatrial.spec.shapes import BAD, Schema, shown
from seatrial.spec.tree import Node


class FallbackAnswer:
    """Any JSON mapping with a ``prediction``."""

    def read(self, node: Node, path: str, found: Findings) -> Any:
        plain = node.plain
        if node.kind != "mapping" or "prediction" not in plain:
            found.add(
                path, plain, f"{shown(node)} is not a fallback answer: write `{{prediction: 0}}`, as the model would"
            )
        elif not _finite(plain):
            found.add(
                path,
                plain,
                "`fallback` holds a number that JSON cannot write (infinite, or not a number); use a finite one",
            )
        else:
            return plain
        return BAD

    def schema(self) -> Schema:
        return {"type": "object", "required": ["prediction"]}


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    if isinstance(value, list):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)
