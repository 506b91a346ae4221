"""Checks of how monitors cut their windows."""

from typing import Any

from seatrial.spec.problems import Findings
from seatrial.spec.units import Rows, show_duration

MOST_STEPS = 200
"""Parts that a sliding window is merged of, at most: each is kept apart."""

STEPS = {"same hours": 86400.0, "same weekday": 7 * 86400.0}
"""Seconds from a window to the one that it is compared with, by ``against``."""

DAILY = ("performance", "fairness", "multivariate", "shadow_gap", "skew")
DEFAULTS = {"data": 3600.0} | dict.fromkeys(DAILY, 86400.0)
"""Lengths of windows where the file says none, by monitor."""

LEAST = dict.fromkeys(DEFAULTS, ("minimum_rows", 100)) | {
    "performance": ("minimum_labels", 100),
    "multivariate": ("minimum_rows", 200),
}
"""What a window by rows cannot be smaller than, and how much that is where the file does not say."""

Values = dict[str, Any]


def check_windows(monitors: Values, found: Findings) -> None:
    """Notes windows that do not fit together, or that could never say anything."""
    for name, default in DEFAULTS.items():
        monitor = monitors.get(name)
        if not isinstance(monitor, dict):
            continue
        window, every = monitor.get("window", default), monitor.get("every")
        path = f"monitors.{name}"
        if isinstance(window, Rows):
            _by_rows(path, name, monitor, window.number, found)
        elif isinstance(window, float) and isinstance(every, float):
            _sliding(f"{path}.every", window, every, found)
        if isinstance(window, float):
            _longest(path, monitor, window, found)


def _sliding(path: str, window: float, every: float, found: Findings) -> None:
    steps = round(window / every)
    if every > window or abs(steps * every - window) > 1e-6 * window:
        message = (
            f"`every` is {show_duration(every)}, but a window of {show_duration(window)} is merged of whole parts of "
            "that length; write a part of it"
        )
        found.add(path, show_duration(every), message)
    elif steps > MOST_STEPS:
        message = (
            f"a window of {show_duration(window)} every {show_duration(every)} is merged of {steps} parts, and "
            f"{MOST_STEPS} may be; write at least {show_duration(window / MOST_STEPS)}"
        )
        found.add(path, show_duration(every), message)


def _longest(path: str, monitor: Values, window: float, found: Findings) -> None:
    """A window that is longer than the time to what it is compared with would be compared with itself."""
    against = monitor.get("against")
    if isinstance(against, str) and window > (step := STEPS.get(against, window)):
        message = (
            f"a window of {show_duration(window)} is compared with `{against}` {show_duration(step)} before, which is "
            f"a part of itself; write a window of at most {show_duration(step)}, or `against: last 4 weeks`"
        )
        found.add(f"{path}.against", against, message)
    if monitor.get("arrival") == "usual" and window > STEPS["same weekday"]:
        message = (
            f"`arrival: usual` compares a window of {show_duration(window)} with the same one a week before, which is "
            "a part of itself; write a window of at most 7 d, or bounds"
        )
        found.add(f"{path}.arrival", "usual", message)


def _by_rows(path: str, name: str, monitor: Values, rows: int, found: Findings) -> None:
    if "every" in monitor:
        found.add(
            f"{path}.every", rows, "windows by rows follow one another; remove `every`, or write `window` as a time"
        )
    if monitor.get("against", "training") != "training":
        message = (
            f"windows by rows are compared with the training data, not with `{monitor['against']}`, which is about "
            "hours and days; write `window` as a time, or remove `against`"
        )
        found.add(f"{path}.against", monitor["against"], message)
    if "arrival" in monitor:
        message = "windows by rows all have as many rows, so that `arrival` says nothing; write `window` as a time"
        found.add(f"{path}.arrival", "", message)
    what, default = LEAST[name]
    least = monitor.get(what, default)
    if isinstance(least, int | float) and rows < least:
        message = f"a window of {rows} rows is always `no-data`: `{what}` is {least:g}; write more, or lower it"
        found.add(f"{path}.window", f"{rows} rows", message)
