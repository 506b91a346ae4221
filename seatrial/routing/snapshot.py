"""The routing snapshot: all that a gateway needs to know about one deployment, immutable, as one JSON document.

Control writes it, gateways read it; a row of the ledger carries its ``revision``, so the past can be explained.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from seatrial.routing.rules.expression import Expression
from seatrial.spec.outcome_shapes import OutcomeShape
from seatrial.spec.signature import Feature, Signature, Task

Combine = Literal["mean", "vote", "weights"]
Device = Literal["cpu", "cuda", "tensorrt", "openvino"]


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of a variant that were computed beforehand, and are looked up instead of computed.

    Attributes:
        scores: Directory that `seatrial batch` wrote; a relative one starts where the home directory lies.
        key: What is looked up: the ``unit`` of a request, or the ``request``'s own key.
        stale_after: Seconds after which the scores answer no longer; None: never.
    """

    scores: str
    key: Literal["unit", "request"] = "unit"
    stale_after: float | None = None


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a variant that keeps failing is left alone for a while.

    Attributes:
        window: Seconds in which failures are counted, from the first of them.
        minimum_calls: Calls in it, answered or not, below which nothing is concluded.
        failures: Share of them that must have failed.
        open_for: Seconds it is left alone before a few calls try it again.
        probes: So many of those must be answered, and none fail.
    """

    window: float = 10.0
    minimum_calls: int = 20
    failures: float = 0.5
    open_for: float = 5.0
    probes: int = 3


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """A server that answers instead of a version's files.

    Attributes:
        protocol: ``json`` (any JSON by POST), or the Open Inference Protocol over ``http`` or ``grpc``.
        address: As the file says it; a secret in it, or in ``headers``, is a ``${NAME}`` that the server of the variant
            puts in.
        body: For ``json``, the template (``spec.body_template``).
        answer, score, scores: Where prediction, second class's probability and all classes' probabilities stand: for
            ``json`` paths (``spec.answer_path``), else names of the server's outputs; "" where it gives none.
        model, version: What is asked for at that server; a ``version`` of "" leaves it to the server.
    """

    protocol: Literal["json", "http", "grpc"]
    address: str
    headers: dict[str, str] = {}
    body: str = ""
    answer: str = ""
    score: str = ""
    scores: str = ""
    model: str = ""
    version: str = ""


class Popular(msgspec.Struct, frozen=True, kw_only=True):
    """Items that control counts and the server of the variant answers, the best first.

    Attributes:
        file: The file of them, ``deployment/name`` under the home directory's ``popular``.
        outcome: What is counted.
        within: Seconds: those that happened no longer ago.
        item: The outcome's field that names the item; "": the outcome's own ``item``.
        value: The outcome's field that is summed; "": outcomes are counted.
        most: So many items at most.
    """

    file: str
    outcome: str
    within: float
    item: str = ""
    value: str = ""
    most: int = 20


class Ensemble(msgspec.Struct, frozen=True, kw_only=True):
    """Several versions that answer as one.

    Attributes:
        members: Their slots, in the file's order; none is an ensemble itself.
        combine: ``mean`` of scores or values, the same ``weights``-weighted, or ``vote`` of labels.
        weights: One a member, adding up to 1; empty but for ``weights``.
    """

    members: "tuple[Slot, ...]"
    combine: Combine
    weights: tuple[float, ...] = ()


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of waiting requests run together at most, and for how many seconds an idle model waits for them."""

    rows: int = 64
    delay: float = 0.0


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """How many bytes of answers a worker keeps, and for how many seconds each may be given again."""

    bytes: int = 64 << 20
    ttl: float = 600.0


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One variant, resolved: which version, where its verified files lie on this host.

    Attributes:
        variant: Name in the deployment.
        model: Registered model's name; where there is none, the name of the variant that was applied.
        version: Its version number, and 0 where nothing is registered.
        digest: SHA-256 of the artefact's files (of a remote or popular variant: of its terms; of an ensemble: of its
            members' and how they are combined); the store is addressed by it.
        path: Directory of the artefact in the local store; "" where there is none.
        runtime: Which runtime serves it.
        trust: What the deployment file allows (``pickle`` only where it says so).
        timeout: Seconds a request may wait for it.
        device: Where an ONNX model runs.
        signature: What it takes and gives.
        lookup: Where its answers lie ready; None: they are computed.
        breaker: When it is left alone; None: never.
        remote: Which server computes them; None: this one.
        popular: Which outcomes' items they are; None: they are computed.
        ensemble: Whose answers it combines; None: it is one version.
        batch: How its calls are batched where it runs in threads; None: each runs alone.
        cache: Which answers are given again; None: none.
    """

    variant: str
    model: str
    version: int
    digest: str
    path: str
    runtime: Literal["onnx", "python", "remote", "popular", "ensemble"]
    trust: Literal["none", "pickle"] = "none"
    timeout: float = 1.0
    device: Device = "cpu"
    signature: Signature
    lookup: Lookup | None = None
    breaker: BreakerPolicy | None = BreakerPolicy()
    remote: Remote | None = None
    popular: Popular | None = None
    ensemble: Ensemble | None = None
    batch: Batch | None = Batch()
    cache: Cache | None = None

    @property
    def model_version(self) -> str:
        """``name:version``, or the name of a variant without a registered version: what answers and rows say."""
        return f"{self.model}:{self.version}" if self.version else self.model

    @property
    def is_ready(self) -> bool:
        """Its answers lie ready, and nothing is computed of features."""
        return self.lookup is not None or self.popular is not None

    @property
    def has_files(self) -> bool:
        """Registered versions answer, whose files lie here."""
        return self.remote is None and self.popular is None

    @property
    def parts(self) -> "tuple[Slot, ...]":
        """The registered versions that it takes: an ensemble's members, else itself."""
        return (self,) if self.ensemble is None else self.ensemble.members


class Transform(msgspec.Struct, frozen=True, kw_only=True):
    """What every request goes through once, before its variants: exactly one of ``slot`` and ``python`` is set.

    Attributes:
        slot: The registered model that gives features.
        python: The function that does, ``package.module:function``.
        takes: Names of the features that it is given.
        gives: For each of its outputs (of a function, each feature itself), the features in its columns.
        signature: What a request carries: the features that it takes and those that go past it to the variants; and
            tensors of them. Its answer is the default variant's.
        timeout: Seconds a request may wait for it.
    """

    slot: Slot | None = None
    python: str = ""
    takes: tuple[str, ...] = ()
    gives: dict[str, tuple[str, ...]]
    signature: Signature
    timeout: float = 1.0


class Arm(msgspec.Struct, frozen=True):
    """A variant and its non-negative weight; the weights of an entry sum to 1."""

    variant: str
    weight: float


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """How the value of a context key becomes numbers; fixed, so that coefficients go on meaning the same.

    Attributes:
        key: The declared context key.
        kind: ``number`` (integers too): (value − center) / scale, cut at ±4, 0 where it is missing. ``boolean``: 1 or
            0, 0 where it is missing. ``category`` (strings): a 1 at the place of the value.
        optional: It may be missing; then a further number says whether it is.
        center, scale: Of a number; the scale is above 0.
        categories: Values with a place of their own; all others share one more.
    """

    key: str
    kind: Literal["number", "boolean", "category"]
    optional: bool = False
    center: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()


class ByContext(msgspec.Struct, frozen=True, kw_only=True):
    """How a bandit chooses by what a request says of itself, frozen for an epoch.

    Attributes:
        policy: By which rule chances follow from the lines.
        columns: A context is a 1, then the numbers of these columns in order; together d numbers.
        arms: The variants that it chooses among.
        coefficients: Of each one's expected reward as a line in the context, shape [K, d].
        spreads: For ``linear-thompson``, of each: |spread · x| is the line's deviation at x; float64, little endian,
            shape [K, d, d].
        gamma: For ``squarecb``, how greedy it is.
        floor: Least chance of each of the arms.
    """

    policy: Literal["squarecb", "linear-thompson"]
    columns: tuple[Column, ...]
    arms: tuple[str, ...]
    coefficients: tuple[tuple[float, ...], ...]
    spreads: bytes = b""
    gamma: float = 0.0
    floor: float = 0.0


class Crowd(msgspec.Struct, frozen=True):
    """Units that an entry takes, beside its condition, by what no rule can see.

    Attributes:
        file: The file of their hashes, ``deployment/name`` under the home directory's ``crowds``.
        inside: It takes those in the file; else all others.
    """

    file: str
    inside: bool = True


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A routing entry: either ``to`` one variant, or a sticky split over ``arms``.

    Attributes:
        when: Which requests it takes; None: all that come to it.
        crowd: Which units it takes of those requests; None: all.
        salt: Enters the hash of a split; the deployment's and the release's; of a bandit, the epoch's.
        reason: What a row decided here says: with ``to`` it is ``rule`` but for ``explicit`` (its units are listed) and
            ``cold-start``; with arms ``split``, ``canary`` or ``bandit``.
        release: Identity of the release that owns the weights, or "".
        phase: Period of constant weights within that release, from 1; of a bandit, its epoch; else 0.
        by_context: How a bandit chooses by context; None: by the weights of ``arms``. Where it is set, they are only
            the means of its chances so far, and every row carries the chances that it was drawn by, in their order.
    """

    name: str
    when: Expression | None = None
    crowd: Crowd | None = None
    to: str | None = None
    arms: tuple[Arm, ...] = ()
    by_context: ByContext | None = None
    salt: str = ""
    reason: Literal["split", "canary", "bandit", "rule", "explicit", "cold-start"] = "split"
    release: str = ""
    phase: int = 0


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """Send a copy of a share of requests (by hash of request id) to a variant, after the answer.

    Attributes:
        entry: Only requests decided by this routing entry; "" means all.
    """

    variant: str
    share: float
    salt: str
    entry: str = ""
    release: str = ""


class ContextKey(msgspec.Struct, frozen=True):
    name: str
    kind: Literal["string", "number", "integer", "boolean"]
    optional: bool = False


class LogPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What of a row's features is written. ``features`` names them (resolved from ``all``); ``redact`` are written as a
    keyed hash; ``sample`` is the share of rows whose features are written (envelope and prediction always are)."""

    features: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    sample: float = 1.0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All a gateway needs to know of one deployment at one revision."""

    deployment: str
    revision: int
    task: Task
    unit_name: str
    unit_from: str | None = None
    """Name of the context key that carries the unit (without ``context.``)."""
    context: tuple[ContextKey, ...] = ()
    slots: tuple[Slot, ...]
    transform: Transform | None = None
    default: str
    fallback: str | None = None
    """JSON text of the answer of last resort. (Text, because msgspec cannot read an optional ``Raw`` back.)"""
    strict_features: bool = False
    entries: tuple[Entry, ...]
    shadows: tuple[Shadow, ...] = ()
    outcomes: tuple[str, ...] = ()
    outcome_shapes: tuple[OutcomeShape, ...] = ()
    """What each of them may carry; one without a shape (a snapshot from before there were any) may carry anything."""
    log: LogPolicy = LogPolicy()

    def slot(self, variant: str) -> Slot:
        for slot in self.slots:
            if slot.variant == variant:
                return slot
        raise KeyError(variant)

    def shape(self, outcome: str) -> OutcomeShape | None:
        """What an outcome may carry; None: anything."""
        return next((shape for shape in self.outcome_shapes if shape.name == outcome), None)


def never_lacked(slots: Iterable[Slot], transform: Transform | None) -> frozenset[str]:
    """Names of the features that no answered request lacks.

    Without a transform those that every version needs: rows that the assigned version refuses go to the default one,
    and one whose answers lie ready needs none. A transform reads every request before any version does.

    Args:
        slots: Every variant that is loaded.
    """
    if transform is not None:
        return _needed(transform.signature)
    needed = [frozenset() if slot.is_ready else _needed(slot.signature) for slot in slots]
    return frozenset.intersection(*needed) if needed else frozenset()


def _needed(signature: Signature) -> frozenset[str]:
    return frozenset(feature.name for feature in signature.features if not feature.nullable)


def features_of(slots: Iterable[Slot]) -> dict[str, Feature]:
    """Every feature that a version takes; of several of a name the first."""
    found: dict[str, Feature] = {}
    for slot in slots:
        for feature in slot.signature.features:
            found.setdefault(feature.name, feature)
    return found
