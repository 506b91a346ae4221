"""What a conversion gives, and how it fails: by the name of the step and what would mend it."""

from collections.abc import Callable
from typing import NamedTuple

from seatrial.spec.signature import Answer, Tensor


class Converted(NamedTuple):
    """An ONNX model that claims to be the original.

    Attributes:
        way: How it was converted, in words, e.g. ``float32``.
    """

    content: bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    answer: Answer
    way: str


class NotConvertible(Exception):
    """The model, or one step of it, has no ONNX form; the message names the step."""


Way = tuple[str, Callable[[], Converted]]
"""One way of converting: its name, and the conversion, which raises NotConvertible."""
