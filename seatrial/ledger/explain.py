"""Everything the ledger knows about one request: its rows, shadows included, and the outcomes that belong to them."""

from pathlib import Path
from typing import Any, NamedTuple

from seatrial.ledger.joins import pairs
from seatrial.ledger.reader import Reader
from seatrial.spec.errors import NotFound


class Explained(NamedTuple):
    """One request.

    Attributes:
        deployment: Where it was answered.
        rows: Its rows by instance and role, each a mapping of the columns that are not null.
        outcomes: The outcomes of those rows, each with the ``row_id`` it belongs to.
    """

    deployment: str
    rows: tuple[dict[str, Any], ...]
    outcomes: tuple[dict[str, Any], ...]


def explain(home: Path, request_id: str) -> Explained:
    """Rows and outcomes of a request.

    Raises:
        NotFound: No deployment's ledger has it (rows appear within a tenth of a second).
    """
    reader = Reader(home)
    for deployment in reader.deployments():
        with reader.open(deployment) as view:
            rows = view.sql("SELECT * FROM rows WHERE request_id = ? ORDER BY row, role, variant", [request_id])
            if not rows.num_rows:
                continue
            view.connection.register("asked", rows)
            found = view.sql(f'SELECT * EXCLUDE (row_at) FROM ({pairs("asked", "outcomes")}) ORDER BY row_id, "at", id')
            return Explained(deployment, _mappings(rows.to_pylist()), _mappings(found.to_pylist()))
    raise NotFound(f"no row of request {request_id!r} is in the ledger; check the id, or how long rows are kept")


def _mappings(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple({name: value for name, value in row.items() if value is not None} for row in rows)
