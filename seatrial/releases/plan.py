"""When a release may be judged, fixed before its first look and kept with it."""

import msgspec

from seatrial.spec.deployment import Method, MethodName, SpendingForm


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How and when the primary metric is judged; guardrails are watched at every look, whatever the plan.

    Attributes:
        name: ``always-valid``: at any time; ``fixed``: once, at the planned end; ``group-sequential``: at planned
            looks; ``bayes``: by a posterior, at any time, which does not hold the error rate.
        after: Of ``fixed``, seconds from the first exposure on during which units are counted.
        units: Of ``fixed`` and ``group-sequential``, matured units of both arms at the end.
        looks: Of ``group-sequential``, how many, at equal parts of the units.
        spending: Of ``group-sequential``, how the error rate is spent over them.
        prior_mean: Of ``bayes``, of a normal prior on the difference, in the metric's unit.
        prior_sd: Its standard deviation; None: flat.
    """

    name: MethodName = "always-valid"
    after: float | None = None
    units: int | None = None
    looks: int = 5
    spending: SpendingForm = "obrien-fleming"
    prior_mean: float = 0.0
    prior_sd: float | None = None


def plan_of(method: Method) -> Plan:
    """The plan that a file's method describes."""
    return Plan(
        name=method.name,
        after=method.after,
        units=method.units,
        looks=method.looks,
        spending=method.spending,
        prior_mean=method.prior.mean if method.prior is not None else 0.0,
        prior_sd=method.prior.sd if method.prior is not None else None,
    )
