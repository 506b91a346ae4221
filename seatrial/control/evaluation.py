"""Off-policy evaluation of a deployment's bandit from its ledger: what other weights or rules would have earned."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits import AdaptiveData, AdaptiveEffect, Logged, OffPolicy, adaptive_effect, off_policy
from seatrial.control.contextual import as_declared, kinds_of
from seatrial.control.other_routing import read_other_routing
from seatrial.control.site import Site, open_site
from seatrial.experiments.rewards import Rewards, read_rewards
from seatrial.ledger.reader import Reader
from seatrial.releases.records import BanditRun
from seatrial.routing.contexts import Encoder
from seatrial.routing.snapshot import Snapshot
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
        target: Chances of the policy that was evaluated, by arm; where they differ by record, their means. A variant
            that is none of the bandit's arms is among them, where the policy would have used it.
        found: What it would have earned.
        compared: Every other arm less the default variant (or the first arm).
        file: Whose routing was evaluated; "": fixed weights.
        took: With a file, the share of the records that each of its entries takes; "" for what no entry does.
        notes: What must be known besides, a sentence each.
    """

    deployment: str
    entry: str
    target: dict[str, float]
    found: OffPolicy
    compared: tuple[Compared, ...]
    file: str = ""
    took: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Past:
    """A bandit's records, and what was read along with them.

    Attributes:
        seen: All of them.
        read: Names of the values in their contexts.
        kept: Which of ``seen`` they are, in their order.
        drawn: The snapshots that drew them.
    """

    spec: Deployment
    entry: str
    run: BanditRun
    seen: Rewards
    read: tuple[str, ...]
    kept: NDArray[np.int64]
    data: AdaptiveData
    drawn: tuple[Snapshot, ...]

    @property
    def units(self) -> list[str]:
        """Who; length n."""
        return [self.seen.units[index] for index in self.kept.tolist()]

    def values(self, names: Iterable[str]) -> list[tuple[Any, ...]]:
        """What was read of each record under these names; length n."""
        places = [self.read.index(name) for name in names]
        contexts = self.seen.contexts
        return [tuple(contexts[index][place] for place in places) for index in self.kept.tolist()]


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
        weights = _weights(target, tuple(run.weights), chosen.name)
        past = _past(site, spec, chosen.name, bandit, run, {})
    shares = dict(zip(run.weights, weights.tolist(), strict=True))
    return _evaluated(past, shares, np.tile(weights, (past.kept.size, 1)), _contexts(past))


def evaluate_file(
    settings: Settings, deployment: str, text: str, source: str = "the other file", entry: str | None = None
) -> Evaluation:
    """Evaluate another file's routing on what a bandit has logged.

    Args:
        settings: Of the machine.
        deployment: Whose.
        text, source: The other deployment file.
        entry: The routing entry whose records it is given; None: the only bandit.

    Raises:
        SpecError: It is no deployment file.
        NotFound: It names a model that does not exist.
        BadInput: There is no such bandit; or what the file would have done with its records cannot be known.
    """
    with open_site(settings) as site:
        return evaluate_routing(site, deployment, text, source, entry)


def evaluate_routing(site: Site, deployment: str, text: str, source: str, entry: str | None = None) -> Evaluation:
    """``evaluate_file``, of a machine that is open."""
    state = site.state.deployments.get(deployment)
    spec = load_deployment(state.text)
    chosen, bandit = bandit_of(spec, entry)
    run = state.bandits[chosen.name]
    other = read_other_routing(site, spec, state, text, source)
    past = _past(site, spec, chosen.name, bandit, run, other.reads)
    other.check_logged(past.drawn, tuple(run.weights))
    values = past.values(other.reads)
    arms, chances, took = other.chances(past.units, values, tuple(run.weights))
    target = dict(zip(arms, chances.mean(axis=0).tolist() if past.kept.size else chances.sum(axis=0), strict=True))
    found = _evaluated(past, target, chances, other.contexts(values))
    notes = tuple(
        f"The weights of `{name}` were learned from these very records, which flatters them." for name in other.learned
    )
    return replace(found, file=source, took=took, notes=notes)


def _past(
    site: Site, spec: Deployment, entry: str, bandit: BanditSpec, run: BanditRun, reads: Mapping[str, str]
) -> _Past:
    """The matured records of a bandit.

    Args:
        reads: What to read of them, after what the bandit chooses by, and the kind of each.
    """
    kinds = kinds_of(run.context) | dict(reads)
    with Reader(site.home).open(spec.deployment) as view:
        seen = read_rewards(view, entry, bandit.reward, run.versions, since=run.since, now=site.clock(), context=kinds)
    kept = _together(seen, run)
    revisions = sorted({seen.revisions[index] for index in kept.tolist()})
    drawn = {revision: site.publication.read(spec.deployment, revision) for revision in revisions}
    data = adaptive(seen, run, lambda revision: _drawn_by(drawn[revision], entry))
    return _Past(spec, entry, run, seen, tuple(kinds), kept, data, tuple(drawn.values()))


def _evaluated(
    past: _Past, target: dict[str, float], chances: NDArray[np.float64], contexts: NDArray[np.float64] | None
) -> Evaluation:
    """What a policy would have earned.

    Args:
        target: Its mean chances: of the bandit's arms, then of variants that nobody was drawn to.
        chances: Of each record, shape [n, K].
        contexts: For the outcome model, shape [n, d].
    """
    data, arms = past.data, tuple(target)
    drawn = np.pad(data.chances, ((0, 0), (0, len(arms) - data.chances.shape[1])))
    propensities = drawn[np.arange(data.arms.size), data.arms]
    logged = Logged(data.units, data.arms, data.rewards, propensities, contexts, drawn)
    compared = _compared(data, tuple(past.run.weights), past.spec.default)
    return Evaluation(past.spec.deployment, past.entry, target, off_policy(logged, chances, names=arms), compared)


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


def _contexts(past: _Past) -> NDArray[np.float64] | None:
    """What was known of each record, as numbers; None where nothing is chosen by context."""
    run = past.run
    if run.by_context is None:
        return None
    encoder = Encoder(run.by_context.columns, tuple(run.context))
    given = as_declared(run.context, past.values(run.context))
    return np.array([encoder.encode(one)[1:] for one in given]).reshape(past.kept.size, encoder.width - 1)


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


def _drawn_by(snapshot: Snapshot, entry: str) -> dict[str, float]:
    for one in snapshot.entries:
        if one.name == entry:
            return {arm.variant: arm.weight for arm in one.arms}
    raise NotFound(
        f"revision {snapshot.revision} of {snapshot.deployment!r} has no entry {entry!r}; its weights are not known."
    )
