"""What a file of outcomes holds, before it is joined: which outcomes, with how many values, and that these are numbers.

An outcome of which no row has a ``value`` simply happened, and counts as 1. Where one row has a value, a row without it
is not known, and 1 would be an invention.
"""

from collections.abc import Sequence
from typing import NamedTuple

from seatrial.analysis.files import Files
from seatrial.analysis.metrics import Metric, Total
from seatrial.analysis.refusing import refuse_value
from seatrial.ledger.sql import quoted


class Held(NamedTuple):
    """One column of an outcome's rows.

    Attributes:
        rows: All of them.
        values: Those with a value in that column.
    """

    rows: int
    values: int


class Survey:
    """The outcomes of a file, counted.

    Args:
        files: Open, with a file of outcomes.
        metrics: What is measured.

    Raises:
        BadInput: An undeclared outcome is in no row; a value that is measured is no finite number.
    """

    def __init__(self, files: Files, metrics: Sequence[Metric]) -> None:
        self._held: dict[tuple[str, str], Held] = {}
        totals = [total for metric in metrics for total in metric.totals]
        named = [total.outcome for metric in metrics if not metric.declared for total in metric.totals if total.outcome]
        columns = {total.column for total in totals if total.column}
        if files.has("outcomes", "value") and any(not total.column for total in totals):
            columns.add("value")
        numbers = {column: files.number("outcomes", column) for column in sorted(columns)}
        counted = [
            part
            for i, (column, number) in enumerate(numbers.items())
            for part in (
                f"count({quoted(column)}) AS n{i}",
                f"count(CASE WHEN NOT isfinite({number}) THEN 1 END) AS b{i}",
            )
        ]
        rows = files.outcomes_held(named, counted)
        for row in rows:
            for i, column in enumerate(numbers):
                self._held[str(row["name"]), column] = Held(row["n"], row[f"n{i}"])
                if row[f"b{i}"] and any(t.outcome == row["name"] and (t.column or "value") == column for t in totals):
                    refuse_value(files, ("outcomes", column), str(row["name"]))

    def valued(self, total: Total) -> bool:
        """Whether any of the outcome's rows has the column; without, each counts as 1 where no field is named."""
        return self._of(total).values > 0

    def holed(self, total: Total) -> bool:
        """Whether some of its rows lack what is summed."""
        held = self._of(total)
        return held.values < held.rows and (bool(total.column) or held.values > 0)

    def _of(self, total: Total) -> Held:
        return self._held.get((total.outcome or "", total.column or "value"), Held(0, 0))
