"""NannyML's UnivariateDriftCalculator at its defaults, the current rows as one chunk."""

from typing import Any

import nannyml
from measured import frame, measure

reference, current = frame("reference"), frame("current")


def work() -> dict[str, Any]:
    names = list(reference.columns)
    calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=len(current))
    found = calculator.fit(reference).calculate(current).to_df()
    alerts = found.loc[:, [column for column in found.columns if column[-1] == "alert"]]
    return {"drifted": int(alerts.iloc[-1].sum())}


measure(work)
