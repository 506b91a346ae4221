"""How sure a window must be before it may disturb a person.

A window *shows* drift at a false discovery rate of 0.005. That is one false window in 200, and with a window an hour
3.6 a month, so an *alert* needs more: what all windows of 30 days may spend together, over every monitor and variant of
a deployment, is one false alert. Half of it is the data monitor's, half the performance monitor's; either is divided
over the variants that are watched and over the windows of 30 days, whatever their length.
"""

from seatrial.spec.deployment import Windowed
from seatrial.watch.reading import Span

MONTH = 30 * 86400.0
FALSE_ALERTS = 1.0
"""Expected in 30 days, at most, when nothing changed: the sum over windows of the chance of each (Boole)."""


def per_window(window: float, variants: int, most: float) -> float:
    """The chance of a false alert that one window of one variant may have.

    Args:
        window: How long it lasts until the next is looked at, in seconds.
        variants: How many variants are watched.
        most: An upper limit, which long windows would pass.
    """
    return min(most, FALSE_ALERTS / 2 / max(variants, 1) * window / MONTH)


def lasting(monitor: Windowed, span: Span) -> float:
    """Seconds from a window to the next: of sliding ones the step; of one by rows as long as its rows took.

    Windows by rows are as many as traffic makes of them; each spends what its time is worth, so that those of 30 days
    spend what they may.
    """
    return monitor.step if monitor.rows is None else (span.end - span.start) / 1e6
