"""Whose the outcomes of a file are: a join that matches next to nothing must not read as "nothing happened"."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seatrial.analysis.files import Files
from seatrial.analysis.verdicts import Check
from seatrial.ledger.sql import literal
from seatrial.spec.units import show_count

LEAST_JOINED = 0.001
"""Of an outcome's rows; one unit in a hundred released to, judged with everybody's outcomes, is ten times as many."""


class Joined(NamedTuple):
    """One outcome's rows.

    Attributes:
        rows: All.
        exposed: Those of units that were exposed.
    """

    rows: int
    exposed: int


def join_counts(files: Files, key: str, names: Sequence[str]) -> dict[str, Joined]:
    """By outcome, of the table ``exposed`` and the file's outcomes of these ``names``.

    Args:
        files: Open, with the table ``exposed`` made.
        key: SQL of an outcome's unit.
        names: Outcomes that are measured.
    """
    wanted = ", ".join(literal(name) for name in sorted(names))
    source = f"SELECT {key} AS unit, CAST(outcome AS VARCHAR) AS outcome FROM outcomes WHERE outcome IN ({wanted})"
    rows = files.query(
        f"SELECT o.outcome, count(*) AS n, count(e.unit) AS exposed FROM ({source}) o "
        "LEFT JOIN exposed e ON e.unit = o.unit GROUP BY 1 ORDER BY 1"
    ).to_pylist()
    return {row["outcome"]: Joined(row["n"], row["exposed"]) for row in rows}


def check_joined(found: Mapping[str, Joined]) -> Check:
    """Whether outcomes belong to units that were exposed."""
    lost = [name for name, one in found.items() if one.rows and one.exposed < LEAST_JOINED * one.rows]
    share = {name: 1 - one.exposed / one.rows for name, one in found.items() if one.rows}
    said = ", ".join(f"{name} {_percent(share[name])} of {show_count(found[name].rows)}" for name in (lost or share))
    if lost:
        sentence = f"Outcomes are of units that were never exposed: {said}; units must be called alike in both files."
    elif any(share.values()):
        sentence = f"Outcomes of units that were never exposed count for nothing: {said}."
    else:
        sentence = "Every outcome is of a unit that was exposed."
    return Check(
        name="unexposed-outcomes",
        ok=not lost,
        withholds=True,
        value=max(share.values(), default=None),
        sentence=sentence,
    )


def _percent(share: float) -> str:
    return f"{share:.1%}" if share in (0.0, 1.0) or 0.0005 <= share < 0.9995 else f"{share:.4%}"
