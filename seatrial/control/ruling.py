"""Rules of a deployment file, checked: what the prover says, in sentences; and one request explained."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from seatrial.control.pasting import quoted
from seatrial.proofs.findings import Entry, Findings, RuleSet, Witness
from seatrial.routing.attributes import Attributes
from seatrial.routing.people import People
from seatrial.routing.router import carried
from seatrial.routing.rules.conditions import check_typed, condition_of, conditions
from seatrial.routing.rules.evaluating import Request
from seatrial.routing.rules.explaining import explain
from seatrial.routing.rules.expression import Expression, Kind, Space
from seatrial.routing.rules.naming import guessed_names, names_of
from seatrial.routing.rules.parsing import INSTALL, Names
from seatrial.routing.rules.showing import show
from seatrial.routing.seen import FEATURE
from seatrial.routing.snapshot import ContextKey, Snapshot
from seatrial.spec.deployment import Deployment, EntrySpec
from seatrial.spec.errors import BadInput, SeatrialError
from seatrial.spec.problems import nearest
from seatrial.spec.signature import Feature, FeatureKind
from seatrial.spec.tree import parse

SECONDS = 20.0
"""What is still open after so long is undecided."""

_one_at_a_time = threading.Lock()
"""z3 keeps one world a process."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What ``rules check`` found.

    Attributes:
        rules: Entries with a condition.
        problems: Sentences: rules that never fire, overlaps with different targets, requests that fall through.
        advice: Sentences: rules that could go or become one.
        undecided: Sentences: what the solver could not tell. Not one of them is fine.
        simplified: The shorter set, ready to paste under ``routing:``; "" where it was not asked for or there is none.
    """

    rules: int
    problems: tuple[str, ...]
    advice: tuple[str, ...]
    undecided: tuple[str, ...]
    simplified: str = ""


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one entry for one request.

    Attributes:
        outcome: ``decides``, ``would match`` (one above it decides), ``perhaps`` (which units it takes does
            not stand in the file), ``no match`` or ``failed``.
        part: The part of the rule that decided.
        values: What the request had for the names in it.
    """

    entry: str
    outcome: str
    target: str
    rule: str
    part: str
    values: dict[str, str]
    failure: str


def rule_set(spec: Deployment, names: Names, never_lacked: Collection[str] = ()) -> RuleSet:
    """The routing entries as the prover takes them.

    Args:
        names: What the rules may speak of.
        never_lacked: Features that no request lacks; none where the versions are not known.
    """
    required: set[tuple[Space, str]] = {("features", name) for name in never_lacked}
    required |= {("context", name) for name, field in spec.context.items() if not field.optional}
    return RuleSet(tuple(_entry(entry, spec, names) for entry in spec.routing), spec.default, frozenset(required))


def _entry(entry: EntrySpec, spec: Deployment, names: Names) -> Entry:
    when = condition_of(entry, names)
    if entry.cold_start is not None:
        return Entry(entry.name, when, entry.cold_start.to, fixed=True, partly=True)
    released = spec.release is not None and spec.release.into == entry.name
    if entry.to is not None and not released:
        listed = bool(entry.units) or entry.partly
        return Entry(entry.name, when, entry.to, fixed=when is None or listed, partly=entry.partly)
    return Entry(entry.name, when, f"the {_kind(entry)} of `{entry.name}`", fixed=True)


def _kind(entry: EntrySpec) -> str:
    return "split" if entry.split is not None else "choice"


def guessed(spec: Deployment) -> Names:
    """Names of a file whose model is not looked up."""
    return guessed_names((entry.when for entry in spec.routing if entry.when), spec.context)


def check_rules(
    spec: Deployment,
    clock: Callable[[], float],
    *,
    names: Names | None = None,
    never_lacked: Collection[str] = (),
    shorten: str = "",
) -> Checked:
    """What the prover says of a deployment's rules.

    Args:
        clock: Monotonic seconds.
        names: What the versions and the context give; without them they are guessed from the rules.
        never_lacked: Features that no request lacks.
        shorten: The file's text, to look for a shorter set too; "": none is looked for.

    Raises:
        SeatrialError: z3 is not installed.
    """
    rules = rule_set(spec, names or guessed(spec), never_lacked)
    conditional = sum(entry.when is not None for entry in rules.entries)
    if not conditional:
        return Checked(rules=0, problems=(), advice=(), undecided=())
    try:
        from seatrial.proofs.check import check_rules as prove
        from seatrial.proofs.simplify import simplified
    except ImportError as error:
        raise SeatrialError(f"rules are proved by z3, which is not installed here; run: {INSTALL}") from error
    with _one_at_a_time:
        end = clock() + SECONDS
        found = prove(rules, enough=lambda: clock() > end)
        shorter = simplified(rules, enough=lambda: clock() > end) if shorten else rules
        late = bool(shorten) and shorter == rules and clock() > end
    undecided = [f"undecided: {one.question} ({one.why})." for one in found.undecided]
    if late:
        undecided.append("undecided: whether a shorter set decides alike (the time was up).")
    return Checked(
        rules=conditional,
        problems=tuple(_problems(found, rules)),
        advice=tuple(_advice(found)),
        undecided=tuple(undecided),
        simplified=_written(shorter, spec, shorten) if shorter != rules else "",
    )


def _problems(found: Findings, rules: RuleSet) -> Iterable[str]:
    target = {entry.name: entry.target for entry in rules.entries}
    for never in found.never:
        if never.by:
            shadows = " and ".join(f"`{name}`" for name in never.by)
            verb = "takes" if len(never.by) == 1 else "take"
            yield f"`{never.entry}` never fires: {shadows} above it {verb} all of its requests."
        else:
            yield f"`{never.entry}` never fires: no request meets its condition."
    for overlap in found.overlaps:
        yield (
            f"`{overlap.first}` ({target[overlap.first]}) and `{overlap.second}` ({target[overlap.second]}) both match "
            f"{shown(overlap.witness)}; `{overlap.first}` decides."
        )
    if found.falls is not None:
        yield f"no entry takes {shown(found.falls)}, so the default variant `{rules.default}` answers."


def _advice(found: Findings) -> Iterable[str]:
    dead = {never.entry for never in found.never}
    for name in found.droppable:
        if name not in dead:
            yield f"`{name}` could go: without it every request is decided alike."
    for one, other in found.mergeable:
        yield f"`{one}` and `{other}` could be one entry: they go to the same variant."


def shown(witness: Witness) -> str:
    """A request as JSON."""
    body = {"unit": witness.unit, "context": dict(witness.context), "features": dict(witness.features)}
    return msgspec.json.encode({key: value for key, value in body.items() if value}).decode()


def _written(rules: RuleSet, spec: Deployment, text: str) -> str:
    """The shorter set as YAML; a bandit in the words of the file."""
    bandits = {entry["name"]: entry.get("bandit") for entry in parse(text, "the file").plain["routing"]}
    written = {entry.name: entry for entry in spec.routing}
    lines = ["routing:"]
    for entry in rules.entries:
        said = written[entry.name]
        lines.append(f"  - name: {entry.name}")
        rule = said.when if said.units else entry.when and show(entry.when)
        if rule:
            lines.append(f"    when: {quoted(rule)}")
        lines += [f"    # {key}: as it is in the file" for key in _KEPT if getattr(said, key)]
        if said.to is not None:
            lines.append(f"    to: {said.to}")
        elif said.split is not None:
            shares = ", ".join(f"{name}: {share * 100:.10g}%" for name, share in said.split.items())
            lines.append(f"    split: {{{shares}}}")
        else:
            lines.append(f"    bandit: {msgspec.json.encode(bandits[entry.name]).decode()}")
    return "\n".join(lines) + "\n"


_KEPT = ("units", "units_from", "bandit", "cold_start")
"""Keys of an entry that a shorter set leaves to be copied."""


def explain_request(
    spec: Deployment, given: Mapping[str, Any], served: Snapshot | None = None
) -> tuple[Explained, ...]:
    """What becomes of a request: every entry, matched or not, and why.

    Args:
        given: ``{"unit"?, "context"?, "features"?}``, as ``predict`` takes them.
        served: The deployment as it is served; its features are of the kinds that its versions take. Without it, and
            where the file's rules do not go with them, they are guessed from the rules.

    Raises:
        BadInput: The unit or the context is none, as ``predict`` would say it.
    """
    rules, features = _read(spec, served)
    person = People(_bare(spec)).read(given.get("unit"), given.get("context"), "u")
    request = Request(
        Attributes(rules.values(), features).read(given.get("features") or {}),
        dict(zip(spec.context, person.context, strict=True)),
        person.unit,
    )
    known = {feature.name for feature in carried(served)} if served is not None else set[str]()
    decided = False
    explained: list[Explained] = []
    for entry in spec.routing:
        target = entry.cold_start.to if entry.cold_start is not None else entry.to or f"its {_kind(entry)}"
        condition = rules.get(entry.name)
        rule = "" if condition is None else entry.when or show(condition)
        outcome, part, values, failure = "match", "", dict[str, str](), ""
        if condition is not None:
            reason = explain(condition, request)
            outcome = {True: "match", False: "no match", None: "failed"}[reason.holds]
            part, values = reason.part, reason.values
            failure = reason.failure + _meant(reason.missing, known, given)
        if outcome == "match" and entry.partly:
            outcome = "perhaps"
        elif outcome == "match":
            outcome, decided = ("would match" if decided else "decides"), True
        explained.append(
            Explained(
                entry=entry.name,
                outcome=outcome,
                target=target,
                rule=rule,
                part=part,
                values=values,
                failure=failure,
            )
        )
    return tuple(explained)


def _meant(missing: Collection[str], known: Collection[str], given: Mapping[str, Any]) -> str:
    """What else the request carries under nearly the name of a feature that no version is known to take."""
    lacking = {name.removeprefix(FEATURE) for name in missing if name.startswith(FEATURE)}
    there = set(given.get("features") or {}) - lacking
    near = dict.fromkeys(one for name in sorted(lacking - set(known)) if (one := nearest(name, there)) is not None)
    return (
        f"; did you mean {' and '.join(f'`{FEATURE}{name}`' for name in near)}, which the request has?" if near else ""
    )


_GUESSED: dict[Kind, FeatureKind] = {"double": "time", "int": "integer", "string": "category", "bool": "boolean"}
"""What a feature may be at most, by the kind that rules take it for: a number or a time, a text or a category."""


def _read(spec: Deployment, served: Snapshot | None) -> tuple[dict[str, Expression], Sequence[Feature]]:
    """The rules by entry, and the features that they read."""
    if served is not None:
        features = carried(served)
        try:
            found = conditions(spec, names_of(features, spec.context))
            check_typed(found)
            return found, features
        except BadInput:
            pass  # the file is about other versions than those that are served
    names = guessed(spec)
    guesses = [Feature(name=name, kind=_GUESSED[kind]) for name, kind in (names.features or {}).items()]
    return conditions(spec, names), guesses


def _bare(spec: Deployment) -> Snapshot:
    """The deployment without its versions: all that reading a unit and a context takes."""
    return Snapshot(
        deployment=spec.deployment,
        revision=0,
        task=spec.task or "classification",
        unit_name=spec.unit.name,
        unit_from=spec.unit.source.removeprefix("context.") if spec.unit.source else None,
        context=tuple(ContextKey(name, field.kind, field.optional) for name, field in spec.context.items()),
        slots=(),
        default=spec.default,
        entries=(),
    )
