"""Two columns of a file as text: names before and after."""

from pathlib import Path

import duckdb

from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput, NotFound


def read_pairs(file: Path, first: str, second: str) -> list[tuple[str, str]]:
    """Every different pair of two columns, both as text, in their order.

    Args:
        file: A ``.csv`` (also ``.csv.gz``, ``.tsv``) or ``.parquet`` file.
        first, second: Names of the columns.

    Raises:
        NotFound: There is no such file.
        BadInput: It cannot be read, lacks a column, or a row lacks a name or has one twice.
    """
    if not file.exists():
        raise NotFound(f"there is no file {str(file)!r}; check the path")
    path = literal(str(file))
    scan = f"read_parquet([{path}])" if ".parquet" in file.suffixes else f"read_csv([{path}], all_varchar = true)"
    with duckdb.connect() as connection:
        try:
            names = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()]
            for name in (first, second):
                if name not in names:
                    raise BadInput(f"{file.name} has no column {name!r}; it has {', '.join(names)}")
            picked = ", ".join(f"nullif(CAST({quoted(name)} AS VARCHAR), '')" for name in (first, second))
            rows = connection.execute(f"SELECT DISTINCT {picked} FROM {scan} ORDER BY 1, 2").fetchall()
        except duckdb.Error as error:
            raise BadInput(f"{file.name} cannot be read: {str(error).splitlines()[0]}") from error
    for one, other in rows:
        if one is None or other is None:
            there, lacking = (other, first) if one is None else (one, second)
            raise BadInput(f"{file.name} has a row with {there!r} and no {lacking}; leave it out")
        if one == other:
            raise BadInput(f"{file.name} has {one!r} in both columns; leave that row out")
    return [(one, other) for one, other in rows]
