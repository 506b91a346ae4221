"""``release.require: off-policy``: a release begins when what a bandit has logged already says that it may.

The bandit ran in the release's entry before, and both versions were its arms. Their difference in the primary metric is
estimated as under any bandit (√propensity-weighted, doubly robust), and the release begins once the whole interval says
"no worse than by the smallest effect that the file cares about": what earned less is not tried on more people. It is
looked at again and again, so the interval is one end of a confidence sequence at the release's own level; a relative
margin is the contrast T − (1 − δ)·C, which knows that the champion's mean is not known either.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits import AdaptiveData, adaptive_effect
from seatrial.control.evaluation import adaptive
from seatrial.control.site import Site
from seatrial.experiments.rewards import Rewards, read_rewards
from seatrial.experiments.trial import reward_of
from seatrial.ledger.reader import Reader
from seatrial.releases.records import BanditRun
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput, SeatrialError
from seatrial.spec.units import show_count
from seatrial.stats.minimum import MINIMUM_EVENTS, MINIMUM_UNITS
from seatrial.stats.sequence import multiplier

EVERY, COST = 60.0, 20.0
"""What was logged is weighed again after so many seconds, or so many times what that cost."""
_LEAST_CHANCE = 1e-6
_SECOND = 1_000_000

Chances = Callable[[int], Mapping[str, float]]
"""The chance of each variant in the release's entry, by the snapshot's revision; none where other versions served."""


def held_back(site: Site, spec: Deployment, run: ReleaseRun, now: int) -> str:
    """Why the release of a file with ``require: off-policy`` may not begin yet, in words; "" when it may."""
    assert spec.release is not None
    metric = spec.release.primary.metric
    versions = {run.champion: run.champion_version, run.challenger: run.challenger_version}
    with Reader(site.home).open(spec.deployment) as view:
        reward = reward_of(spec, metric)
        seen = read_rewards(view, run.entry, reward, versions, since=0, now=now, context={})
    chances = cache(partial(_chances, site, spec.deployment, run))
    return weighed(spec, run, capped(seen, spec.metrics[metric].cap), chances)


def capped(seen: Rewards, cap: float | None) -> Rewards:
    """With totals as the release's metric counts them."""
    return seen if cap is None else replace(seen, values=np.minimum(seen.values, cap))


def weighed(spec: Deployment, run: ReleaseRun, seen: Rewards, chances: Chances) -> str:
    """``held_back`` from what both versions earned; pure."""
    assert spec.release is not None
    data = _where_both_could(seen, run, chances)
    for arm, version in enumerate(_versions(run)):
        got = data.arms == arm
        units = np.unique(data.units[got]).size  # epochs of one unit are not more evidence of others
        if units < MINIMUM_UNITS:
            return (
                f"{version} has {show_count(units)} matured units of a bandit in `{run.entry}` where both versions had "
                f"a chance, and {MINIMUM_UNITS} are needed"
            )
        events = _fewest_events(data.rewards[got])
        if events is not None and events < MINIMUM_EVENTS:
            return (
                f"{version} has {show_count(events)} of {MINIMUM_EVENTS} events of each kind among its units of a "
                f"bandit in `{run.entry}`"
            )
    try:
        return _judged(spec, run, data)
    except BadInput as error:
        return str(error)


def _judged(spec: Deployment, run: ReleaseRun, data: AdaptiveData) -> str:
    assert spec.release is not None
    primary, method = spec.release.primary, spec.release.method
    sign = 1 if spec.metrics[primary.metric].want == "higher" else -1
    absolute, relative = primary.minimum_effect.absolute or 0.0, primary.minimum_effect.relative or 0.0
    contrast = adaptive_effect(data, 1, 0, of_control=1 - sign * relative)
    if not (contrast.se > 0 and np.ptp(data.rewards) > 0):
        return f"in `{primary.metric}` every unit earned the same, so nothing can be said about its spread"
    units = np.unique(data.units).size
    half = multiplier(units, method.alpha, method.plan_units, "lower") * contrast.se
    limit = contrast.effect - sign * half
    if sign * limit > -absolute:
        return ""
    # a relative margin's contrast is 0 at the line, which says nothing to people: the plain difference stands beside it
    plain = adaptive_effect(data, 1, 0)
    line = f"{relative:.4g} of it" if relative else f"{absolute:.4g}"
    return (
        f"in `{primary.metric}` {run.champion_version} has {plain.control:.4g} and {run.challenger_version} "
        f"{plain.effect:+.4g}, and that this is no worse than by {line} is not shown yet on "
        f"{show_count(units)} units: it may be worse by {-sign * limit - absolute:.4g} more"
    )


def _fewest_events(rewards: NDArray[np.float64]) -> int | None:
    """Of a two-valued reward, how often its rarer value came; None for another."""
    if not np.isin(rewards, (0.0, 1.0)).all():
        return None
    ones = int(rewards.sum())
    return min(ones, rewards.size - ones)


def _versions(run: ReleaseRun) -> tuple[str, str]:
    return run.champion_version, run.challenger_version


def _where_both_could(seen: Rewards, run: ReleaseRun, chances: Chances) -> AdaptiveData:
    """Records of epochs in which both versions had a chance; given that one of the two was drawn, which it was.

    What another version did in the challenger's place says nothing of this one.
    """
    there = {revision for revision in set(seen.revisions) if {run.champion, run.challenger} <= chances(revision).keys()}
    seen = _only(seen, [number for number, revision in enumerate(seen.revisions) if revision in there])
    arms = BanditRun(
        epoch=1,
        started_at=0,
        since=0,
        together=0,
        versions={run.champion: run.champion_version, run.challenger: run.challenger_version},
        weights={run.champion: 0.5, run.challenger: 0.5},
    )
    data = adaptive(seen, arms, lambda revision: dict(chances(revision)))
    both = (data.chances > _LEAST_CHANCE).all(axis=1)
    pair = data.chances[both]
    return AdaptiveData(
        units=np.unique(data.units[both], return_inverse=True)[1].astype(np.int64),
        epochs=data.epochs[both],
        arms=data.arms[both],
        rewards=data.rewards[both],
        chances=pair / pair.sum(axis=1, keepdims=True) if pair.size else pair,
    )


def _only(seen: Rewards, kept: list[int]) -> Rewards:
    """Some of the records."""
    return replace(
        seen,
        units=tuple(seen.units[number] for number in kept),
        arms=tuple(seen.arms[number] for number in kept),
        epochs=seen.epochs[kept],
        values=seen.values[kept],
        propensities=seen.propensities[kept],
        revisions=tuple(seen.revisions[number] for number in kept),
        chances=tuple(seen.chances[number] for number in kept) if seen.chances else (),
        at=(),
        contexts=(),
    )


def _chances(site: Site, deployment: str, run: ReleaseRun, revision: int) -> Mapping[str, float]:
    snapshot = site.publication.read(deployment, revision)
    serving = {slot.variant: slot.model_version for slot in snapshot.slots}
    wanted = {run.champion: run.champion_version, run.challenger: run.challenger_version}
    if any(serving.get(variant) != version for variant, version in wanted.items()):
        return {}
    return {arm.variant: arm.weight for one in snapshot.entries if one.name == run.entry for arm in one.arms}


class Weighing:
    """What releases that wait for evidence are told, weighed now and then.

    Args:
        site: Whose monotonic clock.
        held_back: Why one may not begin, by what is known now (``senses``).
    """

    def __init__(self, site: Site, held_back: Callable[[Deployment, ReleaseRun, int], str]) -> None:
        self._site = site
        self._held_back = held_back
        self._told: dict[str, tuple[int, str]] = {}

    def look(self, spec: Deployment, run: ReleaseRun, now: int) -> str:
        """Why a release may not begin; "" when it may. What cannot be weighed holds it back."""
        if spec.release is None or spec.release.require is None:
            return ""
        due, said = self._told.get(run.id, (0, ""))
        if now < due:
            return said
        began = self._site.monotonic()
        try:
            said = self._held_back(spec, run, now)
        except SeatrialError as error:
            said = str(error)
        pause = max(EVERY, COST * (self._site.monotonic() - began))
        self._told[run.id] = (now + round(pause * _SECOND), said)
        return said
