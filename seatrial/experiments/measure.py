"""A metric, ready to be read: the query that gives its numbers by unit, and those numbers once read."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.answers import Answers
from seatrial.experiments.shapes import BY_ROW, Shape
from seatrial.experiments.unfolding import Around

COLUMNS = ("x", "y", "x_all", "y_all", "labels", "wanted", "late", "early")

FOREVER = 2**63 - 1
"""``until`` of an outcome that nothing has replaced."""


@dataclass(frozen=True)
class Measure:
    """One metric, ready to be read.

    Attributes:
        name: The metric's.
        shape: How its numbers become a mean.
        within: Window from the first exposure, microseconds.
        grace: What an arrival may take beyond the window, microseconds.
        sql: A query over the tables above that gives ``u`` and ``COLUMNS``; ``{p}`` stands for its parameters' prefix.
        parameters: Its parameters, without prefix.
        outcome: The outcome it needs, or None.
        needs_label: Units without one are missing, not zero.
        cap: Outlier cap on unit totals, or None.
        range: The least and the largest total that a unit counts with, or None: by betting where there is one.
        q: Of a quantile, which.
        covariates: What the effect is adjusted for (``experiments.covariates``).
        others: Further outcomes that it needs.
        items: Whether it reads the row's list of items; ``{p}items`` in ``sql``.
        one_by_one: Whether the query also gives ``answers``: what a unit's numbers are made of, as a list.
        catalogue: Of coverage, the items there are.
        by_first: Whether a unit's ``labels`` say if its first request was such an event: what an exact sequence counts,
            because a unit that asks more often has more chances of *any*.
        ranks: Whether units are compared by ranks, for one look.
        number: Columns of a row of which the first that is known is its answer as a number; ``{p}number`` in ``sql``.
        holes: Whether an outcome may lack the number that is measured: ``x`` is then NaN, and its unit is missing.
        unfolds: Whether ``sql`` also gives what happened early, late and before (``experiments.unfolding``).
    """

    name: str
    shape: Shape
    within: int
    grace: int
    sql: str
    parameters: dict[str, object] = field(default_factory=dict)
    outcome: str | None = None
    needs_label: bool = False
    cap: float | None = None
    range: tuple[float, float] | None = None
    q: float | None = None
    covariates: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    items: bool = False
    number: tuple[str, ...] = ()
    one_by_one: bool = False
    catalogue: int | None = None
    by_first: bool = False
    ranks: bool = False
    holes: bool = False
    unfolds: bool = False

    @property
    def listed(self) -> bool:
        """Whether ``answers`` are read."""
        return self.one_by_one or self.shape in BY_ROW

    @property
    def outcomes(self) -> tuple[str, ...]:
        """All that it needs."""
        return () if self.outcome is None else (self.outcome, *self.others)

    def limited(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit totals [n] as they count: within the range, or up to the cap, where there is one."""
        if self.range is not None:
            return np.clip(x, *self.range)
        return x if self.cap is None else np.minimum(x, self.cap)

    def told(self, column: "Column") -> NDArray[np.bool_]:
        """Units [n] of which it is known what they count with: a label where one is needed, and no hole."""
        labelled = column.labels > 0 if self.needs_label else np.ones(len(column.x), dtype=np.bool_)
        return labelled & np.isfinite(column.x) if self.holes else labelled

    @property
    def stops(self) -> bool:
        """Whether what arrives after a single planned look is kept out of its numbers."""
        return self.parameters.get("by", FOREVER) != FOREVER

    @property
    def matures(self) -> int:
        """Microseconds from a unit's first exposure to its maturity."""
        return self.within + self.grace


@dataclass(frozen=True, eq=False)
class Column:
    """The numbers of one measure by unit, in order of exposure; arrays [n] of the names in ``COLUMNS``.

    ``z`` are its covariates [n, k], NaN where one is missing; None: the measure has none. ``answers`` are its labelled
    answers one by one, for a measure that ranks them. ``around`` is None where the measure does not unfold.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_all: NDArray[np.float64]
    y_all: NDArray[np.float64]
    labels: NDArray[np.float64]
    wanted: NDArray[np.float64]
    late: NDArray[np.float64]
    early: NDArray[np.float64]
    z: NDArray[np.float64] | None = None
    answers: Answers | None = None
    around: Around | None = None


def micros(seconds: float) -> int:
    """Seconds as the whole microseconds that times are kept in."""
    return round(seconds * 1e6)
