"""How much of alpha may be spent by a share of the planned information: functions from 0 at the start to all at 1.

References:
    Lan, DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70(3).
    Kim, DeMets (1987), Design and analysis of group sequential tests based on the type I error spending rate function,
    Biometrika 74(1).
    Hwang, Shih, DeCani (1990), Group sequential designs using a family of type I error probability spending functions,
    Statistics in Medicine 9(12).
"""

import math
from typing import Literal, NamedTuple

from scipy.special import ndtr, ndtri

from seatrial.spec.errors import BadInput

Form = Literal["obrien-fleming", "pocock", "power", "hwang-shih-decani"]


class Spending(NamedTuple):
    """A spending function.

    Attributes:
        form: ``obrien-fleming`` spends nearly all at the end, ``pocock`` about evenly, ``power`` as share ** parameter,
            ``hwang-shih-decani`` between them all (-4 is near O'Brien and Fleming's, 1 near Pocock's).
        parameter: Of the last two; above 0 for ``power``.
    """

    form: Form = "obrien-fleming"
    parameter: float = 3.0

    def spent(self, share: float, alpha: float) -> float:
        """One-sided alpha spent when ``share`` (0 to 1; more counts as 1) of the information is there.

        Raises:
            BadInput: A negative share, or a form that is not known.
        """
        if not share >= 0:
            raise BadInput(f"share of the planned information {share!r} must be 0 or more")
        if share == 0:
            return 0.0
        t = min(share, 1.0)
        if self.form == "obrien-fleming":
            return 2 * float(ndtr(float(ndtri(alpha / 2)) / math.sqrt(t)))
        if self.form == "pocock":
            return alpha * math.log1p((math.e - 1) * t)
        if self.form == "power":
            if not self.parameter > 0:
                raise BadInput(f"the power {self.parameter!r} of a spending function must be above 0")
            return float(alpha * t**self.parameter)
        if self.form == "hwang-shih-decani":
            g = self.parameter
            return alpha * t if g == 0 else alpha * math.expm1(-g * t) / math.expm1(-g)
        raise BadInput(
            f"{self.form!r} is no spending function; give obrien-fleming, pocock, power or hwang-shih-decani"
        )
