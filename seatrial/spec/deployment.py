"""The deployment file as frozen values: what every other room reads of a user's intent.

Durations are seconds, shares fractions of 1; the spellings of the file (``5%``, ``30m``) are read by ``spec.units``.
"""

from hashlib import sha256
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from seatrial.spec.alerting import ClockTime, Sustained
from seatrial.spec.calendar import Calendar, Window
from seatrial.spec.signature import Task
from seatrial.spec.units import show_duration
from seatrial.spec.value_terms import terms_of

MetricKind = Literal[
    "mean",
    "value",
    "proportion",
    "ratio",
    "quantile",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "log_loss",
    "brier",
    "auc",
    "calibration_error",
    "mae",
    "rmse",
    "hit_rate",
    "precision_at",
    "recall_at",
    "ndcg",
    "mrr",
    "click_through",
    "coverage",
]


class Model(BaseModel):
    """Base of every part of the file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class UnitSpec(Model):
    name: str = "unit"
    source: str | None = None
    """``context.<name>`` that carries the unit (``from`` in the file); a request's own ``unit`` wins."""
    cluster: str | None = None
    """``context.<key>`` above the unit: metrics are compared with errors by its values."""


class ContextField(Model):
    kind: Literal["string", "number", "integer", "boolean"]
    optional: bool = False


class LookupSpec(Model):
    scores: str
    """Directory of a batch run; a relative one starts where the home directory lies."""
    key: Literal["unit", "request"] = "unit"
    stale_after: float | None = None


class BreakerSpec(Model):
    window: float = 10.0
    minimum_calls: int = 20
    failures: float = 0.5
    open_for: float = 5.0
    probes: int = 3


class RemoteSpec(Model):
    """A server that answers instead of a registered version: by plain JSON (``url``) or by the Open Inference Protocol.

    Secrets stand in ``url``, ``open_inference`` and ``headers`` as ``${NAME}``.
    """

    url: str | None = None
    open_inference: str | None = None
    body: str = "{{ features }}"
    answer: str | None = None
    """With ``url`` a path (``spec.answer_path``), else an output's name; ``score`` and ``scores`` likewise."""
    score: str | None = None
    scores: str | None = None
    headers: dict[str, str] = {}
    model: str | None = None
    version: str | None = None
    features: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return self.url or self.open_inference or ""


class PopularSpec(Model):
    """The items of most outcomes, best first, counted from the ledger."""

    outcome: str
    within: float
    item: str | None = None
    """The field that names the item; None: the outcome's own ``item``."""
    value: str | None = None
    """The field that is summed; None: outcomes are counted."""
    most: int = 20

    @property
    def terms(self) -> str:
        """All of it, as one line."""
        fields = "".join(f", {key}: {name}" for key, name in (("item", self.item), ("value", self.value)) if name)
        return f"outcome: {self.outcome}, within: {show_duration(self.within)}{fields}, most: {self.most}"


class BatchSpec(Model):
    rows: int = 64
    delay: float = 0.0


class CacheSpec(Model):
    bytes: int = 64 << 20
    ttl: float = 600.0


class VariantSpec(Model):
    """Exactly one of ``model``, ``remote``, ``popular`` and ``ensemble`` is set."""

    model: str | None = None
    """``models:/name@alias``, ``models:/name/version`` or ``models:/name/latest``."""
    remote: RemoteSpec | None = None
    popular: PopularSpec | None = None
    ensemble: tuple[str, ...] = ()
    """Names of other variants, each with a ``model``, that answer as one."""
    combine: Literal["mean", "vote", "weights"] = "mean"
    weights: dict[str, float] = {}
    """A share for each member, adding up to 1; only with ``combine: weights``."""
    timeout: float = 1.0
    trust: Literal["none", "pickle"] = "none"
    runtime: Literal["onnx", "python"] | None = None
    """None: what the registered version says."""
    device: Literal["cpu", "cuda", "tensorrt", "openvino"] = "cpu"
    """Where an ONNX model runs."""
    lookup: LookupSpec | None = None
    """None: every answer is computed."""
    breaker: BreakerSpec | None = BreakerSpec()
    """None: off."""
    batch: BatchSpec | None = BatchSpec()
    """None: every call runs alone."""
    cache: CacheSpec | None = None
    """None: no answer is given again."""

    @property
    def reference(self) -> str:
        """What the file names, as one line: while it stays, the pin stays."""
        if self.popular is not None:
            return f"popular {{{self.popular.terms}}}"
        if self.remote is None:
            return self.model or ""
        whole = self.remote.model_dump_json(exclude_defaults=True)
        return f"remote {self.remote.address}, terms {sha256(whole.encode()).hexdigest()[:8]}"


class Margin(Model):
    """``{relative: 2%}`` or ``{absolute: x}``; exactly one is set, as a fraction or in the metric's unit: a fraction
    of 1 for shares (``errors``, proportions, accuracy), seconds for ``p50`` and ``p99``, else the value's own."""

    relative: float | None = None
    absolute: float | None = None


class GivenFeature(Model):
    """A feature of a request that a transform takes."""

    kind: Literal["string", "number", "integer", "boolean", "time", "list"]
    optional: bool = False


class TransformSpec(Model):
    """Exactly one of ``model`` and ``python`` is set."""

    model: str | None = None
    python: str | None = None
    """``package.module:function``."""
    trust: Literal["none", "python", "pickle"] = "none"
    timeout: float = 1.0
    features: dict[str, GivenFeature] = {}
    gives: tuple[str, ...] = ()


class RewardSpec(Model):
    """What a bandit learns from: an outcome in a window after the unit's first row in an epoch."""

    outcome: str
    within: float
    value: str | None = None
    """The field to sum; None: whether it happened (``binary`` without ``range``), else the outcome's own value."""
    kind: Literal["binary", "normal", "hurdle"] = "binary"
    range: tuple[float, float] | None = None
    """None: 0 to 1 for ``binary``, anything else for the others."""
    grace: float = 3600.0


class BanditSpec(Model):
    arms: tuple[str, ...]
    policy: Literal["thompson", "top-two", "ucb1", "ucb-tuned", "epsilon-greedy", "squarecb", "linear-thompson"] = (
        "thompson"
    )
    context: tuple[str, ...] = ()
    """By what ``squarecb`` and ``linear-thompson`` choose: context keys, ``features.<name>``; empty for the others."""
    reward: RewardSpec
    floor: float = 0.01
    every: float = 3600.0
    half_life: int | None = None
    """In matured rewards; None: nothing is forgotten."""
    minimum_units: int = 1
    """Matured rewards that every arm must have before weights are anything but even."""
    prior: Literal["none", "experiment"] = "none"
    change_reset: bool = False
    penalty: dict[str, float] = {}
    remove_failing: float | None = None
    """An arm of which a larger share of rows surely fails is taken out; None: none is."""
    epsilon: float = 0.1
    force: bool = False


class ColdStartSpec(Model):
    """Units with fewer than so many outcomes of a kind go to a variant."""

    outcome: str
    fewer_than: int
    to: str


class EntrySpec(Model):
    """One routing entry: exactly one of ``to``, ``split``, ``bandit`` and ``cold_start`` is set."""

    name: str
    when: str | None = None
    """A rule in CEL (``routing.rules``); None: it takes every request that comes to it."""
    units: tuple[str, ...] = ()
    """With ``to``: it takes these alone."""
    units_from: str | None = None
    """With ``to``: it takes those alone that stand in this file, a line each; a relative one starts where the home
    directory lies."""
    to: str | None = None
    split: dict[str, float] | None = None
    bandit: BanditSpec | None = None
    cold_start: ColdStartSpec | None = None

    @property
    def partly(self) -> bool:
        """It takes some of the requests that meet its condition, by what no rule can see."""
        return self.units_from is not None or self.cold_start is not None


class SourceSpec(Model):
    sql: str
    """With ``:since``, a time that the rows wanted are later than."""
    url_env: str
    """The environment variable that holds the database's URL."""
    every: float = 3600.0


class OutcomeSpec(Model):
    label: bool = False
    fields: dict[str, Literal["number", "integer", "string", "boolean"]] = {}
    source: SourceSpec | None = None
    """A database that is asked for it; None: it is sent."""


class MetricSpec(Model):
    kind: MetricKind
    outcome: str | None = None
    value: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    within: float | None = None
    grace: float = 3600.0
    want: Literal["higher", "lower"] = "higher"
    cap: float | None = None
    cap_at: float | None = None
    """Of a mean: the cap is this quantile of units' totals, fixed before the first look."""
    range: tuple[float, float] | None = None
    """Of a mean: the least and the largest total that a unit counts with; its sequence is then by betting."""
    quantile: float | None = None
    """Of a quantile: which, a share of units."""
    compare: Literal["means", "ranks"] = "means"
    """Of a mean: by ranks for one look, the Hodges-Lehmann shift."""
    covariates: tuple[str, ...] = ()
    """Each ``context.<key>`` or ``prediction``: what the estimate is adjusted for."""
    positive: str = "1"
    """The label that precision, recall, F1 and scores are about; ``1`` is ``true`` as well."""
    of: str | None = None
    """Of a value: a sum of outcomes times numbers (``spec.value_terms``)."""
    cost: dict[str, float] = {}
    """Of a value: what a request costs, by variant; 0 for others."""
    k: int = 10
    """Of metrics of lists: the places that count."""
    catalogue: int | None = None
    """Of coverage: the items that there are."""
    credit: Literal["request", "item"] = "request"
    """Of those: an item counts for the list of the request that its outcome names, or the last that showed it."""

    @property
    def outcomes(self) -> tuple[str, ...]:
        """All that it counts, each once."""
        if self.kind == "value" and self.of is not None:
            return tuple(dict.fromkeys(term.outcome for term in terms_of(self.of)))
        return () if self.outcome is None else (self.outcome,)


class ShadowStage(Model):
    kind: Literal["shadow"] = "shadow"
    share: float = 1.0
    duration: float | None = None
    """``for`` in the file: at least this long; None: until ``minimum_pairs``."""
    minimum_pairs: int = 100


class CanaryStage(Model):
    kind: Literal["canary"] = "canary"
    steps: tuple[float, ...]
    bake: float = 1800.0
    minimum_units: int = 1000


class TestStage(Model):
    __test__: ClassVar[bool] = False  # its name is a stage's, not a test case's

    kind: Literal["test"] = "test"
    share: float = 0.5
    at_least: float = 0.0
    at_most: float | None = None


Stage = ShadowStage | CanaryStage | TestStage


class HoldoutSpec(Model):
    share: float
    to: Literal["previous"] = "previous"
    duration: float
    """``for`` in the file: seconds after the promotion."""


class ChallengeSpec(Model):
    every: float
    budget: float
    per: float = 90 * 86_400.0


class Primary(Model):
    metric: str
    minimum_effect: Margin


MethodName = Literal["always-valid", "fixed", "group-sequential", "bayes"]
SpendingForm = Literal["obrien-fleming", "pocock"]
FamilyWord = Literal["holm", "e-bh"]


class Prior(Model):
    """A normal prior on the difference, in the metric's unit."""

    mean: float = 0.0
    sd: float


class Method(Model):
    name: MethodName = "always-valid"
    alpha: float = 0.05
    plan_units: int = 5000
    family: FamilyWord = "holm"
    after: float | None = None
    """``fixed``: seconds from the first exposure on in which units are counted; or ``units``."""
    units: int | None = None
    """``fixed`` and ``group-sequential``: matured units of both arms at the end."""
    looks: int = 5
    spending: SpendingForm = "obrien-fleming"
    prior: Prior | None = None
    """``bayes``; None: flat."""


class ReleaseSpec(Model):
    of: str
    into: str
    stages: tuple[Stage, ...]
    primary: Primary
    method: Method = Method()
    guardrails: dict[str, Margin] = {}
    segments: tuple[str, ...] = ()
    """``context.<key>``: shown with every judgement, never deciding."""
    trigger: Literal["differs"] | None = None
    """``differs``: only units to which the two versions answer differently are compared; both answer every request."""
    then: Literal["ask", "promote", "nothing"] = "ask"
    at_most: float | None = None
    if_inconclusive: Literal["keep-champion", "roll-back"] = "keep-champion"
    calendar: Calendar = Calendar()
    holdout: HoldoutSpec | None = None
    challenge: ChallengeSpec | None = None
    require: Literal["off-policy"] | None = None


class ExperimentSpec(Model):
    """A split of several variants that is judged as one family, at any time or once."""

    entry: str
    """``in`` in the file."""
    primary: Primary
    method: Method = Method()
    """Always-valid, or fixed with ``after``; this, ``alpha`` and ``plan_units`` stand beside in the file."""
    guardrails: dict[str, Margin] = {}
    family: FamilyWord = "holm"


class Constraint(Model):
    missing: float | None = None
    least: float | None = None
    most: float | None = None
    values: tuple[str, ...] = ()
    """Empty: any."""
    allow: float = 0.0


class ArrivalBounds(Model):
    at_least: int | None = None
    at_most: int | None = None


Against = Literal["training", "last 4 weeks", "same weekday", "same hours"]


class Windowed(Model):
    """How a monitor cuts windows: by time, one after another or sliding, or by rows of a variant."""

    window: float
    """Seconds; says nothing where `rows` is set."""
    every: float | None = None
    """Seconds from the end of one window to the end of the next, a part of `window`; None: they do not overlap."""
    rows: int | None = None
    """Rows of a variant after which a window ends; `window: 5000 rows` in the file."""

    @property
    def step(self) -> float:
        """Seconds from the end of one window to the end of the next."""
        return self.window if self.every is None else self.every


class DataMonitor(Windowed):
    window: float = 3600.0
    features: Literal["all"] | tuple[str, ...] = "all"
    against: Against = "training"
    minimum_rows: int = 100
    constraints: dict[str, Constraint] = {}
    duplicated: float | None = None
    """Share of rows that may repeat another; None: not looked at."""
    arrival: Literal["usual"] | ArrivalBounds | None = None


class PerformanceMonitor(Windowed):
    metric: str
    window: float = 86400.0
    minimum_labels: int = 100
    worse_by: Margin | None = None
    """Alert when the whole interval of a window is worse than the baseline by more than this;
    None: 5 points for shares, 10 % for other values."""
    estimate: bool = False
    calibration: bool = False
    segments: tuple[str, ...] = ()


DetectorName = Literal["adwin", "page-hinkley", "ddm", "hddm-a", "hddm-w"]


class ConceptMonitor(Model):
    outcome: str
    value: str | None = None
    detector: DetectorName = "adwin"
    window: float = 3600.0
    within: float
    """Left out in the file: the longest of the metrics of its outcome."""
    grace: float = 3600.0


class FairnessMonitor(Windowed):
    by: tuple[str, ...]
    positive: str | None = None
    outcome: str | None = None
    value: str | None = None
    window: float = 86400.0
    within: float = 0.0
    """Left out in the file: the longest of the metrics of its outcome; 0 without an outcome."""
    grace: float = 3600.0
    at_most: float = 0.1
    minimum_rows: int = 100


class ShadowGapMonitor(Windowed):
    window: float = 86400.0
    duration: float = 7 * 86400.0
    """``for`` in the file: seconds after the first live answer."""
    minimum_rows: int = 100


class SkewMonitor(Windowed):
    outcome: str
    features: Literal["all"] | tuple[str, ...] = "all"
    at_most: float = 0.01
    tolerance: float = 0.001
    time_tolerance: float = 1.0
    """Seconds that times may lie apart."""
    window: float = 86400.0
    within: float = 86400.0
    grace: float = 3600.0
    minimum_rows: int = 100


class MultivariateMonitor(Windowed):
    window: float = 86400.0
    features: Literal["all"] | tuple[str, ...] = "all"
    sample: int = 2000
    model: Literal["linear", "trees"] = "linear"
    minimum_rows: int = 200


class Monitors(Model):
    data: DataMonitor | None = DataMonitor()
    performance: PerformanceMonitor | None = None
    concept: ConceptMonitor | None = None
    fairness: FairnessMonitor | None = None
    multivariate: MultivariateMonitor | None = None
    shadow_gap: ShadowGapMonitor | None = None
    skew: SkewMonitor | None = None


class LogSpec(Model):
    features: Literal["all", "none"] | tuple[str, ...] = "all"
    redact: tuple[str, ...] = ()
    """Names of features, without the ``features.`` of the file."""
    sample: float = 1.0
    keep: float = 90 * 86400.0


class AlertSpec(Model):
    to: str
    events: tuple[str, ...] = ()
    """Told at once of these; empty and no ``digest`` of its own: of what wakes people."""
    digest: Literal["off"] | ClockTime | None = None
    """When the daily summary comes; None: at 08:00 UTC where ``events`` is empty, else never."""

    @property
    def digest_at(self) -> ClockTime | None:
        """When the daily summary comes; None: never."""
        if self.digest is None:
            return None if self.events else ClockTime(8 * 60)
        return None if self.digest == "off" else self.digest

    @property
    def wakes(self) -> bool:
        """Whether it is told of what wakes people, rather than of events that it names or in a summary alone."""
        return not self.events and (self.digest is None or self.digest == "off")


class AfterSpec(Model):
    """How many windows of each condition must alarm before it counts."""

    data: Sustained = Sustained(2, 3)
    prediction: Sustained = Sustained(2, 3)
    performance: Sustained = Sustained(1, 1)
    quality: Sustained = Sustained(1, 1)
    outcomes: Sustained = Sustained(1, 1)


class AlertingSpec(Model):
    after: AfterSpec = AfterSpec()
    cool_down: float = 6 * 3600.0
    quiet: tuple[Window, ...] = ()
    """Hours in which only what is critical goes out."""
    important: tuple[str, ...] = ()
    """Features that matter; empty: every one."""
    wakes: tuple[str, ...] = ()
    """Events, and groups of events, that wake people beside those that do by default."""


class ActionSpec(Model):
    """Exactly one of ``stop``, ``fall_back`` and ``run`` is set."""

    on: tuple[str, ...]
    stop: Literal["release"] | None = None
    fall_back: str | None = None
    """``name:version`` that takes command."""
    run: str | None = None
    """Name of an executable under ``actions`` in the home directory."""
    every: float = 86400.0
    """Seconds in which it is done at most once."""
    timeout: float = 3600.0

    @property
    def told(self) -> str:
        """What it does, in words."""
        if self.stop is not None:
            return "stop the release"
        return f"fall back to {self.fall_back}" if self.fall_back is not None else f"run {self.run}"


class Deployment(Model):
    """A whole file; everything has a default but ``deployment`` and the champion's model."""

    deployment: str
    task: Task | None = None
    """None: the champion's version says."""
    unit: UnitSpec = UnitSpec()
    context: dict[str, ContextField] = {}
    variants: dict[str, VariantSpec]
    transform: TransformSpec | None = None
    default: str = "champion"
    fallback: dict[str, object] | None = None
    strict_features: bool = False
    routing: tuple[EntrySpec, ...]
    """Default: one entry ``everybody`` that splits 100% to the champion."""
    outcomes: dict[str, OutcomeSpec] = {}
    metrics: dict[str, MetricSpec] = {}
    release: ReleaseSpec | None = None
    experiment: ExperimentSpec | None = None
    monitors: Monitors = Monitors()
    log: LogSpec = LogSpec()
    alerts: tuple[AlertSpec, ...] = ()
    alerting: AlertingSpec = AlertingSpec()
    actions: tuple[ActionSpec, ...] = ()
    rollback_window: float = 86400.0
    alias_moved: Literal["propose", "follow"] = "propose"
