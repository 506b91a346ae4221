"""What is measured: for every metric, two numbers a unit, read by one query for all metrics.

A measure declares the query that gives, by unit: ``x`` and ``y`` (numerator and denominator, or value and nothing) as
they stood when the unit matured, the same with everything that has arrived since, how many labels there are of how many
wanted, and what came late or early. A matured unit's ``x`` and ``y`` never change again: that is what lets a sequence
be looked at any time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from seatrial.experiments.answers import Answers
from seatrial.experiments.covariates import reading_of
from seatrial.experiments.measure import COLUMNS, Column, Measure
from seatrial.experiments.outcome_tables import ATTACHED, happened
from seatrial.experiments.ranking_measures import items_column
from seatrial.experiments.row_columns import answer_column, column_names, number_column
from seatrial.experiments.source import Source
from seatrial.experiments.unfolding import PARTS, Around
from seatrial.experiments.units import NAMED, Named, Units, evidence, parameters
from seatrial.ledger.reviewed import WEIGHED_ALIKE
from seatrial.releases.run import ReleaseRun


def read(source: Source, run: ReleaseRun, measures: Sequence[Measure], now: int) -> tuple[Units, dict[str, Column]]:
    """Reads the units and every measure in one query.

    Without ``answer_column`` no answer is right.
    """
    asked = question(source, run, measures, now)
    table = source.sql(asked.query(), asked.parameters)
    columns = {m.name: column_of(table, index, m, asked.covariates) for index, m in enumerate(measures)}
    return Units.from_table(table, run, longest_of(measures), asked.drawn_as), columns


def longest_of(measures: Sequence[Measure]) -> int:
    """The longest window of any, microseconds."""
    return max((m.within for m in measures), default=0)


def also_of(measures: Sequence[Measure], names: Sequence[str]) -> str:
    """SQL of the rows' answers as numbers or lists, for the measures that rate those, to follow other columns."""
    numbers = [(index, m.number) for index, m in enumerate(measures) if m.number]
    found = [f", {number_column(columns, names)} AS m{index}_number" for index, columns in numbers]
    found += [f", {items_column(names)} AS m{index}_items" for index, m in enumerate(measures) if m.items]
    return "".join(found)


class Question(NamedTuple):
    """What is asked of a source for a release's units and measures.

    Attributes:
        tables: The tables it is made of, as SQL.
        picked: The columns, likewise; with the joins that they need.
        parameters: Its parameters.
        covariates: Column ``z<i>`` is the i-th of these.
        measures: How many there are.
        drawn_as: The column of the names by which units were drawn.
    """

    tables: str
    picked: str
    parameters: dict[str, object]
    covariates: tuple[str, ...]
    measures: int
    drawn_as: str

    def query(self, units: str = "true") -> str:
        """The query, in order of exposure; of those units only for which the SQL condition holds."""
        return f"WITH {self.tables} SELECT {self.picked} WHERE {units} ORDER BY units.u"

    def marked(self, units: str, mark: str) -> str:
        """Likewise, with a hash of each unit's name and numbers as a column ``mark``.

        What came late is nearly always nothing: ``x_all`` and ``y_all`` are null where they are ``x`` and ``y``.
        """
        answer = f"answer AS (SELECT {self.picked} WHERE {units})"
        late = ", ".join(
            f"nullif(m{index}_{c}_all, m{index}_{c}) AS m{index}_{c}_all"
            for index in range(self.measures)
            for c in "xy"
        )
        columns = f"answer.* REPLACE ({late})" if late else "answer.*"
        return (
            f"WITH {self.tables}, {answer} SELECT {columns}, hash(answer) AS {mark} FROM answer ORDER BY first_at, unit"
        )


def question(source: Source, run: ReleaseRun, measures: Sequence[Measure], now: int) -> Question:
    """The one query that reads everything: a row a unit, columns ``m<i>_<name>`` of the i-th measure."""
    given = parameters(run, now)
    names = column_names(source)
    parts = [evidence(names, answer_column(source) or "NULL", also_of(measures, names))]
    outcomes = outcomes_of(measures)
    if outcomes:
        parts += [happened(WEIGHED_ALIKE, "$back"), ATTACHED]
        given["outcomes"] = outcomes
        given["back"] = max((m.within for m in measures if m.unfolds), default=0) / 1e6
    covariates = _covariates(measures)
    before = reading_of(covariates, names, run)
    parts += before.tables
    given |= before.parameters
    joins = list(before.joins)
    picked = ["units.unit", "units.variant", "units.phase", "units.first_at", "coalesce(met.n, 0)::BIGINT AS met"]
    picked += ["units.drawn_as"] if NAMED in names else []
    picked += [f"{before.columns[name]} AS z{index}" for index, name in enumerate(covariates)]
    for index, measure in enumerate(measures):
        parts.append(f"m{index} AS ({measure.sql.replace('{p}', f'm{index}_')})")
        joins.append(f"LEFT JOIN m{index} ON m{index}.u = units.u")
        picked += [f"coalesce(m{index}.{c}, 0)::DOUBLE AS m{index}_{c}" for c in COLUMNS]
        if measure.unfolds:
            picked += [f"coalesce(m{index}.{c}, 0)::DOUBLE AS m{index}_{c}" for c in PARTS]
        if measure.listed:
            picked.append(f"m{index}.answers AS m{index}_answers")
        given |= {f"m{index}_{name}": value for name, value in measure.parameters.items()}
    chosen = f"{', '.join(picked)} FROM units LEFT JOIN met ON met.u = units.u {' '.join(joins)}"
    drawn_as = "drawn_as" if NAMED in names else "unit"
    return Question(", ".join(parts), chosen, given, tuple(covariates), len(measures), drawn_as)


def outcomes_of(measures: Sequence[Measure]) -> list[str]:
    """The outcomes that measures need, each once."""
    return sorted({name for m in measures for name in m.outcomes})


def _covariates(measures: Sequence[Measure]) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(name for m in measures for name in m.covariates))


def column_of(table: Named, index: int, measure: Measure, covariates: Sequence[str]) -> Column:
    """The numbers of the ``index``-th measure of a question, from its answer."""
    numbers = {c: table[f"m{index}_{c}"].to_numpy() for c in COLUMNS}
    answers = Answers.from_lists(table[f"m{index}_answers"]) if measure.listed else None
    found = [table[f"z{covariates.index(name)}"].cast(pa.float64()) for name in measure.covariates]
    z = np.column_stack([each.to_numpy() for each in found]) if found else None  # null becomes NaN
    around = Around(*(table[f"m{index}_{part}"].to_numpy() for part in PARTS)) if measure.unfolds else None
    if measure.holes:  # what came late without its number changes nothing
        numbers["x_all"] = np.where(np.isnan(numbers["x_all"]), numbers["x"], numbers["x_all"])
    return Column(**numbers, z=z, answers=answers, around=around)
