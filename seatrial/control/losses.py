"""Rows lost before a release began: noted once, so that they are not held against it."""

from seatrial.experiments.checks import Losses
from seatrial.releases.run import ReleaseRun
from seatrial.releases.seen import Marks


def note_losses(marks: Marks, run: ReleaseRun, now: Losses) -> Losses:
    """Note what was lost until now, as lost before the release; called at its first look."""
    marks.put(run.deployment, _name(run), now.dropped)
    for arm in (run.champion, run.challenger):
        marks.put(run.deployment, _name(run, arm), now.by_variant.get(arm, 0))
    return now


def noted_losses(marks: Marks, run: ReleaseRun) -> Losses | None:
    """What was lost before the release; None before its first look."""
    dropped = marks.get(run.deployment, _name(run))
    if dropped is None:
        return None
    arms = {arm: marks.get(run.deployment, _name(run, arm)) or 0 for arm in (run.champion, run.challenger)}
    return Losses(dropped=dropped, by_variant=arms)


def _name(run: ReleaseRun, arm: str = "") -> str:
    return f"dropped before {run.id}" + (f" of {arm}" if arm else "")
