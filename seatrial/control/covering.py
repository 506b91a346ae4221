"""``rules coverage``: how often each routing entry decided and how its units fared, so that dead rules show."""

from collections.abc import Iterator

import msgspec

from seatrial.control.experiment import primary_of
from seatrial.control.site import open_site
from seatrial.experiments.coverage import NO_ENTRY, Fared, Hits, fared, hits_of
from seatrial.experiments.declared_measures import measure_of
from seatrial.ledger.reader import Reader
from seatrial.spec.deployment import Deployment, EntrySpec
from seatrial.spec.errors import BadInput
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings
from seatrial.spec.units import show_moment


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """One routing entry.

    Attributes:
        entry: "" for what no entry took, which the default variant answers.
        target: Where the file sends its requests; "" for an entry that the file no longer has.
        hits: Rows that it decided.
        share: Of all rows that entries decided, 0 to 1.
        units: Named units among them.
        last: Its last row, microseconds since 1970 UTC; None: there is none.
        matured: Units that the metric counts.
        value: The metric; None: no unit has matured, or none was asked for.
        lower, upper: Its interval, 95 %.
    """

    entry: str
    target: str
    hits: int
    share: float
    units: int
    last: int | None
    matured: int = 0
    value: float | None = None
    lower: float | None = None
    upper: float | None = None


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules of a deployment took.

    Attributes:
        since: Rows from then on, microseconds since 1970 UTC; 0: all that are kept.
        metric: By what units fared; "": the file has none, or several and none was named.
        entries: Those of the file in its order, then what no entry took, then entries that the file no longer has.
        asked: Rows for which the caller asked for a variant, so that no entry was asked.
        notes: What must be known besides, a sentence each.
    """

    deployment: str
    since: int
    metric: str
    entries: tuple[Covered, ...]
    asked: int
    notes: tuple[str, ...] = ()


def coverage(
    settings: Settings, deployment: str, *, seconds: float | None = None, metric: str | None = None
) -> Coverage:
    """What the ledger says of a deployment's rules.

    Args:
        seconds: How far back; None: all that is kept.
        metric: By which; None: the primary metric of the file's release, or the only one, or none.

    Raises:
        NotFound: There is no such deployment.
        BadInput: There is no such metric.
    """
    with open_site(settings) as site:
        state = site.state.deployments.get(deployment)
        spec = load_deployment(state.text)
        by = _metric(spec, metric)
        now = site.clock()
        since = 0 if seconds is None else max(now - round(seconds * 1e6), 0)
        with Reader(site.home).open(deployment) as view:
            hits, asked = hits_of(view, since, now)
            values = fared(view, measure_of(by, spec, {}), since, now) if by else {}
        applied_at = state.applied_at
    return Coverage(
        deployment=deployment,
        since=since,
        metric=by,
        entries=tuple(_entries(spec, hits, values)),
        asked=asked,
        notes=tuple(_notes(applied_at, hits)),
    )


def _metric(spec: Deployment, named: str | None) -> str:
    if named is not None and named not in spec.metrics:
        known = ", ".join(spec.metrics) or "none"
        raise BadInput(f"deployment {spec.deployment!r} has no metric {named!r}; it declares {known}.")
    if named is None and spec.release is None and len(spec.metrics) != 1:
        return ""
    return named or primary_of(spec)


def _entries(spec: Deployment, hits: dict[str, Hits], values: dict[str, Fared]) -> Iterator[Covered]:
    total = sum(one.hits for one in hits.values())
    for entry in spec.routing:
        yield _covered(entry.name, _target(entry), total, hits, values)
    if all(entry.when is not None or entry.units or entry.partly for entry in spec.routing) or NO_ENTRY in hits:
        yield _covered(NO_ENTRY, spec.default, total, hits, values)
    for name in sorted(set(hits) - {entry.name for entry in spec.routing} - {NO_ENTRY}):
        yield _covered(name, "", total, hits, values)


def _covered(name: str, target: str, total: int, hits: dict[str, Hits], values: dict[str, Fared]) -> Covered:
    taken, value = hits.get(name), values.get(name)
    return Covered(
        entry=name,
        target=target,
        hits=taken.hits if taken else 0,
        share=taken.hits / total if taken else 0.0,
        units=taken.units if taken else 0,
        last=taken.last if taken else None,
        matured=value.units if value else 0,
        value=value.value if value else None,
        lower=value.lower if value else None,
        upper=value.upper if value else None,
    )


def _target(entry: EntrySpec) -> str:
    if entry.to is not None:
        return entry.to
    if entry.cold_start is not None:
        return entry.cold_start.to
    return ", ".join(entry.split) if entry.split is not None else "a bandit"


def _notes(applied_at: int, hits: dict[str, Hits]) -> Iterator[str]:
    if any(one.first < applied_at for one in hits.values()):
        yield f"the file in force was applied at {show_moment(applied_at)}; earlier hits are of earlier files."
