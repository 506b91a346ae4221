"""How long rows are kept, and which units are to be forgotten: two small files that the compactor reads.

``retention.json`` says for each deployment how many seconds its rows are kept (``log.keep``). ``forgotten.json`` holds
the units that were forgotten while the spool still had, or might have had, rows of theirs: a unit's name stands there
only until every segment that is older than the request has been compacted.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa

from seatrial.ledger.rows import ALIAS

Value = TypeVar("Value")


class Retention(msgspec.Struct, frozen=True):
    """Seconds to keep rows, by deployment; a deployment that is not named keeps everything."""

    keep: dict[str, float] = {}


class Forgetting(msgspec.Struct, frozen=True):
    """A request to forget, while the spool may still hold what it is about.

    Attributes:
        units: Whose rows and outcomes are gone.
        requests: Their requests: outcomes that name only a request go with them.
        at: What had arrived until then, microseconds since 1970 UTC, is gone; what comes later is new.
        until: For each stream the highest segment in which such a row can be; None: not yet looked, because what was
            in memory at ``at`` had a moment to be written.
    """

    units: tuple[str, ...]
    requests: tuple[str, ...]
    at: int
    until: dict[str, int] | None = None


def read_retention(home: Path) -> Retention:
    """What is to be kept; nothing is deleted when no file says so."""
    return _read(home / "ledger" / "retention.json", Retention) or Retention()


def write_retention(home: Path, keep: Mapping[str, float]) -> None:
    """Say how long each deployment's rows are kept; the compactor reads it before its next round."""
    _write(home / "ledger" / "retention.json", Retention(dict(keep)))


def read_forgetting(home: Path) -> tuple[Forgetting, ...]:
    """What must not come out of the spool any more."""
    return _read(home / "ledger" / "forgotten.json", tuple[Forgetting, ...]) or ()


def write_forgetting(home: Path, forgetting: tuple[Forgetting, ...]) -> None:
    """Replace what must not come out of the spool; durable when it returns."""
    _write(home / "ledger" / "forgotten.json", forgetting)


def without_forgotten(table: pa.Table, arrival: str, forgetting: tuple[Forgetting, ...]) -> pa.Table:
    """Rows or outcomes less those that were forgotten.

    Args:
        table: With ``unit`` and ``request_id``.
        arrival: Column that says when a row came: ``at`` for rows, ``received_at`` for outcomes.
    """
    if not forgetting:
        return table
    import pyarrow.compute as pc  # slow to load, and hardly ever needed

    for entry in forgetting:
        units = pa.array(entry.units, pa.string())
        theirs = pc.or_kleene(
            pc.is_in(table["unit"], units),
            pc.is_in(table["request_id"], pa.array(entry.requests, pa.string())),
        )
        if "outcome" in table.column_names:  # what their other names stood for goes too
            alias = pc.and_kleene(pc.equal(table["outcome"], ALIAS), pc.is_in(table["key"], units))
            theirs = pc.or_kleene(theirs, alias)
        before = pc.less_equal(table[arrival].cast(pa.int64()), entry.at)
        table = table.filter(pc.invert(pc.and_(theirs, before)))
    return table


def _read(path: Path, kind: type[Value]) -> Value | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(value))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
