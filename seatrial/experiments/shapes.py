"""How a unit's two numbers become a metric's value."""

from typing import Literal

Shape = Literal["mean", "proportion", "ratio", "share", "root", "quantile", "auc", "calibration", "coverage"]
"""x; x of zeros and ones; Σx/Σy; Σx/Σy where x counts some of y's items; √(Σx/Σy); a quantile of x; two that rank or
sort the labelled answers one by one: the area under the ROC curve, and the calibration error; and the share of the
catalogue that is shown to anybody."""

BY_ROW: frozenset[Shape] = frozenset({"auc", "calibration", "coverage"})
"""Those that no total by unit is enough for. They hold for one look only: no sequence of them is known to us."""
