"""Between DataFrames and tensors: packing by a signature, and rebuilding the frame that the original model wants."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.models.features import category_text
from seatrial.protocol.packing import Packing
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import TEXT_KINDS, Feature, Signature

MISSING_TEXT = "\0"
"""Stands for a missing text in tensors that go to the python runtime; no text that people write is this one."""


class ColumnRecipe(msgspec.Struct, frozen=True):
    """How one column of the original's input is made: its pandas type, and a categorical's own values in order."""

    name: str
    dtype: str
    categories: tuple[str | int | float | bool, ...] | None = None
    ordered: bool = False


class FrameRecipe(msgspec.Struct, frozen=True):
    """What the original model is called with.

    Attributes:
        container: ``frame`` (a DataFrame), ``array`` (its values) or ``texts`` (the one column, 1-d).
    """

    container: Literal["frame", "array", "texts"]
    columns: tuple[ColumnRecipe, ...]

    def as_fitted(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows with the columns' original types (a category that was not there becomes missing).

        Raises:
            BadInput: A column cannot be read as its type.
        """
        columns = {column.name: _typed(frame[column.name], column) for column in self.columns}
        return pd.DataFrame(columns, index=frame.index)

    def container_of(self, frame: pd.DataFrame) -> Any:
        """What the model is called with, from a frame with the original types."""
        if self.container == "texts":
            return frame.iloc[:, 0].to_numpy(dtype=object)
        if self.container == "array":
            return frame.to_numpy()
        return frame


def recipe_of(frame: pd.DataFrame, container: Literal["frame", "array", "texts"]) -> FrameRecipe:
    """The recipe that makes frames like this one."""
    return FrameRecipe(container, tuple(_column_recipe(str(name), frame[name]) for name in frame.columns))


def _column_recipe(name: str, column: "pd.Series[Any]") -> ColumnRecipe:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        values = tuple(value.item() if isinstance(value, np.generic) else value for value in dtype.categories)
        return ColumnRecipe(name, "category", values, bool(dtype.ordered))
    return ColumnRecipe(name, str(dtype))


def as_category(column: "pd.Series[Any]", dtype: pd.CategoricalDtype) -> "pd.Series[Any]":
    """A column as a categorical; values that it does not know become missing."""
    plain = column.astype(object)
    return plain.where(plain.isin(list(dtype.categories)), None).astype(dtype)


def _typed(column: "pd.Series[Any]", recipe: ColumnRecipe) -> "pd.Series[Any]":
    if recipe.dtype == "category":
        dtype = pd.CategoricalDtype(list(recipe.categories or ()), ordered=recipe.ordered)
        return as_category(column, dtype)
    if str(column.dtype) == recipe.dtype:
        return column
    try:
        return column.astype(cast(Any, recipe.dtype))
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"The column {recipe.name!r} is {column.dtype} where the model was fitted on {recipe.dtype}: {error}."
        ) from error


def pack(signature: Signature, frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """A frame's rows as the signature's input tensors, by the very code that packs requests."""
    numbers = [numbers_of(frame[feature.name], feature) for feature in signature.numbers]
    texts = [texts_of(frame[feature.name], feature) for feature in signature.texts]
    vectors = [vectors_of(frame[feature.name]) for feature in signature.vectors]
    rows = len(frame)
    with np.errstate(over="ignore", invalid="ignore"):
        return Packing(signature).pack(
            np.stack(numbers, axis=1) if numbers else np.empty((rows, 0)),
            list(zip(*texts, strict=True)) if texts else [()] * rows,
            list(zip(*vectors, strict=True)) if vectors else [()] * rows,
        )


def rebuild(recipe: FrameRecipe, features: Sequence[Feature], tensors: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """The rows as the model was fitted on them, from one tensor a feature: the reverse of packing."""
    kinds = {feature.name: feature for feature in features}
    columns = {c.name: _restored(tensors[c.name], c, kinds[c.name]) for c in recipe.columns}
    return pd.DataFrame(columns)


def _restored(values: NDArray[Any], recipe: ColumnRecipe, feature: Feature) -> "pd.Series[Any]":
    if feature.kind in TEXT_KINDS:
        return _restored_texts(values, recipe)
    if feature.kind in ("embedding", "list"):
        return pd.Series([row[~np.isnan(row)] for row in values], dtype=object)
    if feature.kind == "time":
        return _restored_times(values, recipe)
    missing = np.isnan(values)
    dtype = recipe.dtype
    if dtype == "category":
        return _restored_texts(np.where(missing, MISSING_TEXT, values.astype(object)), recipe)
    if not missing.any():
        whole = values.astype(np.int64) if feature.kind == "integer" else values
        return pd.Series(whole.astype(bool) if feature.kind == "boolean" else whole).astype(cast(Any, dtype))
    if dtype[:1].isupper() or dtype.startswith("float"):
        return pd.Series(values).astype(cast(Any, dtype))
    if dtype == "object":
        plain = [None if gone else _plain_number(v, feature) for v, gone in zip(values, missing, strict=True)]
        return pd.Series(plain, dtype=object)
    return pd.Series(values)  # numpy's integers have no missing; pandas reads such a column as floats


def _plain_number(value: float, feature: Feature) -> object:
    return {"boolean": bool, "integer": int}.get(feature.kind, float)(value)


def _restored_texts(values: NDArray[Any], recipe: ColumnRecipe) -> "pd.Series[Any]":
    if recipe.dtype == "category":
        known = {category_text(value): value for value in recipe.categories or ()}
        dtype = pd.CategoricalDtype(list(recipe.categories or ()), ordered=recipe.ordered)
        return pd.Series([known.get(str(value)) for value in values], dtype=dtype)
    texts = [None if value == MISSING_TEXT else value for value in values]
    if recipe.dtype == "object":
        return pd.Series(texts, dtype=object)
    if recipe.dtype in ("str", "string") or recipe.dtype.startswith("string"):
        return pd.Series(texts, dtype=cast(Any, recipe.dtype))
    return pd.Series(pd.to_numeric(pd.Series(texts, dtype=object))).astype(cast(Any, recipe.dtype))


def _restored_times(values: NDArray[Any], recipe: ColumnRecipe) -> "pd.Series[Any]":
    moments = pd.Series(pd.to_datetime(np.round(values * 1e6), unit="us", utc=True))
    zoned = "," in recipe.dtype
    return (
        moments.astype(cast(Any, recipe.dtype))
        if zoned
        else moments.dt.tz_localize(None).astype(cast(Any, recipe.dtype))
    )


def numbers_of(column: "pd.Series[Any]", feature: Feature) -> NDArray[np.float64]:
    """One column as float64 [n], NaN where missing: times as seconds, categories as positions (unseen: NaN)."""
    if feature.kind == "time":
        return seconds_of(column)
    if feature.kind in TEXT_KINDS:
        places = {value: float(i) for i, value in enumerate(feature.categories or ())}
        codes = [places.get(value, np.nan) for value in texts_of(column, feature)]
        return np.array(codes, dtype=np.float64)
    if column.dtype == object:
        return np.array([_number(value) for value in column], dtype=np.float64)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _number(value: Any) -> float:
    return float("nan") if value is None or value is pd.NA else float(value)


def seconds_of(column: "pd.Series[Any]") -> NDArray[np.float64]:
    """Datetimes as seconds since 1970 UTC, NaN where missing; a time without a zone is UTC."""
    times = pd.to_datetime(column, utc=True)
    epoch = pd.Timestamp("1970-01-01", tz="UTC")
    seconds = (times - epoch) / pd.Timedelta(seconds=1)
    return np.asarray(seconds.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def texts_of(column: "pd.Series[Any]", feature: Feature) -> NDArray[np.object_]:
    """One column as texts [n], None where missing."""
    write = category_text if feature.kind in ("category", "id") else str
    missing = column.isna().to_numpy()
    values = column.astype(object).to_numpy()
    return np.array([None if gone else write(v) for v, gone in zip(values, missing, strict=True)], dtype=object)


def vectors_of(column: "pd.Series[Any]") -> list[list[float] | None]:
    """One column of lists as lists of numbers, None where missing."""
    return [None if value is None or value is pd.NA else np.asarray(value, float).tolist() for value in column]


def rows_of(frame: pd.DataFrame, features: Sequence[Feature]) -> list[dict[str, object]]:
    """A frame's rows as requests write them: missing values left as ``None``, times as RFC 3339 text."""
    columns = {feature.name: _json_values(frame[feature.name], feature) for feature in features}
    return [{name: values[i] for name, values in columns.items()} for i in range(len(frame))]


def _json_values(column: "pd.Series[Any]", feature: Feature) -> list[object]:
    if feature.kind in TEXT_KINDS:
        return list(texts_of(column, feature))
    if feature.kind in ("embedding", "list"):
        return list(vectors_of(column))
    if feature.kind == "time":
        times = pd.to_datetime(column, utc=True)
        return [None if pd.isna(t) else t.isoformat().replace("+00:00", "Z") for t in times]
    cast = {"integer": int, "boolean": bool}.get(feature.kind, float)
    return [None if np.isnan(v) else cast(v) for v in numbers_of(column, feature).tolist()]
