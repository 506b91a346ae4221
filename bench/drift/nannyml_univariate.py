"""NannyML's UnivariateDriftCalculator at its defaults, the current rows as one chunk."""

import time
from typing import Any

import nannyml
from measured import frame, measure

reference, current = frame("reference"), frame("current")


def work() -> dict[str, Any]:
    names = list(reference.columns)
    start = time.process_time()
    calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=len(current)).fit(reference)
    learnt = time.process_time() - start
    found = calculator.calculate(current).to_df()
    alerts = found.loc[:, [column for column in found.columns if column[-1] == "alert"]]
    return {"reference_cpu_s": learnt, "drifted": int(alerts.iloc[-1].sum())}


measure(work)
