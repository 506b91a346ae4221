"""Judging a split of several variants, on request: since when it has been served as it is, and what is known of it."""

from seatrial.control.site import Site, microseconds, open_site
from seatrial.experiments.several import Contest, Several, judge_several
from seatrial.releases.records import DeploymentState
from seatrial.routing.snapshot import Entry, Snapshot
from seatrial.spec.errors import NotFound
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings


def several_now(settings: Settings, deployment: str) -> Several:
    """Every challenger of the deployment's experiment, from the ledger as it is now.

    Raises:
        NotFound: there is no such deployment, or its file has no experiment that gateways serve.
    """
    from seatrial.control.senses import LedgerSenses  # slow to import: the ledger and the statistics
    from seatrial.experiments.unit_shelf import DiskShelves
    from seatrial.ledger import layout
    from seatrial.ledger.reader import Reader

    with open_site(settings) as site:
        held = site.state.deployments.get(deployment)
        contest = contest_of(site, held)
    spec = load_deployment(held.text)
    losses = LedgerSenses(settings.home).losses(deployment)
    with Reader(settings.home).open(deployment) as view:
        shelves = DiskShelves(layout.units(settings.home, deployment))
        return judge_several(spec, contest, view, microseconds(), losses=losses, shelves=shelves)


def has_experiment(settings: Settings, deployment: str) -> bool:
    """Whether the file in force asks for an experiment to be judged; raises NotFound."""
    with open_site(settings) as site:
        return load_deployment(site.state.deployments.get(deployment).text).experiment is not None


def contest_of(site: Site, held: DeploymentState) -> Contest:
    """The experiment's split, and the first revision since when its arms, weights and versions are what they are."""
    spec = load_deployment(held.text)
    if spec.experiment is None:
        raise NotFound(f"{held.deployment!r} has no experiment to judge; give the file an `experiment` and apply it")
    name = spec.experiment.entry
    now = site.publication.read(held.deployment, held.revision)
    entry = _entry(now, name)
    if entry is None:
        raise NotFound(f"{held.deployment!r} serves no entry {name!r} yet; wait until gateways have the revision")
    since = held.revision
    for revision in sorted(site.publication.revisions(held.deployment), reverse=True):
        if revision > held.revision:
            continue
        then = site.publication.read(held.deployment, revision)
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
