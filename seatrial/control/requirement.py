"""``release.require: off-policy``: a release begins when what a bandit has logged already says that it may.

The bandit ran in the release's entry before, and both versions were its arms. Their difference in the primary metric is
estimated as under any bandit (√propensity-weighted, doubly robust), and the release begins once the whole interval says
"no worse than by the smallest effect that the file cares about": what earned less is not tried on more people. It is
looked at again and again, so the interval is one end of a confidence sequence at the release's own level; a relative
margin is the contrast T − (1 − δ)·C, which knows that the champion's mean is not known either.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from seatrial.bandits import AdaptiveData, adaptive_effect
from seatrial.control.evaluation import adaptive
from seatrial.control.site import Site
from seatrial.experiments.rewards import Rewards, read_rewards
from seatrial.ledger.reader import Reader
from seatrial.releases.records import BanditRun
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment, MetricSpec, RewardSpec
from seatrial.spec.errors import BadInput, SeatrialError
from seatrial.spec.units import show_count
from seatrial.stats.sequence import multiplier

EVERY, COST = 60.0, 20.0
"""What was logged is weighed again after so many seconds, or so many times what that cost."""
LEAST_UNITS = 100
"""Records of each version before anything is said."""
_LEAST_CHANCE = 1e-6
_SECOND = 1_000_000

Chances = Callable[[int], Mapping[str, float]]
"""The chance of each variant in the release's entry, by the snapshot's revision."""


def held_back(site: Site, spec: Deployment, run: ReleaseRun, now: int) -> str:
    """Why the release of a file with ``require: off-policy`` may not begin yet, in words; "" when it may."""
    assert spec.release is not None
    reward = reward_of(spec.metrics[spec.release.primary.metric])
    versions = {run.champion: run.champion_version, run.challenger: run.challenger_version}
    with Reader(site.home).open(spec.deployment) as view:
        seen = read_rewards(view, run.entry, reward, versions, since=0, now=now, context={})
    return weighed(spec, run, seen, partial(_chances, site, spec.deployment, run.entry))


def reward_of(metric: MetricSpec) -> RewardSpec:
    """The primary metric as a bandit's reward."""
    assert metric.outcome is not None
    assert metric.within is not None
    return RewardSpec(
        outcome=metric.outcome,
        within=metric.within,
        value=metric.value,
        kind="binary" if metric.kind == "proportion" else "normal",
        grace=metric.grace,
    )


def weighed(spec: Deployment, run: ReleaseRun, seen: Rewards, chances: Chances) -> str:
    """``held_back`` from what both versions earned; pure."""
    assert spec.release is not None
    data = _where_both_could(seen, run, chances)
    counts = {version: int((data.arms == arm).sum()) for arm, version in enumerate(_versions(run))}
    for version, count in counts.items():
        if count < LEAST_UNITS:
            return (
                f"{version} has {show_count(count)} matured units of a bandit in `{run.entry}` where both versions had "
                f"a chance, and {LEAST_UNITS} are needed"
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
    half = multiplier(data.rewards.size, method.alpha, method.plan_units, "lower") * contrast.se
    limit = contrast.effect - sign * half
    if sign * limit > -absolute:
        return ""
    # a relative margin's contrast is 0 at the line, which says nothing to people: the plain difference stands beside it
    plain = adaptive_effect(data, 1, 0)
    line = f"{relative:.4g} of it" if relative else f"{absolute:.4g}"
    return (
        f"in `{primary.metric}` {run.champion_version} has {plain.control:.4g} and {run.challenger_version} "
        f"{plain.effect:+.4g}, and that this is no worse than by {line} is not shown yet on "
        f"{show_count(data.rewards.size)} units: it may be worse by {-sign * limit - absolute:.4g} more"
    )


def _versions(run: ReleaseRun) -> tuple[str, str]:
    return run.champion_version, run.challenger_version


def _where_both_could(seen: Rewards, run: ReleaseRun, chances: Chances) -> AdaptiveData:
    """Records of epochs in which both versions had a chance; given that one of the two was drawn, which it was."""
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


def _chances(site: Site, deployment: str, entry: str, revision: int) -> Mapping[str, float]:
    snapshot = site.publication.read(deployment, revision)
    return {arm.variant: arm.weight for one in snapshot.entries if one.name == entry for arm in one.arms}


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
