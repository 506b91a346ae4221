"""Times without a zone beside times with one: the first would be taken for UTC without a word, and windows with them.

What a local clock of New York wrote lies four or five hours before what UTC calls the same moment, so that outcomes
fall out of the windows of their units in both arms alike, and no check of trust sees it.
"""

from typing import NamedTuple

from seatrial.analysis.files import Files
from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput

_ZONE = r"[0-9:][0-9.]*\s*([Zz]|[+-][0-9]{2}(:?[0-9]{2}){0,2}|\s[A-Za-z_]+(/[A-Za-z_]+)*)$"
"""What text ends with that names a zone: Z, an offset or a name after a time of day; the end of a mere day is none."""

_DAY = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*$"


class _Read(NamedTuple):
    """A table's times: whether some have a zone, whether some have none."""

    zoned: bool
    local: bool


def refuse_mixed_zones(files: Files) -> None:
    """Raises BadInput where some times have a zone and others have none, in one file or between the two."""
    at = files.columns.at
    tables = [t for t in ("exposures", "outcomes") if (t == "exposures" or files.with_outcomes) and files.has(t, at)]
    read = {table: _read(files, table) for table in tables}
    for table, one in read.items():
        if one.zoned and one.local:
            raise BadInput(
                f"{files.names[table]} has times in {at!r} with a zone and without{_example(files, table)}; give every "
                "time a zone (2026-03-02T09:00:00Z)"
            )
    zoned = [table for table in tables if read[table].zoned]
    local = [table for table in tables if read[table].local]
    if zoned and local:
        raise BadInput(
            f"the times in {at!r} of {files.names[zoned[0]]} have a zone and those of {files.names[local[0]]} have "
            "none, so nobody knows how far apart they are; give both a zone (2026-03-02T09:00:00Z), or neither"
        )


def _read(files: Files, table: str) -> _Read:
    at = files.columns.at
    kind, source = files.kind(table, at), files.as_written(table, at)
    if source is not None or kind == "VARCHAR":
        text = _text(at)
        (row,) = files.query(
            f"SELECT coalesce(bool_or({_has_zone(text)}), false) AS zoned, "
            f"coalesce(bool_or(NOT {_has_zone(text)}), false) AS local "
            f"FROM {source or table} WHERE {text} <> ''"
        ).to_pylist()
        return _Read(row["zoned"], row["local"])
    zoned = kind.endswith("WITH TIME ZONE") or kind.startswith("TIMESTAMPTZ")
    return _Read(zoned, not zoned or files.has_local_part(table, at))


def _text(column: str) -> str:
    return f"trim(CAST({quoted(column)} AS VARCHAR))"


def _has_zone(text: str) -> str:
    return f"(regexp_matches({text}, {literal(_ZONE)}) AND NOT regexp_matches({text}, {literal(_DAY)}))"


def _example(files: Files, table: str) -> str:
    at = files.columns.at
    source = files.as_written(table, at) or (table if files.kind(table, at) == "VARCHAR" else None)
    if source is None:
        return ""
    text = _text(at)
    found = files.query(
        f"SELECT row, text FROM (SELECT row_number() OVER () AS row, {text} AS text FROM {source}) "
        f"WHERE text <> '' AND NOT {_has_zone('text')} ORDER BY row LIMIT 1"
    ).to_pylist()
    return f" (row {found[0]['row']}: {found[0]['text']})" if found else ""
