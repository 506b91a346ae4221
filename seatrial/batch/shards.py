"""What a run writes beside its table: shards of answers as Parquet, and the rows set aside with their reasons."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.batch.scoring import Scorer, Scores
from seatrial.protocol.answers import Column
from seatrial.releases.layout import sync_directory
from seatrial.spec.errors import BadInput

REJECTS = "rejects.ndjson"
SHARDS = "shards"

_TYPES: dict[str, Any] = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "string": pa.string()}


def shard_schema(scorers: Sequence[Scorer], *, units: bool) -> pa.Schema:
    """Columns of a shard: who the row is, which variant answered, and the answer's columns of all the variants.

    Raises:
        BadInput: Two variants have a column of one name and two types.
    """
    answers: dict[str, str] = {}
    for scorer in scorers:
        for name, kind in scorer.columns:
            if answers.setdefault(name, kind) != kind:
                raise BadInput(
                    f"`{name}` is a {kind} to {scorer.slot.model_version} and a {answers[name]} to another variant; "
                    "score them one by one with --variant"
                )
    who = [("row", pa.int64()), ("key", pa.string()), *([("unit", pa.string())] if units else [])]
    by = [("variant", pa.dictionary(pa.int32(), pa.string())), ("version", pa.dictionary(pa.int32(), pa.string()))]
    return pa.schema([*who, *by, *((name, _TYPES[kind]) for name, kind in answers.items())])


class ShardWriter:
    """One shard under way; it stands under its name once it is finished."""

    def __init__(self, out: Path, number: int, schema: pa.Schema) -> None:
        self.file = out / SHARDS / f"{number:05}.parquet"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._half = self.file.with_suffix(".half")
        self._schema = schema
        self._writer: Any = pq.ParquetWriter(self._half, schema)

    def write(
        self,
        scorer: Scorer,
        scores: Scores,
        stands: Sequence[bool],
        start: int,
        keys: Sequence[str],
        units: Sequence[str],
    ) -> int:
        """Add answers, but for those that do not stand; gives how many were added."""
        picked = [index for index, stand in enumerate(stands) if stand]
        places = [scores.places[index] for index in picked]
        columns: dict[str, Any] = {
            "row": [start + place for place in places],
            "key": [keys[place] for place in places],
            "unit": [units[place] for place in places] if units else None,
            "variant": [scorer.slot.variant] * len(places),
            "version": [scorer.slot.model_version] * len(places),
            **_answers(scorer.columns, [scores.predictions[index] for index in picked]),
        }
        arrays = [pa.array(columns.get(field.name) or [None] * len(places), field.type) for field in self._schema]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        return len(places)

    def finish(self) -> None:
        """Put it in place, durably."""
        self._writer.close()
        descriptor = os.open(self._half, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(self._half, self.file)
        sync_directory(self.file.parent)

    def abandon(self) -> None:
        """Leave no trace of it."""
        self._writer.close()
        self._half.unlink(missing_ok=True)


def _answers(columns: Sequence[Column], predictions: Sequence[tuple[Any, ...]]) -> Mapping[str, Sequence[Any]]:
    if not predictions:
        return {}
    return {name: values for (name, _), values in zip(columns, zip(*predictions, strict=True), strict=True)}


class Rejects:
    """The file of rows that were set aside: one JSON object a line.

    Args:
        length: How many bytes of it are on record; what is behind them was of a shard that was not finished.
    """

    def __init__(self, out: Path, length: int) -> None:
        descriptor = os.open(out / REJECTS, os.O_RDWR | os.O_CREAT, 0o644)
        self._file: IO[bytes] = open(descriptor, "r+b")  # noqa: SIM115 - `close` closes it
        self._file.truncate(length)
        self._file.seek(length)
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def add(self, row: int, key: str, variant: str, reason: str, values: Mapping[str, Any]) -> None:
        """Set a row aside; ``variant`` is "" where no variant could score it."""
        line = {"row": row, "key": key, "variant": variant, "reason": reason, "values": values}
        self._file.write(self._encode(line).replace(b"\n", b" ") + b"\n")

    def keep(self) -> int:
        """Make it durable; gives its length."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
