"""Carrying a change out: written down, published, completed; or withdrawn, and nothing has changed.

    state: proposed → gateway: prepared by every worker → gateway: active → state: active, audited → registry: alias

A process may be killed between any two of these. ``recover`` finishes what it left: whether the revision is active at
the gateway says which way.
"""

from seatrial.control.site import Site
from seatrial.control.transitions import with_alias
from seatrial.releases.publication import PreparationFailed, ServedLate
from seatrial.releases.records import AuditEntry, DeploymentState
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.errors import SeatrialError

LOOP = "seatrial"
"""The actor of what nobody did by hand."""

_KILLED = "the process that was publishing it ended before it was done"


def next_revision(site: Site, deployment: str) -> int:
    """A revision that neither the state nor the gateway has seen."""
    return max(site.publication.next_revision(deployment), site.state.deployments.highest_revision(deployment) + 1)


def carry_out(
    site: Site, after: DeploymentState, snapshot: Snapshot | None, entry: AuditEntry
) -> tuple[DeploymentState, str]:
    """Make ``after`` hold. The caller holds ``site.changing`` and decided on the state as it is now.

    Args:
        after: One version further than the state in force.
        snapshot: To publish first, or None when gateways need not know.
        entry: For the audit.

    Returns: the state that holds, and a warning ("" when there is none).

    Raises:
        PreparationFailed: a worker could not prepare the snapshot; nothing has changed.
        Conflict: the deployment was changed by somebody else meanwhile.
    """
    deployments = site.state.deployments
    if snapshot is None:
        held = deployments.save(after, entry, entry.at)
        return held, _move_alias(site, held)[1]
    warning = ""
    deployments.propose(after, entry)
    try:
        site.publication.publish(snapshot, site.prepare_seconds)
    except ServedLate as late:
        warning = str(late)
    except PreparationFailed as failed:
        deployments.withdraw(after.deployment, after.revision, failed.reason, site.clock())
        raise
    except SeatrialError as error:
        if site.publication.active(after.deployment) != after.revision:
            deployments.withdraw(after.deployment, after.revision, str(error), site.clock())
            raise
        warning = str(error)
    held = deployments.complete(after.deployment, after.revision, site.clock())
    held, said = _move_alias(site, held)
    return held, " ".join(filter(None, (warning, said)))


def recover(site: Site, deployment: str) -> None:
    """Finish what a killed process left of a change. The caller holds ``site.changing``."""
    site.publication.clean_up()
    active = site.publication.active(deployment)
    for pending in site.state.deployments.pending(deployment):
        if pending.revision == active:
            site.state.deployments.complete(deployment, pending.revision, site.clock())
        else:
            site.state.deployments.withdraw(deployment, pending.revision, _KILLED, site.clock())
    state = site.state.deployments.find(deployment)
    if state is not None and state.alias_due is not None:
        _move_alias(site, state)


def _move_alias(site: Site, state: DeploymentState) -> tuple[DeploymentState, str]:
    """Move an alias that is due; a registry that is away is no reason to undo a swap, it is moved later."""
    due = state.alias_due
    if due is None:
        return state, ""
    try:
        site.registry.set_alias(due.model, due.alias, due.version)
    except SeatrialError as error:
        return state, f"The alias {due.model}@{due.alias} could not be moved yet ({error}); it will be."
    entry = AuditEntry(
        deployment=state.deployment,
        at=site.clock(),
        action="alias",
        actor=LOOP,
        why="the alias follows command",
        sentence=f"{due.model}@{due.alias} stands on version {due.version} now.",
        revision=state.revision,
    )
    return site.state.deployments.save(with_alias(state, due), entry, entry.at), ""
