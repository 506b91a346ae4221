"""Off-policy evaluation of a deployment's bandit from its ledger: what a variant or other weights would have earned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import fsum, isfinite

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits import AdaptiveData, AdaptiveEffect, Logged, OffPolicy, adaptive_effect, off_policy
from seatrial.control.contextual import as_declared, kinds_of
from seatrial.control.site import Site, open_site
from seatrial.experiments.rewards import Rewards, read_rewards
from seatrial.ledger.reader import Reader
from seatrial.releases.records import BanditRun
from seatrial.routing.contexts import Encoder
from seatrial.spec.deployment import BanditSpec, Deployment, EntrySpec
from seatrial.spec.errors import BadInput, NotFound, SeatrialError
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Compared:
    """One arm less another, valid under changing weights, or why it cannot be said.

    Attributes:
        treatment, control: The arms.
        effect: None where it is refused.
        refused: Why, else "".
    """

    treatment: str
    control: str
    effect: AdaptiveEffect | None
    refused: str = ""


@dataclass(frozen=True)
class Evaluation:
    """What a bandit's past says of another policy.

    Attributes:
        deployment, entry: Whose.
        target: Weights of the policy that was evaluated.
        found: What it would have earned.
        compared: Every other arm less the default variant (or the first arm).
    """

    deployment: str
    entry: str
    target: dict[str, float]
    found: OffPolicy
    compared: tuple[Compared, ...]


def evaluate(settings: Settings, deployment: str, target: Mapping[str, float], entry: str | None = None) -> Evaluation:
    """Evaluate weights on what a bandit has logged.

    Args:
        settings: Of the machine.
        deployment: Whose.
        target: Weights by arm that sum to 1; an arm left out gets nothing.
        entry: The routing entry; None: the only bandit.

    Raises:
        BadInput: There is no such bandit or arm, or the weights are no shares.
    """
    with open_site(settings) as site:
        state = site.state.deployments.get(deployment)
        spec = load_deployment(state.text)
        chosen, bandit = bandit_of(spec, entry)
        run = state.bandits[chosen.name]
        arms = tuple(run.weights)
        weights = _weights(target, arms, chosen.name)
        with Reader(site.home).open(deployment) as view:
            seen = read_rewards(
                view,
                chosen.name,
                bandit.reward,
                run.versions,
                since=run.since,
                now=site.clock(),
                context=kinds_of(run.context),
            )
        data = adaptive(seen, run, partial(_drawn_by, site, deployment, chosen.name))
    propensities = data.chances[np.arange(data.arms.size), data.arms]
    logged = Logged(data.units, data.arms, data.rewards, propensities, _contexts(seen, run), data.chances)
    found = off_policy(logged, np.tile(weights, (data.units.size, 1)))
    compared = _compared(data, arms, spec.default)
    return Evaluation(deployment, chosen.name, dict(zip(arms, weights.tolist(), strict=True)), found, compared)


def bandit_of(spec: Deployment, entry: str | None) -> tuple[EntrySpec, BanditSpec]:
    """The entry of a name that is a bandit; None: the only one; raises BadInput."""
    bandits = [(one, one.bandit) for one in spec.routing if one.bandit is not None]
    if entry is not None:
        bandits = [pair for pair in bandits if pair[0].name == entry]
    if len(bandits) == 1:
        return bandits[0]
    named = ", ".join(one.name for one, _ in bandits)
    raise BadInput(
        f"deployment {spec.deployment!r} has the bandits {named}; say which (--entry)."
        if bandits
        else f"deployment {spec.deployment!r} has no bandit{f' {entry!r}' if entry else ''}; see its file."
    )


def _weights(target: Mapping[str, float], arms: tuple[str, ...], entry: str) -> NDArray[np.float64]:
    for arm, weight in target.items():
        if arm not in arms:
            raise BadInput(f"{arm!r} is not an arm of {entry!r}; its arms are {', '.join(arms)}.")
        if not (isfinite(weight) and weight >= 0):
            raise BadInput(f"the weight {weight:g} of {arm!r} is not a share of at least 0.")
    total = fsum(target.values())
    if abs(total - 1) > _TOLERANCE:
        raise BadInput(f"the weights sum to {total:.6g}; make them 1.")
    return np.array([target.get(arm, 0.0) for arm in arms])


def _together(seen: Rewards, run: BanditRun) -> NDArray[np.int64]:
    """The records of the epochs in which all present versions were arms, in order of epoch.

    Of earlier epochs only the rows of versions that stayed are the arms'; what a unit got would say which rows there
    are.
    """
    kept = np.flatnonzero(seen.epochs >= run.together)
    order: NDArray[np.int64] = kept[np.argsort(seen.epochs[kept], kind="stable")]
    return order


def adaptive(seen: Rewards, run: BanditRun, drawn_by: Callable[[int], dict[str, float]]) -> AdaptiveData:
    """Records with the chances of all arms: those that a row was logged with, else its revision's weights.

    Args:
        seen: All records.
        run: Whose arms, and since when they were together.
        drawn_by: The weights of a revision's entry, in its order.
    """
    arms, kept = tuple(run.weights), _together(seen, run)
    picked = kept.tolist()
    by_revision = {revision: drawn_by(revision) for revision in {seen.revisions[index] for index in picked}}
    chances = np.zeros((kept.size, len(arms)))
    for row, index in enumerate(picked):
        weights = by_revision[seen.revisions[index]]
        logged = seen.chances[index] if seen.chances else None
        own = weights if logged is None else dict(zip(weights, logged, strict=True))
        chances[row] = [own.get(arm, 0.0) for arm in arms]
    return AdaptiveData(
        units=numbered([seen.units[index] for index in picked]),
        epochs=seen.epochs[kept],
        arms=np.array([arms.index(seen.arms[index]) for index in picked], dtype=np.int64),
        rewards=seen.values[kept],
        chances=chances,
    )


def _contexts(seen: Rewards, run: BanditRun) -> NDArray[np.float64] | None:
    """What was known of each record, as numbers; None where nothing is chosen by context."""
    if run.by_context is None:
        return None
    encoder, kept = Encoder(run.by_context.columns, tuple(run.context)), _together(seen, run)
    given = as_declared(run.context, [seen.contexts[index] for index in kept.tolist()])
    return np.array([encoder.encode(one)[1:] for one in given]).reshape(kept.size, encoder.width - 1)


def numbered(units: Sequence[str]) -> NDArray[np.int64]:
    """Units by number, from 0; shape [n]."""
    numbers: NDArray[np.int64] = np.unique(np.array(units, dtype=object), return_inverse=True)[1].astype(np.int64)
    return numbers


def _compared(data: AdaptiveData, arms: tuple[str, ...], default: str) -> tuple[Compared, ...]:
    control = default if default in arms else arms[0]
    found = []
    for arm in arms:
        if arm == control:
            continue
        try:
            found.append(Compared(arm, control, adaptive_effect(data, arms.index(arm), arms.index(control))))
        except SeatrialError as error:
            found.append(Compared(arm, control, None, str(error)))
    return tuple(found)


def _drawn_by(site: Site, deployment: str, entry: str, revision: int) -> dict[str, float]:
    snapshot = site.publication.read(deployment, revision)
    for one in snapshot.entries:
        if one.name == entry:
            return {arm.variant: arm.weight for arm in one.arms}
    raise NotFound(f"revision {revision} of {deployment!r} has no entry {entry!r}; its weights are not known.")
