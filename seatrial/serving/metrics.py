"""Counters of all workers for others to read: Prometheus' text, and the self-check."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from seatrial.ledger.accounting import accounts
from seatrial.ledger.counters import GAUGES, cumulative, parse_series, series
from seatrial.serving.batch_counts import ROWS, WAIT
from seatrial.serving.deployed import LATENCY

PREFIX = "seatrial_"


class _Shown(NamedTuple):
    """How a histogram is shown: its name, what it is, and what its values are divided by."""

    name: str
    help: str
    unit: float


_HISTOGRAMS = {
    LATENCY: _Shown("request_latency_seconds", "From decision to answer.", 1e6),
    ROWS: _Shown("batch_rows", "Rows that a model in threads was asked for at once.", 1),
    WAIT: _Shown("batch_wait_seconds", "How long the oldest request of a batch waited for its start.", 1e6),
}
_HELP = {
    "requests_total": "Requests, by the variant assigned, how they were answered, and how that variant's attempt went.",
    "requests_refused_total": "Requests refused because something in them was wrong.",
    "assignments_total": "Decisions given to applications with model servers of their own.",
    "rows_total": "Rows served, by role.",
    "rows_logged_total": "Rows in the ledger.",
    "rows_dropped_total": "Rows lost, by reason.",
    "shadow_total": "Copies for shadows, by what became of them.",
    "outcomes_total": "Outcomes kept.",
    "unseen_categories_total": "Category values that the model had not seen in training.",
    "shed_total": "Calls and requests turned away because too much waits, by reason.",
    "breakers_open": "Workers that leave a version alone, because it kept failing or is quarantined.",
    "breaker_opened_total": "How often a worker began to leave a version alone.",
    "cache_total": "Requests to variants with a cache, by whether their answer was kept, computed, or being computed.",
    "cache_evicted_total": "Answers that a cache let go for want of room.",
    "cache_bytes": "Memory that the answers in caches take.",
    "extra_features_total": "Features given that the model does not have.",
}


def exposition(counters: Mapping[str, int]) -> str:
    """Prometheus' text format, version 0.0.4."""
    families: dict[str, list[str]] = defaultdict(list)
    for text, value in sorted(counters.items()):
        name, _ = parse_series(text)
        if not name.startswith(tuple(_HISTOGRAMS)):
            families[name].append(f"{PREFIX}{text} {value}")
    lines: list[str] = []
    for name, samples in families.items():
        kind = "gauge" if name in GAUGES else "counter"
        lines += [f"# HELP {PREFIX}{name} {_HELP.get(name, name)}", f"# TYPE {PREFIX}{name} {kind}", *samples]
    for name, shown in _HISTOGRAMS.items():
        lines += _histogram(counters, name, shown)
    return "\n".join(lines) + "\n"


def selfcheck(counters: Mapping[str, int]) -> dict[str, Any]:
    """``served == logged + dropped`` over all deployments, and each by itself; what is in flight is the difference."""
    books = accounts(counters)
    dropped: dict[str, int] = defaultdict(int)
    for book in books.values():
        for reason, rows in book.dropped.items():
            dropped[reason] += rows
    return {
        "served": sum(book.served for book in books.values()),
        "logged": sum(book.logged for book in books.values()),
        "dropped": dict(dropped),
        "in_flight": sum(book.in_flight for book in books.values()),
        "balanced": all(book.balanced for book in books.values()),
        "deployments": {
            name: {
                "served": book.served,
                "logged": book.logged,
                "dropped": book.dropped,
                "in_flight": book.in_flight,
                "balanced": book.balanced,
            }
            for name, book in books.items()
            if name
        },
    }


def _histogram(counters: Mapping[str, int], name: str, shown: _Shown) -> list[str]:
    """A histogram as Prometheus wants it."""
    sums = _sums(counters, name)
    found = cumulative(counters, name)
    if not found:
        return []
    full, unit = f"{PREFIX}{shown.name}", shown.unit
    lines = [f"# HELP {full} {shown.help}", f"# TYPE {full} histogram"]
    for labels, buckets in sorted(found.items()):
        for edge, count in buckets.items():
            limit = edge if edge == "+Inf" else f"{int(edge) / unit:g}"
            lines.append(f"{series(f'{full}_bucket', **dict(labels), le=limit)} {count}")
        lines.append(f"{series(f'{full}_sum', **dict(labels))} {sums.get(labels, 0) / unit:g}")
        lines.append(f"{series(f'{full}_count', **dict(labels))} {max(buckets.values())}")
    return lines


def _sums(counters: Mapping[str, int], name: str) -> dict[tuple[tuple[str, str], ...], int]:
    parsed = [(*parse_series(text), value) for text, value in counters.items()]
    return {tuple(sorted(labels.items())): value for found, labels, value in parsed if found == f"{name}_sum"}
