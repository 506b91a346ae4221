"""What a few planned looks cost beside one: the units of a whole group-sequential plan."""

from typing import NamedTuple

from seatrial.spec.errors import BadInput
from seatrial.stats.group_bounds import Sides, inflation, spending_bounds
from seatrial.stats.power import Design
from seatrial.stats.spending import Form, Spending

MOST_LOOKS = 50


class Looks(NamedTuple):
    """Looks at equal parts of the planned units.

    Attributes:
        n: How many, 2 or more; the last at all units.
        spending: How alpha is spent over them.
    """

    n: int
    spending: Form = "obrien-fleming"

    def checked(self) -> "Looks":
        """Itself; raises BadInput where they are none."""
        if not 2 <= self.n <= MOST_LOOKS:
            raise BadInput(f"{self.n} planned looks are none: give 2 to {MOST_LOOKS}, or leave --looks out for one")
        return self

    def inflation(self, design: Design) -> float:
        """How many times the units of one look the whole plan has, for the same power.

        References:
            Jennison, Turnbull (2000), Group sequential methods with applications to clinical trials, section 2.3.
        """
        shares = [look / self.n for look in range(1, self.n + 1)]
        sides: Sides = 2 if design.sides == 2 else 1
        bounds = spending_bounds(shares, design.each, Spending(self.spending), sides=sides, final=True)
        return inflation(shares, bounds, design.each, design.power, sides)
