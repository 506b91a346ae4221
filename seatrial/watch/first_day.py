"""What predictions are compared with where a version has no holdout: its own first live day, once that is over."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.drift import FeatureProfile
from seatrial.experiments.source import Source
from seatrial.spec.signature import Feature, FeatureKind
from seatrial.watch import reading
from seatrial.watch.panes import DAY
from seatrial.watch.reading import Span
from seatrial.watch.shelf import Shelf, keyed

_KINDS: dict[str, FeatureKind] = {"label": "category", "score": "number", "confidence": "number", "value": "number"}


def first_day(
    deployment: str, span: Span, source: Source, names: frozenset[str], shelf: Shelf
) -> tuple[FeatureProfile, ...]:
    """Profiles of the predictions of a version's first live day; empty while it is not over before the window.

    Args:
        deployment: Its name.
        span: The window that is compared.
        source: Rows.
        names: Columns of rows.
        shelf: Where the day is kept.
    """
    key = keyed("first day", deployment, span.variant, span.version)
    known = shelf.get(key)
    if known is not None:
        return msgspec.json.decode(known, type=tuple[FeatureProfile, ...])
    query = f'SELECT epoch_us(min("at")) AS first FROM rows WHERE {reading.PREDICTION_ROWS}'
    first = source.sql(query, {"variant": span.variant, "version": span.version})["first"][0].as_py()
    if first is None or first + DAY > span.start:
        return ()
    made = profiles_of_answers(span._replace(start=first, end=first + DAY), source, names, reading.PREDICTION_ROWS)
    shelf[key] = msgspec.json.encode(made)
    return made


def profiles_of_answers(span: Span, source: Source, names: frozenset[str], rows: str) -> tuple[FeatureProfile, ...]:
    """Profiles of the columns of a variant's answers, cut from themselves; ``rows``: SQL of which rows count."""
    there = [(name, _KINDS[name], sql) for name, sql in reading.answered_columns(names).items()]
    if not there:
        return ()
    picked = ", ".join(f"{sql} AS {name}" for name, _, sql in there)
    query = f"SELECT {picked} FROM rows WHERE {reading.IN_SPAN} AND {rows}"
    table = source.sql(query, span.asked)
    return tuple(
        FeatureProfile.from_values(Feature(name=name, kind=kind, nullable=True), values_of(table[name], kind))
        for name, kind, _ in there
    )


def values_of(column: pa.ChunkedArray, kind: FeatureKind) -> NDArray[Any]:
    """A column as the pure rooms take it: numbers with NaN, texts with None."""
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values if kind == "category" else values.astype(np.float64)
