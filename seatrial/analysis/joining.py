"""Whose the outcomes of a file are, and when: what hardly matches anything must not read as "nothing happened"."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seatrial.analysis.files import Files
from seatrial.analysis.verdicts import Check
from seatrial.ledger.sql import literal
from seatrial.spec.units import show_count

LEAST_JOINED = 0.001
"""Of an outcome's rows; one unit in a hundred released to, judged with everybody's outcomes, is ten times as many."""

SKEW = 300_000_000
"""Five minutes, in microseconds: how far an outcome may lie before the exposure that it follows."""


class Joined(NamedTuple):
    """One outcome's rows.

    Attributes:
        rows: All.
        exposed: Those of units that were exposed.
        early: Of these, those that lie more than five minutes before the exposure; None without times.
    """

    rows: int
    exposed: int
    early: int | None = None


def join_counts(files: Files, key: str, names: Sequence[str], happened: str | None = None) -> dict[str, Joined]:
    """By outcome, of the table ``exposed`` and the file's outcomes of these ``names``.

    Args:
        files: Open, with the table ``exposed`` made.
        key: SQL of an outcome's unit.
        names: Outcomes that are measured.
        happened: SQL of an outcome's time, where both files have times.
    """
    wanted = ", ".join(literal(name) for name in sorted(names))
    at = "NULL::BIGINT" if happened is None else f"epoch_us({happened})"
    early = "NULL" if happened is None else f"count(CASE WHEN o.t < e.first_at - {SKEW} THEN 1 END)"
    source = f"SELECT {key} AS unit, CAST(outcome AS VARCHAR) AS outcome, {at} AS t FROM outcomes"
    rows = files.query(
        f"SELECT o.outcome, count(*) AS n, count(e.unit) AS exposed, {early} AS early "
        f"FROM ({source} WHERE outcome IN ({wanted})) o LEFT JOIN exposed e ON e.unit = o.unit GROUP BY 1 ORDER BY 1"
    ).to_pylist()
    return {row["outcome"]: Joined(row["n"], row["exposed"], row["early"]) for row in rows}


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


def check_early(found: Mapping[str, Joined]) -> Check:
    """Whether outcomes follow the exposure; history may lie before it; if hardly anything follows, a clock is wrong."""
    early = {name: one.early or 0 for name, one in found.items() if one.exposed}
    share = {name: n / found[name].exposed for name, n in early.items()}
    lost = [name for name in share if share[name] > 1 - LEAST_JOINED]
    some = lost or [name for name in share if share[name] > 0]
    said = ", ".join(f"{name} {show_count(early[name])} of {show_count(found[name].exposed)}" for name in some)
    if lost:
        sentence = (
            f"Outcomes lie before the exposure of their unit: {said}; give the times of both files by one clock, and "
            "the exposures from the beginning of the test."
        )
    elif some:
        sentence = f"Outcomes over five minutes before the exposure of their unit count for nothing: {said}."
    else:
        sentence = "No outcome lies before the exposure of its unit."
    return Check(
        name="early-outcomes", ok=not lost, withholds=True, value=max(share.values(), default=None), sentence=sentence
    )


def _percent(share: float) -> str:
    return f"{share:.1%}" if share in (0.0, 1.0) or 0.0005 <= share < 0.9995 else f"{share:.4%}"
