"""A function of the application's own in a process of its own: instances in, features out."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from seatrial.models.python_runtime import ProcessRuntime
from seatrial.models.runtimes import RuntimeFailure

INSTANCES = "instances"
FEATURES = "features"
"""The one tensor in and the one out: a single text, the JSON of all rows."""


class FunctionRuntime(ProcessRuntime):
    """A function ``package.module:name``, imported as the process of a gateway would, from the same directory.

    Args:
        function: Which.
        timeout, patience: As of ``ProcessRuntime``; but a function that hangs is ended after 2 s already, because every
            request waits for it.

    Raises:
        RuntimeFailure: On construction, when it cannot be imported or is no function.
    """

    def __init__(self, function: str, *, timeout: float, patience: float | None = None) -> None:
        command = [sys.executable, "-m", "seatrial.models.function_worker", function]
        patience = max(10 * timeout, 2.0) if patience is None else patience
        super().__init__(command, f"The function {function}", timeout=timeout, patience=patience)

    def call(self, instances: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The features of each instance. Raises RuntimeFailure."""
        text = msgspec.json.encode(instances).decode()
        outputs = self.run({INSTANCES: np.array([text], dtype=object)})
        found: list[dict[str, Any]] = msgspec.json.decode(outputs[FEATURES][0], type=list[dict[str, Any]])
        if len(found) != len(instances):
            raise RuntimeFailure(f"It gave {len(found)} rows for {len(instances)}.")
        return found
