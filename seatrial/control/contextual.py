"""Bandits that choose by context, in control: from matured rewards to the lines of the next epoch; pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.bandits import Regression
from seatrial.bandits.forgetting import recency
from seatrial.control.recorded_lines import LinesSeen, Sums, latest_of, lines_from, mean_chances, recorded
from seatrial.experiments.rewards import Rewards
from seatrial.releases.records import BanditRun
from seatrial.routing.contexts import Encoder, width
from seatrial.routing.snapshot import ByContext, Column
from seatrial.spec.deployment import BanditSpec

FEWEST = 100
"""Matured rewards before contexts are scaled: by fewer, a scale would stay wrong for ever."""
MOST_CATEGORIES, MOST_NUMBERS = 10, 128
OPTIONAL = "optional "
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LearnedLines:
    """What an epoch's end comes to, by context.

    Attributes:
        lines: How to choose; None: evenly, since there is too little to learn from.
        means: Mean chances of the arms over the latest contexts.
        seen: What lines and means follow from.
    """

    lines: ByContext | None
    means: dict[str, float]
    seen: LinesSeen | None


def is_enough(bandit: BanditSpec, rewards: Mapping[str, float], live: Collection[str], *, came: bool) -> bool:
    """Whether there is anything to learn from: rewards by arm, live or removed, and whether any outcome ``came``."""
    return came and sum(rewards.values()) >= FEWEST and min(rewards[arm] for arm in live) >= bandit.minimum_units


def learn_lines(bandit: BanditSpec, run: BanditRun, seen: Rewards, live: Sequence[str]) -> LearnedLines:
    """How to choose by context in the next epoch.

    No lines, and even weights, before there are 100 matured rewards, ``minimum_units`` of every arm, and any outcome.
    Columns are those of the run, once it has some; a function of what is matured, else.

    Args:
        bandit: As the file says it.
        run: As it stands.
        seen: All that the ledger has of it, contexts too.
        live: Arms that are not removed.
    """
    counts = Counter(seen.arms)
    if not is_enough(bandit, {arm: counts[arm] for arm in run.weights}, live, came=seen.any_came):
        return LearnedLines(None, dict.fromkeys(live, 1 / len(live)), None)
    keys = tuple(run.context)
    given = as_declared(run.context, seen.contexts)
    columns = run.by_context.columns if run.by_context is not None else columns_of(run.context, given)
    encoder = Encoder(columns, keys)
    contexts = np.array([encoder.encode(one) for one in given])
    sums = sums_of(bandit, np.array(seen.arms, dtype=object), seen.values, live, contexts, columns)
    found, latest = lines_from(bandit, sums), latest_of(contexts)
    return LearnedLines(found, mean_chances(found, latest), recorded(sums, latest))


def sums_of(
    bandit: BanditSpec,
    arms: NDArray[np.object_],
    rewards: Floats,
    live: Sequence[str],
    contexts: Floats,
    columns: tuple[Column, ...],
) -> Sums:
    """What is known of matured rewards [n], in order of maturity, of arms [n] at contexts [n, d].

    Rewards are taken as deviations from their mean, so that an arm of which little is known is an average one.
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
    return Sums(columns, tuple(live), center, tuple(learned))


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
