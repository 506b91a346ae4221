"""Counters of all workers for others to read: Prometheus' text, and the self-check."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from seatrial.ledger.accounting import accounts
from seatrial.ledger.counters import cumulative, parse_series, series
from seatrial.serving.deployed import LATENCY

PREFIX = "seatrial_"
SECONDS = f"{PREFIX}request_latency_seconds"
_HELP = {
    "requests_total": "Requests, by the variant assigned, how they were answered, and how that variant's attempt went.",
    "requests_refused_total": "Requests refused because something in them was wrong.",
    "assignments_total": "Decisions given to applications with model servers of their own.",
    "rows_total": "Rows served, by role.",
    "rows_logged_total": "Rows in the ledger.",
    "rows_dropped_total": "Rows lost, by reason.",
    "shadow_total": "Copies for shadows, by what became of them.",
    "transforms_total": "Requests that went through the deployment's transform, by how that went.",
    "outcomes_total": "Outcomes kept.",
    "unseen_categories_total": "Category values that the model had not seen in training.",
    "extra_features_total": "Features given that the model does not have.",
}


def exposition(counters: Mapping[str, int]) -> str:
    """Prometheus' text format, version 0.0.4."""
    families: dict[str, list[str]] = defaultdict(list)
    for text, value in sorted(counters.items()):
        name, _ = parse_series(text)
        if not name.startswith(LATENCY):
            families[name].append(f"{PREFIX}{text} {value}")
    lines: list[str] = []
    for name, samples in families.items():
        lines += [f"# HELP {PREFIX}{name} {_HELP.get(name, name)}", f"# TYPE {PREFIX}{name} counter", *samples]
    return "\n".join([*lines, *_latency(counters)]) + "\n"


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


def _latency(counters: Mapping[str, int]) -> list[str]:
    """The latency histogram, in seconds, as Prometheus wants it."""
    sums = {tuple(sorted(labels.items())): value for labels, value in _sums(counters)}
    found = cumulative(counters, LATENCY)
    if not found:
        return []
    lines = [f"# HELP {SECONDS} From decision to answer.", f"# TYPE {SECONDS} histogram"]
    for labels, buckets in sorted(found.items()):
        for edge, count in buckets.items():
            limit = edge if edge == "+Inf" else f"{int(edge) / 1e6:g}"
            lines.append(f"{series(f'{SECONDS}_bucket', **dict(labels), le=limit)} {count}")
        lines.append(f"{series(f'{SECONDS}_sum', **dict(labels))} {sums.get(labels, 0) / 1e6:g}")
        lines.append(f"{series(f'{SECONDS}_count', **dict(labels))} {max(buckets.values())}")
    return lines


def _sums(counters: Mapping[str, int]) -> list[tuple[dict[str, str], int]]:
    parsed = [(*parse_series(text), value) for text, value in counters.items()]
    return [(labels, value) for name, labels, value in parsed if name == f"{LATENCY}_sum"]
