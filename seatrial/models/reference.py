"""Reference data: the rows a model was trained on, read from a file or taken from memory, for registration only."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seatrial.spec.errors import BadInput, NotFound

_MISSING_IN_CSV = ["", "nan", "NaN", "null"]
"""``NA`` is not among them: it is Namibia, and a label."""


class Reference(NamedTuple):
    """Rows with their target apart.

    Attributes:
        frame: One row an example, one column a feature; the index is 0, 1, …
        target: The column that the model predicts, or None.
        digest: SHA-256 of the file's bytes, or of the values in memory.
    """

    frame: pd.DataFrame
    target: "pd.Series[Any] | None"
    target_name: str | None
    digest: str


def read_reference(data: object, target: str | None = None, called: str = "reference data") -> Reference:
    """Read reference data.

    Args:
        data: Path of a ``.parquet`` or ``.csv`` file, a DataFrame, a mapping of columns, a 2-d array (its columns are
            named ``x0``, ``x1``, …), or a pair ``(X, y)``.
        target: Name of the column that the model predicts; it is set apart from the features.
        called: What the data is to the caller, for messages.

    Raises:
        BadInput: The data cannot be read as a table, has no rows, or lacks the target.
    """
    frame, digest = _frame(data)
    if not len(frame):
        raise BadInput(f"The {called} has no rows; give at least one, better a few thousand.")
    if target is None and isinstance(data, tuple):
        target = str(frame.columns[-1])
    if target is None:
        return Reference(frame, None, None, digest)
    if target not in frame.columns:
        raise BadInput(f"The target {target!r} is not a column of the {called} ({_some(list(frame.columns))}).")
    return Reference(frame.drop(columns=[target]), frame[target], target, digest)


def _frame(data: object) -> tuple[pd.DataFrame, str]:
    if isinstance(data, str | Path):
        return _from_file(Path(data))
    if isinstance(data, tuple) and len(data) == 2:
        frame = _from_memory(data[0])
        frame = frame.assign(target=np.asarray(data[1]))
    else:
        frame = _from_memory(data)
    return frame, _digest(frame)


def _from_file(path: Path) -> tuple[pd.DataFrame, str]:
    if not path.exists():
        raise NotFound(f"There is no reference data at {str(path)!r}.")
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        elif path.suffix in (".csv", ".gz"):
            frame = pd.read_csv(path, keep_default_na=False, na_values=_MISSING_IN_CSV, low_memory=False)
        else:
            raise BadInput(f"Reference data must be .parquet or .csv, not {path.name!r}.")
    except (OSError, ValueError) as error:
        raise BadInput(f"{str(path)!r} cannot be read as {path.suffix[1:]}: {_first_line(error)}.") from error
    return _plain(frame), hashlib.sha256(path.read_bytes()).hexdigest()


def _from_memory(data: object) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return _plain(data)
    if isinstance(data, Mapping):
        return _plain(pd.DataFrame(dict(data)))
    array = np.asarray(data)
    if array.ndim != 2:
        raise BadInput(f"Reference data must be a table; what came has {array.ndim} axes ({type(data).__name__}).")
    return pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])])


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with text column names and a plain index."""
    names = [str(name) for name in frame.columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"The data has two columns called {twice!r}; rename one.")
    return frame.reset_index(drop=True).set_axis(names, axis=1)


def _digest(frame: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for name in frame.columns:
        column = frame[name]
        digest.update(f"{name}:{column.dtype}\n".encode())
        if column.dtype == object:
            digest.update("\n".join(repr(value) for value in column).encode())
        else:
            digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _some(names: list[str], limit: int = 8) -> str:
    return ", ".join(names[:limit]) + (f", … {len(names)} in all" if len(names) > limit else "")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
