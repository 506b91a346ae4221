"""Ask tea-tasting about ``worlds.py`` and keep its answers in ``answers.json``.

Run by an environment that has tea-tasting (``make tea-tasting``).
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import tea_tasting as tt

from tests.oracle.tea_tasting.worlds import arms

HERE = Path(__file__).parent


def answers() -> dict[str, object]:
    """Its results by metric, as plain numbers."""
    control, treatment = arms()
    names = list(control)
    data = pa.table(
        {
            "variant": np.repeat([0, 1], len(control["value"])),
            **{name: np.concatenate([control[name], treatment[name]]) for name in names},
        }
    )
    experiment = tt.Experiment(
        mean=tt.Mean("value"),
        pooled=tt.Mean("value", equal_var=True),
        ratio=tt.RatioOfMeans("orders", "visits"),
        cuped=tt.Mean("value", "before"),
        cuped_ratio=tt.RatioOfMeans("orders", "visits", "orders_before", "visits_before"),
        ranks=tt.MannWhitneyU("value", correction=True, method="asymptotic"),
        median=tt.Quantile("value", 0.5, method="percentile", n_resamples=20_000, rng=1),
        ninth_decile=tt.Quantile("value", 0.9, method="percentile", n_resamples=20_000, rng=1),
    )
    found = experiment.analyze(data)
    return {name: {key: float(value) for key, value in result._asdict().items()} for name, result in found.items()}


if __name__ == "__main__":
    kept = {"tea-tasting": version("tea-tasting"), "answers": answers()}
    (HERE / "answers.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
