"""Lists from a file: how often each place is taken, and how much of the catalogue is shown, by variant. For one look.

The file has a row a shown item: ``unit``, ``variant``, ``item``, ``place`` (from 1), and ``clicked``; or, where
outcomes stand beside it, those say what was taken: with ``credit="request"`` the item of that request (``request`` in
both files), with ``credit="item"`` the unit's last showing of the item before the outcome (``at`` in both).

import seatrial
seatrial.judge_lists("shown.parquet", catalogue=5000)
"""

from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.analysis.files import Columns, Data, Files
from seatrial.analysis.planning import CONTROLS
from seatrial.analysis.zones import refuse_mixed_zones
from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput, NoData
from seatrial.spec.problems import did_you_mean
from seatrial.spec.units import show_count
from seatrial.stats.effect import Effect
from seatrial.stats.interval import TestResult, check_alpha
from seatrial.stats.moments import PairMoments
from seatrial.stats.quality import Score, share_score
from seatrial.stats.ranking import Coverage, catalogue_coverage, coverage_difference
from seatrial.stats.welch import welch_of

Credit = Literal["request", "item"]


class ShownPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a variant's lists.

    Attributes:
        place: From 1.
        shown: How often something was shown there.
        share: Of those, the share that was taken.
        lower, upper: Wilson's interval for as many independent showings as the units' amount to; None with one unit.
    """

    place: int
    shown: int
    share: float | None
    lower: float | None
    upper: float | None


class ShownVariant(msgspec.Struct, frozen=True, kw_only=True):
    """What one variant showed.

    Attributes:
        variant: Its name.
        units: To so many.
        click_through: The first ``k`` places together; its place is 0.
        places: Each of them.
        coverage: Share of the catalogue, at one number of units for all variants; None without a catalogue.
    """

    variant: str
    units: int
    click_through: ShownPlace
    places: tuple[ShownPlace, ...]
    coverage: Coverage | None = None


class ShownComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A treatment less the control, for one look.

    Attributes:
        treatment: Its name.
        click_through: Of the shares of shown items that were taken, by unit (delta method).
        coverage: Of the shares of the catalogue (jackknife by unit); None without a catalogue.
        sentence: Both in one.
    """

    treatment: str
    click_through: TestResult
    coverage: TestResult | None
    sentence: str


class ShownLists(msgspec.Struct, frozen=True, kw_only=True):
    """All of a file's lists."""

    control: str
    k: int
    variants: tuple[ShownVariant, ...]
    comparisons: tuple[ShownComparison, ...]


def judge_lists(
    lists: Data,
    outcomes: Data | None = None,
    *,
    credit: Credit | None = None,
    outcome: str = "",
    catalogue: int | None = None,
    k: int = 10,
    control: str = "",
    alpha: float = 0.05,
    columns: Columns = Columns(),
) -> ShownLists:
    """Clicks by place and coverage of every variant, and every other one beside the control.

    Args:
        lists: A row a shown item: see above.
        outcomes: What was taken; None: the lists have ``clicked``.
        credit: With outcomes: to which list they belong.
        outcome: With several kinds of outcomes: which.
        catalogue: Items there are; None: no coverage.
        k: Places that count.
        control: Which variant the others are compared with; the one called ``control`` or ``champion`` unless named.
        alpha: Of the intervals.
        columns: What the files call unit, variant and time.

    Raises:
        BadInput: A file, column or value that cannot be used, or a unit with lists of two variants.
        NoData: Fewer than two variants.
    """
    check_alpha(alpha)
    if (outcomes is None) != (credit is None):
        raise BadInput("outcomes are credited to a `request` or an `item`: give both the outcomes and the credit")
    if k < 1:
        raise BadInput(f"k {k!r} is no number of places; give 1 or more")
    with Files(lists, outcomes, columns) as files:
        _stage(files, credit, outcome, k)
        units = _units(files)
        control = _control(units, control)
        at = min(units.values()) // 2
        asked = _Asked(files, catalogue, at, alpha)
        variants = {name: asked.variant(name, units[name]) for name in (control, *(n for n in units if n != control))}
        pairs = {name: asked.pairs(name) for name in variants}
    compared = [
        _compare(variants[control], one, (pairs[one.variant], pairs[control]), alpha)
        for one in variants.values()
        if one.variant != control
    ]
    return ShownLists(control=control, k=k, variants=tuple(variants.values()), comparisons=tuple(compared))


class _Asked:
    """One file's table ``seen``, asked variant by variant."""

    def __init__(self, files: Files, catalogue: int | None, at: int, alpha: float) -> None:
        self._files = files
        self._catalogue = catalogue
        self._at = at
        self._alpha = alpha

    def variant(self, name: str, units: int) -> ShownVariant:
        by_place = self._files.query(
            f"SELECT place, sum(clicked) AS clicks, count(*) AS n FROM seen WHERE variant = {literal(name)} "
            "GROUP BY place, unit ORDER BY place, unit"
        )
        place, clicks, n = (_floats(by_place, column) for column in ("place", "clicks", "n"))
        places = [
            _place(int(each), share_score(PairMoments.from_values(clicks[here], n[here]), self._alpha), n[here])
            for each in np.unique(place)
            for here in [place == each]
        ]
        pair = self.pairs(name)
        return ShownVariant(
            variant=name,
            units=units,
            click_through=_place(0, share_score(pair, self._alpha), n),
            places=tuple(places),
            coverage=self._coverage(name, units),
        )

    def pairs(self, name: str) -> PairMoments:
        """Clicks and showings of each unit."""
        found = self._files.query(
            f"SELECT sum(clicked) AS clicks, count(*) AS n FROM seen WHERE variant = {literal(name)} "
            "GROUP BY unit ORDER BY unit"
        )
        return PairMoments.from_values(_floats(found, "clicks"), _floats(found, "n"))

    def _coverage(self, name: str, units: int) -> Coverage | None:
        if self._catalogue is None or not self._at:
            return None
        shown = self._files.query(
            f"""SELECT DISTINCT dense_rank() OVER (ORDER BY unit) AS unit, dense_rank() OVER (ORDER BY item) AS item
            FROM seen WHERE variant = {literal(name)} ORDER BY ALL"""
        )
        items = shown["item"].to_numpy()
        return catalogue_coverage(
            shown["unit"].to_numpy(), items, units, self._catalogue, at=self._at, alpha=self._alpha
        )


def _stage(files: Files, credit: Credit | None, outcome: str, k: int) -> None:
    """Makes the table ``seen``: a row a showing at the first ``k`` places, with ``clicked`` 0 or 1."""
    columns = files.columns
    number = files.number("exposures", "place")
    picked = {
        "unit": files.text("exposures", columns.unit),
        "variant": files.text("exposures", columns.variant),
        "item": files.text("exposures", "item"),
        "place": number,
    }
    for column, value in picked.items():
        bad = files.first_row("exposures", f"{value} IS NULL", "''")
        if bad is not None:
            raise BadInput(f"row {bad[0]} of {files.names['exposures']} has no {column}; mend or remove it")
    bad = files.first_row("exposures", f"{number} < 1 OR {number} <> trunc({number})", "place")
    if bad is not None:
        raise BadInput(f"row {bad[0]} of {files.names['exposures']} has the place {bad[1]!r}; places count from 1")
    picked["clicked"] = _clicked(files) if credit is None else "0"
    if credit == "request":
        picked["request"] = files.text("exposures", "request")
    if credit == "item":
        refuse_mixed_zones(files)
        picked["t"] = _moment(files, "exposures")
    select = ", ".join(f"{value} AS {column}" for column, value in picked.items())
    files.run(
        f"CREATE TEMP TABLE listed AS SELECT row_number() OVER () AS s, {select} FROM exposures WHERE {number} <= {k}"
    )
    if credit is None:
        files.run("CREATE TEMP TABLE seen AS SELECT * FROM listed")
        return
    files.run(
        f"CREATE TEMP TABLE seen AS SELECT l.* REPLACE ((l.s IN (SELECT s FROM ({_credited(files, credit, outcome)})))"
        "::INT AS clicked) FROM listed l"
    )


def _clicked(files: Files) -> str:
    value = files.number("exposures", "clicked")
    bad = files.first_row("exposures", f"coalesce({value} NOT IN (0, 1), true)", quoted("clicked"))
    if bad is not None:
        where = f"row {bad[0]} of {files.names['exposures']}"
        raise BadInput(f"{where} has {bad[1]!r} in `clicked`; write 1 where the item was taken, else 0")
    return f"{value}::INT"


def _credited(files: Files, credit: Credit, outcome: str) -> str:
    """SQL of the showings ``s`` that outcomes belong to."""
    which = "true"
    if files.has("outcomes", "outcome"):
        held = files.outcomes_held([outcome] if outcome else [])
        if not outcome and len(held) > 1:
            names = sorted(str(one["name"]) for one in held)
            raise BadInput(f"{files.names['outcomes']} holds {', '.join(names)}; say which outcome means taken")
        which = f"CAST(outcome AS VARCHAR) = {literal(outcome)}" if outcome else which
    unit, item = files.text("outcomes", files.columns.unit), files.text("outcomes", "item")
    if credit == "request":
        taken = f"SELECT {unit} AS unit, {item} AS item, {files.text('outcomes', 'request')} AS request"
        return f"SELECT l.s FROM listed l SEMI JOIN ({taken} FROM outcomes WHERE {which}) USING (unit, item, request)"
    taken = f"SELECT row_number() OVER () AS o, {unit} AS unit, {item} AS item, {_moment(files, 'outcomes')} AS t"
    return f"""SELECT arg_max(l.s, l.t) AS s FROM ({taken} FROM outcomes WHERE {which}) o
        JOIN listed l ON l.unit = o.unit AND l.item = o.item AND l.t <= o.t GROUP BY o.o"""


def _moment(files: Files, table: str) -> str:
    moment = files.moment(table)
    if moment is None:
        raise BadInput(f"{files.names[table]} has no times; `credit: item` needs {files.columns.at!r} in both files")
    return moment


def _units(files: Files) -> dict[str, int]:
    rows = files.query("SELECT variant, count(DISTINCT unit) AS n FROM seen GROUP BY 1 ORDER BY 1").to_pylist()
    both = files.query(
        "SELECT count(*) AS n, min(unit) AS one FROM "
        "(SELECT unit FROM seen GROUP BY unit HAVING count(DISTINCT variant) > 1)"
    ).to_pylist()[0]
    if both["n"]:
        raise BadInput(
            f"{both['n']} units were shown lists of several variants, {both['one']!r} for one; a unit belongs to one, "
            "so leave out what it was shown by others"
        )
    if len(rows) < 2:
        raise NoData(f"{files.names['exposures']} has lists of {len(rows)} variants; there is nothing to compare yet")
    return {row["variant"]: row["n"] for row in rows}


def _control(units: dict[str, int], given: str) -> str:
    if given:
        if given not in units:
            raise BadInput(f"no list is of the control {given!r}; {did_you_mean(given, units)}")
        return given
    known = [name for name in CONTROLS if name in units]
    if len(known) != 1:
        raise BadInput(f"which of {', '.join(units)} is the control is not plain; name it with `control`")
    return known[0]


def _place(place: int, found: Score, shown: NDArray[np.float64]) -> ShownPlace:
    return ShownPlace(
        place=place,
        shown=int(shown.sum()),
        share=found.value,
        lower=None if found.interval is None else found.interval.lower,
        upper=None if found.interval is None else found.interval.upper,
    )


def _floats(table: pa.Table, column: str) -> NDArray[np.float64]:
    found: NDArray[np.float64] = table[column].cast(pa.float64()).to_numpy()
    return found


def _compare(
    control: ShownVariant, treatment: ShownVariant, pairs: tuple[PairMoments, PairMoments], alpha: float
) -> ShownComparison:
    clicks = welch_of(Effect.of_ratios(*pairs), alpha)
    clicks = msgspec.structs.replace(clicks, method=f"click-through, {clicks.method} by unit (fixed)")
    covered = None
    if treatment.coverage is not None and control.coverage is not None:
        covered = coverage_difference(treatment.coverage, control.coverage, alpha)
        covered = msgspec.structs.replace(covered, method=f"coverage, {covered.method} (fixed)")
    return ShownComparison(
        treatment=treatment.variant,
        click_through=clicks,
        coverage=covered,
        sentence=_sentence(control, treatment, clicks, covered),
    )


def _sentence(control: ShownVariant, treatment: ShownVariant, clicks: TestResult, covered: TestResult | None) -> str:
    ours, theirs = treatment.click_through, control.click_through
    parts = [
        f"Of what {treatment.variant} shows {_percent(ours.share)} are taken, and of {control.variant} "
        f"{_percent(theirs.share)} (difference {_points(clicks)}, one look)"
    ]
    if covered is not None and treatment.coverage is not None and control.coverage is not None:
        at = show_count(control.coverage.at)
        parts.append(
            f"any {at} units of {treatment.variant} see {_percent(treatment.coverage.share)} of the catalogue, and of "
            f"{control.variant} {_percent(control.coverage.share)} (difference {_points(covered)}, one look)"
        )
    return f"{'; '.join(parts)}."


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.3g}%"


def _points(found: TestResult) -> str:
    if found.lower is None or found.upper is None:
        return "not known"
    return f"{100 * found.lower:+.2g} to {100 * found.upper:+.2g} points"
