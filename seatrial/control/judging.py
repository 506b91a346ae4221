"""Judging now, on request: what the loop would see, without acting on it."""

from seatrial.control.losses import noted_losses
from seatrial.control.senses import LedgerSenses
from seatrial.control.site import microseconds
from seatrial.experiments.checks import Losses
from seatrial.experiments.judgement import Judgement
from seatrial.releases.state import State
from seatrial.spec.errors import NotFound
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings


def judge_now(settings: Settings, deployment: str) -> Judgement:
    """The judgement of the present or last release, made from the ledger as it is now.

    Raises:
        NotFound: there is no such deployment, or it never had a release.
    """
    with State(settings.state_url) as state:
        held = state.deployments.get(deployment)
        if held.run is None:
            raise NotFound(f"{deployment!r} has no release to judge; give the file a `release` and apply it")
        before = noted_losses(state.marks, held.run) or Losses()
        return LedgerSenses(settings.home).judge(load_deployment(held.text), held.run, microseconds(), before)
