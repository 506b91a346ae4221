"""Rows of files that cannot be used, named: without a unit, with a value that is not finite, or doubled."""

from collections.abc import Sequence

from seatrial.analysis.files import Files
from seatrial.analysis.metrics import Metric
from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput


def refuse_nameless(files: Files) -> None:
    """Raises BadInput for the first row without a unit or a variant."""
    columns = files.columns
    unit, variant = quoted(columns.unit), quoted(columns.variant)
    row = files.query(f"SELECT count(*) AS n, count({unit}) AS u, count({variant}) AS v FROM exposures")
    n, units, variants = (row[name][0].as_py() for name in ("n", "u", "v"))
    for count, column in ((units, columns.unit), (variants, columns.variant)):
        if count < n:
            found = files.first_row("exposures", f"{quoted(column)} IS NULL", "''")
            raise BadInput(
                f"row {found[0] if found else '?'} of {files.names['exposures']} has no {column}; "
                "leave it out or fill it in"
            )


def refuse_empty(files: Files, column: str) -> None:
    """Raises BadInput for the first exposure without a value in a column."""
    files.text("exposures", column)
    found = files.first_row("exposures", f"{quoted(column)} IS NULL", "''")
    if found is not None:
        raise BadInput(f"row {found[0]} of {files.names['exposures']} has no {column}; leave it out or fill it in")


def refuse_timeless(files: Files) -> None:
    """Raises BadInput for the first row without a time where the others have one, and for days beside times of day."""
    column = files.columns.at
    tables = [
        t for t in ("exposures", "outcomes") if (t == "exposures" or files.with_outcomes) and files.has(t, column)
    ]
    days = [table for table in tables if files.kind(table, column) == "DATE"]
    if len(days) == 1 and len(tables) == 2:
        other = next(table for table in tables if table not in days)
        raise BadInput(
            f"{files.names[days[0]]} has days in {column!r} and {files.names[other]} has times: what happened on "
            "the day of the exposure would lie before it; give times in both, or days in both"
        )
    for table in tables:
        (row,) = files.query(f"SELECT count(*) > count({quoted(column)}) AS holed FROM {table}").to_pylist()
        found = files.first_row(table, f"{quoted(column)} IS NULL", "''") if row["holed"] else None
        if found is not None:
            raise BadInput(f"row {found[0]} of {files.names[table]} has no {column}; leave it out or fill it in")


def refuse_doubled(files: Files) -> None:
    """Raises BadInput for a unit that stands twice in a file of units."""
    unit = quoted(files.columns.unit)
    twice = files.query(
        f"SELECT CAST({unit} AS VARCHAR) AS u, count(*) AS n FROM exposures GROUP BY {unit} "
        "HAVING count(*) > 1 ORDER BY n DESC, u LIMIT 1"
    ).to_pylist()
    if twice:
        raise BadInput(
            f"the unit {twice[0]['u']!r} stands in {twice[0]['n']} rows of {files.names['exposures']}, which has one "
            "a unit; leave doubles out, or give outcomes in a file of their own"
        )


def refuse_infinite(files: Files, metrics: Sequence[Metric]) -> None:
    """Raises BadInput with the first value that is not finite."""
    for metric in metrics:
        for total in metric.totals:
            table = "exposures" if total.outcome is None else "outcomes"
            column = total.column or ("value" if files.has(table, "value") else "")
            if column:
                refuse_value(files, (table, column), total.outcome)


def refuse_value(files: Files, where: tuple[str, str], outcome: str | None = None) -> None:
    """Raises BadInput for the first value of a (table, column) that is not finite; nothing where all are."""
    table, column = where
    value = files.number(table, column)
    condition = f"NOT isfinite({value})" + (f" AND outcome = {literal(outcome)}" if outcome else "")
    found = files.first_row(table, condition, value)
    if found is not None:
        raise BadInput(
            f"row {found[0]} of {files.names[table]} has the {column} {found[1]}; correct it, or leave it "
            "empty where nothing is known"
        )


def refuse_no_share(files: Files, metric: Metric, n: int, mean: float, variance: float) -> None:
    """Raises BadInput where a share's column holds anything but 0 and 1, which its two moments show."""
    if metric.kind != "proportion" or metric.divided or files.with_outcomes:
        return
    if abs(variance * (n - 1) - n * mean * (1 - mean)) <= 1e-6 * n and 0 <= mean <= 1:
        return
    refuse_other_than_share(files, metric)


def refuse_other_than_share(files: Files, metric: Metric) -> None:
    """Raises BadInput for the first value of a file of units that is neither 0 nor 1."""
    value = files.number("exposures", metric.above.column)
    found = files.first_row("exposures", f"{value} NOT IN (0, 1)", value)
    if found is not None:
        raise BadInput(
            f"row {found[0]} of {files.names['exposures']} has the {metric.above.column} {found[1]}, and a "
            "proportion takes 0 and 1; use a mean"
        )
