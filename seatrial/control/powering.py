"""What a release will take, asked at any time: needs by recent traffic, and the chance of a conclusion by a date."""

from typing import NamedTuple

from seatrial.control.judging import judge_now
from seatrial.experiments.forecast import labelled_share, standard_error, triggered_share
from seatrial.experiments.foresight import Foresight, foresee
from seatrial.experiments.judgement import Judgement
from seatrial.ledger.reader import Reader
from seatrial.releases.state import State
from seatrial.spec.errors import NotFound
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings
from seatrial.spec.units import show_count, show_moment
from seatrial.stats.power import chance_of_conclusion

DAY = 86_400_000_000


class Outlook(NamedTuple):
    """What a release needs, and what it may come to.

    Attributes:
        foresight: Units and days by metric.
        by: The date asked about, microseconds since 1970 UTC; None: none was.
        units_then: Units of both arms that will be counted by then: matured, triggered, with a label.
        chance: Of the primary being shown better or worse by then; None where nothing can be said.
        sentence: The chance in words; "" where it was not asked for.
    """

    foresight: Foresight
    by: int | None = None
    units_then: int | None = None
    chance: float | None = None
    sentence: str = ""


def outlook(settings: Settings, deployment: str, now: int, by: int | None = None) -> Outlook:
    """What the release under way needs.

    Args:
        settings: The machine's.
        deployment: Which.
        now: Microseconds since 1970 UTC.
        by: Likewise: also the chance of a conclusion by then.

    Raises:
        NotFound: There is no such deployment, or no release of it is under way.
    """
    with State(settings.state_url) as state:
        held = state.deployments.get(deployment)
    run = held.open_run
    if run is None:
        raise NotFound(
            f"{deployment!r} has no release under way; ask by flags (--baseline 10% --effect relative:2%) or by files "
            "of the past (--data)"
        )
    with Reader(settings.home).open(deployment) as view:
        found = foresee(load_deployment(held.text), run, view, now)
    if by is None:
        return Outlook(found)
    judgement = judge_now(settings, deployment)
    return chance_of(found, judgement, run.plan_units, now, by)


def chance_of(found: Foresight, judgement: Judgement, plan_units: int, now: int, by: int) -> Outlook:
    """The chance of the primary being shown better or worse by a moment, from what is seen at ``now``."""
    primary = judgement.primary
    when = show_moment(by)
    if primary is None or found.units_a_day is None or by <= now:
        return Outlook(found, by, None, None, f"What it comes to by {when} cannot be told: {_why(found, by, now)}.")
    verdict = primary.verdict
    units = verdict.n_treatment + verdict.n_control
    counting = found.units_a_day * triggered_share(primary) * labelled_share(primary)
    then = units + round(counting * max(by - now - primary.matures * 1e6, 0.0) / DAY)
    se = standard_error(verdict, plan_units)
    if se is None:
        why = f"{verdict.metric} has no asymptotic interval yet ({show_count(units)} units)"
        return Outlook(found, by, then, None, f"What it comes to by {when} cannot be told: {why}.")
    chance = chance_of_conclusion(verdict.effect or 0.0, se, units, then, verdict.alpha, plan_units)
    said = (
        f"By {when}, with {show_count(then)} units, {verdict.metric} is shown better or worse with a chance of "
        f"{chance:.0%} at least, if the effect is about what it looks like now."
    )
    return Outlook(found, by, then, chance, said)


def _why(found: Foresight, by: int, now: int) -> str:
    if by <= now:
        return "it lies in the past"
    return "no unit was exposed yet" if found.units_a_day is not None else "too few units came in the last days"
