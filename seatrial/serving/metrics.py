"""Counters of all workers for others to read: Prometheus' text, and the self-check."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seatrial.ledger.accounting import accounts
from seatrial.ledger.counters import parse_series, series
from seatrial.serving.metric_table import FAMILIES, PREFIX, Family

_NO_FAILURE = ("ok", "miss")
_PARTS = ("_bucket", "_sum")
_STORED = frozenset(
    family.source + part for family in FAMILIES for part in (_PARTS if family.kind == "histogram" else ("",))
)

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[str, list[tuple[Labels, int]]]
"""By stored name, the labels and the value of each sample."""


def exposition(counters: Mapping[str, int], now: int) -> str:
    """Prometheus' text format, version 0.0.4: every family of the table, and at the end counters that it does not know.

    Args:
        counters: Sums over all workers.
        now: Microseconds since 1970 UTC.
    """
    samples: dict[str, list[tuple[Labels, int]]] = defaultdict(list)
    for text, value in sorted(counters.items()):
        name, labels = parse_series(text)
        samples[name].append((tuple(labels.items()), value))
    lines: list[str] = []
    for family in FAMILIES:
        lines += [f"# HELP {PREFIX}{family.name} {family.doc}", f"# TYPE {PREFIX}{family.name} {family.kind}"]
        lines += _WAYS.get(family.name, _histogram if family.kind == "histogram" else _plain)(family, samples, now)
    for name in sorted(samples.keys() - _STORED):
        lines += [f"# TYPE {PREFIX}{name} untyped", *_plain(Family(name, "counter", (), ""), samples, now)]
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


def _plain(family: Family, samples: Samples, _: int) -> Iterator[str]:
    for labels, value in samples.get(family.source, ()):
        yield _line(family.name, labels, value)


def _histogram(family: Family, samples: Samples, _: int) -> Iterator[str]:
    """Running sums of the buckets, which are stored each by itself."""
    buckets: dict[Labels, list[tuple[float, str, int]]] = defaultdict(list)
    for labels, value in samples.get(f"{family.source}_bucket", ()):
        edge = dict(labels)["le"]
        buckets[_without("le", labels)].append((float(edge), edge, value))
    sums = dict(samples.get(f"{family.source}_sum", ()))
    for labels, found in buckets.items():
        total = 0
        for limit, edge, value in sorted(found):
            total += value
            told = edge if edge == "+Inf" else f"{limit / family.per:g}"
            yield _line(f"{family.name}_bucket", (*labels, ("le", told)), total)
        yield _line(f"{family.name}_sum", labels, sums.get(labels, 0) / family.per)
        yield _line(f"{family.name}_count", labels, total)


def _errors(family: Family, samples: Samples, _: int) -> Iterator[str]:
    """Of the requests, those whose own variant failed."""
    totals: dict[Labels, int] = defaultdict(int)
    for labels, value in samples.get("requests_total", ()):
        if dict(labels).get("status", "ok") not in _NO_FAILURE:
            totals[_without("answered_by", labels)] += value
    for labels, value in totals.items():
        yield _line(family.name, labels, value)


def _ages(family: Family, samples: Samples, now: int) -> Iterator[str]:
    """Stored are times up to which all is well; told is how long ago that was."""
    for labels, value in samples.get(family.source, ()):
        if value:
            yield _line(family.name, labels, max(0, now - value) / family.per)


_WAYS: dict[str, Callable[[Family, Samples, int], Iterator[str]]] = {
    "request_errors_total": _errors,
    "ledger_lag_seconds": _ages,
}


def _without(name: str, labels: Labels) -> Labels:
    return tuple(label for label in labels if label[0] != name)


def _line(name: str, labels: Labels, value: float) -> str:
    return f"{PREFIX}{series(name, **dict(labels))} {value if isinstance(value, int) else f'{value:.10g}'}"
