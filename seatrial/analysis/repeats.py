"""Outcomes that stand twice in a file: of one ``id`` the last row counts, as in the ledger, and rows that are alike in
every column, with no id to tell them apart, are taken for doubles of a loader.

An id belongs to one outcome of one unit. Where units of several variants share it, it is not known whose outcome it is.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from seatrial.analysis.files import Files
from seatrial.analysis.verdicts import Check
from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput
from seatrial.spec.units import show_count
from seatrial.stats.chi_squared import chi_squared
from seatrial.stats.sample_ratio import FIXED_ALPHA

MOST_ALIKE = 0.001
"""Of an outcome's rows that may stand twice by coincidence: as many as may be lost (``dropped-rows`` of a release)."""

ARRIVED = "received_at"
"""Where a file has such times, the last row of an id is the last that arrived, else the last in the file."""

_NUMBERED = "(SELECT row_number() OVER () AS seatrial_row, * FROM outcomes)"


class Alike(NamedTuple):
    """Of one variant's rows of an outcome.

    Attributes:
        rows: All of units that were exposed.
        again: Those that are the same as another one in every column.
    """

    rows: int
    again: int


class Repeats(NamedTuple):
    """What stands twice.

    Attributes:
        source: The table to read outcomes from: ``outcomes``, or the last row of each id alone.
        checked: Outcomes of which anything could be told.
        replaced: By outcome, rows that a later one of their id replaced.
        alike: By outcome and variant, where any rows are alike.
        shared: Ids that units of different variants have.
        one: One of them.
    """

    source: str = "outcomes"
    checked: frozenset[str] = frozenset()
    replaced: Mapping[str, int] = MappingProxyType({})
    alike: Mapping[str, Mapping[str, Alike]] = MappingProxyType({})
    shared: int = 0
    one: str = ""


def find_repeats(files: Files, key: str, names: Sequence[str], summed: Sequence[str], *, timed: bool) -> Repeats:
    """Looks for both, and makes the table that outcomes are read from.

    Args:
        files: Open, with the table ``exposed`` made.
        key: SQL of an outcome's unit.
        names: Outcomes that are measured.
        summed: Those whose rows are added up, so that a double counts twice.
        timed: Whether outcomes have times; without, rows that are alike may well be several that happened.

    Raises:
        BadInput: Some rows of an outcome have an id and others do not.
    """
    named = _with_ids(files, names)
    bare = [name for name in summed if timed and name not in named]
    found = _of_ids(files, key, sorted(named)) if named else Repeats()
    return found._replace(checked=frozenset({*named, *bare}), alike=_alike(files, key, bare) if bare else {})


def _with_ids(files: Files, names: Sequence[str]) -> set[str]:
    column = files.columns.id
    if not column or not files.has("outcomes", column):
        return set()
    rows = files.query(
        f"SELECT CAST(outcome AS VARCHAR) AS name, count(*) AS n, count({quoted(column)}) AS ids FROM outcomes "
        f"WHERE {_one_of(names)} GROUP BY 1 ORDER BY 1"
    ).to_pylist()
    for row in rows:
        if 0 < row["ids"] < row["n"]:
            name = str(row["name"])
            empty = files.first_row("outcomes", f"outcome = {literal(name)} AND {quoted(column)} IS NULL", "''")
            raise BadInput(
                f"row {empty[0] if empty else '?'} of {files.names['outcomes']} has no {column}, and other rows of "
                f"{name!r} have one; fill it in, or give all of them none"
            )
    return {str(row["name"]) for row in rows if row["ids"]}


def _of_ids(files: Files, key: str, named: Sequence[str]) -> Repeats:
    identity, outcome = f"CAST({quoted(files.columns.id)} AS VARCHAR)", "CAST(outcome AS VARCHAR)"
    last = "max(seatrial_row)"
    if files.has("outcomes", ARRIVED) and files.kind("outcomes", ARRIVED).startswith("TIMESTAMP"):
        last = f"arg_max(seatrial_row, struct_pack(came := coalesce({ARRIVED}, '-infinity'), i := seatrial_row))"
    files.run(
        f"CREATE TEMP TABLE repeated_ids AS SELECT {outcome} AS outcome, {identity} AS id, count(*) AS n, "
        f"{last} AS last_row FROM {_NUMBERED} WHERE {_one_of(named)} GROUP BY 1, 2 HAVING count(*) > 1"
    )
    rows = files.query("SELECT outcome, sum(n - 1)::BIGINT AS n FROM repeated_ids GROUP BY 1 ORDER BY 1").to_pylist()
    if not rows:
        return Repeats()
    files.run(
        f"CREATE TEMP VIEW last_outcomes AS SELECT o.* EXCLUDE (seatrial_row) FROM {_NUMBERED} o LEFT JOIN "
        f"repeated_ids r ON CAST(o.outcome AS VARCHAR) = r.outcome AND CAST(o.{quoted(files.columns.id)} AS VARCHAR) "
        "= r.id WHERE r.id IS NULL OR o.seatrial_row = r.last_row"
    )
    theirs = f"SELECT {key} AS unit, {outcome} AS outcome, {identity} AS id FROM outcomes WHERE {_one_of(named)}"
    (shared,) = files.query(
        f"SELECT count(*) AS n, min(id) AS one FROM (SELECT o.id FROM ({theirs}) o JOIN repeated_ids r "
        "ON r.outcome = o.outcome AND r.id = o.id JOIN exposed e ON e.unit = o.unit GROUP BY o.outcome, o.id "
        "HAVING min(e.variant) <> max(e.variant))"
    ).to_pylist()
    replaced = {str(row["outcome"]): int(row["n"]) for row in rows}
    return Repeats("last_outcomes", replaced=replaced, shared=shared["n"], one=shared["one"] or "")


def _alike(files: Files, key: str, names: Sequence[str]) -> dict[str, dict[str, Alike]]:
    columns = ", ".join(quoted(name) for name in files.named("outcomes"))
    counted = files.query(
        f"SELECT CAST(outcome AS VARCHAR) AS name, count(*) AS n, count(DISTINCT hash({columns})) AS differ "
        f"FROM outcomes WHERE {_one_of(names)} GROUP BY 1"
    ).to_pylist()
    doubled = sorted(str(row["name"]) for row in counted if row["differ"] < row["n"])
    if not doubled:
        return {}
    grouped = (
        f"SELECT {key} AS seatrial_unit, CAST(outcome AS VARCHAR) AS seatrial_name, count(*) AS n FROM outcomes "
        f"WHERE {_one_of(doubled)} GROUP BY seatrial_unit, seatrial_name, {columns}"
    )
    rows = files.query(
        "SELECT o.seatrial_name AS name, e.variant, sum(o.n)::BIGINT AS n, sum(o.n - 1)::BIGINT AS again "
        f"FROM ({grouped}) o JOIN exposed e ON e.unit = o.seatrial_unit GROUP BY ALL ORDER BY ALL"
    ).to_pylist()
    found: dict[str, dict[str, Alike]] = {}
    for row in rows:
        found.setdefault(str(row["name"]), {})[str(row["variant"])] = Alike(row["n"], row["again"])
    return {name: arms for name, arms in found.items() if any(arm.again for arm in arms.values())}


def _one_of(names: Sequence[str]) -> str:
    return f"outcome IN ({', '.join(literal(name) for name in names)})"


def check_repeats(found: Repeats) -> Check:
    """Whether what stands twice can be told apart: more than a coincidence, or unequal between variants, cannot."""
    doubled = [name for name, arms in found.alike.items() if _too_many(arms)]
    said = _sentences(found, doubled)
    return Check(
        name="repeated-outcomes",
        ok=not (found.shared or doubled),
        withholds=True,
        value=max((_share(arms) for arms in found.alike.values()), default=0.0),
        sentence=" ".join(said) or f"No outcome stands twice ({', '.join(sorted(found.checked))}).",
    )


def _sentences(found: Repeats, doubled: Sequence[str]) -> list[str]:
    said = []
    if found.shared:
        who = "ids of outcomes are" if found.shared > 1 else "id of an outcome is"
        said.append(
            f"{show_count(found.shared)} {who} shared by units of different variants (for example {found.one!r}): "
            "give every outcome an id of its own."
        )
    if doubled:
        said.append(
            f"Rows of outcomes stand twice, alike in every column: {_counts(found, doubled)}; leave the doubles out, "
            "or give each row an `id` if they are outcomes that only look alike."
        )
    few = [name for name in found.alike if name not in doubled]
    if few:
        said.append(f"A few rows stand twice, and count twice: {_counts(found, few)}.")
    if found.replaced:
        rows = ", ".join(f"{name} {show_count(n)}" for name, n in found.replaced.items())
        said.append(f"Of rows with the same id the last counts; replaced were: {rows}.")
    return said


def _counts(found: Repeats, names: Sequence[str]) -> str:
    return ", ".join(
        f"{name} {show_count(sum(a.again for a in found.alike[name].values()))} of "
        f"{show_count(sum(a.rows for a in found.alike[name].values()))}"
        for name in names
    )


def _share(arms: Mapping[str, Alike]) -> float:
    return sum(arm.again for arm in arms.values()) / sum(arm.rows for arm in arms.values())


def _too_many(arms: Mapping[str, Alike]) -> bool:
    p_value = chi_squared([[arm.rows - arm.again, arm.again] for arm in arms.values()]).p_value
    return _share(arms) > MOST_ALIKE or (p_value is not None and p_value < FIXED_ALPHA)
