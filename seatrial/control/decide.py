"""The decision: from what was observed to what is done about it. A pure function, and its whole law is a table.

    observe ──► decide ──► act        every pass looks at what is, never at what changed: a missed pass loses nothing

The rows are tried in order and the first that fits decides. What was observed is recorded with what was decided, so the
past can be decided again (``history --verify``). No row promotes without the recommendation ``ship``: a metric that is
missing, a verdict that is withheld, too few units, all end in waiting or in keeping the champion. A judgement that
could not be made decides nothing, not even that time is up.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

ActionKind = Literal[
    "rollback",
    "advance",
    "promote",
    "propose",
    "reconsider",
    "conclude",
    "unload-previous",
    "tell-alias",
    "follow-alias",
    "alias-back",
]
Recommended = Literal["withheld", "stop", "ship", "no-difference", "wait", "unknown"]


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision depends on.

    Attributes:
        at: Microseconds since 1970 UTC.
        revision: The routing revision that serves.
        release: Identity of the release under way, or "".
        status: Its status (``running``, ``paused``, ``proposed``), or "".
        stage: ``shadow`` or ``test``, or "".
        further_stages: How many stages come after this one.
        stage_seconds: How long the stage has run.
        at_least: Seconds the stage runs at least (a shadow's ``for``).
        at_most: Seconds a test runs at most: the file's, or what `log.keep` allows; None: no limit.
        then: What ``ship`` leads to.
        recommendation: Of the judgement; ``unknown`` when it could not be made.
        trouble: Why it could not be made, or "".
        because: Which metrics or checks made the recommendation so.
        worse_guardrails: Guardrails that are shown worse than their margin.
        matured: Matured units of the smaller arm, in the primary metric.
        pairs: Shadow pairs.
        minimum_pairs: Pairs that the shadow stage needs.
        shadow_worse: The shadow comparison shows the challenger worse.
        failing: Share of shadow pairs in which the challenger failed.
        tolerated: Share of failures up to which a shadow may pass.
        previous_until: Until when the previous version stays loaded; None: none is.
        alias_stands: The version on which the champion's alias stands; None: there is no alias, or nobody looked.
        alias_ours: The version on which we put or found it.
        alias_told: The version that was told already.
        alias_moved: What the file wants done about it.
    """

    deployment: str
    at: int
    revision: int
    release: str = ""
    status: str = ""
    stage: str = ""
    further_stages: int = 0
    stage_seconds: float = 0.0
    at_least: float = 0.0
    at_most: float | None = None
    then: Literal["ask", "promote", "nothing"] = "ask"
    recommendation: Recommended = "unknown"
    trouble: str = ""
    because: tuple[str, ...] = ()
    worse_guardrails: tuple[str, ...] = ()
    matured: int = 0
    pairs: int = 0
    minimum_pairs: int = 0
    shadow_worse: bool = False
    failing: float = 0.0
    tolerated: float = 1.0
    previous_until: int | None = None
    alias_stands: int | None = None
    alias_ours: int = 0
    alias_told: int = 0
    alias_moved: Literal["propose", "follow"] = "propose"


class Action(msgspec.Struct, frozen=True):
    """One thing to do.

    Attributes:
        kind: What.
        why: The name of the table's row.
    """

    kind: ActionKind
    why: str


class Row(msgspec.Struct, frozen=True):
    """One row of a table.

    Attributes:
        name: What it is called in the audit.
        condition: When it applies, in words.
        applies: The same, computed.
        does: What is done; None: wait.
    """

    name: str
    condition: str
    applies: Callable[[Observed], bool]
    does: ActionKind | None = None


def _shadow(observed: Observed) -> bool:
    return observed.stage == "shadow"


def _ships(observed: Observed) -> bool:
    return observed.recommendation == "ship" and observed.matured > 0 and observed.stage_seconds >= observed.at_least


def _time_is_up(observed: Observed) -> bool:
    return observed.at_most is not None and observed.stage_seconds >= observed.at_most


RELEASE: tuple[Row, ...] = (
    Row("no release", "no release is under way", lambda o: not o.release),
    Row("paused", "it is paused by hand", lambda o: o.status == "paused"),
    Row("not judged", "the judgement could not be made", lambda o: o.recommendation == "unknown"),
    Row("shown worse", "the recommendation is `stop`", lambda o: o.recommendation == "stop", "rollback"),
    Row(
        "shadow: shown worse",
        "shadow: its answers are shown worse",
        lambda o: _shadow(o) and o.shadow_worse,
        "rollback",
    ),
    Row(
        "shadow: too short",
        "shadow: it has not run for its time",
        lambda o: _shadow(o) and o.stage_seconds < o.at_least,
    ),
    Row("shadow: too few pairs", "shadow: fewer pairs than needed", lambda o: _shadow(o) and o.pairs < o.minimum_pairs),
    Row(
        "shadow: it fails",
        "shadow: it fails more often than tolerated",
        lambda o: _shadow(o) and o.failing > o.tolerated,
    ),
    Row("shadow: done", "shadow: done, another stage comes", lambda o: _shadow(o) and o.further_stages > 0, "advance"),
    Row("shadow: all done", "shadow: done, no other stage comes", _shadow, "conclude"),
    Row("ship: promote", "test: `ship`, `then: promote`", lambda o: _ships(o) and o.then == "promote", "promote"),
    Row("ship: asked", "test: `ship`, `then: ask`, asked already", lambda o: _ships(o) and o.status == "proposed"),
    Row("ship: ask", "test: `ship`, `then: ask`", lambda o: _ships(o) and o.then == "ask", "propose"),
    Row(
        "time is up",
        "test: it has run `at_most`, or as long as `log.keep` keeps its first rows, and nothing shipped",
        _time_is_up,
        "conclude",
    ),
    Row(
        "no longer ships", "test: asked, but it does not ship any more", lambda o: o.status == "proposed", "reconsider"
    ),
    Row("ship: nothing", "test: `ship`, `then: nothing`", _ships),
    Row("too early", "test: it has not run `at_least`", lambda o: o.stage_seconds < o.at_least),
    Row("withheld", "test: the recommendation is `withheld`", lambda o: o.recommendation == "withheld"),
    Row("no difference", "test: the recommendation is `no-difference`", lambda o: o.recommendation == "no-difference"),
    Row("wait", "otherwise", lambda _: True),
)
"""What becomes of a release: the first row that applies."""


def _alias_strayed(observed: Observed) -> bool:
    return observed.alias_stands is not None and observed.alias_stands != observed.alias_ours


HOUSE: tuple[Row, ...] = (
    Row(
        "previous expired",
        "the rollback window is over",
        lambda o: o.previous_until is not None and o.at >= o.previous_until,
        "unload-previous",
    ),
    Row(
        "alias moved: follow",
        "somebody else moved the alias, `alias_moved: follow`",
        lambda o: _alias_strayed(o) and o.alias_moved == "follow",
        "follow-alias",
    ),
    Row(
        "alias moved",
        "somebody else moved the alias, not told yet",
        lambda o: _alias_strayed(o) and o.alias_stands != o.alias_told,
        "tell-alias",
    ),
    Row(
        "alias came back",
        "the alias stands where we put it again",
        lambda o: o.alias_stands is not None and o.alias_stands == o.alias_ours and o.alias_told != 0,
        "alias-back",
    ),
)
"""What is done beside: every row that applies, but at most one about the alias."""


def decide(observed: Observed) -> tuple[Action, ...]:
    """What to do about what was observed, in order; nothing: wait."""
    row = row_of(observed)
    actions = [Action(row.does, row.name)] if row.does else []
    seen: set[str] = set()
    for house in HOUSE:
        about = "alias" if "alias" in house.name else house.name
        if about not in seen and house.applies(observed) and house.does:
            seen.add(about)
            actions.append(Action(house.does, house.name))
    return tuple(actions)


def row_of(observed: Observed) -> Row:
    """The row of the release's table that decides."""
    return next(row for row in RELEASE if row.applies(observed))


def decision_table() -> str:
    """Both tables as Markdown, for the documentation."""
    lines = ["| # | row | when | what is done |", "|---|---|---|---|"]
    for number, row in enumerate(RELEASE, start=1):
        lines.append(f"| {number} | {row.name} | {row.condition} | {row.does or 'wait'} |")
    lines += ["", "| row | when | what is done |", "|---|---|---|"]
    lines += [f"| {row.name} | {row.condition} | {row.does} |" for row in HOUSE]
    return "\n".join(lines)
