"""Feature kinds and ``nullable``, read off the reference data and corrected by a schema."""

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import numpy as np
import pandas as pd

from seatrial.spec.calendar import is_zone
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature, FeatureKind

MOST_CATEGORIES = 1000
"""A text column with more distinct values than this is not a category by itself; as many are listed in a profile."""

SURELY_CATEGORIES = 100
"""Up to so many distinct values that repeat are a category however they look."""

SENTENCE = 5
"""So many words are a sentence; a city or a plan has fewer."""

_KINDS: tuple[str, ...] = get_args(FeatureKind)
_CORRECTIONS = ("kind", "nullable", "categories", "width", "zone")


def infer_features(frame: pd.DataFrame) -> tuple[Feature, ...]:
    """One Feature a column, in the columns' order.

    Booleans, integers, floats and datetimes are what they are; a pandas categorical is a ``category`` with its own
    order; text is a ``category`` when few distinct values repeat (at most 1 000, and where they are more than 100 most
    of them are no sentences of five words), an ``id`` when (nearly) every value is its own word, else ``text``; cells
    that are lists of numbers are ``embedding`` with one width, else ``list``. A column is nullable when the reference
    data has a missing value in it.
    """
    return tuple(infer_feature(str(name), frame[name]) for name in frame.columns)


def infer_feature(name: str, column: "pd.Series[Any]") -> Feature:
    nullable = bool(column.isna().any())
    present = column.dropna()
    kind, categories, width = _kind(name, column, present)
    return Feature(
        name=name, kind=kind, nullable=nullable, categories=categories, width=width, zone=_zone_of(column.dtype)
    )


def _zone_of(dtype: Any) -> str | None:
    """The zone that a column of times is written in; None of any other, and of UTC."""
    zone = str(dtype.tz) if isinstance(dtype, pd.DatetimeTZDtype) else "UTC"
    return zone if zone not in ("UTC", "utc") and is_zone(zone) else None


def apply_schema(features: Sequence[Feature], schema: Mapping[str, object]) -> tuple[Feature, ...]:
    """Correct inferred features by hand.

    Args:
        features: What was inferred.
        schema: For a feature's name its ``kind``, or a mapping with any of ``kind``, ``nullable``, ``categories``,
            ``width``, ``zone``; also a Feature.

    Raises:
        BadInput: An unknown feature, kind or correction.
    """
    unknown = [name for name in schema if name not in {feature.name for feature in features}]
    if unknown:
        raise BadInput(f"The schema names {unknown[0]!r}, which is not a feature of the model.")
    return tuple(_corrected(f, schema[f.name]) if f.name in schema else f for f in features)


def _corrected(feature: Feature, correction: object) -> Feature:
    if isinstance(correction, Feature):
        return correction
    if isinstance(correction, str):
        correction = {"kind": correction}
    if not isinstance(correction, Mapping):
        raise BadInput(f"The schema of {feature.name!r} must be a kind or a mapping, not {correction!r}.")
    for key in correction:
        if key not in _CORRECTIONS:
            raise BadInput(f"The schema of {feature.name!r} has {key!r}; known are {', '.join(_CORRECTIONS)}.")
    kind = str(correction.get("kind", feature.kind))
    if kind not in _KINDS:
        raise BadInput(f"The schema gives {feature.name!r} the kind {kind!r}; known are {', '.join(_KINDS)}.")
    categories = correction.get("categories", feature.categories if kind == "category" else None)
    return Feature(
        name=feature.name,
        kind=cast(FeatureKind, kind),
        nullable=bool(correction.get("nullable", feature.nullable)),
        categories=None if categories is None else tuple(category_text(c) for c in cast(Sequence[object], categories)),
        width=cast("int | None", correction.get("width", feature.width)),
        zone=cast("str | None", correction.get("zone", feature.zone if kind == "time" else None)),
    )


def category_text(value: object) -> str:
    """A category's value as requests and tensors write it: text as it is, whole numbers without a fraction."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _kind(
    name: str, column: "pd.Series[Any]", present: "pd.Series[Any]"
) -> tuple[FeatureKind, tuple[str, ...] | None, int | None]:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "category", tuple(category_text(value) for value in dtype.categories), None
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean", None, None
    if pd.api.types.is_integer_dtype(dtype):
        return "integer", None, None
    if pd.api.types.is_float_dtype(dtype):
        return "number", None, None
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "time", None, None
    if pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype):
        return _kind_of_objects(name, present)
    raise BadInput(f"The column {name!r} has the type {dtype}, which is no feature; leave it out or convert it.")


def _kind_of_objects(name: str, present: "pd.Series[Any]") -> tuple[FeatureKind, tuple[str, ...] | None, int | None]:
    kinds = {_kind_of_value(value) for value in present}
    if not kinds:
        raise BadInput(f"The column {name!r} is missing in every row, so its kind is unknown; leave it out.")
    if kinds == {"text"}:
        return _kind_of_text(present)
    if kinds == {"boolean"}:
        return "boolean", None, None
    if kinds <= {"boolean", "integer", "number"} and "boolean" not in kinds:
        return ("integer" if kinds == {"integer"} else "number"), None, None
    if kinds == {"list"}:
        widths = {len(value) for value in present}
        return ("embedding", None, widths.pop()) if len(widths) == 1 else ("list", None, None)
    if len(kinds) == 1:
        raise BadInput(
            f"The column {name!r} holds {kinds.pop()} values, which are no feature; convert or leave it out."
        )
    raise BadInput(f"The column {name!r} mixes {' and '.join(sorted(kinds))}; make it one kind.")


def _kind_of_value(value: object) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, int | np.integer):
        return "integer"
    if isinstance(value, float | np.floating):
        return "number"
    if isinstance(value, list | tuple | np.ndarray):
        return "list"
    return type(value).__name__


def _kind_of_text(present: "pd.Series[Any]") -> tuple[FeatureKind, tuple[str, ...] | None, int | None]:
    distinct = sorted(set(present))
    rows = len(present)
    few = len(distinct) <= 10 or len(distinct) * 2 <= rows
    if few and _are_categories(distinct) and (len(distinct) < rows or rows <= 10):
        return "category", tuple(distinct), None
    one_word = not any(any(c.isspace() for c in value) for value in distinct)
    if one_word and len(distinct) >= 0.95 * rows:
        return "id", None, None
    return "text", None, None


def _are_categories(distinct: Sequence[str]) -> bool:
    if len(distinct) <= SURELY_CATEGORIES:
        return True
    sentences = sum(len(value.split()) >= SENTENCE for value in distinct)
    return len(distinct) <= MOST_CATEGORIES and sentences * 2 <= len(distinct)
