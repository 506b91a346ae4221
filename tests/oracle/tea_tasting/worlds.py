"""The data that tea-tasting was asked about: made of uniform numbers only, so that any numpy makes the same."""

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[np.float64]]
UNITS = 400
SEED = 20240917


def arms() -> tuple[Columns, Columns]:
    """Control and treatment, ``UNITS`` each.

    Both arms hold the same values of ``before`` and ``visits_before``, so that coefficients over both arms together
    (tea-tasting's) and within them (ours) are the same number. ``orders``, ``visits`` and their earlier selves are
    the same values in both arms, differently paired: every ratio is equal, every variance is not.
    """
    rng = np.random.default_rng(SEED)
    uniform = rng.random((8, UNITS))
    before = -10 * np.log1p(-uniform[0])
    visits = np.floor(1 + 9 * uniform[1])
    orders = np.floor(visits * uniform[2])
    visits_before = np.floor(1 + 9 * uniform[3])
    orders_before = np.floor(visits_before * uniform[4])
    shuffled = [np.argsort(row) for row in rng.random((3, UNITS))]
    control = {
        "value": 0.7 * before + 6 * uniform[5],
        "before": before,
        "orders": orders,
        "visits": visits,
        "orders_before": orders_before,
        "visits_before": visits_before,
    }
    treatment = {
        "value": 1.0 + 0.9 * before[shuffled[0]] + 8 * uniform[6],
        "before": before[shuffled[0]],
        "orders": orders[shuffled[1]],
        "visits": visits,
        "orders_before": orders_before[shuffled[2]],
        "visits_before": visits_before,
    }
    return control, treatment
