"""What is known of a row before its label, as the numbers that a tree of losses divides by."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seatrial.drift import columns
from seatrial.drift.feature import FeatureProfile

KNOWN_KINDS = frozenset({"number", "integer", "boolean", "category"})
"""Kinds that a row is known by; texts, lists, ids and times are not."""


def known_rows(profiles: Sequence[FeatureProfile], values: Mapping[str, columns.Values]) -> NDArray[np.float64]:
    """Columns as numbers, shape [n, columns]; NaN is missing.

    Args:
        profiles: Of the columns, in order; of a category the positions of the profile's values are taken, and one more
            for every other value.
        values: A column by name, shape [n].
    """
    return np.column_stack([_codes(profile, values[profile.name]) for profile in profiles])


def _codes(profile: FeatureProfile, values: columns.Values) -> NDArray[np.float64]:
    if profile.form != "category":
        return columns.numbers(values)
    places = {value: float(place) for place, value in enumerate(profile.categories)}
    other = float(len(places))
    texts = columns.strings(values)
    return np.array([np.nan if text is None else places.get(text, other) for text in texts], dtype=np.float64)
