"""``rules suggest --prune``: which models and rules could go, and what it costs; from the same units as suggestions."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.bandits.policy_tree import Mask
from seatrial.bandits.posterior import Floats
from seatrial.bandits.pruning import Entries, Pruning, Word, prune
from seatrial.bandits.scores import Mean
from seatrial.control.experiment import Experiment, not_independent, of_deployment, of_file
from seatrial.control.pasting import Pasted, plain, rounded, split_of, written
from seatrial.control.ruling import guessed
from seatrial.control.site import open_site
from seatrial.experiments.trial import Trial
from seatrial.routing.router import carried
from seatrial.routing.rules.compiling import compile_rule
from seatrial.routing.rules.conditions import check_typed, conditions, load_checked
from seatrial.routing.rules.expression import Expression, Kind, asked_of
from seatrial.routing.rules.naming import names_of
from seatrial.routing.rules.showing import show
from seatrial.spec.deployment import Deployment, EntrySpec
from seatrial.spec.errors import BadInput
from seatrial.spec.settings import Settings
from seatrial.spec.tree import parse
from seatrial.spec.units import parse_percent

MARGIN = "1%"


class Margin(NamedTuple):
    """What may be lost a unit: of what the file earns, or in the metric's unit."""

    size: float
    relative: bool


class SmallerSet(msgspec.Struct, frozen=True, kw_only=True):
    """A smaller set of models.

    Attributes:
        variants: Those that stay, of those that chance chose between.
        cost: What a unit earns less, of all; below 0 it earns more.
        lower, upper: Its interval; those of all sets and rules hold together.
        word: ``cheap``: less than the margin, for sure; ``dear``: more, for sure; ``undecided``.
    """

    variants: tuple[str, ...]
    cost: float
    lower: float
    upper: float
    word: Word


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that is left out, with all above it in the list, and with the models that the advised set goes without.

    Attributes:
        share: Of the experiment's units that it takes, 0 to 1.
        cost, lower, upper: Likewise; None where too few units came to it, or go where nothing is known.
        word: Likewise; ``too few``: nothing can be said, so it stays.
        goes: Whether it is advised to go.
    """

    name: str
    share: float
    cost: float | None
    lower: float | None
    upper: float | None
    word: Word
    goes: bool


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What could go.

    Attributes:
        entry: The experiment's routing entry; "" for a file.
        metric: By what; "" for a file's reward.
        units: Matured units of the experiment.
        value: What a unit earns under the rules as they are; None: nothing could be judged.
        margin: What may be lost a unit, in the metric's unit.
        sets: Smaller sets of models, fewest models first.
        variants: The advised set; empty: none is advised.
        rules: In the order in which they are left out; those of too few units last.
        refusals: Why nothing is advised, a sentence each.
        notes: What must be known besides, a sentence each.
        text: The smaller file's rules, ready to paste; "" where nothing is advised.
    """

    deployment: str
    entry: str
    metric: str
    units: int
    value: float | None
    margin: float
    sets: tuple[SmallerSet, ...]
    variants: tuple[str, ...]
    rules: tuple[LeftOut, ...]
    refusals: tuple[str, ...]
    notes: tuple[str, ...]
    text: str


def read_margin(text: str) -> Margin:
    """``1%`` of what the file earns, or a number in the metric's unit; raises BadInput."""
    if text.endswith("%"):
        return Margin(parse_percent(text), True)
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not (isfinite(size) and size >= 0):
        raise BadInput(f"`{text}` is no margin: write `1%` of what the rules earn, or a number in the metric's unit.")
    return Margin(size, False)


def prune_deployment(
    settings: Settings,
    deployment: str,
    margin: Margin,
    *,
    text: str = "",
    entry: str | None = None,
    metric: str | None = None,
    seed: int = 0,
) -> Pruned:
    """What could go of a deployment's rules.

    Args:
        text: The file whose rules are judged; "": the one in force.
        entry: The routing entry in which chance chose; None: the only one.
        metric: By which; None: the primary metric of the file's release, or the only one.
        seed: Of the halves.

    Raises:
        NotFound: There is no such deployment.
        BadInput: There is no such entry or metric, or a rule reads what the ledger does not hold.
    """
    with open_site(settings) as site:
        experiment = of_deployment(site, deployment, entry, metric)
        state = site.state.deployments.get(deployment)
        weights = {name: run.weights for name, run in state.bandits.items()}
    return pruned(experiment, text or state.text, margin, weights, seed)


def prune_from_file(data: Path, text: str, margin: Margin, *, lower_is_better: bool = False, seed: int = 0) -> Pruned:
    """What could go of a file's rules, by anybody's data: see ``experiments.trial.trial_of_file``."""
    return pruned(of_file(data, "", lower_is_better=lower_is_better), text, margin, {}, seed)


def pruned(
    experiment: Experiment, text: str, margin: Margin, weights: Mapping[str, Mapping[str, float]], seed: int = 0
) -> Pruned:
    """What an experiment says of a file's rules.

    Args:
        weights: Of bandits, by entry; one that is not there counts as even.
    """
    spec, trial = load_checked(text), experiment.trial
    rules = _conditions(spec, experiment)
    entries = _entries(spec, rules, trial, weights)
    found = prune(
        trial.logged,
        trial.columns,
        trial.variants,
        entries,
        margin=margin.size,
        relative=margin.relative,
        seed=seed,
    )
    sign = -1.0 if experiment.lower else 1.0
    names = [entry.name for entry in spec.routing]
    judged = isfinite(found.value.value)
    advised = () if found.advised is None else _named(found.sets[found.advised].arms, trial)
    nothing = judged and found.advised is None and not found.dropped
    why = ("Nothing can go: no smaller set of models and no rule surely costs less than the margin.",)
    hint = not_independent(experiment)
    return Pruned(
        deployment=experiment.deployment,
        entry=experiment.entry,
        metric=experiment.metric,
        units=found.units,
        value=sign * found.value.value if judged else None,
        margin=found.margin,
        sets=tuple(
            SmallerSet(variants=_named(one.arms, trial), **_cost(one.cost), word=one.word) for one in found.sets
        ),
        variants=advised,
        rules=tuple(
            LeftOut(name=names[one.entry], share=one.share, **_cost(one.cost), word=one.word, goes=at < found.dropped)
            for at, one in enumerate(found.rules)
        ),
        refusals=tuple(refusal[0].upper() + refusal[1:] for refusal in found.refusals)
        + (why if nothing else ())
        + hint,
        notes=experiment.notes + tuple(_notes(spec, trial, found, entries, weights, advised)),
        text="" if nothing or found.refusals or hint else written(_smaller(spec, text, rules, trial, entries, found)),
    )


def _cost(cost: Mean) -> dict[str, Any]:
    """As fields of a result; None where nothing is known."""
    ends = cost if isfinite(cost.value) else (None, None, None)
    return dict(zip(("cost", "lower", "upper"), ends, strict=True))


def _named(arms: Sequence[int], trial: Trial) -> tuple[str, ...]:
    return tuple(trial.variants[arm] for arm in arms)


def _conditions(spec: Deployment, experiment: Experiment) -> dict[str, Expression]:
    """The rules of a file; raises BadInput for one that does not go with the versions, or reads what nobody logged."""
    served = experiment.served
    names = guessed(spec) if served is None else names_of(carried(served), spec.context)
    rules = conditions(spec, names)
    check_typed(rules)
    there = {column.name for column in experiment.trial.columns}
    for name, rule in rules.items():
        spoken = [f"{space}.{one}" for space in ("context", "features") for one in asked_of(rule, space)]
        for lacking in sorted(set(spoken) - there):
            raise BadInput(
                f"entry `{name}` reads {lacking}, which the experiment's rows do not hold as rules read it; "
                f"they hold {', '.join(sorted(there)) or 'nothing'}."
            )
    return rules


def _entries(
    spec: Deployment, rules: Mapping[str, Expression], trial: Trial, weights: Mapping[str, Mapping[str, float]]
) -> Entries:
    """The file's entries and the default variant, as they meet the units of a trial."""
    asked = _Asked(trial)
    nobody = np.zeros(len(trial.units), dtype=bool)
    matches = [nobody if entry.partly else asked(rules.get(entry.name)) for entry in spec.routing]
    unsaid = np.full(len(trial.variants), np.nan)
    chances = [unsaid if _by_person(entry) else _row(_shares(entry, weights), trial.variants) for entry in spec.routing]
    chances.append(_row({spec.default: 1.0}, trial.variants))
    removable = [
        entry.name in rules and not np.isnan(row).any() for entry, row in zip(spec.routing, chances, strict=False)
    ]
    return Entries(np.stack([*matches, asked(None)], axis=1), np.stack(chances), np.array([*removable, False]))


def _by_person(entry: EntrySpec) -> bool:
    """It takes units that are named, or that have done too little: that is nothing to be judged by what they earn."""
    return bool(entry.units) or entry.partly


def _shares(entry: EntrySpec, weights: Mapping[str, Mapping[str, float]]) -> Mapping[str, float]:
    if entry.to is not None:
        return {entry.to: 1.0}
    if entry.split is not None:
        return entry.split
    assert entry.bandit is not None
    arms = entry.bandit.arms
    return weights.get(entry.name) or dict.fromkeys(arms, 1 / len(arms))


def _row(shares: Mapping[str, float], variants: Sequence[str]) -> Floats:
    """Chances of a trial's variants; NaN where another variant has a share."""
    if any(share > 0 and name not in variants for name, share in shares.items()):
        return np.full(len(variants), np.nan)
    return np.array([shares.get(name, 0.0) for name in variants])


class _Asked:
    """Whether rules hold of a trial's units."""

    def __init__(self, trial: Trial) -> None:
        self._units = trial.units
        self._values = {column.name: _values(column.values, trial.kinds[column.name]) for column in trial.columns}

    def __call__(self, rule: Expression | None) -> Mask:
        """Shape [n]; None holds of everybody."""
        if rule is None:
            return np.ones(len(self._units), dtype=bool)
        holds = compile_rule(rule).holds
        features, context = (self._space(rule, space) for space in ("features", "context"))
        return np.fromiter(map(holds, features, context, self._units), dtype=bool, count=len(self._units))

    def _space(self, rule: Expression, space: Any) -> Iterator[dict[str, Any]]:
        names = sorted(asked_of(rule, space))
        if not names:
            return ({} for _ in self._units)
        rows = zip(*(self._values[f"{space}.{name}"] for name in names), strict=True)
        return (dict(zip(names, row, strict=True)) for row in rows)


def _values(values: NDArray[Any], kind: Kind) -> list[Any]:
    """As rules read them: whole numbers as such, None where missing."""
    if kind == "int":
        return [None if value != value else int(value) for value in values.tolist()]
    return list(values.tolist())


def _notes(
    spec: Deployment,
    trial: Trial,
    found: Pruning,
    entries: Entries,
    weights: Mapping[str, Mapping[str, float]],
    advised: tuple[str, ...],
) -> Iterator[str]:
    unknown = [
        entry.name
        for entry, row in zip(spec.routing, entries.chances, strict=False)
        if np.isnan(row).any() and not _by_person(entry)
    ]
    if unknown:
        yield (f"chance gave nobody a variant of {', '.join(f'`{name}`' for name in unknown)}, so that stays as it is.")
    named = [entry.name for entry in spec.routing if _by_person(entry)]
    if named:
        yield f"{', '.join(f'`{name}`' for name in named)} takes units person by person, and stays as it is."
    if found.unknown:
        yield f"{found.unknown} units that come to what stays as it is are not counted."
    for entry in spec.routing:
        if entry.bandit is not None and entry.name not in weights:
            yield f"`{entry.name}` has no weights yet, so its arms count as even."
    if advised and spec.default in trial.variants and spec.default not in advised:
        yield f"{spec.default} is the default variant: name another one under `default:` before it goes."


def _smaller(
    spec: Deployment, text: str, rules: Mapping[str, Expression], trial: Trial, entries: Entries, found: Pruning
) -> list[Pasted]:
    """The entries that stay, with what they do then."""
    chances = entries.chances if found.advised is None else found.sets[found.advised].chances
    gone = {rule.entry for rule in found.rules[: found.dropped]}
    said = {entry["name"]: entry for entry in parse(text, "the file").plain.get("routing", [])}
    kept = [
        Pasted(
            entry.name,
            show(rules[entry.name]) if entry.name in rules else "",
            _does(entry, entries.chances[at], chances[at], trial, said.get(entry.name, {})),
            msgspec.json.encode(said[entry.name]).decode() if _by_person(entry) else "",
        )
        for at, entry in enumerate(spec.routing)
        if at not in gone
    ]
    same = np.array_equal(chances[-1], entries.chances[-1], equal_nan=True)
    if not any(entry.when == "" and not entry.whole for entry in kept) and not (kept and same):
        default = spec.default if same else trial.variants[int(np.nanargmax(chances[-1]))]
        kept.append(Pasted(_free("everybody", {entry.name for entry in spec.routing}), "", f"to: {plain(default)}"))
    while (
        len(kept) > 1
        and kept[-1].when == ""
        and not kept[-2].whole
        and kept[-2].rest == kept[-1].rest
        and kept[-2].rest.startswith("to:")
    ):
        del kept[-2]
    return kept


def _does(entry: EntrySpec, before: Floats, after: Floats, trial: Trial, said: Mapping[str, Any]) -> str:
    """What an entry does: as the file says it, unless it does something else now."""
    if np.array_equal(before, after, equal_nan=True):
        if entry.to is not None:
            return f"to: {plain(entry.to)}"
        if entry.split is not None:
            return split_of(entry.split)
        return f"bandit: {msgspec.json.encode(said.get('bandit')).decode()}"
    shares = {name: float(share) for name, share in zip(trial.variants, after, strict=True) if share > 0}
    return f"to: {plain(next(iter(shares)))}" if len(shares) == 1 else split_of(rounded(shares))


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "x"
    return name
