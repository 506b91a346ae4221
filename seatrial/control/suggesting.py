"""``rules suggest``: from an experiment's units, the segments where another variant is better, as rules to paste."""

from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import msgspec

from seatrial.bandits.segments import Leaf, Segments, find_segments
from seatrial.control.experiment import Experiment, not_independent, of_deployment, of_file
from seatrial.control.pasting import Pasted, both, condition, plain, written
from seatrial.control.site import open_site
from seatrial.routing.router import carried
from seatrial.routing.rules.expression import Expression
from seatrial.routing.rules.naming import names_of, read_condition
from seatrial.routing.rules.showing import show
from seatrial.spec.settings import Settings

ANYBODY = "everybody-else"
"""Name of the last entry where the experiment has none."""


class SuggestedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A routing entry that was found, and what it is worth on the half that did not choose it.

    Attributes:
        when: Its rule; "" where it takes whoever is left.
        to: The variant.
        share: Of the units that it takes, 0 to 1.
        gain: A unit that it takes, over the best single variant, in the metric's unit; above 0 is better.
        lower, upper: Its interval; those of all entries hold together.
    """

    name: str
    when: str
    to: str
    share: float
    gain: float
    lower: float
    upper: float


class Suggested(msgspec.Struct, frozen=True, kw_only=True):
    """What ``rules suggest`` found.

    Attributes:
        entry: The routing entry whose place the rules take; "" for a file.
        metric: By what; "" for a file's reward.
        units: Matured units of the experiment.
        single: The best single variant; "" where nothing could be judged.
        single_value: What a unit earns under it.
        gain: What the rules gain over it, a unit of all; above 0 is better. None: nothing could be judged.
        lower, upper: Its interval.
        rules: What was found, advised or not; empty: nothing.
        refusals: Why nothing is advised, a sentence each; empty: the rules are worth it.
        notes: What was not asked about, a sentence each.
        text: The rules, ready to paste; "" where nothing is advised.
    """

    deployment: str
    entry: str
    metric: str
    units: int
    single: str
    single_value: float | None
    gain: float | None
    lower: float | None
    upper: float | None
    rules: tuple[SuggestedRule, ...]
    refusals: tuple[str, ...]
    notes: tuple[str, ...]
    text: str


def suggest(
    settings: Settings, deployment: str, *, entry: str | None = None, metric: str | None = None, seed: int = 0
) -> Suggested:
    """Suggest rules from what a deployment's ledger holds.

    Args:
        entry: The routing entry in which chance chose; None: the only one.
        metric: By which; None: the primary metric of the file's release, or the only one.
        seed: Of the halves.

    Raises:
        NotFound: There is no such deployment.
        BadInput: There is no such entry or metric, or the metric is no sum of outcomes.
    """
    with open_site(settings) as site:
        experiment = of_deployment(site, deployment, entry, metric)
    return suggested(experiment, seed)


def suggest_from_file(data: Path, *, lower_is_better: bool = False, seed: int = 0) -> Suggested:
    """Suggest rules from anybody's data: see ``experiments.trial.trial_of_file``."""
    return suggested(of_file(data, "", lower_is_better=lower_is_better), seed)


def suggested(experiment: Experiment, seed: int = 0) -> Suggested:
    """What an experiment says."""
    trial = experiment.trial
    hint = not_independent(experiment)
    found = find_segments(trial.logged, trial.columns, trial.variants, seed=seed)
    rules = tuple(_rules(found, experiment))
    judged = isfinite(found.gain.value)
    left_out = tuple(
        f"{name} is not asked about: its values differ between the variants, so it was not known before the draw."
        for name in found.left_out
    )
    return Suggested(
        deployment=experiment.deployment,
        entry=experiment.entry,
        metric=experiment.metric,
        units=found.units,
        single=trial.variants[found.single] if judged else "",
        single_value=(-1 if experiment.lower else 1) * found.single_value.value if judged else None,
        gain=found.gain.value if judged else None,
        lower=found.gain.lower if judged else None,
        upper=found.gain.upper if judged else None,
        rules=rules,
        refusals=tuple(refusal[0].upper() + refusal[1:] for refusal in found.refusals) + hint,
        notes=experiment.notes + left_out,
        text=""
        if found.refusals or hint
        else written(Pasted(one.name, one.when, f"to: {plain(one.to)}") for one in rules),
    )


def _rules(found: Segments, experiment: Experiment) -> Iterator[SuggestedRule]:
    """The leaves as entries that stand where the experiment's entry stood."""
    taken = {one.name for one in experiment.spec.routing} if experiment.spec is not None else set()
    outer = _outer(experiment)
    for number, leaf in enumerate(found.leaves, 1):
        if leaf.rule.questions:
            name = next(name for name in _names(experiment.entry, number) if name not in taken)
        else:
            name = experiment.entry or ANYBODY
        taken.add(name)
        yield _rule(name, leaf, outer, experiment)


def _names(entry: str, number: int) -> Iterator[str]:
    stem = f"{entry}-{number}" if entry else f"segment-{number}"
    yield stem
    while True:
        stem += "x"
        yield stem


def _rule(name: str, leaf: Leaf, outer: Expression | None, experiment: Experiment) -> SuggestedRule:
    when = both(outer, condition(leaf.rule.questions, experiment.trial.kinds))
    return SuggestedRule(
        name=name,
        when="" if when is None else show(when),
        to=experiment.trial.variants[leaf.rule.arm],
        share=leaf.share,
        gain=leaf.gain.value,
        lower=leaf.gain.lower,
        upper=leaf.gain.upper,
    )


def _outer(experiment: Experiment) -> Expression | None:
    """The condition of the experiment's own entry."""
    spec, served = experiment.spec, experiment.served
    if spec is None or served is None:
        return None
    when = next((one.when for one in spec.routing if one.name == experiment.entry), None)
    return None if when is None else read_condition(when, names_of(carried(served), spec.context))
