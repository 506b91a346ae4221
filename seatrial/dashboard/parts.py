"""What each part of a deployment's page says, as values for its template."""

from collections.abc import Callable
from typing import Any

from seatrial.dashboard.formats import (
    arms,
    difference,
    interval,
    measured,
    moment,
    number,
    percent,
    probability,
    span,
    tone,
)
from seatrial.dashboard.house import House
from seatrial.dashboard.meaning import is_share, meaning
from seatrial.dashboard.traffic import Traffic, VersionTraffic
from seatrial.dashboard.watching import watch
from seatrial.experiments.beside import bands, beside
from seatrial.experiments.judgement import MetricJudgement
from seatrial.experiments.sentences import as_it_ended, told
from seatrial.experiments.several import Several
from seatrial.experiments.shadow.table import lines
from seatrial.releases.run import ReleaseRun
from seatrial.reports import charts
from seatrial.reports.prose import count
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.errors import NotFound
from seatrial.stats.interval import TestResult

RANGES: dict[str, int] = {"2 min": 120, "15 min": 900, "1 h": 3600, "6 h": 21600, "1 d": 86400, "7 d": 604800}
"""How far back a page looks, in seconds."""
_DEFAULT_RANGE = "15 min"
_AUDIT_ROWS, _ALERT_ROWS = 60, 12


def overview(house: House) -> list[dict[str, Any]]:
    """Every deployment in a few words."""
    found = []
    for name in sorted(house.publication.all_active()):
        snapshot = house.snapshot(name)
        if snapshot is None:
            continue
        state = house.state.deployments.find(name)
        run = state.run if state else None
        found.append(
            {
                "name": name,
                "badge": _word(run),
                "tone": tone(_word(run)),
                "sentence": _standing(snapshot, run),
                "arms": arms(_main_entry(snapshot, run)),
            }
        )
    return found


def now(house: House, name: str, range_name: str) -> dict[str, Any]:
    """Who is in command, who gets what share, and the buttons."""
    snapshot = house.snapshot(name)
    assert snapshot is not None
    state = house.state.deployments.find(name)
    run = state.run if state else None
    seconds = RANGES.get(range_name, RANGES[_DEFAULT_RANGE])
    read = house.traffic.read(name, now=house.clock(), seconds=seconds)
    return {
        "deployment": name,
        "badge": _word(run),
        "tone": tone(_word(run)),
        "sentence": _standing(snapshot, run),
        "entries": [{"name": entry.name, "arms": arms(entry)} for entry in snapshot.entries],
        "shadows": [f"{s.variant} runs in shadow of {percent(s.share)} of requests" for s in snapshot.shadows],
        "variants": [_variant_row(slot.variant, slot.model_version, read) for slot in snapshot.slots],
        "actions": _possible(run, has_previous=bool(state and state.previous)),
    }


def traffic(house: House, name: str, range_name: str) -> dict[str, Any]:
    """Share, requests and latency over time."""
    chosen = range_name if range_name in RANGES else _DEFAULT_RANGE
    read = house.traffic.read(name, now=house.clock(), seconds=RANGES[chosen])
    return {
        "range": chosen,
        "ranges": [name for name in RANGES if name != chosen],
        "empty": not read.points,
        "step": span(read.bins.step),
        "share": charts.traffic_share(read.points, read.bins),
        "requests": charts.requests(read.points, read.bins),
        "latency": charts.latency(read.points, read.bins),
    }


def verdict(house: House, name: str, _range: str) -> dict[str, Any]:
    """The latest judgement of a release in words and numbers, and every challenger of an experiment."""
    judgement, contest = house.judgement(name), _contest(house, name)
    if judgement is None:
        return {
            **contest,
            "badge": "",
            "tone": "",
            "sentence": "" if contest["contest"] else "No release has been judged yet.",
            "drawing": None,
            "bands": (),
            "beside": (),
            "metric": "",
            "metrics": [],
            "shadow": "",
            "pairs": [],
            "checks": [],
            "fixed": [],
        }
    state = house.state.deployments.find(name)
    if state is not None and state.run is not None and state.run.id == judgement.release:
        judgement = as_it_ended(judgement, state.run)
    points = house.verdict_points(name, judgement.release)
    primary = judgement.primary
    return {
        **contest,
        "badge": judgement.ended or judgement.recommendation,
        "tone": tone(judgement.ended or judgement.recommendation),
        "sentence": judgement.sentence,
        "drawing": charts.verdict_over_time(points, share=bool(primary and is_share(primary))) if points else None,
        "bands": bands([primary]) if primary and points else (),
        "beside": beside(judgement),
        "metric": primary.name if primary else "",
        "metrics": [_metric_row(metric, judgement.unit) for metric in judgement.metrics],
        "shadow": judgement.shadow.sentence if judgement.shadow else "",
        "pairs": lines(judgement.shadow) if judgement.shadow else [],
        "checks": [{"tone": "" if c.ok else "bad", "sentence": c.sentence} for c in judgement.checks],
        "fixed": [_fixed_row(result, share=is_share(primary)) for result in primary.fixed] if primary else [],
    }


def _contest(house: House, name: str) -> dict[str, Any]:
    """Every challenger of the file's experiment against the champion; before gateways serve it, that."""
    try:
        found = house.several(name)
    except NotFound as error:
        return {"contest": [], "family": str(error)}
    if found is None:
        return {"contest": [], "family": ""}
    challengers = [
        {
            "name": one.challenger,
            "version": one.challenger_version,
            "badge": one.recommendation,
            "tone": tone(one.recommendation),
            "sentence": told(one),
            "metrics": [_metric_row(metric, one.unit) for metric in one.metrics],
            "checks": [{"tone": "bad", "sentence": check.sentence} for check in one.checks if not check.ok],
        }
        for one in found.judgements
    ]
    return {"contest": challengers, "family": _family(found)}


def _family(found: Several) -> str:
    how = {"holm": "Holm", "e-bh": "e-BH"}[found.family]
    return (
        f"In {found.entry}: every variant against {found.champion}, as one family ({how}) at "
        f"{percent(found.alpha)}, judged {moment(found.at)}. Nothing acts on it; a release does."
        + "".join(f" {one.sentence}" for one in found.all_variants)
    )


def trail(house: House, name: str, _range: str) -> dict[str, Any]:
    """Alerts and the audit, newest first."""
    return {
        "alerts": [
            {"at": moment(a.at), "event": a.event, "tone": tone(a.severity), "sentence": a.sentence, "error": a.error}
            for a in reversed(house.state.alerts.of(name, limit=_ALERT_ROWS))
        ],
        "audit": [
            {"at": moment(e.at), "actor": e.actor, "sentence": e.sentence, "why": e.why, "revision": e.revision}
            for e in reversed(house.state.audit.of(name, limit=_AUDIT_ROWS))
        ],
    }


PARTS: dict[str, Callable[[House, str, str], dict[str, Any]]] = {
    "now": now,
    "verdict": verdict,
    "traffic": traffic,
    "watch": watch,
    "trail": trail,
}
"""The parts of a deployment's page, in their order; a template has the name of its part."""


def _word(run: ReleaseRun | None) -> str:
    """How a deployment stands, in a word: a release under way, or somebody in command."""
    return run.status if run is not None and run.open else "in command"


def _main_entry(snapshot: Snapshot, run: ReleaseRun | None) -> Any:
    wanted = run.entry if run else None
    return next((e for e in snapshot.entries if e.name == wanted), snapshot.entries[-1])


def _standing(snapshot: Snapshot, run: ReleaseRun | None) -> str:
    slots = {slot.variant: slot.model_version for slot in snapshot.slots}
    command = f"{slots.get('champion', slots[snapshot.default])} is in command"
    if run is None or not run.open:
        return (
            f"{command}." if run is None else f"{command}; the release of {run.challenger_version} ended: {run.status}."
        )
    where = {"shadow": "in shadow", "canary": "a canary on live traffic", "test": "in a test on live traffic"}[
        run.stage
    ]
    if run.status == "pending":
        where = "waiting for the calendar"
    return f"{command}; {run.challenger_version} is {where} ({run.status})."


def _possible(run: ReleaseRun | None, *, has_previous: bool) -> list[str]:
    if run is None or not run.open:
        return ["rollback"] if has_previous else []
    return ["promote", "rollback", "resume" if run.status == "paused" else "pause"]


def _variant_row(variant: str, version: str, read: Traffic) -> dict[str, Any]:
    own = read.versions.get((variant, version), VersionTraffic(0, 0, None, None))
    return {
        "variant": variant,
        "version": version,
        "rows": count(own.rows),
        "failed": count(own.failed),
        "broken": own.failed > 0,
        "p50": number(own.p50_ms),
        "p99": number(own.p99_ms),
    }


def _metric_row(metric: MetricJudgement, unit: str) -> dict[str, Any]:
    v, share = metric.verdict, is_share(metric)
    return {
        "name": metric.name,
        "part": metric.part,
        "meaning": meaning(metric, unit),
        "word": v.word,
        "tone": tone(v.word),
        "champion": measured(v.control_mean, share=share),
        "challenger": measured(v.treatment_mean, share=share),
        "effect": difference(v.effect, share=share),
        "interval": interval(v.lower, v.upper, share=share),
        "units": f"{count(v.n_control)} / {count(v.n_treatment)}",
    }


def _fixed_row(result: TestResult, *, share: bool) -> dict[str, Any]:
    return {
        "method": result.method,
        "statistic": number(result.statistic),
        "p": probability(result.p_value),
        "effect": difference(result.effect, share=share),
        "interval": interval(result.lower, result.upper, share=share),
        "note": result.note,
    }
