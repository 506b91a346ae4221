"""One release of one version: where it stands, as a frozen value that state keeps and experiments judge."""

from typing import Literal

import msgspec

from seatrial.releases.plan import Plan
from seatrial.releases.states import StateName, state_of
from seatrial.routing.snapshot import Arm
from seatrial.spec.deployment import FamilyWord

StageKind = Literal["shadow", "canary", "test"]
RunStatus = Literal[
    "pending",
    "running",
    "baking",
    "paused",
    "proposed",
    "promoted",
    "rolled-back",
    "inconclusive",
    "failed",
    "abandoned",
]

HELD_OUT = "/holdout"
"""How the identity of a comparison ends that goes on after a promotion."""

OPEN: frozenset[str] = frozenset({"pending", "running", "baking", "paused", "proposed"})
"""Statuses in which the release still owns its entry's weights."""


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A period of constant weights in the release's entry.

    Attributes:
        number: From 1, ascending; rows of the ledger carry it.
        arms: The entry's variants and weights in this phase.
        started_at: Microseconds since 1970 UTC.
        revision: The first snapshot revision with these weights; phases are cut by it, never by a clock.
    """

    number: int
    arms: tuple[Arm, ...]
    started_at: int
    revision: int


class ReleaseRun(msgspec.Struct, frozen=True, kw_only=True):
    """A release under way, or what became of it.

    Attributes:
        id: Identity; every row of its entry carries it.
        deployment: Which deployment.
        entry: The routing entry whose weights it moves.
        champion: Variant in command, which it is compared with.
        challenger: Variant that wants to be.
        champion_version: ``name:version`` in the champion's slot when the release began.
        challenger_version: ``name:version`` in the challenger's slot.
        salt: Of the entry's split while the release runs: the release's own, so that it randomises anew.
        stage: What the present stage is.
        stage_index: Its position in the file's ``stages``, from 0.
        stage_started_at: When it began, microseconds since 1970 UTC.
        step: Of a ``canary`` stage, the position in its ``steps``, from 0.
        phases: Periods of constant weights in which units were exposed (``canary`` and ``test``); none in ``shadow``.
        alpha: Error rate of the primary's sequence, fixed when the release began.
        plan: When the primary is judged, fixed likewise.
        plan_units: Units for which the sequences are tightest, fixed likewise.
        family: How the metrics that do not decide are adjusted together, fixed likewise.
        caps: Outlier cap by metric, fixed before the first look.
        status: ``pending`` (the calendar is closed), ``running``, ``baking`` (a canary step that has its units),
            ``paused`` (by hand), ``proposed`` (a person is asked to promote), or how it ended.
        edited: What of ``primary``, ``alpha``, margins or windows was edited while it ran; marked in later verdicts.
        started_at: Microseconds since 1970 UTC.
        ended_at: Likewise, or None while it is open.
        took_command_at: Likewise, when its version did; None: it never did. It stays when that is taken back.
    """

    id: str
    deployment: str
    entry: str
    champion: str
    challenger: str
    champion_version: str
    challenger_version: str
    salt: str
    stage: StageKind
    stage_index: int = 0
    stage_started_at: int
    step: int = 0
    phases: tuple[Phase, ...] = ()
    alpha: float = 0.05
    plan: Plan = Plan()
    plan_units: int = 5000
    family: FamilyWord = "holm"
    caps: dict[str, float] = {}
    status: RunStatus = "running"
    edited: tuple[str, ...] = ()
    started_at: int
    ended_at: int | None = None
    took_command_at: int | None = None

    @property
    def open(self) -> bool:
        """Whether the release still owns its entry's weights."""
        return self.status in OPEN

    @property
    def state(self) -> StateName:
        """Where it stands, in the words of ``releases.states``."""
        return state_of(self.status, self.stage)

    @property
    def phase(self) -> Phase | None:
        """The present period of constant weights, or None before the first."""
        return self.phases[-1] if self.phases else None
