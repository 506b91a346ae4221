"""Questions about what is and what was, for the command line, the control API and the pages; nothing changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from seatrial.control.site import Site, open_site
from seatrial.ledger import layout
from seatrial.ledger.counters import BREAKERS_OPEN, parse_series, read_counters
from seatrial.models.remote_address import shown
from seatrial.releases.leadership import Leadership
from seatrial.releases.records import Alert, AuditEntry, DeploymentState, VerdictRecord
from seatrial.releases.run import ReleaseRun
from seatrial.routing.snapshot import Arm, Entry, Slot, Snapshot
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import NotFound
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings
from seatrial.spec.units import show_duration

_ALERTS = 20


class VariantStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One variant now.

    Attributes:
        model_version: ``name:version``, or "" when it is empty.
        reference: As the file says it; "" for ``previous``.
        weight: Its share of the traffic: of the first routing entry, which takes every request.
        weights: Its weight by routing entry.
        runtime: What serves it, or "".
        note: Why it is empty, or until when it stays loaded; "" otherwise.
    """

    variant: str
    model_version: str
    reference: str
    digest: str
    weight: float
    weights: dict[str, float]
    runtime: str
    note: str = ""


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a live gateway worker says of a deployment.

    Attributes:
        revision: It serves, or None.
        trouble: Why it could not prepare a revision, or "".
    """

    worker: str
    revision: int | None
    trouble: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment now.

    Attributes:
        revision: The routing revision in force.
        entries: Routing entries as gateways serve them.
        shadows: Share of the requests that a variant gets in shadow.
        run: The release under way, or the last one, or None.
        release_open: Whether it is under way.
        challenges: Whether another may begin by itself: the newest registered version challenges.
        recommendation: Of its last judgement, or "".
        units: Units exposed by variant, at the last judgement.
        verdict: The last judgement of that release, or None.
        alerts: The newest, the oldest of them first.
        workers: The live gateway workers of this machine.
        alias_strayed: Where somebody else put the champion's alias; 0: nowhere.
        left_alone: How many workers leave a variant alone, because it kept failing or is in quarantine; absent: none.
        led: Whether a leader is at work.
        sentence: How it stands, in words.
    """

    deployment: str
    task: str
    revision: int
    variants: tuple[VariantStatus, ...]
    entries: tuple[Entry, ...]
    shadows: dict[str, float]
    run: ReleaseRun | None
    release_open: bool
    challenges: bool = False
    recommendation: str
    units: dict[str, int]
    verdict: VerdictRecord | None
    alerts: tuple[Alert, ...]
    workers: tuple[WorkerStatus, ...]
    alias_strayed: int
    left_alone: dict[str, int]
    applied_by: str
    applied_at: int
    led: bool
    sentence: str


class ServedVersion(msgspec.Struct, frozen=True):
    """What a variant was at some moment: ``name:version``, and the digest of its files."""

    version: str
    digest: str


class RequestStory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known about one request.

    Attributes:
        rows: Its rows, each the columns that are not null.
        outcomes: What came of them, each with its ``row_id``.
        revision: The routing revision that decided.
        applied: The audit entry by which that revision came to be, or None.
        entry: The routing entry that decided, as it stood then; None when a caller forced the variant.
        weights: The entry's weights then.
        versions: What each variant was then.
        sentence: The story in one sentence.
    """

    request_id: str
    deployment: str
    rows: tuple[dict[str, Any], ...]
    outcomes: tuple[dict[str, Any], ...]
    revision: int
    applied: AuditEntry | None
    entry: Entry | None
    weights: dict[str, float]
    versions: dict[str, ServedVersion]
    sentence: str


def deployments(settings: Settings) -> tuple[str, ...]:
    """Names of every deployment."""
    with open_site(settings) as site:
        return tuple(state.deployment for state in site.state.deployments.all())


def status(settings: Settings, deployment: str) -> Status:
    """A deployment now; raises NotFound."""
    with open_site(settings) as site:
        return status_at(site, deployment)


def history(settings: Settings, deployment: str, *, limit: int | None = None) -> tuple[AuditEntry, ...]:
    """The deployment's audit, the oldest first; with ``limit`` the newest so many; raises NotFound."""
    with open_site(settings) as site:
        site.state.deployments.get(deployment)
        return site.state.audit.of(deployment, limit=limit)


def declared_outcomes(settings: Settings, deployment: str) -> tuple[str, ...]:
    """Names of the outcomes that a deployment's file in force declares; none of a deployment that is not there."""
    with open_site(settings) as site:
        state = site.state.deployments.find(deployment)
        return tuple(load_deployment(state.text).outcomes) if state is not None else ()


def explain(settings: Settings, request_id: str) -> RequestStory:
    """The story of one request: rows, entry, weights and versions of that moment, outcomes; raises NotFound."""
    with open_site(settings) as site:
        return explain_at(site, request_id)


def status_at(site: Site, deployment: str) -> Status:
    """``status`` of a site that is open."""
    state = site.state.deployments.get(deployment)
    spec = load_deployment(state.text)
    snapshot = _snapshot(site, deployment, state.revision)
    verdict = site.state.verdicts.last(deployment, state.run.id) if state.run is not None else None
    led = is_led(site)
    left_alone = _left_alone(site.home, deployment)
    return Status(
        deployment=deployment,
        task=snapshot.task if snapshot is not None else spec.task or "",
        revision=state.revision,
        variants=_variants(state, snapshot),
        entries=snapshot.entries if snapshot is not None else (),
        shadows={shadow.variant: shadow.share for shadow in snapshot.shadows} if snapshot is not None else {},
        run=state.run,
        release_open=state.open_run is not None,
        challenges=spec.release is not None and spec.release.challenge is not None,
        recommendation=verdict.recommendation if verdict is not None else "",
        units=_judged(verdict).exposed,
        verdict=verdict,
        alerts=site.state.alerts.of(deployment, limit=_ALERTS),
        workers=_workers(site, deployment),
        alias_strayed=state.alias_strayed,
        left_alone=left_alone,
        applied_by=state.applied_by,
        applied_at=state.applied_at,
        led=led,
        sentence=_standing(spec, state, _judged(verdict).sentence, left_alone, led=led) + _next_up(site, spec, state),
    )


def explain_at(site: Site, request_id: str) -> RequestStory:
    """``explain`` of a site that is open."""
    from seatrial.ledger.explain import explain as explain_in_ledger  # slow to import: DuckDB and Delta Lake

    found = explain_in_ledger(site.home, request_id)
    first = found.rows[0]
    revision = int(first["revision"])
    snapshot = _snapshot(site, found.deployment, revision)
    entry = _entry(snapshot, str(first.get("entry", "")))
    slots = snapshot.slots if snapshot is not None else ()
    return RequestStory(
        request_id=request_id,
        deployment=found.deployment,
        rows=found.rows,
        outcomes=found.outcomes,
        revision=revision,
        applied=_applied(site, found.deployment, revision),
        entry=entry,
        weights=_drawn_by(first, entry),
        versions={slot.variant: ServedVersion(slot.model_version, slot.digest) for slot in slots},
        sentence=_story(first, entry),
    )


def reached(now: Status, until: str) -> bool:
    """Whether a deployment's release has come to what is waited for.

    Args:
        until: ``promoted``, ``failed`` (ended otherwise), ``ended`` (however), ``verdict`` (a recommendation that
            decides, or ended), or a recommendation.
    """
    status = now.run.status if now.run is not None and not now.release_open else ""
    if until == "promoted":
        return status == "promoted"
    if until == "failed":
        return status not in ("", "promoted")
    if until == "verdict":
        return bool(status) or now.recommendation in ("ship", "stop", "no-difference")
    return not now.release_open if until == "ended" else now.recommendation == until


def is_led(site: Site) -> bool:
    """Whether a leader is at work, that is, whether anybody decides."""
    with Leadership(site.home, site.state_url) as leadership:
        return not leadership.take()


def _snapshot(site: Site, deployment: str, revision: int) -> Snapshot | None:
    try:
        return site.publication.read(deployment, revision)
    except NotFound:  # published from another home
        return None


def _left_alone(home: Path, deployment: str) -> dict[str, int]:
    """Open breakers of each variant, over all workers of this machine."""
    found: dict[str, int] = {}
    for text, workers in read_counters(layout.counters(home)).items():
        if workers > 0 and text.startswith(BREAKERS_OPEN):
            _, labels = parse_series(text)
            if labels["deployment"] == deployment:
                found[labels["variant"]] = workers
    return found


def _standing(
    spec: Deployment, state: DeploymentState, judged: str, left_alone: Mapping[str, int], *, led: bool
) -> str:
    """How a deployment stands, in words."""
    command = state.slot(spec.default)
    said = [f"{command.model_version if command is not None else 'nobody'} is in command"]
    run = state.run
    if run is not None and run.open:
        said.append(_under_way(run))
    elif run is not None:
        said.append(f"the last release, of {run.challenger_version}, ended as {run.status}")
    if run is not None and run.open and not led:
        said.append("nobody decides, because control is down")
    if state.alias is not None and state.alias_strayed:
        said.append(f"somebody moved {state.alias.model}@{state.alias.alias} to version {state.alias_strayed}")
    for variant, workers in left_alone.items():
        count = "one worker" if workers == 1 else f"{workers} workers"
        said.append(f"{variant} is left alone by {count}, because it kept failing or is in quarantine")
    sentence = "; ".join(said) + "."
    return f"{sentence} {judged}" if judged and run is not None and run.open else sentence


def _next_up(site: Site, spec: Deployment, state: DeploymentState) -> str:
    """Which version challenges next by itself, and what holds it up; "" where the file lets none."""
    if spec.release is None or spec.release.challenge is None or state.open_run is not None:
        return ""
    from seatrial.control.challenging import next_up  # slow to import, and only for a file that lets versions challenge

    return f" {next_up(site, spec, state)}"


def _under_way(run: ReleaseRun) -> str:
    if run.status == "pending":
        return f"the release of {run.challenger_version} waits to begin"
    step = f", step {run.step + 1}" if run.stage == "canary" else ""
    return f"{run.challenger_version} is in its {run.stage} stage{step} ({run.status})"


def _variants(state: DeploymentState, snapshot: Snapshot | None) -> tuple[VariantStatus, ...]:
    entries = snapshot.entries if snapshot is not None else ()
    found = [
        _variant(pin.variant, pin.slot, entries, pin.reference, f"empty: its version was {pin.emptied}")
        if pin.slot is None
        else _variant(pin.variant, pin.slot, entries, pin.reference, "")
        for pin in state.pins
    ]
    if state.previous is not None:
        note = "kept loaded, so that going back is one swap"
        found.append(_variant(state.previous.slot.variant, state.previous.slot, entries, "", note))
    return tuple(found)


def _variant(variant: str, slot: Slot | None, entries: tuple[Entry, ...], reference: str, note: str) -> VariantStatus:
    return VariantStatus(
        variant=variant,
        model_version=slot.model_version if slot is not None else "",
        reference=reference,
        digest=slot.digest if slot is not None else "",
        weight=_weights(entries[0]).get(variant, 0.0) if entries else 0.0,
        weights={entry.name: weight for entry in entries if (weight := _weights(entry).get(variant, 0.0))},
        runtime=slot.runtime if slot is not None else "",
        note=note or (_from_where(slot) if slot is not None else ""),
    )


def _from_where(slot: Slot) -> str:
    """Where the answers come from, of what is no registered version."""
    if slot.remote is not None:
        return f"answered by {shown(slot.remote)}"
    if slot.popular is not None:
        terms = slot.popular
        what = f"the highest sums of `{terms.value}`" if terms.value else "the most outcomes"
        return f"the items with {what} `{terms.outcome}` of the last {show_duration(terms.within)}"
    return ""


def _weights(entry: Entry | None) -> dict[str, float]:
    if entry is None:
        return {}
    arms = entry.arms or (Arm(entry.to or "", 1.0),)
    return {arm.variant: arm.weight for arm in arms}


def _drawn_by(row: Mapping[str, Any], entry: Entry | None) -> dict[str, float]:
    """The chances that a row was drawn by: its own where they depended on its context, else the entry's weights."""
    weights = _weights(entry)
    own = row.get("chances") or ()
    return dict(zip(weights, own, strict=True)) if len(own) == len(weights) else weights


class _Judged(msgspec.Struct, frozen=True):
    """The part of a kept judgement that status needs."""

    exposed: dict[str, int] = {}
    sentence: str = ""


def _judged(verdict: VerdictRecord | None) -> _Judged:
    return msgspec.json.decode(verdict.judgement, type=_Judged) if verdict is not None else _Judged()


def _workers(site: Site, deployment: str) -> tuple[WorkerStatus, ...]:
    found = []
    for worker in site.publication.workers():
        said = site.publication.acknowledgement(worker, deployment)
        trouble = f"revision {said.failed.revision}: {said.failed.reason}" if said.failed is not None else ""
        found.append(WorkerStatus(worker=worker, revision=said.active, trouble=trouble))
    return tuple(found)


def _entry(snapshot: Snapshot | None, name: str) -> Entry | None:
    return next((entry for entry in snapshot.entries if entry.name == name), None) if snapshot is not None else None


def _applied(site: Site, deployment: str, revision: int) -> AuditEntry | None:
    try:
        return site.state.deployments.revision(deployment, revision).entry
    except NotFound:
        return None


def _story(row: dict[str, Any], entry: Entry | None) -> str:
    why = {
        "rule": f"entry `{row.get('entry')}` sends everybody there",
        "override": "the caller asked for it",
        "explicit": f"entry `{row.get('entry')}` names {row['unit']!r}",
        "cold-start": f"too little had come of {row['unit']!r} for entry `{row.get('entry')}` to let it pass",
    }.get(str(row["reason"]))
    if why is None:
        weight = _drawn_by(row, entry).get(str(row["variant"]), float(row.get("propensity", 0.0)))
        whom = "units of such a context" if row.get("chances") else "the units"
        why = f"entry `{row.get('entry')}` gives it {100 * weight:.4g}% of {whom}, and {row['unit']!r} falls there"
    answered = {
        "assigned": f"{row.get('version')} answered",
        "default": f"it could not answer ({row.get('error') or row.get('status')}), so {row.get('version')} did",
        "fallback": f"nobody could answer ({row.get('error') or row.get('status')}), so the fallback did",
        "cache": f"{row.get('version')} answered, from the cache",
        "none": f"nobody answered ({row.get('error') or row.get('status')})",
    }[str(row["answered_by"])]
    return f"Assigned to `{row['variant']}` ({row.get('assigned_version')}), because {why}; {answered}."
