"""What all columns together cost: CPU of one window of the multivariate monitor.

    python -m bench.multivariate --rows 100000 --features 20 100 --model linear trees

Two days' windows of an hour lie in one Parquet file; the second is judged beside the first. CPU is of all threads;
reading the rows and drawing the sample are part of it.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.watching import START, a_profile
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import Deployment, EntrySpec, Monitors, MultivariateMonitor, VariantSpec
from seatrial.watch.monitor import watch
from seatrial.watch.panes import DAY

SECOND = 1_000_000
HOUR = 3600 * SECOND
BEGIN = START // HOUR * HOUR


def write(path: Path, rows: int, features: int) -> None:
    """Two hours a day apart, ``rows`` each."""
    rng = np.random.default_rng(0)
    at = np.concatenate([BEGIN + day * DAY + np.arange(rows) * (HOUR // rows) for day in (0, 1)])
    columns = {
        "unit": pa.array(rng.integers(0, 10**9, 2 * rows).astype(str)),
        "variant": pa.array(["champion"] * (2 * rows)),
        "request_id": pa.array([f"r{i}" for i in range(2 * rows)]),
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
    }
    columns |= {f"feature.f{i}": pa.array(rng.normal(size=2 * rows)) for i in range(features)}
    pq.write_table(pa.table(columns), path)


def seconds_of(path: Path, features: int, sample: int, model: Literal["linear", "trees"]) -> tuple[float, str]:
    """CPU of judging the second day's hour, and what was said."""
    spec = Deployment(
        deployment="d",
        variants={"champion": VariantSpec(model="models:/m/1")},
        routing=(EntrySpec(name="everybody", split={"champion": 1.0}),),
        monitors=Monitors(data=None, multivariate=MultivariateMonitor(window=3600.0, sample=sample, model=model)),
    )
    profile = a_profile(features, rows=2000)
    before = time.process_time()
    source = TableSource(path)
    (window,) = watch(spec, {"champion": profile}, source, BEGIN + DAY, BEGIN + DAY + HOUR + 10 * SECOND)
    source.close()
    return time.process_time() - before, window.sentence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="in a window")
    parser.add_argument("--features", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--sample", type=int, default=2000)
    parser.add_argument("--model", nargs="+", default=["linear", "trees"])
    asked = parser.parse_args()
    for features in asked.features:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            write(path, asked.rows, features)
            for model in asked.model:
                seconds_of(path, features, asked.sample, model)  # what is imported first is not the window's
                used, said = seconds_of(path, features, asked.sample, model)
                print(f"{asked.rows} rows × {features} features, {model}: {used:.2f} s of CPU a window. {said}")


if __name__ == "__main__":
    main()
