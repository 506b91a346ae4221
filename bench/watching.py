"""What the monitors cost: CPU of reading windows of a ledger's rows, as a share of one core.

    python -m bench.watching --rows-a-second 1000 --features 100 --minutes 5

Rows lie in Parquet files, as in the ledger's table. The share is CPU of all threads (process time) over the time that
the rows stand for: at 1 a core is busy all the time. Every feature and the predictions are counted and decided on, in
windows of a minute, which is dearer than the default of an hour; opening the files is part of it.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.drift import Profile, classification_profile
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import Against, DataMonitor, Deployment, EntrySpec, Monitors, VariantSpec
from seatrial.spec.signature import Feature
from seatrial.watch.monitor import watch

SECOND = 1_000_000
START = 1_700_006_400_000_000
LATE = 5 * SECOND


def write(path: Path, rows: int, features: int, minutes: int) -> None:
    """``minutes`` groups of rows, a minute each."""
    writer = None
    for minute in range(minutes):
        rng = np.random.default_rng(minute)
        at = START + minute * 60 * SECOND + np.arange(rows) * (60 * SECOND // rows)
        scores = rng.random(rows)
        columns = {
            "unit": pa.array(rng.integers(0, 10**9, rows).astype(str)),
            "variant": pa.array(["champion"] * rows),
            "at": pa.array(at, pa.timestamp("us", tz="UTC")),
            "prediction.label": pa.array(np.where(scores > 0.5, "yes", "no")),
            "prediction.score": pa.array(scores),
        }
        columns |= {f"feature.f{i}": pa.array(rng.normal(size=rows)) for i in range(features)}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def a_profile(features: int, rows: int = 20_000) -> Profile:
    rng = np.random.default_rng(0)
    scores = rng.random(rows)
    listed = [Feature(name=f"f{i}", kind="number") for i in range(features)]
    return Profile.from_values(
        listed,
        {feature.name: rng.normal(size=rows) for feature in listed},
        prediction=classification_profile(np.where(scores > 0.5, "yes", "no"), scores, ["no", "yes"]),
        holdout_rows=rows,
    )


def share(
    path: Path, profile: Profile, minutes: int, window: float, against: Against, every: float | None = None
) -> tuple[float, int]:
    """CPU seconds a second of traffic, and the windows that were decided."""
    spec = Deployment(
        deployment="d",
        variants={"champion": VariantSpec(model="models:/m/1")},
        routing=(EntrySpec(name="everybody", split={"champion": 1.0}),),
        monitors=Monitors(data=DataMonitor(window=window, against=against, every=every)),
    )
    shelf: dict[str, bytes] = {}
    seconds, found, since, step = 0.0, 0, START, round((every or window) * SECOND)
    for end in range(START + step, START + minutes * 60 * SECOND + 1, step):
        before = time.process_time()
        source = TableSource(path)  # as the loop does: each reading opens the ledger anew
        found += len(watch(spec, {"champion": profile}, source, since, end + LATE, shelf=shelf))
        source.close()
        seconds += time.process_time() - before
        since = end
    return seconds / (minutes * 60), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows-a-second", type=int, default=1000)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--window", type=float, default=60.0, help="seconds")
    parser.add_argument("--every", type=float, help="seconds; windows slide by so much")
    parser.add_argument("--against", default="training")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write(path, 60 * asked.rows_a_second, asked.features, asked.minutes)
        used, windows = share(path, a_profile(asked.features), asked.minutes, asked.window, asked.against, asked.every)
    slides = f" every {asked.every:g} s" if asked.every else ""
    print(
        f"{asked.rows_a_second} rows/s × {asked.features} features, windows of {asked.window:g} s{slides} against "
        f"{asked.against}: {100 * used:.1f} % of one core ({windows} windows)"
    )


if __name__ == "__main__":
    main()
