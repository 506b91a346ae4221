"""Bandits that choose by context, in control: from matured rewards to the lines of the next epoch; pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits import InverseGap, LinearBelief, LinearThompson, Regression, SquareCB
from seatrial.bandits.forgetting import recency
from seatrial.experiments.rewards import Rewards
from seatrial.releases.records import BanditRun
from seatrial.routing.by_context import chances_of
from seatrial.routing.contexts import Encoder, width
from seatrial.routing.snapshot import ByContext, Column
from seatrial.spec.deployment import BanditSpec

FEWEST = 100
"""Matured rewards before contexts are scaled: by fewer, a scale would stay wrong for ever."""
MOST_CATEGORIES, MOST_NUMBERS = 10, 128
OPTIONAL = "optional "
_LATEST = 1000
Floats = NDArray[np.float64]


def learn_lines(
    bandit: BanditSpec, run: BanditRun, seen: Rewards, live: Sequence[str]
) -> tuple[ByContext | None, dict[str, float]]:
    """How to choose by context, and the mean chances of the arms over the last thousand records.

    None, and even weights, before there are 100 matured rewards, ``minimum_units`` of every arm, and any outcome.
    Columns are those of the run, once it has some; a function of what is matured, else.

    Args:
        bandit: As the file says it.
        run: As it stands.
        seen: All that the ledger has of it, contexts too.
        live: Arms that are not removed.
    """
    counts = Counter(seen.arms)
    if len(seen.arms) < FEWEST or not seen.any_came or min(counts[arm] for arm in live) < bandit.minimum_units:
        return None, dict.fromkeys(live, 1 / len(live))
    keys = tuple(run.context)
    given = as_declared(run.context, seen.contexts)
    columns = run.by_context.columns if run.by_context is not None else columns_of(run.context, given)
    encoder = Encoder(columns, keys)
    contexts = np.array([encoder.encode(one) for one in given])
    found = lines_of(bandit, np.array(seen.arms, dtype=object), seen.values, live, contexts, columns)
    chances = chances_of(found, encoder.width)
    means = np.mean([chances(one) for one in contexts[-_LATEST:]], axis=0)
    return found, dict(zip(live, (means / means.sum()).tolist(), strict=True))


def lines_of(
    bandit: BanditSpec,
    arms: NDArray[np.object_],
    rewards: Floats,
    live: Sequence[str],
    contexts: Floats,
    columns: tuple[Column, ...],
) -> ByContext:
    """The lines of matured rewards [n], in order of maturity, of arms [n] at contexts [n, d].

    Rewards are taken as deviations from their mean, so that an arm of which little is known is an
    average one.
    """
    low, high = bandit.reward.range or (0.0, 1.0)
    scaled = bandit.policy == "squarecb" or bandit.reward.kind == "binary"
    values = (rewards - low) / (high - low) if scaled else rewards / (float(np.abs(rewards).max()) or 1.0)
    weights = np.ones(values.size) if bandit.half_life is None else recency(values.size, bandit.half_life)
    center = float(weights @ values / weights.sum())
    empty = Regression.empty(contexts.shape[1])
    learned = []
    for arm in live:
        its = np.flatnonzero(arms == arm)
        learned.append(empty.with_rewards(contexts[its], values[its] - center, weights[its]))
    policy = SquareCB() if bandit.policy == "squarecb" else LinearThompson()
    published: InverseGap | LinearBelief = policy.publish(learned, bandit.floor)
    lines = published.coefficients.copy()
    lines[:, 0] += center
    return ByContext(
        policy="squarecb" if isinstance(published, InverseGap) else "linear-thompson",
        columns=columns,
        arms=tuple(live),
        coefficients=tuple(map(tuple, lines.tolist())),
        spreads=published.spreads.astype("<f8").tobytes() if isinstance(published, LinearBelief) else b"",
        gamma=published.gamma if isinstance(published, InverseGap) else 0.0,
        floor=bandit.floor,
    )


def kinds_of(declared: Mapping[str, str]) -> dict[str, str]:
    """The kind of everything that is chosen by, whether it may be missing or not."""
    return {key: kind.removeprefix(OPTIONAL) for key, kind in declared.items()}


def as_declared(declared: Mapping[str, str], contexts: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What was logged, as far as it is of the kinds that are chosen by: a feature may have been of another kind."""
    kinds = tuple(kinds_of(declared).values())
    return [
        tuple(value if _is_of(kind, value) else None for kind, value in zip(kinds, one, strict=True))
        for one in contexts
    ]


def columns_of(declared: Mapping[str, str], contexts: Sequence[tuple[Any, ...]]) -> tuple[Column, ...]:
    """How contexts become numbers, from those that there are.

    Categories are the most frequent values, ties in the order of the alphabet.

    Args:
        declared: Of every key: ``string``, ``number``, ``integer`` or ``boolean``, perhaps ``optional``.
        contexts: Values in the order of the keys.
    """
    strings = sum(kind.endswith("string") for kind in declared.values())
    room = MOST_NUMBERS - 1 - 2 * len(declared)
    most = max(1, min(MOST_CATEGORIES, room // strings)) if strings else 0
    found = []
    for place, (key, kind) in enumerate(declared.items()):
        optional = kind.startswith(OPTIONAL)
        given = [one[place] for one in contexts if one[place] is not None]
        if kind.endswith("boolean"):
            found.append(Column(key=key, kind="boolean", optional=optional))
        elif kind.endswith("string"):
            common = sorted(Counter(given).items(), key=lambda pair: (-pair[1], pair[0]))[:most]
            names = tuple(name for name, _ in common)
            found.append(Column(key=key, kind="category", optional=optional, categories=names))
        else:
            center, scale = _middle(np.array(given, dtype=np.float64))
            found.append(Column(key=key, kind="number", optional=optional, center=center, scale=scale))
    assert 1 + sum(map(width, found)) <= MOST_NUMBERS
    return tuple(found)


def _is_of(kind: str, value: Any) -> bool:
    """Whether a value that was logged is of the kind that it is now; a feature may have been of another."""
    if kind == "string" or kind == "boolean":
        return isinstance(value, str if kind == "string" else bool)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _middle(values: Floats) -> tuple[float, float]:
    """The median, and the deviation that the middle half would have in a normal world: one huge value moves neither."""
    if not values.size:
        return 0.0, 1.0
    quarter, center, upper = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return center, (upper - quarter) / 1.349 or float(values.std()) or 1.0
