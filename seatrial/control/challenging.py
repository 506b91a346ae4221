"""Champion and challengers for ever: the newest registered version begins its release by itself."""

from seatrial.control.apply import Applied, apply_to
from seatrial.control.challengers import look_for_challenger, model_of
from seatrial.control.decide import challenge_waits
from seatrial.control.observe import observe
from seatrial.control.perform import Who, check_unchanged
from seatrial.control.site import Site
from seatrial.releases.plan import plan_of
from seatrial.releases.publication import PreparationFailed
from seatrial.releases.records import AuditEntry, DeploymentState
from seatrial.releases.run import ReleaseRun
from seatrial.routing.snapshot import Slot
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import Conflict, SeatrialError
from seatrial.spec.read import load_deployment


def challenge(site: Site, deployment: str, who: Who, version: str) -> Applied:
    """The newest version takes the challenger's place and its release begins; audited as an ``apply`` of the file.

    Raises:
        SeatrialError: The version cannot be applied; its release is kept as failed, so that it is not tried again.
        Conflict: There is no such policy any more, or somebody else is changing the deployment.
        PreparationFailed: A worker could not load it; its release has failed, and the next version may come.
    """
    state = site.state.deployments.get(deployment)
    text = state.text
    spec = load_deployment(text)
    if who.saw is not None:
        check_unchanged(spec, state, who.saw)
    if spec.release is None or spec.release.challenge is None:
        raise Conflict(f"the file of {deployment!r} lets no version challenge by itself any more.")
    try:
        applied = apply_to(site, spec, text, actor=who.actor, why=who.why, renew=frozenset({spec.release.of}))
    except (Conflict, PreparationFailed):
        raise  # it is tried again; or its release is kept as failed already
    except SeatrialError as error:
        _note_refused(site, spec, deployment, who, version, str(error))
        raise
    after = site.state.deployments.get(deployment)
    if after.open_run is None and after.slot(spec.release.of) is None:
        _note_refused(site, spec, deployment, who, version, _is_in_command(after.slot(spec.default)))
    return applied


def _is_in_command(command: Slot | None) -> str:
    return f"it is the very model that is in command as {command.model_version if command else 'another'}."


def _note_refused(site: Site, spec: Deployment, deployment: str, who: Who, version: str, why: str) -> None:
    """A version that can never be applied, or is in command, is not tried again: its release failed before it began."""
    state, release, now = site.state.deployments.get(deployment), spec.release, site.clock()
    assert release is not None
    command = state.slot(spec.default)
    run = ReleaseRun(
        id=site.new_id(),
        deployment=deployment,
        entry=release.into,
        champion=spec.default,
        challenger=release.of,
        champion_version=command.model_version if command is not None else "",
        challenger_version=version,
        salt="",
        stage=release.stages[0].kind,
        stage_started_at=now,
        alpha=release.method.alpha,
        plan=plan_of(release.method),
        plan_units=release.method.plan_units,
        family=release.method.family,
        started_at=now,
        status="failed",
        ended_at=now,
    )
    entry = AuditEntry(
        deployment=deployment,
        at=now,
        action="fail",
        actor=who.actor,
        why=why,
        sentence=f"{version} cannot challenge: {why}",
        revision=state.revision,
        release=run.id,
    )
    site.state.deployments.note_release(run, entry)


def next_up(site: Site, spec: Deployment, state: DeploymentState) -> str:
    """Which version challenges next, and what holds it up, in words."""
    now = site.clock()
    found = look_for_challenger(spec, state, site.state.deployments.releases(state.deployment), site.registry, now)
    if found is None:
        return f"The next version of {model_of(spec)} that is registered challenges it."
    waits = challenge_waits(observe(spec, state, now, challenge=found))
    return f"{found.version} challenges next" + (f", but {waits}." if waits else ".")
