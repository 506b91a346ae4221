"""The bars of false alarms and power along the monitor's whole path: a profile as it is stored, rows in a Parquet file
as in the ledger's table, windows counted by SQL, one decision.

The suite runs a small part; the figures in ``docs/drift.md`` come of

    python -m tests.statistics.test_drift_wired --worlds 300 --large 10 --power 100

Columns are those of ``test_drift_false_alarms`` as the ledger holds them (texts, vectors, ids, gaps as nulls), so that
the columns that watch texts and vectors beside are decided on, too. Each world has a reference of its own.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from seatrial.drift import Profile
from seatrial.drift.columns import Values
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import DataMonitor, Deployment, EntrySpec, Monitors, VariantSpec
from seatrial.spec.signature import Feature, FeatureKind
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window
from tests.statistics.test_drift_false_alarms import CHANGES, COLUMNS, Draw, Floats, zipf

HOUR = 3_600_000_000
START = 1_700_006_400_000_000 // HOUR * HOUR
FEATURES = [Feature(name=f"f{i}", kind=kind, nullable=True) for i, (kind, _) in enumerate(COLUMNS)]
WIDTH = 4
WORDS = zipf(300, 1.0)
DEPLOYMENT = Deployment(
    deployment="d",
    variants={"champion": VariantSpec(model="models:/m/1")},
    routing=(EntrySpec(name="everybody", split={"champion": 1.0}),),
    monitors=Monitors(data=DataMonitor()),
)


def column(kind: FeatureKind, values: Floats, rng: np.random.Generator) -> pa.Array:
    """Drawn numbers as the ledger holds a column of this kind; NaN is null."""
    gone = np.isnan(values)
    whole = pa.array(np.where(gone, 0, values).astype(np.int64))
    match kind:
        case "integer":
            found = whole
        case "boolean":
            found = pc.equal(whole, 1)
        case "category":
            found = pc.cast(whole, pa.string())
        case "text":
            word = pc.binary_join_element_wise(
                "w", pc.cast(pa.array(WORDS(rng, values.size).astype(int)), pa.string()), ""
            )
            found = pc.binary_join_element_wise(pc.binary_repeat("a ", whole), word, "")
        case "embedding":
            flat = pa.array(rng.standard_normal(values.size * WIDTH))
            found = pa.ListArray.from_arrays(pa.array(np.arange(values.size + 1, dtype=np.int32) * WIDTH), flat)
        case "id":
            found = pc.cast(pa.array(rng.integers(0, 10**12, values.size)), pa.string())
        case _:
            return pa.array(values, from_pandas=True)
    return pc.if_else(pa.array(gone), pa.scalar(None, found.type), found) if gone.any() else found


def table(rng: np.random.Generator, rows: int, change: dict[int, Draw] | None = None) -> pa.Table:
    """Features of so many rows; ``change`` gives columns another distribution."""
    drawn = ((kind, (change or {}).get(i, draw)) for i, (kind, draw) in enumerate(COLUMNS))
    columns = [column(kind, draw(rng, rows), rng) for kind, draw in drawn]
    return pa.table(columns, names=[f"feature.{feature.name}" for feature in FEATURES])


def profile(reference: pa.Table) -> Profile:
    """As it is stored with the version."""
    numeric = {"number", "integer", "boolean"}
    values: dict[str, Values] = {
        feature.name: part.cast(pa.float64()).to_numpy() if feature.kind in numeric else part.to_pylist()
        for feature, part in zip(FEATURES, reference.columns, strict=True)
    }
    return Profile.from_json(Profile.from_values(FEATURES, values).to_json())


def world(folder: Path, seed: int, m: int, n: int, change: dict[int, Draw] | None = None) -> Window:
    """The data monitor's window of one world."""
    rng = np.random.default_rng([seed, m, n])
    made = profile(table(rng, m))
    rows = table(rng, n, change)
    at = START + np.arange(n) * HOUR // n
    envelope = {
        "unit": pc.cast(pa.array(np.arange(n)), pa.string()),
        "variant": pa.array(["champion"] * n),
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
    }
    path = folder / "rows.parquet"
    pq.write_table(pa.table({**envelope, **dict(zip(rows.column_names, rows.columns, strict=True))}), path)
    source = TableSource(path)
    found = watch(DEPLOYMENT, {"champion": made}, source, START, START + HOUR + 60_000_000)
    source.close()
    return next(window for window in found if window.monitor == "data")


def alarms(window: Window) -> list[str]:
    return [f"{d.feature}:{f.measure}" for d in window.features for f in d.findings if f.severity != "none"]


def false_alarms(folder: Path, worlds: int, m: int, n: int) -> tuple[int, Counter[str]]:
    found = [alarms(world(folder, seed, m, n)) for seed in range(worlds)]
    return sum(bool(f) for f in found), Counter(name for f in found for name in f)


def power(folder: Path, worlds: int, m: int, name: str) -> float:
    n, changed, draw = CHANGES[name]
    found = (world(folder, seed, m, n, {changed: draw}) for seed in range(worlds))
    return sum(any(alarm.startswith(f"f{changed}:") for alarm in alarms(window)) for window in found) / worlds


@pytest.mark.simulation
@pytest.mark.parametrize(("m", "n"), [(1000, 100), (1000, 1000)])
def test_windows_read_from_files_with_any_false_alarm_are_one_in_a_hundred_at_most(
    tmp_path: Path, m: int, n: int
) -> None:
    worlds = 8
    bad, which = false_alarms(tmp_path, worlds, m, n)
    assert binomtest(bad, worlds, 0.01, alternative="greater").pvalue > 1e-3, which


@pytest.mark.simulation
@pytest.mark.parametrize("name", ["mean by 0.5 sd", "missing 0 % to 5 %"])
def test_a_real_change_is_found_in_windows_read_from_files(tmp_path: Path, name: str) -> None:
    assert power(tmp_path, 5, 1000, name) == 1.0


def test_every_kind_of_column_is_decided_on(tmp_path: Path) -> None:
    window = world(tmp_path, 1, 1000, 200)
    assert {drift.state for drift in window.features} == {"measured"}
    named = {drift.feature for drift in window.features}
    assert {feature.name for feature in FEATURES} <= named
    assert {name.partition(".")[2] for name in named} == {"", "empty", "unseen", "along", "residual"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--large", type=int, default=10, help="worlds of windows of a million rows")
    parser.add_argument("--power", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in (100, 1000, 10_000, 1_000_000):
            for m in (1000, 20_000):
                worlds = options.large if n > 10_000 else options.worlds
                if worlds:
                    bad, which = false_alarms(folder, worlds, m, n)
                    high = binomtest(bad, worlds).proportion_ci(0.95, "exact").high
                    print(f"n={n} m={m}: {bad} of {worlds} (upper 95 % {high:.2%}) {dict(which)}", flush=True)
        for change in CHANGES if options.power else ():
            for m in (1000, 20_000):
                found = power(folder, options.power, m, change)
                print(f"power, {change}, n={CHANGES[change][0]}, m={m}: {found:.3f}", flush=True)


if __name__ == "__main__":
    main()
