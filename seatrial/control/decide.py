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

from seatrial.spec.units import show_duration, show_share

_ROUNDING = 1e-9

ActionKind = Literal[
    "begin",
    "rollback",
    "bake",
    "advance",
    "promote",
    "propose",
    "reconsider",
    "conclude",
    "unload-previous",
    "tell-alias",
    "follow-alias",
    "alias-back",
    "challenge",
]
Recommended = Literal["withheld", "stop", "ship", "no-difference", "wait", "unknown"]


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision depends on.

    Attributes:
        at: Microseconds since 1970 UTC.
        revision: The routing revision that serves.
        release: Identity of the release under way, or "".
        status: Its status (``pending``, ``running``, ``baking``, ``paused``, ``proposed``), or "".
        stage: ``shadow``, ``canary`` or ``test``, or "".
        further_stages: How many stages come after this one.
        stage_seconds: How long the stage has run.
        at_least: Seconds the stage runs at least (a shadow's ``for``).
        at_most: Seconds a test or canary runs at most: the file's, or what `log.keep` allows; None: no limit.
        release_seconds: How long the release has run.
        release_at_most: Seconds it may; None: no limit of its own.
        closed: Why nothing may climb now, by the calendar; "" when it may.
        held_back: Why a release that the file lets begin on evidence may not yet; "" when it may.
        step: Position of the canary's step, from 0.
        further_steps: How many steps come after this one.
        step_seconds: How long the step has run with its present share.
        bake: Seconds that a step lasts at least.
        fresh: Fresh units of the challenger in this step.
        minimum_units: So many of them the step needs.
        unmeasured: Guardrails that gate this step and say nothing about its units.
        evidence: What is known of the metrics that made the recommendation so, in words.
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
        challenger: The newest registered version, when it has not been tried and may challenge by itself; "" else.
        command_seconds: Since a release last took command; None: none has.
        challenge_every: Seconds that must lie between two changes of command.
        spent: The sum of α over the releases that began in the policy's period.
        alpha: What the next release would spend.
        budget: How much of it may be spent.
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
    release_seconds: float = 0.0
    release_at_most: float | None = None
    closed: str = ""
    held_back: str = ""
    step: int = 0
    further_steps: int = 0
    step_seconds: float = 0.0
    bake: float = 0.0
    fresh: int = 0
    minimum_units: int = 0
    unmeasured: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
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
    challenger: str = ""
    command_seconds: float | None = None
    challenge_every: float = 0.0
    spent: float = 0.0
    alpha: float = 0.0
    budget: float = 0.0


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


def _canary(observed: Observed) -> bool:
    return observed.stage == "canary"


def _in_step(observed: Observed) -> bool:
    return _canary(observed) and observed.status != "proposed"


def _ships(observed: Observed) -> bool:
    return observed.recommendation == "ship" and observed.matured > 0 and observed.stage_seconds >= observed.at_least


def _time_is_up(observed: Observed) -> bool:
    stage = observed.at_most is not None and observed.stage_seconds >= observed.at_most
    return stage or (observed.release_at_most is not None and observed.release_seconds >= observed.release_at_most)


def _may_ship(observed: Observed) -> bool:
    """The last stage may end in command: a test, or a canary that has baked its last step."""
    return observed.stage == "test" or (_canary(observed) and not observed.further_steps + observed.further_stages)


def _would_climb(observed: Observed) -> bool:
    """By the rows below, were the calendar open."""
    return row_of(msgspec.structs.replace(observed, closed="")).does in ("begin", "advance", "promote")


RELEASE: tuple[Row, ...] = (
    Row("no release", "no release is under way", lambda o: not o.release),
    Row(
        "pending: time is up",
        "it is pending, and the release has waited `at_most`, or as long as `log.keep` keeps its first rows",
        lambda o: o.status == "pending" and _time_is_up(o),
        "conclude",
    ),
    Row("closed", "it would climb, and the calendar is closed", lambda o: bool(o.closed) and _would_climb(o)),
    Row(
        "held back",
        "it is pending, `require: off-policy`, and what was logged before does not show that it is no worse",
        lambda o: o.status == "pending" and bool(o.held_back),
    ),
    Row("begins", "it is pending", lambda o: o.status == "pending", "begin"),
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
        "before the test: time is up",
        "shadow or canary: the release has run `at_most`, or as long as `log.keep` keeps its first rows",
        lambda o: o.stage != "test" and _time_is_up(o) and not (_may_ship(o) and _ships(o)),
        "conclude",
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
    Row(
        "canary: withheld",
        "canary: the recommendation is `withheld`",
        lambda o: _in_step(o) and o.recommendation == "withheld",
    ),
    Row(
        "canary: too few units",
        "canary: fewer fresh units than `minimum_units` in this step",
        lambda o: _in_step(o) and o.fresh < o.minimum_units,
    ),
    Row("canary: bakes", "canary: its units are here", lambda o: _in_step(o) and o.status == "running", "bake"),
    Row(
        "canary: baking",
        "canary: the step has not run for `bake`",
        lambda o: _in_step(o) and o.step_seconds < o.bake,
    ),
    Row(
        "canary: no data",
        "canary: it has baked, and a guardrail that gates the step says nothing about its units",
        lambda o: _in_step(o) and bool(o.unmeasured),
    ),
    Row(
        "canary: next step",
        "canary: done, another step comes",
        lambda o: _in_step(o) and o.further_steps > 0,
        "advance",
    ),
    Row("canary: done", "canary: done, another stage comes", lambda o: _in_step(o) and o.further_stages > 0, "advance"),
    Row("ship: promote", "last stage: `ship`, `then: promote`", lambda o: _ships(o) and o.then == "promote", "promote"),
    Row(
        "ship: asked", "last stage: `ship`, `then: ask`, asked already", lambda o: _ships(o) and o.status == "proposed"
    ),
    Row("ship: ask", "last stage: `ship`, `then: ask`", lambda o: _ships(o) and o.then == "ask", "propose"),
    Row(
        "time is up",
        "test: it or the release has run `at_most`, or as long as `log.keep` keeps its first rows, and nothing shipped",
        _time_is_up,
        "conclude",
    ),
    Row("no longer ships", "asked, but it does not ship any more", lambda o: o.status == "proposed", "reconsider"),
    Row("ship: nothing", "last stage: `ship`, `then: nothing`", _ships),
    Row("too early", "test: it has not run `at_least`", lambda o: o.stage_seconds < o.at_least),
    Row("withheld", "test: the recommendation is `withheld`", lambda o: o.recommendation == "withheld"),
    Row(
        "no difference",
        "last stage: the recommendation is `no-difference`",
        lambda o: o.recommendation == "no-difference",
    ),
    Row("wait", "otherwise", lambda _: True),
)
"""What becomes of a release: the first row that applies."""


def challenge_waits(observed: Observed) -> str:
    """Why the newest version does not challenge yet, in words; "" when nothing holds it up."""
    if observed.command_seconds is not None and observed.command_seconds < observed.challenge_every:
        left = show_duration(float(round(observed.challenge_every - observed.command_seconds)))
        return f"command changed less than {show_duration(observed.challenge_every)} ago, and may again in {left}"
    if observed.spent + observed.alpha > observed.budget * (1 + _ROUNDING):
        return (
            f"releases of the last period have spent {show_share(observed.spent)} of the error budget of "
            f"{show_share(observed.budget)}, and another needs {show_share(observed.alpha)}"
        )
    return ""


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
    Row(
        "the newest challenges",
        "no release is under way, the newest version has not been tried, the last change of command is `every` ago, "
        "and the error budget holds another release",
        lambda o: bool(o.challenger) and not o.release and not challenge_waits(o),
        "challenge",
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
