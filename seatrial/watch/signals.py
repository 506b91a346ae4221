"""Which conditions a window has something to say of, and which of them alarm."""

from collections.abc import Iterable

from seatrial.watch.window import Signal, Window

_ONE_SIGNAL = frozenset({"concept", "fairness", "calibration", "multivariate", "shadow_gap", "skew"})
"""Monitors of which a window is one signal."""

_QUALITIES = {"data": "quality", "prediction": "quality of predictions"}
"""What the quality of a monitor's columns is called."""


def signals_of(window: Window) -> tuple[tuple[str, Signal], ...]:
    """The kinds of condition that a window can say something of, each with what it says."""
    measured = window.state == "measured"
    if window.monitor == "estimate":
        return ()  # it is shown, and never acts alone
    if window.monitor in _ONE_SIGNAL:
        return ((window.monitor, window.drift),) if measured else ()
    if window.monitor == "performance":
        # Stalled outcomes are known without data; that they flow again is known only with it.
        outcomes = (("outcomes", window.outcomes),) if measured or not window.outcomes.calm else ()
        labels = (("quality of labels", window.quality),) if window.checked else ()
        known = (*outcomes, *labels)
        return (*known, ("performance", window.drift)) if measured else known
    quality = _QUALITIES[window.monitor]
    if not measured:
        return ((quality, window.quality),) if window.checked else ()
    return (quality, window.quality), (window.monitor, window.drift)


def of_columns(window: Window) -> tuple[str, ...]:
    """The kinds of condition of a window's columns; none where it is not about columns."""
    return (_QUALITIES[window.monitor], window.monitor) if window.monitor in _QUALITIES else ()


def alarming(windows: Iterable[Window]) -> frozenset[str]:
    """Conditions (``data/champion``) that alarm in any of the windows."""
    return frozenset(
        f"{kind}/{window.variant}"
        for window in windows
        for kind, signal in signals_of(window)
        if signal.alarm != "none"
    )
