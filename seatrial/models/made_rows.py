"""Made rows: the inputs that reference data rarely holds and conversions get wrong."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.models.frames import as_category, numbers_of
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature

UNSEEN = "a value nobody has seen"
MOST_THRESHOLDS = 4000
BASES = 3
"""Each strange value stands in this many ordinary rows."""


def made_rows(
    frame: pd.DataFrame, features: Sequence[Feature], thresholds: Mapping[str, NDArray[np.float64]]
) -> pd.DataFrame:
    """Ordinary rows, each with one strange value in it, in the frame's own types.

    Missing (where nullable), an unseen category, an empty text, the extremes and beyond them, values that float32
    cannot hold, and values exactly on the trees' split thresholds.

    Args:
        frame: Reference rows.
        features: Their features.
        thresholds: Split thresholds by feature, in the units of the feature; float64.
    """
    bases = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, BASES).astype(int))].reset_index(drop=True)
    parts = [
        _with_values(bases, feature.name, values)
        for feature in features
        if (values := list(_strange(frame[feature.name], feature)))
    ]
    parts += list(_on_thresholds(frame, features, thresholds))
    return pd.concat(parts, ignore_index=True) if parts else frame.iloc[:0]


def unsafe_features(frame: pd.DataFrame, features: Sequence[Feature]) -> tuple[str, ...]:
    """Numeric features whose reference values differ visibly in float32: whole numbers that it cannot hold, or values
    that fall together although they differ."""
    return tuple(f.name for f in features if f.kind in NUMERIC_KINDS and _unsafe(numbers_of(frame[f.name], f)))


def _unsafe(values: NDArray[np.float64]) -> bool:
    distinct = np.unique(values[np.isfinite(values)])
    with np.errstate(over="ignore"):
        narrow = distinct.astype(np.float32)
    whole = distinct == np.floor(distinct)
    return bool((whole & (narrow.astype(np.float64) != distinct)).any()) or len(np.unique(narrow)) < len(distinct)


def _with_values(bases: pd.DataFrame, name: str, values: Sequence[object]) -> pd.DataFrame:
    repeated = bases.loc[bases.index.repeat(len(values))].reset_index(drop=True)
    column = list(values) * len(bases)
    return repeated.assign(**{name: typed(column, bases[name])})


def typed(values: Sequence[object], like: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of the same type as another; where the values do not fit it, as pandas would have read them."""
    if isinstance(like.dtype, pd.CategoricalDtype):
        return as_category(pd.Series(cast(Any, values), dtype=object), like.dtype)
    try:
        return pd.Series(cast(Any, values), dtype=like.dtype)
    except (TypeError, ValueError, OverflowError):
        return pd.Series(cast(Any, values), dtype=object).infer_objects()


def _strange(column: "pd.Series[Any]", feature: Feature) -> Iterator[object]:
    if feature.nullable:
        yield None
    if feature.kind in TEXT_KINDS:
        yield from (UNSEEN, "")
    elif feature.kind in ("number", "integer"):
        yield from _strange_numbers(column, feature)
    elif feature.kind == "boolean":
        yield from (True, False)


def _strange_numbers(column: "pd.Series[Any]", feature: Feature) -> Iterator[object]:
    values = numbers_of(column, feature)
    values = values[np.isfinite(values)]
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    reach = max(high - low, 1.0)
    middle = float(np.median(values))
    numbers = [low, high, low - reach, high + reach, 0.0, -1.0]
    numbers += [np.nextafter(value, np.inf) for value in (low, middle, high)] + [middle + reach * 1e-9]
    if feature.kind == "integer":
        yield from sorted({int(number) for number in numbers} | _wide_integers(low, high, column))
    else:
        yield from numbers


def _wide_integers(low: float, high: float, column: "pd.Series[Any]") -> set[int]:
    """Whole numbers that float32 cannot hold, where the column's type and its own size make them possible."""
    size = np.dtype(column.dtype.name.lower()).itemsize if isinstance(column.dtype, np.dtype) else 8
    return {int(high) | 1, int(low) | 1, 2**24 + 1} if size >= 4 else set()


def _on_thresholds(
    frame: pd.DataFrame, features: Sequence[Feature], thresholds: Mapping[str, NDArray[np.float64]]
) -> Iterator[pd.DataFrame]:
    kinds = {feature.name: feature for feature in features}
    budget = MOST_THRESHOLDS // max(len(thresholds), 1) + 1
    for name, cuts in thresholds.items():
        finite = np.unique(cuts[np.isfinite(cuts)])
        if kinds[name].kind not in ("number", "integer", "boolean") or not finite.size:
            continue
        chosen = finite[np.unique(np.linspace(0, len(finite) - 1, budget).astype(int))]
        values = _around(chosen, frame[name], kinds[name])
        rows = frame.iloc[np.arange(len(values)) % len(frame)].reset_index(drop=True)
        yield rows.assign(**{name: typed(list(values), frame[name])})


def _around(cuts: NDArray[np.float64], column: "pd.Series[Any]", feature: Feature) -> NDArray[Any]:
    """Values at the thresholds: the thresholds themselves, or their neighbours that the column's type can hold."""
    if feature.kind in ("integer", "boolean"):
        bounds = (0, 1) if feature.kind == "boolean" else (-(2**62), 2**62)
        return np.unique(np.clip(np.concatenate([np.floor(cuts), np.ceil(cuts)]), *bounds)).astype(np.int64)
    if column.dtype == np.float32:
        with np.errstate(over="ignore"):
            near = cuts.astype(np.float32)
        near = near[np.isfinite(near)]
        steps = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
        return np.unique(np.concatenate(steps))
    return cuts
