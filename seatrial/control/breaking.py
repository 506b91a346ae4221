"""The open breaker of a default variant is told: everybody depends on it, and workers know of it before labels do."""

import msgspec

from seatrial.control.site import Site
from seatrial.ledger import layout
from seatrial.ledger.counters import BREAKERS_OPEN, parse_series, read_counters
from seatrial.spec.deployment import Deployment
from seatrial.watch.alerts import Condition, Rank, event_alert, open_conditions

EVERY = 5_000_000
"""Microseconds between two looks."""
STEADY = 60_000_000
"""It is over when no worker has left the variant alone for so long: a breaker tries again every few seconds."""


class Breaking:
    """Sees to the breakers of one machine's default variants.

    Args:
        site: Whose counters.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._looked = 0
        self._left: dict[tuple[str, str], int] = {}
        self._closed_since: dict[str, int] = {}
        self._told: dict[str, tuple[str, bool]] = {}

    def look(self, now: int) -> None:
        """Read how many workers leave which variant alone."""
        if self._looked and now - self._looked < EVERY:
            return
        self._looked = now
        self._left = {}
        for text, workers in read_counters(layout.counters(self._site.home)).items():
            if workers > 0 and text.startswith(BREAKERS_OPEN):
                _, labels = parse_series(text)
                self._left[labels["deployment"], labels["variant"]] = workers

    def see_to(self, spec: Deployment, now: int) -> None:
        """Keep an alert when it begins, and one when it is over."""
        deployment = spec.deployment
        workers = self._left.get((deployment, spec.default), 0)
        if workers:
            self._closed_since.pop(deployment, None)
            if not self._is_told(spec):
                count = "One worker leaves" if workers == 1 else f"{workers} workers leave"
                self._tell(spec, now, f"{count} `{spec.default}` alone, because it kept failing.", over=False)
        elif now - self._closed_since.setdefault(deployment, now) >= STEADY and self._is_told(spec):
            self._tell(spec, now, f"Over: workers ask `{spec.default}` again.", over=True)

    def _is_told(self, spec: Deployment) -> bool:
        name = f"breaker/{spec.default}"
        if self._told.get(spec.deployment, ("", False))[0] != name:
            alerts = self._site.state.alerts.of(spec.deployment)
            self._told[spec.deployment] = (name, name in open_conditions(alerts))
        return self._told[spec.deployment][1]

    def _tell(self, spec: Deployment, now: int, sentence: str, *, over: bool) -> None:
        name = f"breaker/{spec.default}"
        condition = Condition(
            condition=name,
            edge="ends" if over else "begins",
            severity="none" if over else "major",
            variant=spec.default,
            start=now,
            end=now,
        )
        key = f"{name}/{condition.edge}/{now}"
        details = msgspec.json.encode(condition).decode()
        severity: Rank = "info" if over else "critical"
        self._site.state.alerts.add(
            event_alert(spec.deployment, "breaker", key, sentence, now, severity=severity, details=details)
        )
        self._told[spec.deployment] = (name, not over)
