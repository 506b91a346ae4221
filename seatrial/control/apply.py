"""Applying a deployment file: from intent to what every gateway serves."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from seatrial.control.change import carry_out, next_revision, recover
from seatrial.control.chosen_by import check_chosen_by
from seatrial.control.counting import Items, put_items_in_place
from seatrial.control.crowds import Lists, Warm, kept_lists, put_in_place, read_lists
from seatrial.control.plan import Moment, Plan, make_plan, to_resolve
from seatrial.control.popular import popular_slots
from seatrial.control.remote import resolve_remotes
from seatrial.control.resolve import check_allowed, resolve_all, slot_of
from seatrial.control.ruling import check_rules
from seatrial.control.site import Site, open_site
from seatrial.control.snapshots import check_log, routing_snapshot, rule_names
from seatrial.control.transforms import check_transform, transform_pin
from seatrial.ledger.quarantine import lift_quarantine, put_back
from seatrial.models.manifest import read_manifest
from seatrial.releases.popular_files import Scored
from seatrial.releases.publication import PreparationFailed
from seatrial.releases.records import AuditEntry, DeploymentState
from seatrial.releases.states import check_move
from seatrial.routing.rules.conditions import check_typed, load_checked
from seatrial.routing.rules.parsing import Names
from seatrial.routing.snapshot import Popular, Slot, never_lacked
from seatrial.spec.deployment import ColdStartSpec, Deployment
from seatrial.spec.errors import BadInput, Conflict, SeatrialError
from seatrial.spec.settings import Settings

WAIT_SECONDS = 10.0
"""How long to wait for somebody else who is changing the deployment: a step of the loop is over before that."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What applying a file came to.

    Attributes:
        deployment: Which.
        changes: What was changed (with ``plan_only``: would be); none: nothing.
        notes: What is worth knowing beside.
        revision: The routing revision that serves now, 0 when none does.
        published: Whether gateways were given a new one.
        carried_out: False with ``plan_only``.
    """

    deployment: str
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    revision: int
    published: bool
    carried_out: bool


def apply(
    text: str,
    settings: Settings,
    *,
    actor: str,
    plan_only: bool = False,
    retry: bool = False,
    restart: bool = False,
    source: str = "deployment.yaml",
    why: str = "",
    prove: bool = False,
    strict: bool = False,
) -> Applied:
    """Apply a deployment file, and return when every live gateway worker serves what came of it.

    Args:
        text: The file.
        settings: The machine's.
        actor: Who applies it, for the audit.
        plan_only: Only say what would change.
        retry: Allow versions that were rolled back or are in quarantine, and begin a release that ended without an
            answer again.
        restart: Allow that a release under way ends for another and loses its evidence.
        source: The file's name, for messages.
        why: The reason given, for the audit.
        prove: Note what the prover finds of its rules.
        strict: Refuse the file when it finds anything, or leaves something undecided.

    Raises:
        SpecError: the file is not right; every problem with its line.
        NotFound: a model, alias or version does not exist.
        Conflict: a version was rolled back before; a release under way would lose its evidence; or somebody else is
            changing the deployment, or did so while its rules were proved.
        PreparationFailed: a worker could not load a version; nothing has changed.
    """
    spec = load_checked(text, source)
    with open_site(settings, wait_seconds=WAIT_SECONDS) as site:
        return apply_to(
            site,
            spec,
            text,
            actor=actor,
            plan_only=plan_only,
            retry=retry,
            restart=restart,
            why=why,
            prove=prove or strict,
            strict=strict,
        )


def apply_to(
    site: Site,
    spec: Deployment,
    text: str,
    *,
    actor: str,
    plan_only: bool = False,
    retry: bool = False,
    restart: bool = False,
    why: str = "",
    prove: bool = False,
    strict: bool = False,
    renew: frozenset[str] = frozenset(),
) -> Applied:
    """``apply`` for a site that is open and a file that is read; variants to ``renew`` are looked up again."""
    applying = _Applying(actor, retry, restart, renew)
    proof = _NOTHING
    if plan_only or prove:  # a proof may take long, and whoever must act on the deployment does not wait for it
        state = site.state.deployments.find(spec.deployment)
        plan = _plan(site, spec, text, state, applying, _lists(site, spec, state, applying))
        proof = _proved(plan, spec, site, strict) if prove else _NOTHING
        if plan_only:
            return _applied(_noted(plan, proof), state, carried_out=False)
    with site.changing(spec.deployment):
        recover(site, spec.deployment)
        state = site.state.deployments.find(spec.deployment)
        lists = _lists(site, spec, state, applying)
        plan = _plan(site, spec, text, state, applying, lists)
        if prove and _asked(plan, spec) not in (None, proof.asked):
            raise Conflict(
                f"deployment {spec.deployment!r} or one of its versions was changed while the rules were proved; apply "
                "the file again."
            )
        plan = _noted(plan, proof)
        served = plan.after or state
        lifted = lift_quarantine(site.home, spec.deployment, served.slots) if retry and served is not None else ()
        put_in_place(site, _warm(site), spec, lists)
        put_items_in_place(site, _items(site), plan.after or state)
        if plan.after is None:
            return _applied(plan, state, carried_out=True)
        entry = _entry(plan, plan.after, actor, why)
        try:
            held, warning = carry_out(site, plan.after, plan.snapshot, entry)
        except SeatrialError as error:
            put_back(site.home, lifted)
            if isinstance(error, PreparationFailed):
                _note_failed(site, state, plan.after, entry, error.reason)
            raise
        notes = (*plan.notes, warning) if warning else plan.notes
        return _applied(msgspec.structs.replace(plan, notes=notes), held, carried_out=True)


def _warm(site: Site) -> Warm:
    def warm(spec: Deployment, cold: ColdStartSpec, since: int) -> Iterable[str]:
        from seatrial.control.senses import LedgerSenses  # slow to import, and only for a file with a cold start

        return LedgerSenses(site.home).warm(spec, cold, since)

    return warm


def _items(site: Site) -> Items:
    def items(deployment: str, terms: Popular, now: int) -> Sequence[Scored]:
        from seatrial.control.senses import LedgerSenses  # likewise, of a file with a popular variant

        return LedgerSenses(site.home).items(deployment, terms, now)

    return items


class _Applying(NamedTuple):
    """Who applies, and what is allowed."""

    actor: str
    retry: bool
    restart: bool
    renew: frozenset[str]


def _note_failed(
    site: Site, before: DeploymentState | None, after: DeploymentState, entry: AuditEntry, reason: str
) -> None:
    """A release that would have begun has failed: a worker could not load its version. What is in force stays."""
    run = after.open_run
    if run is None or (before is not None and before.run is not None and before.run.id == run.id):
        return
    check_move("warming", "refuse", "failed")
    now = site.clock()
    sentence = f"The release of {run.challenger_version} failed before it had traffic: {reason}"
    said = msgspec.structs.replace(entry, at=now, action="fail", why=reason, sentence=sentence, release=run.id)
    site.state.deployments.note_release(msgspec.structs.replace(run, status="failed", ended_at=now), said)


def _lists(site: Site, spec: Deployment, state: DeploymentState | None, applying: _Applying) -> Lists:
    """The units of the file's lists: as they are now when somebody applies it, as they were when the loop does."""
    if applying.renew and state is not None and (kept := kept_lists(spec, state.lists, site.home)) is not None:
        return kept
    return read_lists(spec, site.home)


def _plan(
    site: Site, spec: Deployment, text: str, state: DeploymentState | None, applying: _Applying, lists: Lists
) -> Plan:
    wanted = to_resolve(spec, state, applying.retry, applying.renew)
    resolved = _resolved(site, spec, wanted, state)
    moment = Moment(
        now=site.clock(),
        actor=applying.actor,
        revision=next_revision(site, spec.deployment),
        run_id=site.new_id(),
        retry=applying.retry,
        restart=applying.restart,
    )
    if state is not None:
        _check_kept(site, spec, state, set(wanted))
    transform = transform_pin(spec, state, site.registry, site.store)
    files = {name: file for name, (file, _) in lists.items()}
    plan = make_plan(spec, text, state, resolved, moment, transform, files)
    plan = msgspec.structs.replace(plan, notes=(*plan.notes, *_foreseen(site, spec, state, plan)))
    if plan.snapshot is not None:
        check_transform(spec, plan.snapshot.slots, plan.snapshot.transform)
        check_log(spec.log, plan.snapshot.slots)
        check_chosen_by(spec, plan.snapshot.slots)
        check_typed({entry.name: entry.when for entry in plan.snapshot.entries})
    return _republished(site, spec, state, plan, moment)


class _Asked(NamedTuple):
    """What a proof depends on, beside the file."""

    names: Names
    never_lacked: frozenset[str]


class _Proof(NamedTuple):
    """What the prover found; ``asked`` is None where there was nothing to ask."""

    asked: _Asked | None
    said: tuple[str, ...]


_NOTHING = _Proof(None, ())


def _asked(plan: Plan, spec: Deployment) -> _Asked | None:
    if plan.snapshot is None or not any(entry.when for entry in spec.routing):
        return None
    slots, transform = plan.snapshot.slots, plan.snapshot.transform
    return _Asked(rule_names(spec, slots, transform), never_lacked(slots, transform))


def _proved(plan: Plan, spec: Deployment, site: Site, strict: bool) -> _Proof:
    """What the prover finds of the rules. Raises BadInput for that where it is strict."""
    asked = _asked(plan, spec)
    if asked is None:
        return _NOTHING
    found = check_rules(spec, site.monotonic, names=asked.names, never_lacked=asked.never_lacked)
    said = (*found.problems, *found.undecided)
    if said and strict:
        raise BadInput("the rules are refused by --strict: " + " ".join(said))
    return _Proof(asked, said)


def _noted(plan: Plan, proof: _Proof) -> Plan:
    return msgspec.structs.replace(plan, notes=(*plan.notes, *proof.said))


def _foreseen(site: Site, spec: Deployment, before: DeploymentState | None, plan: Plan) -> tuple[str, ...]:
    """How many units and days a release that begins will need; of a champion without traffic nothing is known."""
    run = plan.after.open_run if plan.after is not None else None
    if run is None or before is None or (before.run is not None and before.run.id == run.id):
        return ()
    from seatrial.experiments.foresight import foresee, told  # slow to import, and only for a release that begins
    from seatrial.ledger.reader import Reader

    try:
        with Reader(site.home).open(spec.deployment) as view:
            return told(foresee(spec, run, view, site.clock()))
    except SeatrialError as error:
        return (f"how long the release takes could not be told: {error}",)


def _resolved(site: Site, spec: Deployment, wanted: Collection[str], state: DeploymentState | None) -> dict[str, Slot]:
    """A slot for every variant wanted; remote ones last, because they stand beside the others."""
    remote = [name for name in wanted if spec.variants[name].remote is not None]
    local = [name for name in wanted if name not in remote]
    found = resolve_all(local, spec, state, site.registry, site.store) | popular_slots(spec, local)
    if not remote:
        return found
    kept = {pin.variant: pin.slot for pin in (state.pins if state is not None else ()) if pin.slot is not None}
    known = {name: slot for name, slot in {**kept, **found}.items() if name not in remote}
    return {**found, **resolve_remotes(spec, remote, known, site.environ)}


def _check_kept(site: Site, spec: Deployment, state: DeploymentState, looked_up: set[str]) -> None:
    """Pins that stay: their variant may say something else about trust now, or their files be gone from the store."""
    for pin in state.pins:
        if pin.slot is None or not pin.slot.has_files or pin.variant in looked_up:
            continue
        if pin.variant not in spec.variants:
            continue
        said = spec.variants[pin.variant]
        for part in pin.slot.parts:
            if (Path(part.path) / "manifest.json").exists():
                check_allowed(pin.variant, said, part.model_version, read_manifest(part.path))
            else:
                slot_of(pin.variant, said, part.model, part.version, site.registry, site.store)


def _republished(site: Site, spec: Deployment, state: DeploymentState | None, plan: Plan, moment: Moment) -> Plan:
    """Nothing differs, but this machine's gateway does not serve it (a fresh home beside an old state): publish it."""
    if state is None or plan.snapshot is not None or site.publication.active(spec.deployment) == state.revision:
        return plan
    kept = plan.after or msgspec.structs.replace(state, version=state.version + 1)
    after = msgspec.structs.replace(kept, revision=moment.revision)
    changes = (*plan.changes, "this machine's gateway does not serve the deployment yet: it will.")
    return msgspec.structs.replace(plan, changes=changes, after=after, snapshot=routing_snapshot(spec, after))


def _entry(plan: Plan, after: DeploymentState, actor: str, why: str) -> AuditEntry:
    return AuditEntry(
        deployment=plan.deployment,
        at=after.applied_at,
        action="apply",
        actor=actor,
        why=why,
        sentence=" ".join(_sentence(change) for change in plan.changes) or "Only comments differ.",
        revision=after.revision,
        release=after.open_run.id if after.open_run is not None else "",
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _applied(plan: Plan, state: DeploymentState | None, *, carried_out: bool) -> Applied:
    return Applied(
        deployment=plan.deployment,
        changes=plan.changes,
        notes=plan.notes,
        revision=state.revision if state is not None else 0,
        published=carried_out and plan.snapshot is not None,
        carried_out=carried_out,
    )
