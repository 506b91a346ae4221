"""Champion and challengers for ever: the newest registered version begins its release by itself."""

from seatrial.control.apply import Applied, apply_to
from seatrial.control.challengers import look_for_challenger, model_of
from seatrial.control.decide import challenge_waits
from seatrial.control.observe import observe
from seatrial.control.perform import Who
from seatrial.control.site import Site
from seatrial.releases.records import DeploymentState
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import Conflict
from seatrial.spec.read import load_deployment


def challenge(site: Site, deployment: str, who: Who) -> Applied:
    """The newest version takes the challenger's place and its release begins; audited as an ``apply`` of the file.

    Raises:
        Conflict: There is no such policy any more, or somebody else is changing the deployment.
        PreparationFailed: A worker could not load it; its release has failed, and the next version may come.
    """
    text = site.state.deployments.get(deployment).text
    spec = load_deployment(text)
    if spec.release is None or spec.release.challenge is None:
        raise Conflict(f"the file of {deployment!r} lets no version challenge by itself any more.")
    return apply_to(site, spec, text, actor=who.actor, why=who.why, renew=frozenset({spec.release.of}))


def next_up(site: Site, spec: Deployment, state: DeploymentState) -> str:
    """Which version challenges next, and what holds it up, in words."""
    now = site.clock()
    found = look_for_challenger(spec, state, site.state.deployments.releases(state.deployment), site.registry, now)
    if found is None:
        return f"The next version of {model_of(spec)} that is registered challenges it."
    waits = challenge_waits(observe(spec, state, now, challenge=found))
    return f"{found.version} challenges next" + (f", but {waits}." if waits else ".")
