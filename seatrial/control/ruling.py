"""Rules of a deployment file, checked: what the prover says, in sentences; and one request explained."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from seatrial.proofs.findings import Entry, Findings, RuleSet, Witness
from seatrial.routing.rules.evaluating import Request
from seatrial.routing.rules.explaining import explain
from seatrial.routing.rules.expression import Space
from seatrial.routing.rules.naming import guessed_names, read_condition
from seatrial.routing.rules.parsing import INSTALL, Names
from seatrial.routing.rules.showing import show
from seatrial.spec.deployment import Deployment, EntrySpec
from seatrial.spec.errors import SeatrialError
from seatrial.spec.signature import Feature

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
        outcome: ``decides``, ``would match`` (one above it decides), ``no match`` or ``failed``.
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


def rule_set(spec: Deployment, names: Names, features: Iterable[Feature] = ()) -> RuleSet:
    """The routing entries as the prover takes them.

    Args:
        names: What the rules may speak of.
        features: Of a model that is known: those that are not nullable are lacked by no request.
    """
    required: set[tuple[Space, str]] = {("features", f.name) for f in features if not f.nullable}
    required |= {("context", name) for name, field in spec.context.items() if not field.optional}
    return RuleSet(tuple(_entry(entry, spec, names) for entry in spec.routing), spec.default, frozenset(required))


def _entry(entry: EntrySpec, spec: Deployment, names: Names) -> Entry:
    when = None if entry.when is None else read_condition(entry.when, names)
    released = spec.release is not None and spec.release.into == entry.name
    if entry.to is not None and not released:
        return Entry(entry.name, when, entry.to, fixed=when is None)
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
    features: Iterable[Feature] = (),
    simplify: bool = False,
) -> Checked:
    """What the prover says of a deployment's rules.

    Args:
        clock: Monotonic seconds.
        names, features: Of the model; without them they are guessed from the rules.
        simplify: Look for a shorter set too.

    Raises:
        SeatrialError: z3 is not installed.
    """
    rules = rule_set(spec, names or guessed(spec), features)
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
        shorter = simplified(rules) if simplify else rules
    return Checked(
        rules=conditional,
        problems=tuple(_problems(found, rules)),
        advice=tuple(_advice(found)),
        undecided=tuple(f"undecided: {one.question} ({one.why})." for one in found.undecided),
        simplified=_written(shorter, spec) if shorter != rules else "",
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


def _written(rules: RuleSet, spec: Deployment) -> str:
    written = {entry.name: entry for entry in spec.routing}
    lines = ["routing:"]
    for entry in rules.entries:
        said = written[entry.name]
        lines.append(f"  - name: {entry.name}")
        if entry.when is not None:
            lines.append(f"    when: {_quoted(show(entry.when))}")
        if said.to is not None:
            lines.append(f"    to: {said.to}")
        elif said.split is not None:
            shares = ", ".join(f"{name}: {share * 100:.10g}%" for name, share in said.split.items())
            lines.append(f"    split: {{{shares}}}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """YAML's single quotes, in which nothing is escaped but the quote itself."""
    return "'" + text.replace("'", "''") + "'"


def explain_request(spec: Deployment, given: Mapping[str, Any]) -> tuple[Explained, ...]:
    """What becomes of a request: every entry, matched or not, and why.

    Args:
        given: ``{"unit"?, "context"?, "features"?}``, as ``predict`` takes them.
    """
    names = guessed(spec)
    request = Request(given.get("features") or {}, given.get("context") or {}, str(given.get("unit") or "u"))
    decided = False
    explained: list[Explained] = []
    for entry in spec.routing:
        target = entry.to or f"its {_kind(entry)}"
        rule = "" if entry.when is None else entry.when
        if entry.when is None:
            outcome, part, values, failure = "match", "", {}, ""
        else:
            reason = explain(read_condition(entry.when, names), request)
            outcome = {True: "match", False: "no match", None: "failed"}[reason.holds]
            part, values, failure = reason.part, reason.values, reason.failure
        if outcome == "match":
            outcome, decided = ("would match" if decided else "decides"), True
        explained.append(
            Explained(
                entry=entry.name, outcome=outcome, target=target, rule=rule, part=part, values=values, failure=failure
            )
        )
    return tuple(explained)
