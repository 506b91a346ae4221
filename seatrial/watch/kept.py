"""A source that remembers what it was asked about the pieces of sliding windows, so that each is read once."""

from collections.abc import Mapping

import msgspec
import pyarrow as pa

from seatrial.experiments.source import Source
from seatrial.watch.shelf import Shelf, keyed

MOST_BYTES = 64 * 1024 * 1024
"""A larger piece is not kept, and is read again."""


class Kept:
    """The source, with what it said of pieces on a shelf.

    A piece that has matured says the same for ever: the ledger never edits a row, and what arrives late does not count.

    Args:
        source: Rows and outcomes.
        shelf: Where answers are kept.
        about: What else they depend on: the deployment's name.
        step: Length of a piece, microseconds; what is asked about another time is passed on.
    """

    def __init__(self, source: Source, shelf: Shelf, about: str, step: int) -> None:
        self._source, self._shelf, self._about, self._step = source, shelf, about, step

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        """As the source's."""
        start, end = parameters.get("start"), parameters.get("end")
        if not isinstance(start, int) or not isinstance(end, int) or end - start != self._step:
            return self._source.sql(query, parameters)
        key = keyed("piece", self._about, query, msgspec.json.encode(parameters, order="sorted").hex())
        known = self._shelf.get(key)
        if known is not None:
            return pa.ipc.open_stream(known).read_all()
        found = self._source.sql(query, parameters)
        if found.nbytes <= MOST_BYTES:
            self._shelf[key] = _written(found)
        return found


def _written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written
