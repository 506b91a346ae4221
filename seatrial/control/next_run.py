"""What applying a file does to the deployment's release: begin one, go on with it, mark edits, or end it; pure."""

from typing import Protocol

import msgspec

from seatrial.control.transitions import abandoned, holdout_ended, in_stage, share_of, with_phase
from seatrial.releases.plan import plan_of
from seatrial.releases.records import DeploymentState
from seatrial.releases.run import ReleaseRun, RunStatus
from seatrial.routing.snapshot import Slot
from seatrial.spec.calendar import closed
from seatrial.spec.deployment import CanaryStage, Deployment, MetricSpec, ReleaseSpec, ShadowStage, Stage
from seatrial.spec.errors import Conflict

_TERMS = tuple(MetricSpec.model_fields)
"""Of a metric that a release decides by: all of it."""
_KEYS = {"covariates": "covariate"}
"""What the file calls some of them."""


class Moment(Protocol):
    """When, and the identities to use."""

    @property
    def now(self) -> int: ...
    @property
    def revision(self) -> int: ...
    @property
    def run_id(self) -> str: ...
    @property
    def retry(self) -> bool: ...
    @property
    def restart(self) -> bool: ...


class NextRun(msgspec.Struct, frozen=True, kw_only=True):
    """The state with its release as the file wants it, and what to say about it."""

    state: DeploymentState
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    begins: bool = False


def next_run(
    spec: Deployment, old: Deployment | None, before: DeploymentState, draft: DeploymentState, moment: Moment
) -> NextRun:
    """The release after a file is applied.

    Args:
        spec: The file.
        old: The file in force, or None.
        before: What is in force.
        draft: What would be in force, its pins done and its release still that of ``before``.
        moment: When, and the next identities.

    Raises:
        Conflict: the release under way would lose its evidence, and nobody said restart.
    """
    release = spec.release
    challenger = draft.slot(release.of) if release is not None else None
    if release is None or challenger is None:
        return _without(before, draft, release, moment)
    run = before.run
    compared = (release.of, spec.default) if run is not None and run.open else (release.of,)
    if run is None or not _is_of(run, release, draft, spec) or _remade(before, draft, compared):
        _keep_evidence(run, moment, _another(run, release, draft, spec))
        return _begin(spec, release, challenger, draft, moment)
    if run.open and old is not None and old.unit != spec.unit:
        _keep_evidence(run, moment, f"another unit, `{spec.unit.name}`, is drawn by lot")
        return _begin(spec, release, challenger, draft, moment)
    if run.open and all(stage.kind != run.stage for stage in release.stages):
        _keep_evidence(run, moment, f"the file has no {run.stage} stage any more, in which it is")
        return _begin(spec, release, challenger, draft, moment)
    if run.open:
        return _go_on(spec, old, release, run, draft, moment)
    if moment.retry:
        return _begin(spec, release, challenger, draft, moment)
    note = f"the release of {run.challenger_version} ended as {run.status}; apply with --retry to begin it again."
    return NextRun(state=draft, notes=(note,))


def _keep_evidence(run: ReleaseRun | None, moment: Moment, why: str) -> None:
    """A release under way is not ended by the way; one that waits to begin has nothing to lose."""
    if run is None or not run.open or run.status == "pending" or moment.restart:
        return
    raise Conflict(
        f"the release of {run.challenger_version} is under way ({run.state}), and this file would end it and begin "
        f"another without its evidence, because {why}; apply with --restart to do that, or end it first (seatrial "
        "promote, or seatrial rollback)."
    )


def _another(run: ReleaseRun | None, release: ReleaseSpec, draft: DeploymentState, spec: Deployment) -> str:
    """What makes another release of it, in words."""
    challenger, champion = draft.slot(release.of), draft.slot(spec.default)
    assert challenger is not None
    assert champion is not None
    if run is None:
        return ""
    if run.challenger_version != challenger.model_version:
        return f"`{release.of}` is {challenger.model_version} now"
    if run.champion_version != champion.model_version:
        return f"`{spec.default}` is {champion.model_version} now"
    if (run.challenger, run.entry) != (release.of, release.into):
        return f"it is of `{release.of}` into `{release.into}` now"
    return "one of the two is called as before and is another model"


def _without(before: DeploymentState, draft: DeploymentState, release: ReleaseSpec | None, moment: Moment) -> NextRun:
    """No release is wanted, or its challenger is empty."""
    state = msgspec.structs.replace(draft, run=abandoned(before.run, moment.now))
    changes: tuple[str, ...] = ()
    if before.open_run is not None:
        why = "the file has none any more" if release is None else "its challenger is in command already"
        changes = (f"the release of {before.open_run.challenger_version} ends, because {why}.",)
    notes: tuple[str, ...] = ()
    pin = draft.pin(release.of) if release is not None else None
    if pin is not None and pin.emptied:
        mend = "; apply with --retry to try it again" if pin.emptied == "rolled back" else ""
        notes = (f"`{pin.variant}` ({pin.reference}) is empty, because its version was {pin.emptied}{mend}.",)
    return NextRun(state=state, changes=changes, notes=notes)


def _is_of(run: ReleaseRun, release: ReleaseSpec, draft: DeploymentState, spec: Deployment) -> bool:
    """Whether ``run`` is the release that the file describes: the same versions into the same entry."""
    champion, challenger = draft.slot(spec.default), draft.slot(release.of)
    assert champion is not None
    assert challenger is not None
    return (
        run.status != "abandoned"
        and (run.challenger, run.entry) == (release.of, release.into)
        and run.challenger_version == challenger.model_version
        and (not run.open or run.champion_version == champion.model_version)
    )


def _remade(before: DeploymentState, draft: DeploymentState, variants: tuple[str, ...]) -> bool:
    """Whether one of them is called as before and is another model: other members, or another server's terms."""
    for variant in variants:
        old, new = before.slot(variant), draft.slot(variant)
        if old is not None and new is not None and old.model_version == new.model_version and old.digest != new.digest:
            return True
    return False


def _begin(spec: Deployment, release: ReleaseSpec, challenger: Slot, draft: DeploymentState, moment: Moment) -> NextRun:
    champion = draft.slot(spec.default)
    assert champion is not None
    run = ReleaseRun(
        id=moment.run_id,
        deployment=spec.deployment,
        entry=release.into,
        champion=spec.default,
        challenger=release.of,
        champion_version=champion.model_version,
        challenger_version=challenger.model_version,
        salt=f"{spec.deployment}/{release.into}/{moment.run_id}",
        stage=release.stages[0].kind,
        stage_started_at=moment.now,
        alpha=release.method.alpha,
        plan=plan_of(release.method),
        plan_units=release.method.plan_units,
        family=release.method.family,
        started_at=moment.now,
    )
    held = draft.holdout is not None and draft.holdout.open
    draft = holdout_ended(draft, moment.now)
    shut = closed(release.calendar, moment.now)
    stages = ", then ".join(_stage(stage) for stage in release.stages)
    begins = f"a release of {run.challenger_version} against {run.champion_version} begins in `{run.entry}`: {stages}."
    changes = [begins]
    if release.trigger is not None:
        changes.append("while units are drawn both versions answer every request, because of `trigger: differs`.")
    if held:
        changes.append("nobody is held out on the version before any more: see what that showed with judge --holdout.")
    if shut or release.require is not None:
        state = msgspec.structs.replace(draft, run=msgspec.structs.replace(run, status="pending"))
        waits = f"because the calendar is closed ({shut})" if shut else "until what was logged before lets it"
        changes.append(f"it waits to begin, {waits}.")
    else:
        state = in_stage(spec, draft, run, 0, moment.now, moment.revision)
    if draft.open_run is not None:
        changes.insert(0, f"the release of {draft.open_run.challenger_version} ends, because another begins.")
    return NextRun(state=state, changes=tuple(changes), begins=True)


def _stage(stage: Stage) -> str:
    if isinstance(stage, CanaryStage):
        return f"{', '.join(f'{100 * step:.4g}%' for step in stage.steps)} of the units as a canary"
    what = "of the requests in shadow" if isinstance(stage, ShadowStage) else "of the units in a test"
    return f"{stage.share:.4g} {what}" if stage.share > 1 else f"{100 * stage.share:.4g}% {what}"


def _go_on(
    spec: Deployment,
    old: Deployment | None,
    release: ReleaseSpec,
    run: ReleaseRun,
    draft: DeploymentState,
    moment: Moment,
) -> NextRun:
    index = next(i for i, stage in enumerate(release.stages) if stage.kind == run.stage)
    marks = edits(old, spec)
    edited = tuple(dict.fromkeys((*run.edited, *marks)))
    changed = msgspec.structs.replace(run, stage_index=index, edited=edited)
    changed = _reweighed(changed, release.stages[index], moment)
    notes = tuple(f"`{name}` is edited while the release runs: {_effect(name, run)}" for name in marks)
    return NextRun(state=msgspec.structs.replace(draft, run=changed), notes=notes)


def _reweighed(run: ReleaseRun, stage: Stage, moment: Moment) -> ReleaseRun:
    """The same release with the share that the file gives its stage or step now: another phase, where it differs."""
    if isinstance(stage, CanaryStage):
        run = msgspec.structs.replace(run, step=min(run.step, len(stage.steps) - 1))
    share = share_of(stage, run.step)
    if share is None or run.phase is None or run.phase.arms[-1].weight == share:
        return run
    again: RunStatus = "running" if run.status in ("baking", "proposed") else run.status
    return with_phase(msgspec.structs.replace(run, status=again), share, moment.now, moment.revision)


def _effect(name: str, run: ReleaseRun) -> str:
    """What an edit leads to: an error rate is spent from the first look on, so it holds until another release."""
    kept: dict[str, object] = {"release.method.alpha": run.alpha, "release.method.plan_units": run.plan_units}
    kept["release.method.family"] = f"the family by {run.family}"
    if name == "release.method":
        kept[name] = f"the method {run.plan.name}"
    stays = f"this one keeps {kept[name]}, and " if name in kept else ""
    return f"{stays}every later verdict will say so."


def edits(old: Deployment | None, new: Deployment) -> tuple[str, ...]:
    """What of a release's terms differs between two files."""
    if old is None or old.release is None or new.release is None:
        return ()
    before, after = terms(old, old.release), terms(new, new.release)
    return tuple(name for name in sorted({*before, *after}) if before.get(name) != after.get(name))


def terms(spec: Deployment, release: ReleaseSpec) -> dict[str, object]:
    """What a release was agreed on before it was looked at: primary, error rate, margins, and the metrics' windows."""
    agreed: dict[str, object] = {
        "release.primary.metric": release.primary.metric,
        "release.primary.minimum_effect": release.primary.minimum_effect,
        "release.method.alpha": release.method.alpha,
        "release.method.plan_units": release.method.plan_units,
        "release.method.family": release.method.family,
        "release.method": plan_of(release.method),
        "release.trigger": release.trigger,
        "unit.cluster": spec.unit.cluster,
    }
    agreed |= {f"release.guardrails.{name}": margin for name, margin in release.guardrails.items()}
    for name in (release.primary.metric, *release.guardrails):
        if name in spec.metrics:
            agreed |= {f"metrics.{name}.{_KEYS.get(key, key)}": getattr(spec.metrics[name], key) for key in _TERMS}
    return agreed
