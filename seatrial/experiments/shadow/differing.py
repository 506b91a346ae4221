"""The pairs whose answers differ most, for somebody to look at."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.experiments.shadow.comparison import DifferingPair
from seatrial.experiments.shadow.lists import MOST_READ, alike, items
from seatrial.experiments.shadow.pairs import Answered, Pairs
from seatrial.stats.paired import most_different

SHOWN = 10

_ITEMS = 5
"""Of a list, so many first items are shown."""

Floats = NDArray[np.float64]


def differ_most(found: Pairs, answer: Answered, most: int = SHOWN) -> tuple[DifferingPair, ...]:
    """At most ``most`` independent pairs, the furthest apart first, earlier ones first among equals.

    A pair in which one of them gave no answer is a failure, which is counted elsewhere.
    """
    table = found.independent
    if answer.lists:
        table = table.slice(max(0, table.num_rows - MOST_READ))
    gaps = _gaps(table, answer, len(found.scores))
    furthest = most_different(gaps, np.zeros(gaps.size), most)
    rows = table.take(pa.array(furthest, pa.int64())).to_pylist()
    return tuple(_shown(row, gap, answer) for row, gap in zip(rows, gaps[furthest].tolist(), strict=True))


def _gaps(table: pa.Table, answer: Answered, scores: int) -> Floats:
    """How far apart the answers [n] are; 0 where one of them gave none."""
    ours, theirs = table["answer"].to_pylist(), table["other"].to_pylist()
    if answer.lists:
        found = [0.0 if a is None or b is None else 1 - _alike(a, b) for a, b in zip(ours, theirs, strict=True)]
    elif answer.numbers:
        found = [0.0 if a is None or b is None else abs(b - a) for a, b in zip(ours, theirs, strict=True)]
    else:
        said = (table[f"{whose}_spelt"].to_pylist() for whose in ("answer", "other"))
        found = [float(a is not None and b is not None and a != b) for a, b in zip(*said, strict=True)]
    gaps: Floats = np.array(found, dtype=np.float64)
    if not scores:
        return gaps
    by_class = np.array([_column(table, f"b{j}") - _column(table, f"a{j}") for j in range(scores)])
    known = ~np.isnan(by_class).all(axis=0)
    gaps[known] = np.nanmax(np.abs(by_class[:, known]), axis=0)
    return gaps


def _alike(one: list[Any], other: list[Any]) -> float:
    return alike(items(one) or [], items(other) or [])


def _column(table: pa.Table, name: str) -> Floats:
    found: Floats = np.asarray(table[name].to_pylist(), dtype=np.float64)
    return found


def _shown(row: dict[str, Any], gap: float, answer: Answered) -> DifferingPair:
    return DifferingPair(
        request_id=row["request_id"],
        row=row["i"],
        champion=_text(row["answer"], answer),
        challenger=_text(row["other"], answer),
        truth=row["truth"],
        gap=gap,
    )


def _text(value: Any, answer: Answered) -> str:
    if answer.numbers:
        return f"{value:.6g}"
    if answer.lists:
        found = items(value) or []
        return f"{', '.join(found[:_ITEMS])}{', …' if len(found) > _ITEMS else ''}"
    return str(value)
