"""Checks across the parts of a deployment file: names that must be declared, shares that must add up, secrets.

They work on what the grammar read, so they pass over values that were already refused (``BAD``) and never blame a
second thing for a first mistake.
"""

from typing import Any

from seatrial.spec.check_alerts import check_alerts
from seatrial.spec.check_bandits import check_bandits
from seatrial.spec.check_ensembles import check_ensembles
from seatrial.spec.check_experiment import check_experiment
from seatrial.spec.check_metrics import check_metrics
from seatrial.spec.check_monitors import check_monitors
from seatrial.spec.check_people import check_people
from seatrial.spec.check_popular import check_populars
from seatrial.spec.check_release import check_release
from seatrial.spec.check_remote import check_remotes
from seatrial.spec.check_transform import check_transform
from seatrial.spec.deployment import LogSpec, MetricSpec, VariantSpec
from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.shapes import BAD
from seatrial.spec.units import show, show_duration, show_share

Values = dict[str, Any]

NOT_BY_CLUSTER = ("quantile", "auc", "calibration_error")
"""Kinds of metrics that rank or sort units or answers one by one."""

KEEP, GRACE, TIMEOUT = LogSpec().keep, MetricSpec(kind="mean").grace, VariantSpec(model="").timeout


def check(values: Values, found: Findings) -> None:
    """Notes every contradiction between the parts of a file."""
    _variants(values, found)
    check_remotes(values, found)
    check_populars(values, found)
    check_ensembles(values, found)
    check_transform(values, found)
    _unit(values, found)
    _cluster(values, found)
    _routing(values, found)
    _fallback(values, found)
    check_bandits(values, found)
    check_metrics(values, found)
    check_release(values, found)
    check_experiment(values, found)
    check_monitors(values, found)
    _keep(values, found)
    check_alerts(values, found)


def part(values: Values, key: str, kind: type) -> Any:
    """A part that was read well, else an empty one of the kind."""
    value = values.get(key)
    return value if isinstance(value, kind) else kind()


def undeclared(path: str, name: str, what: str, known: Any, found: Findings) -> None:
    """Notes a name that nothing declares."""
    found.add(path, name, f"{show(name)} is not a declared {what}; {did_you_mean(name, known)}")


def _variants(values: Values, found: Findings) -> None:
    variants = values.get("variants")
    if not isinstance(variants, dict):
        return
    if "previous" in variants:
        message = "a variant cannot be called `previous`, which is kept for the version a promotion replaced; rename it"
        found.add("variants.previous", "previous", message)
    default = values.get("default", "champion")
    if default is not BAD and default not in variants:
        if "default" in values:
            undeclared("default", default, "variant, but `default` must be one", variants, found)
        else:
            message = "there is no variant `champion` to be the default; call one so, or name another with `default`"
            found.add("variants", default, message)
    elif default is not BAD and "lookup" in part(variants, default, dict) and "fallback" not in values:
        message = (
            f"`{default}` is the default, which answers what others miss, but a lookup misses keys itself; "
            "name a variant without `lookup` as `default`, or give a `fallback`"
        )
        found.add(f"variants.{default}.lookup", default, message)
    _computed(variants, found)


def _computed(variants: Values, found: Findings) -> None:
    """What belongs to computing an answer has nothing to do where it is looked up, and no delay outlasts the caller."""
    for name, variant in variants.items():
        if not isinstance(variant, dict):
            continue
        for key in ("batch", "cache"):
            if "lookup" in variant and variant.get(key, "off") not in ("off", BAD):
                message = f"`{name}` is looked up, so there is nothing to {key}; remove `{key}` or `lookup`"
                found.add(f"variants.{name}.{key}", name, message)
        delay, timeout = part(variant, "batch", dict).get("delay"), variant.get("timeout", TIMEOUT)
        if isinstance(delay, float) and isinstance(timeout, float) and delay * 2 > timeout:
            message = (
                f"a batch of `{name}` may wait {show_duration(delay)}, over half of the {show_duration(timeout)} that "
                "a request waits for an answer (`timeout`); make `delay` shorter"
            )
            found.add(f"variants.{name}.batch.delay", show_duration(delay), message)


def _unit(values: Values, found: Findings) -> None:
    source = part(values, "unit", dict).get("from")
    if not isinstance(source, str):
        return
    name = source.removeprefix("context.")
    context = part(values, "context", dict)
    if name not in context:
        message = (
            f"the unit comes from `{source}`, but `context` declares no `{name}`; add `context: {{{name}: string}}`"
        )
        found.add("unit.from", source, message)
    elif isinstance(context[name], str) and context[name].removeprefix("optional ") not in ("string", "integer"):
        message = f"the unit comes from `{source}`, which is a {context[name]}; a unit is a string or an integer"
        found.add("unit.from", source, message)


def _cluster(values: Values, found: Findings) -> None:
    """A declared key that is no number, and metrics that can be told by cluster."""
    cluster = part(values, "unit", dict).get("cluster")
    if not isinstance(cluster, str):
        return
    name, context = cluster.removeprefix("context."), part(values, "context", dict)
    if name not in context:
        message = f"units lie in `{cluster}`, but `context` declares no `{name}`; add `context: {{{name}: string}}`"
        found.add("unit.cluster", cluster, message)
    elif isinstance(context[name], str) and context[name].removeprefix("optional ") == "number":
        message = (
            f"units lie in `{cluster}`, which is a {context[name]}; a cluster is a string, an integer or a boolean"
        )
        found.add("unit.cluster", cluster, message)
    for metric, said in part(values, "metrics", dict).items():
        if not isinstance(said, dict):
            continue
        what = next((key for key in ("covariate", "range") if key in said), None)
        kind = said.get("kind")
        if what is not None or kind in NOT_BY_CLUSTER:
            has = f"has a `{what}`" if what is not None else f"is of kind `{kind}`"
            message = f"`{metric}` {has}, which is not told by cluster; use a plain mean, or remove `unit.cluster`"
            found.add(f"metrics.{metric}", what or str(kind), message)


def _routing(values: Values, found: Findings) -> None:
    variants = values.get("variants")
    seen: set[str] = set()
    takes_all: str | None = None
    for position, entry in enumerate(part(values, "routing", list)):
        if entry is BAD:
            continue
        path, name = f"routing[{position}]", entry.get("name", BAD)
        if name is not BAD and name in seen:
            found.add(f"{path}.name", name, f"two routing entries are called {show(name)}; give each a name of its own")
        if takes_all is not None and _NARROWED.isdisjoint(entry):
            message = (
                f"{show(name)} can never be reached, because `{takes_all}` above it takes every request; remove one"
            )
            found.add(path, name, message)
        if _NARROWED.isdisjoint(entry) and ("to" in entry or "split" in entry or "bandit" in entry):
            takes_all = takes_all or (name if isinstance(name, str) else "the entry")
        if isinstance(name, str):
            seen.add(name)
        if isinstance(variants, dict):
            _targets(entry, path, variants, found)
        check_people(entry, path, values, found)
        _adds_up(entry, path, found)


_NARROWED = frozenset({"when", "units", "units_from", "cold_start"})
"""Keys with which an entry does not take every request."""


def _targets(entry: Values, path: str, variants: Values, found: Findings) -> None:
    targets = {f"{path}.to": entry, f"{path}.cold_start.to": part(entry, "cold_start", dict)}
    for where, said in targets.items():
        to = said.get("to")
        if isinstance(to, str) and to not in variants:
            undeclared(where, to, "variant", variants, found)
    for name in part(entry, "split", dict):
        if name not in variants:
            undeclared(f"{path}.split.{name}", name, "variant", variants, found)


def _adds_up(entry: Values, path: str, found: Findings) -> None:
    shares = list(part(entry, "split", dict).values())
    if not shares or BAD in shares or abs(sum(shares) - 1) < 1e-9:
        return
    total = show_share(round(sum(shares), 12))
    found.add(f"{path}.split", total, f"the shares of the split add up to {total}; make them add up to 100%")


def _fallback(values: Values, found: Findings) -> None:
    fallback, task = values.get("fallback"), values.get("task")
    if not isinstance(fallback, dict):
        return
    prediction = fallback["prediction"]
    is_number = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    if task == "regression" and not is_number:
        message = f"`fallback.prediction` is {show(prediction)}, but a regression answers with a number"
        found.add("fallback.prediction", prediction, message)
    if task == "classification" and not isinstance(prediction, str | int | bool):
        message = f"`fallback.prediction` is {show(prediction)}, but a classification answers with a label"
        found.add("fallback.prediction", prediction, message)
    score = fallback.get("score", 0)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        found.add("fallback.score", score, f"`fallback.score` is {show(score)} but must be a number from 0 to 1")


def _keep(values: Values, found: Findings) -> None:
    """Rows that are gone before their units mature, or before the release is over, would be missed and never seen."""
    log, release = part(values, "log", dict), part(values, "release", dict)
    keep = log.get("keep", KEEP)
    lasts = sum(length for stage in part(release, "stages", list) for length in _lengths(stage))
    for name, metric in part(values, "metrics", dict).items():
        within, grace = (metric.get("within"), metric.get("grace", GRACE)) if isinstance(metric, dict) else (BAD, BAD)
        if isinstance(keep, float) and isinstance(within, float) and isinstance(grace, float):
            needed = within + grace + lasts
            if keep < needed:
                release_too = " and the stages of the release" if lasts else ""
                message = (
                    f"rows are kept for {show_duration(keep)}, but the window of `{name}`, its grace{release_too} take "
                    f"{show_duration(needed)}; write `keep: {show_duration(needed)}` or more"
                )
                found.add("log.keep" if "keep" in log else "log", show_duration(keep), message)
                return


BAKE = 1800.0
"""A canary's default ``bake``, seconds."""
_LONG = (("shadow", "for"), ("test", "at_most"))


def _lengths(stage: Any) -> list[float]:
    if not isinstance(stage, dict):
        return []
    parts = [part(stage, kind, dict).get(key) for kind, key in _LONG]
    canary = part(stage, "canary", dict)
    if canary and isinstance(canary.get("bake", BAKE), float):
        parts.append(canary.get("bake", BAKE) * len(part(canary, "steps", list)))
    return [length for length in parts if isinstance(length, float)]
