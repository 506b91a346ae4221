"""Metrics of a unit's answers: failures, and requests slower than a threshold. Answers are never late."""

from seatrial.experiments.measure import Measure, micros
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment

ANSWER_WINDOW = 60.0
"""Seconds from a unit's first exposure in which its answers are measured (errors, latency): long enough for several
requests, short enough to roll back soon. Shorter when a metric of the deployment has a shorter window."""


def answer_window(deployment: Deployment) -> float:
    """Seconds in which a unit's answers are measured."""
    return min([ANSWER_WINDOW, *(m.within for m in deployment.metrics.values() if m.within is not None)])


def error_measures(deployment: Deployment) -> tuple[Measure, ...]:
    """``errors``: units with at least one failure; ``error_rate``: failed requests by unit."""
    within = micros(answer_window(deployment))
    units = _answers("max(failed::INT)", "1")
    requests = _answers("sum(failed::INT)", "count(*)")
    return (
        Measure("errors", "proportion", within, 0, units, {"within": within}),
        Measure("error_rate", "share", within, 0, requests, {"within": within}),
    )


def latency_measure(
    name: str, deployment: Deployment, run: ReleaseRun, champion_us: float, challenger_us: float
) -> Measure:
    """Requests slower than a threshold, as a ratio by unit.

    Args:
        name: ``p50`` or ``p99``.
        deployment: For the window.
        run: Names the challenger.
        champion_us: Threshold for the champion's requests, microseconds.
        challenger_us: Threshold for the challenger's: the champion's plus the margin that is tested.
    """
    within = micros(answer_window(deployment))
    slow = "(latency_us > CASE WHEN arm = ${p}challenger THEN ${p}relaxed ELSE ${p}base END)::INT"
    sql = _answers(
        f"sum({slow})", "count(*)", first=f"arg_min({slow}, struct_pack(t := t, request := request_id, i := i))"
    )
    given: dict[str, object] = {
        "within": within,
        "challenger": run.challenger,
        "base": champion_us,
        "relaxed": challenger_us,
    }
    return Measure(name, "share", within, 0, sql, given, by_first=True)


def _answers(x: str, y: str, first: str = "0") -> str:
    """A query for two aggregates over a unit's answers in its window; answers are never late."""
    return f"""SELECT u, {x} AS x, {y} AS y, {x} AS x_all, {y} AS y_all, {first} AS labels, 0 AS wanted, 0 AS late,
      0 AS early
    FROM placed WHERE t <= first_at + ${{p}}within GROUP BY u"""
