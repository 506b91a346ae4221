"""Observe: everything a decision depends on, gathered into one frozen value."""

from collections.abc import Callable

from seatrial.control.challengers import Challenge
from seatrial.control.decide import Observed
from seatrial.control.resolve import Registry
from seatrial.experiments.gates import unmeasured
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.shadow.compare import failures_tolerated
from seatrial.releases.records import DeploymentState
from seatrial.releases.run import ReleaseRun
from seatrial.spec.calendar import closed
from seatrial.spec.deployment import CanaryStage, Deployment, ReleaseSpec, ShadowStage, Stage, TestStage
from seatrial.spec.errors import SeatrialError

_SECOND = 1_000_000


def observe(
    spec: Deployment,
    state: DeploymentState,
    now: int,
    *,
    judgement: Judgement | None = None,
    trouble: str = "",
    alias_stands: int | None = None,
    challenge: Challenge | None = None,
    held_back: str = "",
) -> Observed:
    """What a decision at ``now`` depends on.

    Args:
        spec: The file in force.
        state: What came of it.
        now: Microseconds since 1970 UTC.
        judgement: Of the release under way; None when there is none, or it could not be made.
        trouble: Why it could not be made.
        alias_stands: Where the champion's alias stands in the registry; None: not looked up.
        challenge: A version that would challenge by itself; None: none, or not looked for.
        held_back: Why a release that waits for evidence may not begin.
    """
    house = {
        "deployment": spec.deployment,
        "at": now,
        "revision": state.revision,
        "previous_until": state.previous.until if state.previous is not None else None,
        "alias_stands": alias_stands if state.alias_due is None else None,
        "alias_ours": state.alias.version if state.alias is not None else 0,
        "alias_told": state.alias_strayed,
        "alias_moved": spec.alias_moved,
        **_challenge(spec, challenge),
        "held_back": held_back,
    }
    run = state.open_run
    if run is None or spec.release is None:
        return Observed(**house)  # type: ignore[arg-type]
    return Observed(**house, **_release(spec, run, now, judgement), trouble=trouble)  # type: ignore[arg-type]


def _challenge(spec: Deployment, challenge: Challenge | None) -> dict[str, object]:
    if challenge is None or spec.release is None or spec.release.challenge is None:
        return {}
    return {
        "challenger": challenge.version,
        "command_seconds": challenge.command_seconds,
        "challenge_every": spec.release.challenge.every,
        "spent": challenge.spent,
        "alpha": spec.release.method.alpha,
        "budget": spec.release.challenge.budget,
    }


def _release(spec: Deployment, run: ReleaseRun, now: int, judgement: Judgement | None) -> dict[str, object]:
    release = spec.release
    assert release is not None
    stage = release.stages[run.stage_index]
    is_shadow = isinstance(stage, ShadowStage)
    step = _step(stage, run, now) if isinstance(stage, CanaryStage) else {}
    return {
        **step,
        "release_seconds": max(0.0, (now - run.started_at) / _SECOND),
        "release_at_most": release.at_most,
        "closed": closed(release.calendar, now),
        "release": run.id,
        "status": run.status,
        "stage": run.stage,
        "further_stages": len(release.stages) - run.stage_index - 1,
        "stage_seconds": max(0.0, (now - run.stage_started_at) / _SECOND),
        "at_least": _at_least(stage),
        "at_most": None if is_shadow else (isinstance(stage, TestStage) and stage.at_most) or _while_kept(spec, run),
        "minimum_pairs": stage.minimum_pairs if isinstance(stage, ShadowStage) else 0,
        "then": release.then,
        **(_judged(release, judgement, is_shadow) if judgement is not None else {}),
        **(_gated(spec, stage, run, judgement) if isinstance(stage, CanaryStage) and judgement is not None else {}),
    }


def _at_least(stage: Stage) -> float:
    if isinstance(stage, ShadowStage):
        return stage.duration or 0.0
    return stage.at_least if isinstance(stage, TestStage) else 0.0


def _step(stage: CanaryStage, run: ReleaseRun, now: int) -> dict[str, object]:
    began = run.phase.started_at if run.phase is not None else now
    return {
        "step": run.step,
        "further_steps": max(0, len(stage.steps) - run.step - 1),
        "step_seconds": max(0.0, (now - began) / _SECOND),
        "bake": stage.bake,
        "minimum_units": stage.minimum_units,
    }


def _gated(spec: Deployment, stage: CanaryStage, run: ReleaseRun, judgement: Judgement) -> dict[str, object]:
    return {"fresh": judgement.fresh, "unmeasured": unmeasured(spec, stage, run, judgement)}


def _while_kept(spec: Deployment, run: ReleaseRun) -> float:
    """Seconds that a stage may last: the release's first units must have matured before their rows are deleted."""
    windows = [(metric.within or 0.0) + metric.grace for metric in spec.metrics.values()]
    before = (run.stage_started_at - run.started_at) / _SECOND
    return max(0.0, spec.log.keep - max(windows, default=0.0) - before)


def _judged(release: ReleaseSpec, judgement: Judgement, is_shadow: bool) -> dict[str, object]:
    primary, shadow = judgement.primary, judgement.shadow
    return {
        "recommendation": judgement.recommendation,
        "because": judgement.because,
        "evidence": tuple(m.sentence for m in judgement.metrics if m.name in judgement.because)
        if judgement.recommendation == "stop"
        else (),
        "worse_guardrails": tuple(
            metric.name for metric in judgement.metrics if metric.part == "guardrail" and metric.verdict.word == "worse"
        ),
        "matured": min(primary.counts.champion, primary.counts.challenger) if primary is not None else 0,
        "pairs": shadow.pairs if shadow is not None else 0,
        "shadow_worse": is_shadow
        and shadow is not None
        and shadow.verdict is not None
        and shadow.verdict.word == "worse",
        "failing": shadow.failures / shadow.pairs if shadow is not None and shadow.pairs else 0.0,
        "tolerated": failures_tolerated(release),
    }


def alias_stands(state: DeploymentState, registry: Registry) -> int | None:
    """The version on which the champion's alias stands; None without an alias, or when the registry is away."""
    if state.alias is None:
        return None
    return _quietly(lambda: registry.aliases(state.alias.model).get(state.alias.alias) if state.alias else None)


def _quietly(look: Callable[[], int | None]) -> int | None:
    try:
        return look()
    except SeatrialError:  # an alias that cannot be looked up has not moved, as far as anybody knows
        return None
