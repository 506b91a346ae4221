"""What state keeps, as frozen values: no row of a database passes this room's wall.

Times are microseconds since 1970 UTC.
"""

from typing import Literal

import msgspec

from seatrial.releases.run import ReleaseRun
from seatrial.routing.snapshot import ByContext, Slot

RevisionStatus = Literal["proposed", "active", "superseded", "withdrawn"]
CommandStatus = Literal["waiting", "running", "done", "failed"]
Fate = Literal["", "told", "digest", "muted"]
NoticeKind = Literal["alert", "recovery", "digest", "test"]
CommandKind = Literal["promote", "rollback", "pause", "resume"]


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant's reference in the file came to.

    Attributes:
        variant: Name in the deployment.
        reference: As the file says it (``models:/churn@champion``); while it stays, the pin stays.
        slot: The version that serves; None when the variant was emptied.
        emptied: Why there is no slot: its version was promoted, or rolled back.
        heir: The variant that its weight goes to while it is empty.
        went_back: The slot holds the version before, because the one that the reference came to was rolled back.
    """

    variant: str
    reference: str
    slot: Slot | None
    emptied: Literal["", "promoted", "rolled back"] = ""
    heir: str = ""
    went_back: bool = False


class Previous(msgspec.Struct, frozen=True, kw_only=True):
    """The version that was in command before, kept loaded so that going back is one swap.

    Attributes:
        slot: Its slot, whose variant is ``previous``.
        release: The release that replaced it, or "" when a person did.
        replaced: ``name:version`` that took command.
        until: It stays loaded until then.
    """

    slot: Slot
    release: str
    replaced: str
    until: int


class AliasMove(msgspec.Struct, frozen=True, kw_only=True):
    """An alias of the registry, and the version that this deployment put it on, or found it on."""

    model: str
    alias: str
    version: int


class BanditRun(msgspec.Struct, frozen=True, kw_only=True):
    """A bandit under way in a routing entry.

    Attributes:
        epoch: Number of the present epoch, from 1; never used twice for the entry.
        started_at: When it began.
        since: When the arms began of which rewards are learned: earlier ones are of others.
        together: The first epoch in which all of these versions were arms: arms are only compared from there on.
        versions: ``name:version`` of each arm; a reward of another version is not the arm's.
        digests: Of each arm; what has the same name and another digest (a remote's new address) is another arm.
        weights: The chance of each arm in this epoch.
        removed: Arms that fail too much, and get nothing.
        context: Of every context key by which it chooses, what the file declares: ``number``, ``optional string``;
            empty: it does not choose by context.
        by_context: How it chooses by context in this epoch; None: by the weights.
    """

    epoch: int
    started_at: int
    since: int
    versions: dict[str, str]
    weights: dict[str, float]
    removed: tuple[str, ...] = ()
    together: int = 1
    digests: dict[str, str] = {}
    context: dict[str, str] = {}
    by_context: ByContext | None = None


class DeploymentState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that came of a deployment's intent.

    Attributes:
        deployment: Its name.
        version: Counts every change; a change is refused when it was decided on an older one.
        revision: The routing revision that serves, 0 before the first.
        text: The file as it was last applied.
        pins: One a variant, in the file's order.
        run: The release under way, or the last one.
        transform: The model that the file's transform came to; None without one, or where it is a function.
        holdout: Who is held out: the version before against the one in command, judged as a release is; None: nobody.
        previous: Who was in command before, while it is kept loaded.
        rolled_back: ``name:version`` of versions that went back, refused until somebody says retry.
        commanded: ``name:version`` of versions that were in command before, however they came to it and left it.
        commanded_at: When a version last left command for another, by whatever way; 0: none has.
        salts: Salt by routing entry.
        bandits: By routing entry.
        lists: The file of units (as a snapshot names it) of every routing entry with ``units_from``.
        epochs: The last epoch that a bandit had, by routing entry; kept when the entry is none any more, since a number
            is in salts and rows and is never used twice.
        alias: Where the champion's alias stood when last seen or set.
        alias_due: An alias still to be moved in the registry.
        alias_strayed: Where somebody else put it, once that is known and said; 0: nowhere.
        applied_by: Who applied the file.
        applied_at: When.
    """

    deployment: str
    version: int = 0
    revision: int = 0
    text: str = ""
    pins: tuple[Pin, ...] = ()
    transform: Pin | None = None
    run: ReleaseRun | None = None
    holdout: ReleaseRun | None = None
    previous: Previous | None = None
    rolled_back: tuple[str, ...] = ()
    commanded: tuple[str, ...] = ()
    commanded_at: int = 0
    salts: dict[str, str] = {}
    bandits: dict[str, BanditRun] = {}
    lists: dict[str, str] = {}
    epochs: dict[str, int] = {}
    alias: AliasMove | None = None
    alias_due: AliasMove | None = None
    alias_strayed: int = 0
    applied_by: str = ""
    applied_at: int = 0

    def pin(self, variant: str) -> Pin | None:
        return next((pin for pin in self.pins if pin.variant == variant), None)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All versions that are loaded: of variants, of the transform, and the one before."""
        pins = self.pins if self.transform is None else (*self.pins, self.transform)
        loaded = tuple(pin.slot for pin in pins if pin.slot is not None)
        return loaded if self.previous is None else (*loaded, self.previous.slot)

    def slot(self, variant: str) -> Slot | None:
        pin = self.pin(variant)
        return pin.slot if pin else None

    @property
    def open_run(self) -> ReleaseRun | None:
        """The release under way, or None."""
        return self.run if self.run is not None and self.run.open else None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done or decided, by whom and why.

    Attributes:
        action: A short name: ``apply``, ``promote``, ``rollback``, ``decide``, ``alert``, ...
        actor: A person's name, or ``seatrial`` for the loop.
        why: The reason given, or the row of the decision table.
        sentence: What happened, in words.
        release: Identity of the release concerned, or "".
        observed: JSON of what the decision saw, where one was taken.
        decision: JSON of the actions it came to, likewise.
        id: Position in the audit; 0 before it is written.
    """

    deployment: str
    at: int
    action: str
    actor: str
    why: str
    sentence: str
    revision: int = 0
    release: str = ""
    observed: str = ""
    decision: str = ""
    id: int = 0


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A routing revision and what became of it.

    Attributes:
        at: When it was proposed, or last changed its status.
        reason: Why it was withdrawn, else "".
        after: The state that holds once it is active.
        entry: The audit entry that is written then.
    """

    deployment: str
    revision: int
    status: RevisionStatus
    at: int
    reason: str
    after: DeploymentState
    entry: AuditEntry


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should know.

    Attributes:
        event: What happened, as ``alerts`` in the file names it (``rollback``, ``performance.major``, ...).
        key: Identity: the same event about the same thing is told once.
        details: JSON.
        sent_at: When every receiver that it went to at once had it; None before, and where it went to nobody at once.
        attempts: How often sending was tried.
        error: Why it could not be sent, else "".
        fate: What became of it: ``told`` (at once), ``digest`` (in the summary of the day), ``muted``; "" while that is
            not decided (quiet hours).
        fate_why: Why, in words.
        acked_at, acked_by, ack_why: Who has taken it upon them; None and "" while nobody has.
    """

    deployment: str
    at: int
    event: str
    key: str
    severity: Literal["info", "warning", "critical"]
    sentence: str
    details: str = "{}"
    sent_at: int | None = None
    attempts: int = 0
    error: str = ""
    fate: Fate = ""
    fate_why: str = ""
    acked_at: int | None = None
    acked_by: str = ""
    ack_why: str = ""
    id: int = 0


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A message to one receiver, kept until it was taken.

    Attributes:
        id: Its identity for whoever receives it: the same however often it is sent.
        deployment: What it is about; "" for a summary of several.
        to: The receiver, as the file names it (secrets are put in when it is sent).
        kind: ``alert``, ``recovery``, ``digest`` or ``test``.
        why: Why it is sent, in words.
        message: JSON of what is sent.
        alerts: The alerts in it, by id.
        due_at: Not tried before.
        attempts: How often it was tried.
        sent_at: When it was taken; None before.
        given_up_at: When trying ended; None before.
        error: Why the last try failed, else "".
    """

    id: str
    deployment: str
    to: str
    kind: NoticeKind
    at: int
    why: str
    message: str
    alerts: tuple[int, ...] = ()
    due_at: int = 0
    attempts: int = 0
    sent_at: int | None = None
    given_up_at: int | None = None
    error: str = ""


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody does not want to be told at once of something for a while.

    Attributes:
        what: An event (``data.major``), a group (``data``), a condition (``data/champion``), or ``all``.
        until: It ends by itself then.
        ended_at: When somebody ended it before; None: nobody did.
    """

    deployment: str
    what: str
    at: int
    until: int
    by: str
    why: str
    ended_at: int | None = None
    id: int = 0


class VerdictRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement at a moment.

    Attributes:
        judgement: JSON of the whole judgement.
    """

    deployment: str
    release: str
    at: int
    revision: int
    stage: str
    recommendation: str
    judgement: str


class WindowRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One window of one monitor.

    Attributes:
        monitor: ``data``, ``prediction`` or ``performance``.
        variant, version: Whose.
        severity: ``none``, ``moderate``, ``major``, or ``no-data``.
        window: JSON of the whole window.
    """

    deployment: str
    monitor: str
    variant: str
    version: str
    start: int
    end: int
    severity: str
    window: str


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """An action asked of the leader, and its answer.

    Attributes:
        arguments: JSON.
        answer: JSON of the result when done, a sentence when failed.
        code: Status of the error, as ``spec.errors`` numbers it.
    """

    id: str
    deployment: str
    at: int
    kind: CommandKind
    actor: str
    arguments: str = "{}"
    status: CommandStatus = "waiting"
    answered_at: int | None = None
    answer: str = ""
    code: int = 0
