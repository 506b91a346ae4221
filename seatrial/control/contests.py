"""Judging a split of several variants, on request: since when it has been served as it is, and what is known of it."""

from collections.abc import Sequence
from typing import NamedTuple

from seatrial.control.site import microseconds
from seatrial.experiments.several import (
    ChallengerSegments,
    Contest,
    Several,
    arrivals_of,
    judge_several,
    segment_several,
)
from seatrial.releases.publication import Publication
from seatrial.releases.records import DeploymentState
from seatrial.releases.state import State
from seatrial.reports.experiment_charts import Arrival
from seatrial.routing.snapshot import Entry, Snapshot
from seatrial.spec.errors import NotFound
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings


class Shown(NamedTuple):
    """An experiment at one moment.

    Attributes:
        several: Every challenger's judgement.
        segments: Every challenger's effects by the keys that were asked for; empty where none were.
        arrivals: Units as they came; empty unless asked for.
    """

    several: Several
    segments: tuple[ChallengerSegments, ...] = ()
    arrivals: tuple[Arrival, ...] = ()


def several_now(
    settings: Settings, deployment: str, *, segments: Sequence[str] = (), with_arrivals: bool = False
) -> Shown:
    """Every challenger of the deployment's experiment, from the ledger as it is now.

    Args:
        settings: The machine's.
        deployment: Which.
        segments: Context keys by which effects are shown too (``context.country``).
        with_arrivals: Whether units are told as they came, for a page.

    Raises:
        NotFound: there is no such deployment, or its file has no experiment that gateways serve.
        BadInput: the file declares no such key, or it has too many values.
    """
    with State(settings.state_url) as state:
        held = state.deployments.get(deployment)
    return _shown(settings, held, Publication(settings.home), microseconds(), segments, with_arrivals=with_arrivals)


def several_at(settings: Settings, held: DeploymentState, publication: Publication, now: int) -> Several:
    """The same at a moment (microseconds since 1970 UTC), from what its caller has open."""
    return _shown(settings, held, publication, now).several


def _shown(
    settings: Settings,
    held: DeploymentState,
    publication: Publication,
    now: int,
    segments: Sequence[str] = (),
    *,
    with_arrivals: bool = False,
) -> Shown:
    from seatrial.control.senses import LedgerSenses  # slow to import: the ledger and the statistics
    from seatrial.experiments.unit_shelf import DiskShelves
    from seatrial.ledger import layout
    from seatrial.ledger.reader import Reader

    contest, spec = contest_of(publication, held), load_deployment(held.text)
    losses = LedgerSenses(settings.home).losses(held.deployment)
    with Reader(settings.home).open(held.deployment) as view:
        shelves = DiskShelves(layout.units(settings.home, held.deployment))
        return Shown(
            judge_several(spec, contest, view, now, losses=losses, shelves=shelves),
            segment_several(spec, contest, view, now, tuple(dict.fromkeys(segments))) if segments else (),
            arrivals_of(spec, contest, view, now) if with_arrivals else (),
        )


def experiment_report(shown: Shown) -> str:
    """The page of an experiment, as one string of HTML."""
    from seatrial.analysis.release_page import experiment_page  # slow to import: the charts

    return experiment_page(shown.several, shown.arrivals, {one.challenger: one.segments for one in shown.segments})


def has_experiment(settings: Settings, deployment: str) -> bool:
    """Whether the file in force asks for an experiment to be judged; raises NotFound."""
    with State(settings.state_url) as state:
        return load_deployment(state.deployments.get(deployment).text).experiment is not None


def contest_of(publication: Publication, held: DeploymentState) -> Contest:
    """The experiment's split, and the first revision since when its arms, weights and versions are what they are."""
    spec = load_deployment(held.text)
    if spec.experiment is None:
        raise NotFound(f"{held.deployment!r} has no experiment to judge; give the file an `experiment` and apply it")
    name = spec.experiment.entry
    now = publication.read(held.deployment, held.revision)
    entry = _entry(now, name)
    if entry is None:
        raise NotFound(f"{held.deployment!r} serves no entry {name!r} yet; wait until gateways have the revision")
    since = held.revision
    for revision in sorted(publication.revisions(held.deployment), reverse=True):
        if revision > held.revision:
            continue
        then = publication.read(held.deployment, revision)
        if _served(then, name) != _served(now, name):
            break
        since = revision
    versions = {slot.variant: slot.model_version for slot in now.slots}
    return Contest(entry=name, arms=entry.arms, salt=entry.salt, revision=since, versions=versions)


def _entry(snapshot: Snapshot, name: str) -> Entry | None:
    return next((entry for entry in snapshot.entries if entry.name == name), None)


def _served(snapshot: Snapshot, name: str) -> object:
    """Who is drawn how, and what they are: another of any of it is another experiment."""
    entry = _entry(snapshot, name)
    if entry is None:
        return None
    digests = {slot.variant: slot.digest for slot in snapshot.slots}
    return entry.salt, entry.release, tuple((arm.variant, arm.weight, digests.get(arm.variant)) for arm in entry.arms)
