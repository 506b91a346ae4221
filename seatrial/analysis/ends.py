"""Until when files tell what happened: which windows are over, so that nothing that came of them can be missing.

A window is over where outcomes are known to its end. That is not the latest time of any row: exposures that go on after
the outcomes were exported say nothing of these, and one row stamped 2031 would close every window. It is the latest
outcome that is measured, of a unit that was exposed: inside its unit's window, or as late as more than a few rows are.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from seatrial.analysis.files import Files
from seatrial.analysis.verdicts import Check
from seatrial.ledger.sql import literal
from seatrial.spec.errors import BadInput
from seatrial.spec.units import show_count, show_moment

APART = 0.05
"""Of the time from the first exposure to the last: how far two ends may lie apart before that is told."""

_FEW = 20
"""Rows at most, and one in a thousand, that may lie apart from the others without being believed."""

_SILENT = 0.001
"""Chance of no row in the last stretch, at an outcome's own rate, below which it ended there."""


class Ends(NamedTuple):
    """Microseconds since 1970 UTC.

    Attributes:
        until: What happened is known to here.
        first, last: Of the exposures, without a few that lie apart.
        stated: Whether it was said (``--as-of``).
        astray: Measured outcomes that lie far after all windows.
        short: Outcomes that ended before, with the last of each.
    """

    until: int
    first: int
    last: int
    stated: bool = False
    astray: int = 0
    short: tuple[tuple[str, int], ...] = ()


def find_ends(
    files: Files, key: str, happened: str, names: Sequence[str], within: int, as_of: int | None = None
) -> Ends | None:
    """From the table ``exposed`` and the outcomes; None without exposures.

    Args:
        files: Open, with the table ``exposed`` made.
        key: SQL of an outcome's unit.
        happened: SQL of its time.
        names: Outcomes that are measured.
        within: The longest window, microseconds.
        as_of: Until when both files are said to be complete.
    """
    (row,) = files.query(
        f"SELECT count(*) AS n, min(first_at) AS first, max(first_at, {_FEW}) AS top FROM exposed"
    ).to_pylist()
    if not row["n"]:
        return None
    first, last = row["first"], _end(row["top"], row["n"], row["first"])
    wanted = ", ".join(literal(name) for name in names)
    theirs = f"{key} AS unit, CAST(outcome AS VARCHAR) AS outcome, epoch_us({happened}) AS t"
    source = (
        f"SELECT o.outcome, o.t, o.t - e.first_at AS lag FROM (SELECT {theirs} FROM outcomes "
        f"WHERE outcome IN ({wanted})) o JOIN exposed e ON e.unit = o.unit WHERE e.first_at <= {last}"
    )
    far = last + within + (last - first)
    near = f"CASE WHEN t <= {far} THEN t END"
    rows = files.query(
        f"SELECT outcome, count({near}) AS n, count(CASE WHEN t > {far} THEN 1 END) AS astray, "
        f"max(CASE WHEN lag <= {within} THEN t END) AS inside, max({near}, {_FEW}) AS top "
        f"FROM ({source}) GROUP BY 1 ORDER BY 1"
    ).to_pylist()
    known = {row["outcome"]: _last(row["top"], row["n"], row["inside"]) for row in rows if row["n"]}
    until = max(known.values(), default=last) if as_of is None else as_of
    counts = {row["outcome"]: row["n"] for row in rows}
    short = tuple((name, at) for name, at in known.items() if _ended(at, counts[name], first, min(until, last)))
    return Ends(until, first, last, as_of is not None, sum(row["astray"] for row in rows), short)


def _last(top: Sequence[int], n: int, inside: int | None) -> int:
    """An outcome's end: inside a window, or beyond where more than a few rows lie."""
    trusted = _trusted(top, n)
    return trusted if inside is None else max(trusted, inside)


def _trusted(top: Sequence[int], n: int) -> int:
    """Of ``n`` times, from the largest ones downwards, the first that a few rows astray cannot have made."""
    return top[min(len(top), 2 + n // 1000) - 1]


def _end(top: Sequence[int], n: int, first: int) -> int:
    trusted = _trusted(top, n)
    return top[0] if top[0] - trusted <= APART * (trusted - first) else trusted


def _ended(at: int, n: int, first: int, end: int) -> bool:
    gap, whole = end - at, end - first
    return whole > 0 and gap > APART * whole and max(1 - gap / whole, 0.0) ** n < _SILENT


def check_ends(ends: Ends) -> Check:
    """Whether exposures and outcomes end together, as far as the verdict rests on it; a warning."""
    behind = 0 if ends.stated else ends.last - ends.until
    said = []
    if ends.astray:
        those = f"{show_count(ends.astray)} outcomes are" if ends.astray > 1 else "1 outcome is"
        said.append(f"{those} stamped long after every window and closes none")
    if behind > APART * (ends.last - ends.first):
        said.append(
            f"the outcomes end at {_shown(ends.until)} and the exposures at {_shown(ends.last)}, so that units whose "
            "window was open then are left out; if all had arrived by a later time, say so (--as-of)"
        )
    elif not ends.stated:
        said += [
            f"{name} ends at {_shown(at)}, before the others do; find out whether it was exported to the end"
            for name, at in ends.short
        ]
    known = f"What happened is known to {_shown(ends.until)} (UTC)"
    sentence = f"{known}: {'; '.join(said)}." if said else f"{known}."
    return Check(name="file-ends", ok=not said, withholds=False, value=float(max(behind, 0) / 1e6), sentence=sentence)


def _shown(at: int) -> str:
    return show_moment(at).removesuffix("Z")


def moment_of(text: str) -> int:
    """Microseconds of what ``--as-of`` says; a time without a zone is UTC, as a file's are.

    Raises:
        BadInput: It is no time.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--as-of {text!r} is no time; write it like 2026-03-02T09:00:00Z") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1e6)
