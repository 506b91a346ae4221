"""Forgetting a unit: its rows, its outcomes and those of its requests are deleted, and counted.

What is in a table is deleted there; what is still in the spool never comes out of it again (readers and compactor leave
it out). The files that held it are removed by the compactor within two hours.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seatrial.ledger import layout
from seatrial.ledger.compactor import Compactor
from seatrial.ledger.locks import locked
from seatrial.ledger.reader import Reader
from seatrial.ledger.retention import Forgetting, read_forgetting, write_forgetting
from seatrial.ledger.sql import literal
from seatrial.ledger.table import Table

REQUESTS_AT_ONCE = 1000


class Forgot(NamedTuple):
    """What was deleted.

    Attributes:
        rows: Rows by deployment; deployments without one are left out.
        outcomes: Outcomes (the latest revisions; older ones went with them).
    """

    rows: dict[str, int]
    outcomes: int


def forget(home: Path, unit: str, *, now: int, lock_wait: float = 60.0) -> Forgot:
    """Delete everything about one unit that came until ``now``.

    Args:
        home: Home directory of the machine.
        unit: Who is to be forgotten.
        now: Microseconds since 1970 UTC.

    Raises:
        Unavailable: The tables were held by somebody else for ``lock_wait`` seconds; nothing was deleted.
    """
    with locked(home / "ledger" / "tables.lock", lock_wait):
        rows, requests = _rows_of(home, unit)
        outcomes = _count_outcomes(home, unit, requests)
        write_forgetting(home, (*read_forgetting(home), Forgetting((unit,), tuple(requests), now)))
        Compactor(home).compact()
        for deployment in rows:
            _delete(layout.table(home, deployment), [f"unit = {literal(unit)}"])
        _delete(layout.outcomes(home), [f"unit = {literal(unit)}", *_request_predicates(requests)])
        shutil.rmtree(layout.judged(home), ignore_errors=True)  # it has the names of units, and is made again
    return Forgot(rows, outcomes)


def _rows_of(home: Path, unit: str) -> tuple[dict[str, int], list[str]]:
    """Rows of a unit by deployment, and the requests they belong to."""
    reader = Reader(home)
    counts: dict[str, int] = {}
    requests: set[str] = set()
    for deployment in reader.deployments():
        with reader.open(deployment) as view:
            found = view.sql("SELECT request_id FROM rows WHERE unit = ?", [unit])["request_id"].to_pylist()
        if found:
            counts[deployment] = len(found)
            requests.update(found)
    return counts, sorted(requests)


def _count_outcomes(home: Path, unit: str, requests: Sequence[str]) -> int:
    with Reader(home).open(None) as view:
        query = "SELECT count(*) AS n FROM outcomes WHERE unit = $unit OR list_contains($requests, request_id)"
        return int(view.sql(query, {"unit": unit, "requests": list(requests)})["n"][0].as_py())


def _request_predicates(requests: Sequence[str]) -> list[str]:
    parts = [requests[start : start + REQUESTS_AT_ONCE] for start in range(0, len(requests), REQUESTS_AT_ONCE)]
    return [f"request_id IN ({', '.join(map(literal, part))})" for part in parts]


def _delete(directory: Path, predicates: Sequence[str]) -> None:
    table = Table.load(directory)
    if table is not None:
        for predicate in predicates:
            table.delta.delete(predicate)
