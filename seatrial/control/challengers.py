"""Champion and challengers for ever: which registered version would challenge next."""

from typing import Protocol

import msgspec

from seatrial.releases.records import DeploymentState
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import SeatrialError

_SECOND = 1_000_000


class Versions(Protocol):
    """What is asked of the registry: a model's versions, ascending."""

    def versions(self, name: str) -> tuple[int, ...]: ...


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """The newest registered version, as far as it may challenge.

    Attributes:
        version: ``name:version`` that has neither been in command nor had a release here.
        command_seconds: Since command last passed from one version to another, by whatever way; None: it never has.
        spent: The sum of α over the releases that had traffic and began in the last ``per`` seconds.
    """

    version: str
    command_seconds: float | None
    spent: float


def look_for_challenger(
    spec: Deployment, state: DeploymentState, releases: tuple[ReleaseRun, ...], registry: Versions, now: int
) -> Challenge | None:
    """The newest version that has not been tried; None when there is none, a release is under way, the file does not
    ask for it, or the registry is away.

    Args:
        releases: Every release of the deployment, the oldest first.
        now: Microseconds since 1970 UTC.
    """
    policy = spec.release.challenge if spec.release is not None else None
    if spec.release is None or policy is None or state.open_run is not None:
        return None
    name = model_of(spec)
    try:
        known = registry.versions(name)
    except SeatrialError:
        return None
    if not known:
        return None
    newest = f"{name}:{known[-1]}"
    command = state.slot(spec.default)
    met = {version for run in releases for version in (run.challenger_version, run.champion_version)}
    tried = met | set(state.rolled_back) | set(state.commanded)
    if newest in tried or (command is not None and command.model_version == newest):
        return None
    # State that an earlier build wrote knows of changes by releases alone.
    changes = [at for run in releases for at in _changes(run)] + [state.commanded_at] * (state.commanded_at > 0)
    begun = [run.alpha for run in releases if run.status != "failed" and now - run.started_at < policy.per * _SECOND]
    return Challenge(
        version=newest,
        command_seconds=(now - max(changes)) / _SECOND if changes else None,
        spent=sum(begun),
    )


def _changes(run: ReleaseRun) -> list[int]:
    """When command changed by a release: when it took it, and when it was taken from it again."""
    if run.took_command_at is None:
        return []
    gone_back = run.status == "rolled-back" and run.ended_at is not None
    return [run.took_command_at, run.ended_at] if gone_back and run.ended_at is not None else [run.took_command_at]


def model_of(spec: Deployment) -> str:
    """The name of the model whose newest version challenges."""
    assert spec.release is not None
    reference = spec.variants[spec.release.of].model
    assert reference is not None
    return reference.removeprefix("models:/").rpartition("/")[0]
