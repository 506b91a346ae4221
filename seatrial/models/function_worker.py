"""The process of one function of the application's own: imports it, calls it, answers over pipes.

Started by ``function_runtime`` as ``python -m seatrial.models.function_worker PACKAGE.MODULE:FUNCTION``, only where the
deployment file says ``trust: python``; it ends when its standard input does.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from seatrial.models.function_runtime import FEATURES, INSTANCES
from seatrial.models.worker import Answering, serve

Function = Callable[[list[dict[str, Any]]], Any]


def main(arguments: list[str]) -> int:
    name = arguments[0]

    def load() -> Answering:
        function = find(name)
        return lambda tensors: {FEATURES: np.array([answer(function, tensors[INSTANCES][0])], dtype=object)}

    return serve(load, lambda error: f"{name} cannot be imported: {type(error).__name__}: {error}")


def find(name: str) -> Function:
    """Import ``package.module:function``; raises what the import raises, and TypeError for what cannot be called."""
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not callable(found):
        raise TypeError(f"it is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]


def answer(function: Function, text: str) -> str:
    """The features of the instances, both as JSON; raises TypeError for what is none."""
    instances: list[dict[str, Any]] = msgspec.json.decode(text)
    found = function(instances)
    if not isinstance(found, list | tuple) or not all(isinstance(row, dict) for row in found):
        raise TypeError(f"it gave a {type(found).__name__} where a list of dictionaries, one a row, was expected")
    if len(found) != len(instances):
        raise ValueError(f"it gave {len(found)} rows for {len(instances)}")
    return msgspec.json.encode(found, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    """Numpy's numbers and arrays as JSON's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no feature")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
