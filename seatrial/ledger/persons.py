"""Who is one person under several names: aliases, kept like outcomes and joined when the ledger is read.

An alias is an outcome of a reserved name, whose id and ``key`` are the alias and whose ``unit`` is the name that it
stands for; so it is acknowledged, compacted, revised and withdrawn as outcomes are. The last one said of an alias
counts. Aliases of aliases are followed; names that lead in a circle are one person too.
"""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from seatrial.ledger.rows import ALIAS

LATEST = f"""SELECT "key" AS alias, unit FROM ({{outcomes}}) WHERE outcome = '{ALIAS}' AND "key" IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY "key" ORDER BY received_at DESC, withdrawn, unit) = 1"""
"""SQL of the last unit said of each alias; NULL where it was taken back."""


def persons(units: Mapping[str, str]) -> dict[str, str]:
    """The one name of each person by every other name of theirs.

    Args:
        units: What each alias stands for. A chain ends at the name that is no alias; a circle, at its first name in
            the order of the alphabet.
    """
    found: dict[str, str] = {}
    for start in units:
        way: dict[str, None] = {}
        name = start
        while name not in way and name not in found and name in units:
            way[name] = None
            name = units[name]
        if name in way:  # a circle: those on it, and those that lead to it, are one
            on = list(way)
            end = min(on[on.index(name) :])
        else:
            end = found.get(name, name)
        found |= dict.fromkeys(way, end)
    return {alias: name for alias, name in found.items() if alias != name}


def names_of(units: Mapping[str, str], unit: str) -> tuple[str, ...]:
    """Every name of the person who goes by ``unit``, that one first."""
    known = persons(units)
    end = known.get(unit, unit)
    return (unit, *sorted({end, *(alias for alias, name in known.items() if name == end)} - {unit}))


def read_units(connection: duckdb.DuckDBPyConnection, outcomes: str) -> dict[str, str]:
    """What each alias stands for, by ``outcomes``, SQL of all revisions of outcomes."""
    rows = connection.execute(LATEST.format(outcomes=outcomes)).fetchall()
    return {alias: unit for alias, unit in rows if unit is not None}


def note_persons(connection: duckdb.DuckDBPyConnection, outcomes: str) -> bool:
    """Writes the table ``persons`` (alias, unit) for :func:`as_persons`; False where nobody has two names."""
    known = persons(read_units(connection, outcomes))
    if known:
        table = pa.table({"alias": pa.array(known.keys(), pa.string()), "unit": pa.array(known.values(), pa.string())})
        connection.register("given_persons", table)
        connection.execute("CREATE TEMP TABLE persons AS SELECT * FROM given_persons")
        connection.unregister("given_persons")
    return bool(known)


def as_persons(relation: str, *, served: bool) -> str:
    """SQL of a relation whose ``unit`` is the person.

    Args:
        relation: SQL of rows or outcomes.
        served: Whether the name that was served stands beside, as ``named_as``.
    """
    beside = ", o.unit AS named_as" if served else ""
    return (
        f"SELECT o.* REPLACE (coalesce(p.unit, o.unit) AS unit){beside} "
        f"FROM ({relation}) o LEFT JOIN persons p ON p.alias = o.unit"
    )
