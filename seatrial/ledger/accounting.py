"""Whether every row that was served is accounted for: ``served == logged + dropped`` at rest.

Serving counts a row as served before its answer is sent; the log counts it as logged when it is in the spool, or as
dropped with a reason. While requests run the rest is in flight.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from seatrial.ledger.counters import DROPPED, LOGGED, SERVED, parse_series


class Account(NamedTuple):
    """The rows of one deployment.

    Attributes:
        served: Rows that answers (and shadows) were to leave behind.
        logged: Of them, in the ledger.
        dropped: Of them, lost, by reason.
        arms: Of the lost ones, those whose variant is known (a crash tells none), by variant.
        in_flight: Neither yet; at rest 0.
    """

    served: int
    logged: int
    dropped: dict[str, int]
    arms: dict[str, int] = {}  # noqa: RUF012 - never changed

    @property
    def in_flight(self) -> int:
        return self.served - self.logged - sum(self.dropped.values())

    @property
    def balanced(self) -> bool:
        """True at rest, when nothing is unaccounted for."""
        return self.in_flight == 0


def accounts(counters: Mapping[str, int]) -> dict[str, Account]:
    """The account of every deployment, from counters as `read_counters` gives them."""
    served: dict[str, int] = {}
    logged: dict[str, int] = {}
    dropped: dict[str, Counter[str]] = {}
    arms: dict[str, Counter[str]] = {}
    for text, value in counters.items():
        name, labels = parse_series(text)
        deployment = labels.get("deployment", "")
        if name == SERVED:
            served[deployment] = served.get(deployment, 0) + value
        elif name == LOGGED:
            logged[deployment] = logged.get(deployment, 0) + value
        elif name == DROPPED:
            dropped.setdefault(deployment, Counter())[labels["reason"]] += value
            if labels.get("variant"):
                arms.setdefault(deployment, Counter())[labels["variant"]] += value
    deployments = sorted({*served, *logged, *dropped})
    return {
        d: Account(served.get(d, 0), logged.get(d, 0), dict(dropped.get(d, {})), dict(arms.get(d, {})))
        for d in deployments
    }
