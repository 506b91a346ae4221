"""The experiment that rules are learned from: which of a deployment's entries, by which metric, and its trial."""

from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from seatrial.control.site import Site
from seatrial.experiments.source import Source
from seatrial.experiments.trial import Trial, experiments, read_trial, reward_of, trial_of_file
from seatrial.ledger.reader import Reader
from seatrial.releases.records import DeploymentState
from seatrial.routing.router import carried
from seatrial.routing.rules.expression import Kind
from seatrial.routing.rules.naming import context_kinds, names_of
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput
from seatrial.spec.read import load_deployment


@dataclass(frozen=True, eq=False)
class Experiment:
    """A trial and where it comes from.

    Attributes:
        deployment: "" for a file that names none.
        spec: Its file in force; None for a file of data.
        served: Its snapshot in force; None likewise.
        entry: The routing entry in which chance chose; "" for a file.
        metric: By what; "" for a file's reward.
        lower: Whether less is better.
        trial: With rewards of which more is better.
        notes: What cannot be asked about, a sentence each.
    """

    deployment: str
    spec: Deployment | None
    served: Snapshot | None
    entry: str
    metric: str
    lower: bool
    trial: Trial
    notes: tuple[str, ...] = ()


def of_deployment(site: Site, deployment: str, entry: str | None, metric: str | None) -> Experiment:
    """What a deployment's ledger holds.

    Args:
        entry: The routing entry in which chance chose; None: the only one.
        metric: By which; None: the primary metric of the file's release, or the only one.

    Raises:
        NotFound: There is no such deployment.
        BadInput: There is no such entry or metric, or the metric is no sum of outcomes.
    """
    state = site.state.deployments.get(deployment)
    spec = load_deployment(state.text)
    served = site.publication.read(deployment, state.revision)
    by = metric or primary_of(spec)
    reward_of(spec, by)
    known, notes = _readable(spec, served)
    with Reader(site.home).open(deployment) as view:
        named, arms = _entry(spec, state, view, entry)
        versions = {arm: slot.model_version for arm in arms if (slot := state.slot(arm)) is not None}
        trial = read_trial(view, named, spec, by, versions, site.clock(), known)
    lower = spec.metrics[by].want == "lower"
    return Experiment(deployment, spec, served, named, by, lower, _checked(trial, lower), notes)


def not_independent(experiment: Experiment) -> tuple[str, ...]:
    """Why nothing is advised where a bandit chose, a sentence; empty: chance alone did."""
    learned, units = experiment.trial.learned, len(experiment.trial.units)
    if not learned:
        return ()
    return (
        f"A bandit gave {learned} of {units} units their variant, by chances that followed from earlier rewards, and "
        "the intervals do not allow for that: what is shown is a hint; run a `split` to be advised.",
    )


def of_file(data: Path, deployment: str, *, lower_is_better: bool) -> Experiment:
    """Anybody's data: see ``trial_of_file``; raises BadInput where it cannot be read."""
    trial = _checked(trial_of_file(_table(data)), lower_is_better)
    return Experiment(deployment, None, None, "", "", lower_is_better, trial)


def primary_of(spec: Deployment) -> str:
    """The metric of the file's release, or the only one; raises BadInput where there is no saying."""
    if spec.release is not None:
        return spec.release.primary.metric
    if len(spec.metrics) == 1:
        return next(iter(spec.metrics))
    if not spec.metrics:
        raise BadInput(f"deployment {spec.deployment!r} declares no metric; give its file one under `metrics` first.")
    declared = ", ".join(spec.metrics)
    raise BadInput(
        f"deployment {spec.deployment!r} has no release and declares the metrics {declared}; name one (--metric)."
    )


def _checked(trial: Trial, lower: bool) -> Trial:
    if len(trial.variants) < 2:
        only = f"only {trial.variants[0]}" if trial.variants else "nothing"
        raise BadInput(f"chance chose {only}; it takes two variants to compare, so wait for an experiment.")
    return replace(trial, logged=replace(trial.logged, rewards=-trial.logged.rewards)) if lower else trial


def _readable(spec: Deployment, served: Snapshot) -> tuple[dict[str, Kind], tuple[str, ...]]:
    """What rules read and the ledger holds as they read it, by name and kind; and why not more."""
    known = {f"context.{name}": kind for name, kind in context_kinds(spec.context).items()}
    if served.transform is not None:
        return known, ("features are not asked about: the ledger holds them as the transform gives them.",)
    features = names_of(carried(served), spec.context).features or {}
    logged = {name for name in served.log.features if name not in served.log.redact}
    known |= {f"features.{name}": kind for name, kind in features.items() if name in logged}
    hidden = sorted(name for name in features if name in served.log.redact)
    notes = (f"not asked about, because only their hashes are logged: {', '.join(hidden)}.",) if hidden else ()
    return known, notes


def _entry(spec: Deployment, state: DeploymentState, source: Source, named: str | None) -> tuple[str, tuple[str, ...]]:
    """The entry in which chance chooses, and from which variants; where none does now, one in which it did."""
    found: dict[str, tuple[str, ...]] = {}
    for one in spec.routing:
        arms = one.bandit.arms if one.bandit is not None else tuple(one.split or ())
        if spec.release is not None and spec.release.into == one.name:
            arms = tuple(dict.fromkeys((*arms, spec.default, spec.release.of)))
        if len(arms) > 1 and named in (None, one.name):
            found[one.name] = arms
    if not found:
        versions = {pin.variant: pin.slot.model_version for pin in state.pins if pin.slot is not None}
        found = {name: arms for name, arms in experiments(source, versions).items() if named in (None, name)}
    if len(found) == 1:
        return next(iter(found.items()))
    if not found:
        raise BadInput(
            f"deployment {spec.deployment!r} has no entry{f' {named!r}' if named else ''} in which chance chose "
            "between its variants; rules are learned from an experiment, so give it a `split`."
        )
    raise BadInput(f"chance chose in the entries {', '.join(found)} of {spec.deployment!r}; say which (--entry).")


def _table(data: Path) -> pa.Table:
    if not data.is_file():
        raise BadInput(f"there is no file {str(data)!r}; name a .parquet or .csv file with a row a unit.")
    try:
        if data.suffix == ".parquet":
            from pyarrow.parquet import read_table

            return read_table(data)
        if data.suffix == ".csv":
            from pyarrow.csv import ConvertOptions, read_csv

            return read_csv(data, convert_options=ConvertOptions(strings_can_be_null=True))
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(f"{str(data)!r} cannot be read ({str(error).splitlines()[0]}); mend it.") from None
    raise BadInput(f"{str(data)!r} is neither .parquet nor .csv: convert it to one of them.")
