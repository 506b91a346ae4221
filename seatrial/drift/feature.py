"""The profile of one column: counts in the reference's cells, moments, missing values and range.

A reference cuts its own cells; a window is counted in the cells of its reference, so that the two can be compared and
windows can be merged exactly.

    kind                      what is counted
    number, integer           the value
    boolean                   0 and 1
    category                  the value, in known categories and one cell for every other
    text                      its length in characters; the empty text has a cell of its own
    list, embedding           its Euclidean norm
    id, time                  missing values only (ids are new and clocks move on without anything being wrong)
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.drift import columns
from seatrial.drift.bins import Bins
from seatrial.drift.moments import Moments
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature, FeatureKind

Form = Literal["numeric", "category", "missing"]
MOST_CATEGORIES = 1000
"""Categories listed in a profile, the most frequent first; the rest are counted together."""

LARGEST = 1e60
"""Values beyond are counted in the outermost cells, and kept out of moments and range: their fourth power overflows."""

BLOCK = 1 << 14
"""Values of a column that are counted at once."""

_FORMS: dict[str, Form] = {"category": "category", "id": "missing", "time": "missing"}


class FeatureProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a reference or of a window.

    Attributes:
        name: The feature's name, or the prediction column's.
        kind: The feature's kind.
        rows: Rows counted, missing ones included.
        missing: Rows without a value.
        bins: Numeric forms: the cells, cut by the reference.
        categories: Category form: the known values, one cell each; one more cell holds every other value.
        counts: Rows in each cell.
        moments: Of the values up to ``LARGEST`` (numeric forms).
        minimum, maximum: Of the same; None where there are none.
        limits: What the reference makes of its range: values beyond cannot come of a mere shift. None where unknown.
        outside: Rows beyond ``limits``.
        barely_listed: Rows of a listed category that would not be listed without that row, which is about how many
            more rows than the reference's own are expected to be unlisted: where all are listed, as many as it saw
            categories once.
    """

    name: str
    kind: FeatureKind
    rows: int = 0
    missing: int = 0
    bins: Bins = Bins()
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    moments: Moments = Moments()
    minimum: float | None = None
    maximum: float | None = None
    limits: tuple[float, float] | None = None
    outside: int = 0
    barely_listed: int = msgspec.field(default=0, name="singletons")

    @classmethod
    def from_values(cls, feature: Feature, values: columns.Values) -> "FeatureProfile":
        """Profile a reference column, cutting its cells.

        Args:
            feature: Name, kind and, for a category, the known values where the model has them.
            values: The column, shape [n]; see ``drift.columns``.
        """
        form = _FORMS.get(feature.kind, "numeric")
        if form == "missing":
            return _missing_only(cls(name=feature.name, kind=feature.kind), values)
        if form == "category":
            return _category_reference(feature, columns.strings(values))
        return _numeric_reference(feature, read_numbers(feature.kind, values))

    @property
    def form(self) -> Form:
        """How the column is counted."""
        return _FORMS.get(self.kind, "numeric")

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def missing_rate(self) -> float:
        """Share of rows without a value; 0 of none."""
        return self.missing / self.rows if self.rows else 0.0

    @property
    def unseen(self) -> int:
        """Category form: rows with a value that is not listed."""
        return self.counts[-1] if self.form == "category" and self.counts else 0

    def merge(self, other: "FeatureProfile") -> "FeatureProfile":
        """Both together, exactly; refused when the cells differ."""
        return merged((self, other))


def merged(parts: Sequence[FeatureProfile]) -> FeatureProfile:
    """At least one, all together, exactly; refused when the cells differ."""
    first = parts[0]
    if len(parts) == 1:
        return first
    for other in parts[1:]:
        if _cells_of(first) != _cells_of(other):
            raise BadInput(
                f"the profiles of {first.name!r} and {other.name!r} are counted in different cells and cannot be "
                "merged; count both with the same reference"
            )
    return msgspec.structs.replace(
        first,
        rows=sum(part.rows for part in parts),
        missing=sum(part.missing for part in parts),
        counts=tuple(map(sum, zip(*(part.counts for part in parts), strict=True))),
        moments=Moments.merged([part.moments for part in parts]),
        minimum=min((part.minimum for part in parts if part.minimum is not None), default=None),
        maximum=max((part.maximum for part in parts if part.maximum is not None), default=None),
        outside=sum(part.outside for part in parts),
    )


def _cells_of(profile: FeatureProfile) -> tuple[object, ...]:
    return profile.name, profile.kind, profile.bins, profile.categories, profile.limits


def profile_of_window(reference: FeatureProfile, values: columns.Values) -> FeatureProfile:
    """Count a window's column, shape [n], in the cells of its reference."""
    if reference.form == "missing":
        return _missing_only(reference, values)
    if reference.form == "category":
        return _count_categories(reference, columns.strings(values))
    return _count_numbers(reference, read_numbers(reference.kind, values))


def profile_of_tally(reference: FeatureProfile, tally: Mapping[str | None, int]) -> FeatureProfile:
    """Count a window's category column from the number of rows of each value (None: missing)."""
    return _count_tally(reference, tally)


def read_numbers(kind: FeatureKind, values: columns.Values) -> NDArray[np.float64]:
    """The one number that each row of a column of this kind is watched by; NaN is missing; shape [n]."""
    if kind == "text":
        return columns.lengths(values)
    if kind in ("list", "embedding"):
        return columns.norms(values)
    return columns.numbers(values)


def _missing_only(base: FeatureProfile, values: columns.Values) -> FeatureProfile:
    if base.kind == "time":
        gone = np.isnan(columns.numbers(values)).tolist()
    else:
        gone = [text is None for text in columns.strings(values)]
    return msgspec.structs.replace(base, rows=len(gone), missing=sum(gone))


def _numeric_reference(feature: Feature, numbers: NDArray[np.float64]) -> FeatureProfile:
    numbers = np.ascontiguousarray(numbers)
    present = _kept(numbers, ~np.isnan(numbers))
    atoms = {"boolean": (0.0, 1.0)}.get(feature.kind)
    bins = Bins.from_values(present, atoms)
    if feature.kind == "text" and 0.0 not in bins.atoms:
        bins = Bins(tuple(sorted({0.0, *bins.edges})), (0.0, *bins.atoms))
    finite = _kept(present, np.abs(present) <= LARGEST)
    return _count_numbers(
        FeatureProfile(name=feature.name, kind=feature.kind, bins=bins, limits=_limits(finite)), numbers
    )


def _limits(finite: NDArray[np.float64]) -> tuple[float, float] | None:
    """The reference's range, widened by itself on either side: a shift stays within, a broken unit does not."""
    if finite.size == 0:
        return None
    low, high = float(finite.min()), float(finite.max())
    return low - (high - low), high + (high - low)


def _count_numbers(base: FeatureProfile, numbers: NDArray[np.float64]) -> FeatureProfile:
    """A block at a time, so that every pass over it finds it in the cache and nothing as long as the column is made."""
    if numbers.size <= BLOCK:
        return _count_block(base, numbers)
    return merged([_count_block(base, numbers[at : at + BLOCK]) for at in range(0, numbers.size, BLOCK)])


def _count_block(base: FeatureProfile, numbers: NDArray[np.float64]) -> FeatureProfile:
    numbers = np.ascontiguousarray(numbers)  # a column of a table by rows lies in strides
    present = _kept(numbers, ~np.isnan(numbers))
    finite = _kept(present, np.abs(present) <= LARGEST)
    low, high = base.limits or (-np.inf, np.inf)
    return msgspec.structs.replace(
        base,
        rows=int(numbers.size),
        missing=int(numbers.size - present.size),
        counts=tuple(base.bins.count(present).tolist()),
        moments=Moments.from_values(finite),
        minimum=float(finite.min()) if finite.size else None,
        maximum=float(finite.max()) if finite.size else None,
        outside=int(((present < low) | (present > high)).sum()) if base.limits else 0,
    )


def _kept(values: NDArray[np.float64], which: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Those values; the very same array where they are all."""
    return values if which.all() else values[which]


def _category_reference(feature: Feature, texts: list[str | None]) -> FeatureProfile:
    found = Counter(text for text in texts if text is not None)
    ranked = sorted(feature.categories or sorted(found), key=lambda value: -found[value])
    listed = ranked[:MOST_CATEGORIES]
    if feature.categories and len(listed) == len(ranked):
        listed = list(feature.categories)  # in the order that the model has them in
    base = FeatureProfile(
        name=feature.name,
        kind=feature.kind,
        categories=tuple(listed),
        barely_listed=_barely_listed([found[value] for value in ranked]),
    )
    return _count_categories(base, texts)


def _barely_listed(ranked: Sequence[int]) -> int:
    """Of rows by category, the largest first: those whose category would leave the list without them.

    Each row is left out in turn, as I. J. Good does for categories that are new (The population frequencies of species
    and the estimation of population parameters, Biometrika 40, 1953). With the last listed category seen t times, a row
    of a listed one seen t times leaves it, and one of t + 1 times does by the chance of losing the draw among equals.
    """
    if len(ranked) <= MOST_CATEGORIES:
        return sum(count == 1 for count in ranked)
    last, equals = ranked[MOST_CATEGORIES - 1], Counter(ranked)
    unlisted = sum(count == last for count in ranked[MOST_CATEGORIES:])
    leave = last * (equals[last] - unlisted)
    return leave + round((last + 1) * equals[last + 1] * unlisted / equals[last])


def _count_categories(base: FeatureProfile, texts: list[str | None]) -> FeatureProfile:
    return _count_tally(base, Counter(texts))


def _count_tally(base: FeatureProfile, tally: Mapping[str | None, int]) -> FeatureProfile:
    rows, missing = sum(tally.values()), tally.get(None, 0)
    listed = [tally.get(value, 0) for value in base.categories]
    return msgspec.structs.replace(base, rows=rows, missing=missing, counts=(*listed, rows - missing - sum(listed)))
