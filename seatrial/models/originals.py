"""The model as it came: what it predicts, on what columns, and how it is called."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Label, Task


class Predicted(NamedTuple):
    """Answers of the original.

    Attributes:
        prediction: Labels or values, [n].
        scores: Probabilities [n, classes] in the order of the classes, or None.
    """

    prediction: NDArray[Any]
    scores: NDArray[np.float64] | None


@dataclass(frozen=True)
class Original:
    """A model as it came.

    Attributes:
        framework: The library and its version.
        columns: The names of the columns it was fitted on, in order, or None where it never saw names.
        width: How many columns it was fitted on, where it knows.
        container: What it is called with.
        needs_columns: Whether its steps pick columns, so that each is a tensor of its own.
        predict: The container's rows to answers.
        prepare: Gives reference columns the types that the model was fitted on, where the model itself keeps them.
        spelt: A data column's name as the model's library writes it.
    """

    framework: str
    model: Any
    task: Task
    classes: tuple[Label, ...]
    columns: tuple[str, ...] | None
    width: int | None
    container: Literal["frame", "array", "texts"]
    needs_columns: bool
    predict: Callable[[Any], Predicted]
    prepare: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame
    spelt: Callable[[str], str] = lambda name: name


def plain_label(value: object) -> Label:
    """A class as answers write it; a whole float is an integer."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool | int | str):
        return plain
    if isinstance(plain, float) and plain.is_integer():
        return int(plain)
    raise BadInput(f"The model has the class {plain!r}; classes must be texts, whole numbers or booleans.")
