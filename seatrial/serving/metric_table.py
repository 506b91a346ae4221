"""Every metric that `/metrics` tells: its name, kind, labels and meaning. A new counter goes here, or a test fails."""

from typing import Literal, NamedTuple

PREFIX = "seatrial_"


class Family(NamedTuple):
    """One metric.

    Attributes:
        name: What is told, behind `PREFIX`.
        kind: Prometheus' type. A histogram's buckets are stored as `ledger.counters.Histogram` stores them.
        labels: Which labels its samples may have.
        doc: What it says, in one sentence.
        stored: Name in the counter files, where that is another; "-": it is worked out of others.
        per: How many of what is stored make one of what is told.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    doc: str
    stored: str = ""
    per: int = 1

    @property
    def source(self) -> str:
        return self.stored or self.name


_WHO = ("deployment", "variant")

FAMILIES: tuple[Family, ...] = (
    # Requests.
    Family(
        "requests_total",
        "counter",
        (*_WHO, "reason", "answered_by", "status"),
        "Requests, by the variant assigned and why, how they were answered, and how that variant's own attempt went.",
    ),
    Family(
        "request_errors_total",
        "counter",
        (*_WHO, "reason", "status"),
        "Requests whose assigned variant failed (any status but `ok` and `miss`), whoever answered then.",
        stored="-",
    ),
    Family(
        "request_latency_seconds",
        "histogram",
        (*_WHO, "reason"),
        "From decision to answer.",
        stored="request_latency_us",
        per=1_000_000,
    ),
    Family(
        "requests_refused_total", "counter", ("deployment",), "Requests refused because something in them was wrong."
    ),
    Family(
        "requests_under_way", "gauge", ("deployment",), "Requests that wait for a model which does not run at once."
    ),
    Family(
        "assignments_total",
        "counter",
        ("deployment",),
        "Decisions given to applications with model servers of their own.",
    ),
    Family(
        "unseen_categories_total",
        "counter",
        ("deployment",),
        "Category values that the model had not seen in training.",
    ),
    Family(
        "rule_failures_total",
        "counter",
        ("deployment", "entry"),
        "Requests at which the rule of a routing entry failed (a value was missing, say), so that the next was tried.",
    ),
    Family("extra_features_total", "counter", ("deployment",), "Features given that the model does not have."),
    # Queues, batches, caches, breakers.
    Family(
        "calls_held",
        "gauge",
        _WHO,
        "Calls that run or wait for a variant's model; variants of one version share the model and are each told.",
    ),
    Family("batch_rows", "histogram", _WHO, "Rows that a model in threads was asked for at once."),
    Family(
        "batch_wait_seconds",
        "histogram",
        _WHO,
        "How long the oldest request of a batch waited for its start.",
        stored="batch_wait_us",
        per=1_000_000,
    ),
    Family(
        "shed_total",
        "counter",
        (*_WHO, "reason"),
        "Calls and requests turned away because too much waits; without a variant: before one was chosen.",
    ),
    Family(
        "breakers_open",
        "gauge",
        _WHO,
        "Workers that leave a version alone, because it kept failing, is in quarantine or is not loaded there.",
    ),
    Family("breaker_opened_total", "counter", _WHO, "How often a worker began to leave a version alone."),
    Family(
        "cache_total",
        "counter",
        (*_WHO, "result"),
        "Requests to a variant with a cache: `hit` (kept), `miss` (computed) or `shared` (being computed for another).",
    ),
    Family("cache_evicted_total", "counter", _WHO, "Answers that a cache let go for want of room."),
    Family("cache_bytes", "gauge", _WHO, "Memory that the answers in caches take."),
    Family(
        "transforms_total",
        "counter",
        ("deployment", "result"),
        "Requests that went through the deployment's transform: `ok`, `error`, `timeout`, `shed`, `quarantine`.",
    ),
    # Shadows.
    Family("shadow_total", "counter", (*_WHO, "result"), "Copies for shadows: `delivered`, `failed` or `dropped`."),
    Family("shadow_waiting", "gauge", _WHO, "Copies that wait for a shadow."),
    # The ledger.
    Family("rows_total", "counter", ("deployment", "role"), "Rows served: `answer`, `shadow` or `app`."),
    Family("rows_logged_total", "counter", ("deployment",), "Rows in the ledger."),
    Family(
        "rows_dropped_total",
        "counter",
        (*_WHO, "reason"),
        "Rows lost: `buffer` (memory limit), `disk`, `malformed`, `closed`, `crash` (of a worker).",
    ),
    Family("ledger_waiting_bytes", "gauge", (), "Memory of rows that wait for the disk."),
    Family(
        "ledger_lag_seconds",
        "gauge",
        ("deployment", "kind"),
        "Every row older than this is in the table; `kind` is `rows`, or `outcomes` (of all deployments).",
        stored="ledger_tabled_until_us",
        per=1_000_000,
    ),
    Family("outcomes_total", "counter", (), "Outcomes kept."),
    # Alerts.
    Family(
        "alerts_total",
        "counter",
        ("deployment", "event", "fate"),
        "Alerts, by what became of them: `told` at once, `digest` (in the summary of the day) or `muted`.",
    ),
    Family(
        "notices_total",
        "counter",
        ("deployment", "kind", "result"),
        "Tries to send a message: `sent`, `failed` (it is tried again) or `given-up`.",
    ),
    Family("notices_waiting", "gauge", (), "Messages that no receiver has taken yet."),
    # Traces.
    Family(
        "spans_total",
        "counter",
        ("result",),
        "Spans of requests: `sent`, `failed` (the collector did not take them) or `dropped` (too many waited).",
    ),
)
"""Every metric, in the order in which they are told."""
