"""The states of a release, and every move between them: one table, which the code asks and the docs are drawn from.

A release keeps a status and a stage; what people read, and what the table speaks of, is the state that both come to.
``warming`` is never kept: it is what a release is while gateways load its version, before the revision is active.
"""

from typing import Literal, NamedTuple

from seatrial.spec.errors import Conflict

StateName = Literal[
    "pending",
    "warming",
    "shadow",
    "step",
    "baking",
    "test",
    "waiting for approval",
    "paused",
    "promoted",
    "inconclusive",
    "failed",
    "rolled-back",
    "abandoned",
]
Event = Literal[
    "begin",
    "load",
    "refuse",
    "advance",
    "bake",
    "reweigh",
    "propose",
    "reconsider",
    "promote",
    "pause",
    "resume",
    "conclude",
    "roll back",
    "abandon",
]


class State(NamedTuple):
    """One state.

    Attributes:
        name: What it is called.
        open: Whether the release still owns its entry's weights.
        words: What is the case.
    """

    name: StateName
    open: bool
    words: str


class Move(NamedTuple):
    """One row of the table: from any of ``before``, by ``event``, to one of ``after``."""

    before: tuple[StateName, ...]
    event: Event
    after: tuple[StateName, ...]
    words: str


STATES: tuple[State, ...] = (
    State(
        "pending",
        True,
        "it waits for the calendar, or for evidence that it needs; its version is not loaded yet",
    ),
    State("warming", True, "every gateway worker loads its version"),
    State("shadow", True, "it answers copies of requests"),
    State("step", True, "a canary step: it has its share and waits for `minimum_units`"),
    State("baking", True, "the step has its units, and waits for `bake` and for its guardrails"),
    State("test", True, "it has its share of a test"),
    State("waiting for approval", True, "the evidence says `ship`; a person is asked"),
    State("paused", True, "a person holds it; its traffic stays as it is"),
    State("promoted", False, "it took command"),
    State("inconclusive", False, "its time was up without `ship`; the champion keeps command"),
    State("failed", False, "its version could not be loaded; it never had traffic"),
    State("rolled-back", False, "it was taken out, and is refused until `--retry`"),
    State("abandoned", False, "another file, or another version in command, ended it"),
)
"""Every state, in the order of a release that goes well and then of those that do not."""

_AT_WORK: tuple[StateName, ...] = ("shadow", "step", "baking", "test")
_OPEN: tuple[StateName, ...] = (*_AT_WORK, "waiting for approval", "paused")

MOVES: tuple[Move, ...] = (
    Move(("pending",), "begin", ("warming",), "the calendar is open, and what the file requires is shown"),
    Move(("warming",), "load", ("shadow", "step", "test"), "every worker has loaded it; the first stage begins"),
    Move(("warming",), "refuse", ("failed",), "a worker could not load it"),
    Move(("shadow",), "advance", ("step", "test"), "the shadow is done"),
    Move(("step",), "bake", ("baking",), "`minimum_units` are here"),
    Move(("baking",), "advance", ("step", "test"), "it has baked, and no guardrail is shown worse"),
    Move(
        _OPEN,
        "reweigh",
        ("shadow", "step", "test", "paused"),
        "the file gives another share, and so another phase",
    ),
    Move(("baking", "test"), "propose", ("waiting for approval",), "`ship`, and `then: ask`"),
    Move(("waiting for approval",), "reconsider", ("step", "test"), "it does not ship any more"),
    Move((*_OPEN, "pending", "inconclusive", "abandoned"), "promote", ("promoted",), "`ship`, or by hand"),
    Move((*_AT_WORK, "waiting for approval"), "pause", ("paused",), "by hand"),
    Move(("paused",), "resume", ("shadow", "step", "test"), "by hand"),
    Move((*_OPEN, "pending"), "conclude", ("inconclusive",), "its time is up"),
    Move((*_OPEN, "pending", "promoted"), "roll back", ("rolled-back",), "shown worse, or by hand"),
    Move((*_OPEN, "pending"), "abandon", ("abandoned",), "another file, another version in command"),
)
"""Every move there is; what is not in it does not happen."""


def state_of(status: str, stage: str) -> StateName:
    """The state that a kept status and stage come to."""
    if status == "running":
        return {"shadow": "shadow", "canary": "step", "test": "test"}[stage]  # type: ignore[return-value]
    return "waiting for approval" if status == "proposed" else status  # type: ignore[return-value]


def after(before: StateName, event: Event) -> tuple[StateName, ...]:
    """The states that ``event`` may lead to; none when there is no such move."""
    return tuple(name for move in MOVES if move.event == event and before in move.before for name in move.after)


def check_move(before: StateName, event: Event, to: StateName) -> None:
    """Raises Conflict when the table has no such move."""
    if to not in after(before, event):
        raise Conflict(f"a release that is {before!r} cannot {event} to {to!r}; seatrial status says where it stands.")


def states_table() -> str:
    """The states and moves as Markdown, for the documentation."""
    lines = ["| state | | |", "|---|---|---|"]
    lines += [f"| {s.name} | {'open' if s.open else 'over'} | {s.words} |" for s in STATES]
    lines += ["", "| from | by | to | when |", "|---|---|---|---|"]
    lines += [f"| {', '.join(m.before)} | {m.event} | {', '.join(m.after)} | {m.words} |" for m in MOVES]
    return "\n".join(lines)


def states_diagram() -> str:
    """The way of a release as a Mermaid diagram: every move but those that any open state has (pause, abandon)."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{s.name}" as {_id(s.name)}' for s in STATES if s.name != _id(s.name)]
    lines.append(f"    [*] --> {_id('pending')}: closed calendar")
    lines.append(f"    [*] --> {_id('warming')}")
    for move in MOVES:
        if move.event in _UNDRAWN:
            continue
        for before in move.before:
            lines += [f"    {_id(before)} --> {_id(to)}: {move.event}" for to in move.after if _drawn(before, move)]
    lines += [f"    {_id(state.name)} --> [*]" for state in STATES if not state.open]
    return "\n".join([*lines, "```"])


_UNDRAWN: frozenset[Event] = frozenset({"pause", "resume", "abandon", "reweigh"})
"""Moves by hand that every open state has: the table lists them, the diagram would drown in them."""


def _drawn(before: StateName, move: Move) -> bool:
    by_hand = move.event == "promote" and before in ("pending", "shadow", "step", "abandoned")
    return before != "paused" and not by_hand


def _id(name: StateName) -> str:
    return name.replace(" ", "_").replace("-", "_")
