"""Judging now, on request: what the loop would see, without acting on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from seatrial.control.site import microseconds
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.sentences import as_it_ended
from seatrial.releases.records import DeploymentState
from seatrial.releases.run import ReleaseRun
from seatrial.releases.state import State
from seatrial.spec.errors import NotFound
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings
from seatrial.stats.same_arms import SameArms

_MOST_LOOKS = 400

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.experiments.segments import MetricSegments


def judge_now(settings: Settings, deployment: str, *, holdout: bool = False, in_detail: bool = False) -> Judgement:
    """The judgement of the release under way, made from the ledger as it is now.

    Of a release that is over: the last judgement that was kept of it, with how it ended.

    Args:
        settings: The machine's.
        deployment: Which.
        holdout: What the last promotion brought instead: the version in command against the units held out.
        in_detail: Of a shadow also the metrics that are resampled and the pairs that differ most; takes seconds.

    Raises:
        NotFound: there is no such deployment, or it never had a release, or holds nobody out.
    """
    with State(settings.state_url) as state:
        held = state.deployments.get(deployment)
        if holdout:
            held = msgspec.structs.replace(held, run=_holdout(held))
        if held.run is None:
            raise NotFound(f"{deployment!r} has no release to judge; give the file a `release` and apply it")
        last = None if held.run.open else state.verdicts.last(deployment, held.run.id)
        if last is not None:
            return as_it_ended(msgspec.json.decode(last.judgement, type=Judgement), held.run)
        now = microseconds() if held.run.ended_at is None else held.run.ended_at
        from seatrial.control.losses import noted_losses  # slow to import: the ledger and the statistics
        from seatrial.control.senses import LedgerSenses
        from seatrial.experiments.checks import Losses
        from seatrial.experiments.forecast import with_forecast

        before = noted_losses(state.marks, held.run) or Losses()
        spec = load_deployment(held.text)
        judgement = LedgerSenses(settings.home).judge(spec, held.run, now, before, in_detail=in_detail)
        if spec.release is not None and held.run.open:
            judgement = with_forecast(judgement, spec.release, held.run)
        return as_it_ended(judgement, held.run)


def spans_now(settings: Settings, deployment: str, judgement: Judgement) -> Judgement:
    """The judgement with its effects by the time since the exposure; as it is where it is not of the file's release."""
    with State(settings.state_url) as state:
        held = state.deployments.get(deployment)
    if held.run is None or held.run.id != judgement.release:
        return judgement
    from seatrial.experiments.spans import with_spans  # slow to import: the statistics
    from seatrial.ledger.reader import Reader

    with Reader(settings.home).open(deployment, persons=True) as view:
        return with_spans(judgement, load_deployment(held.text), held.run, view)


def declared_segments(settings: Settings, deployment: str) -> tuple[str, ...]:
    """The context keys by which the file in force wants every judgement to be shown; none before units were exposed."""
    with State(settings.state_url) as state:
        held = state.deployments.get(deployment)
    release = load_deployment(held.text).release
    return release.segments if release is not None and held.run is not None and held.run.phases else ()


def segments_now(settings: Settings, deployment: str, by: str) -> tuple[MetricSegments, ...]:
    """The metrics of the release under way, or of the last one, in each segment of ``by`` (``context.<key>``).

    Raises:
        NotFound: there is no such deployment, or it never had a release.
        BadInput: the file declares no such key, or it has too many values.
    """
    with State(settings.state_url) as state:
        held = state.deployments.get(deployment)
    if held.run is None:
        raise NotFound(f"{deployment!r} has no release to judge; give the file a `release` and apply it")
    from seatrial.experiments.segments import segment  # slow to import: the statistics
    from seatrial.ledger.reader import Reader

    now = microseconds() if held.run.ended_at is None else held.run.ended_at
    with Reader(settings.home).open(deployment, persons=True) as view:
        return segment(load_deployment(held.text), held.run, view, now, by)


def _holdout(state: DeploymentState) -> ReleaseRun:
    if state.holdout is None:
        raise NotFound(
            f"{state.deployment!r} holds nobody out; give its release a `holdout` before the next version takes command"
        )
    return state.holdout


def release_report(
    settings: Settings, deployment: str, judgement: Judgement, segments: Sequence[MetricSegments] = ()
) -> str:
    """The page of a release, as one string of HTML.

    Args:
        settings: The machine's.
        deployment: Which.
        judgement: What ``judge_now`` said.
        segments: What ``segments_now`` said.
    """
    from seatrial.analysis.release_page import release_page  # slow to import: the charts
    from seatrial.experiments.arrivals import arrivals
    from seatrial.ledger.reader import Reader

    with State(settings.state_url) as state:
        held = state.deployments.get(deployment)
        records = state.verdicts.of(deployment, release=judgement.release, limit=_MOST_LOOKS)
        run = next((r for r in (held.run, held.holdout) if r is not None and r.id == judgement.release), None)
    history = [msgspec.json.decode(record.judgement, type=Judgement) for record in records]
    if run is None:
        return release_page(judgement, history, (), segments)
    with Reader(settings.home).open(deployment, persons=True) as view:
        return release_page(judgement, history, arrivals(view, run, judgement.at), segments)


def split_past_now(settings: Settings, deployment: str, splits: int) -> tuple[SameArms, ...]:
    """The champion's units of the last week split by so many salts: do metrics claim what is not there?

    Raises:
        NotFound: There is no such deployment, or it never had a release.
        BadInput: Too few units came.
    """
    from seatrial.experiments.same_arms import split_past  # slow to import: the ledger and the statistics
    from seatrial.ledger.reader import Reader

    with State(settings.state_url) as state:
        held = state.deployments.get(deployment)
    if held.run is None:
        raise NotFound(f"{deployment!r} has no release to split the past for; give the file a `release` and apply it")
    with Reader(settings.home).open(deployment, persons=True) as view:
        return split_past(load_deployment(held.text), held.run, view, microseconds(), splits)
