"""What the grammar read, checked, as the frozen values of ``spec.deployment``."""

from typing import Any

from seatrial.spec import deployment as model
from seatrial.spec.calendar import Calendar
from seatrial.spec.check_models import ERRORS
from seatrial.spec.declared import longest_within
from seatrial.spec.units import Amount, Rows

Values = dict[str, Any]


_MAY_BE_OFF = ("batch", "cache", "breaker")


def build(values: Values) -> model.Deployment:
    """Makes the frozen deployment; ``values`` have passed every check."""
    made = dict(values)
    makers = {
        "unit": _unit,
        "context": lambda context: {name: _context(kind) for name, kind in context.items()},
        "variants": lambda variants: {name: _variant(variant) for name, variant in variants.items()},
        "transform": _transform,
        "routing": _routing,
        "metrics": lambda metrics: {name: metric(each) for name, each in metrics.items()},
        "release": _release,
        "experiment": _experiment,
        "monitors": lambda monitors: _monitors(monitors, values),
        "log": _log,
    }
    for key, make in makers.items():
        if key in made:
            made[key] = make(made[key])
    default = made.get("default", "champion")
    made.setdefault("routing", ({"name": "everybody", "split": {default: 1.0}},))
    return model.Deployment.model_validate(made)


def _unit(values: Values) -> Values:
    return {{"from": "source"}.get(key, key): value for key, value in values.items()}


def _context(kind: str) -> Values:
    return {"kind": kind.removeprefix("optional "), "optional": kind.startswith("optional ")}


def _variant(values: Values) -> Values:
    return {key: None if key in _MAY_BE_OFF and value == "off" else value for key, value in values.items()}


def _transform(values: Values) -> Values:
    if "features" not in values:
        return values
    return {**values, "features": {name: _context(kind) for name, kind in values["features"].items()}}


def metric(values: Values) -> Values:
    """Errors are better small, whatever is written."""
    made = {{"covariate": "covariates"}.get(key, key): value for key, value in values.items()}
    return {**made, "want": "lower"} if values["kind"] in ERRORS else made


def _margin(values: Values) -> Values:
    return {key: value.value if isinstance(value, Amount) else value for key, value in values.items()}


def _stage(values: Values) -> Values:
    ((kind, stage),) = values.items()
    return {"kind": kind, **{{"for": "duration"}.get(key, key): value for key, value in stage.items()}}


def _routing(entries: Any) -> Any:
    return tuple(_routing_entry(entry) for entry in entries)


def _routing_entry(values: Values) -> Values:
    if "bandit" not in values:
        return values
    bandit = {key: value for key, value in values["bandit"].items() if key not in ("start", "sticky")}
    return {**values, "bandit": bandit}


def _release(values: Values) -> Values:
    primary = values["primary"]
    made = dict(values)
    if "calendar" in made:
        made["calendar"] = Calendar(**{key: tuple(parts) for key, parts in made["calendar"].items()})
    if "holdout" in made:
        made["holdout"] = {{"for": "duration"}.get(key, key): value for key, value in made["holdout"].items()}
    return {
        **made,
        "stages": tuple(_stage(stage) for stage in values["stages"]),
        "primary": {**primary, "minimum_effect": _margin(primary["minimum_effect"])},
        "guardrails": {name: _margin(margin) for name, margin in values.get("guardrails", {}).items()},
    }


def _experiment(values: Values) -> Values:
    method: Values = {key: values[key] for key in ("alpha", "plan_units", "after") if key in values}
    primary = values["primary"]
    made = {key: value for key, value in values.items() if key not in (*method, "in")}
    method |= {"name": "fixed"} if "after" in method else {}
    return {
        **made,
        "entry": values["in"],
        "method": method,
        "primary": {**primary, "minimum_effect": _margin(primary["minimum_effect"])},
        "guardrails": {name: _margin(margin) for name, margin in values.get("guardrails", {}).items()},
    }


def _monitors(values: Values, whole: Values) -> Values:
    made = {name: _window(monitor) for name, monitor in values.items()}
    for name in ("concept", "fairness"):
        monitor = made.get(name, {})
        if "outcome" in monitor:
            made[name] = {"within": longest_within(monitor["outcome"], whole), **monitor}
    if "for" in made.get("shadow_gap", {}):
        made["shadow_gap"] = {{"for": "duration"}.get(key, key): value for key, value in made["shadow_gap"].items()}
    if made.get("data") == "off":
        made["data"] = None
    if "worse_by" in made.get("performance", {}):
        made["performance"] = {**made["performance"], "worse_by": _margin(made["performance"]["worse_by"])}
    return made


def _window(monitor: Any) -> Any:
    """A monitor whose window is so many rows says so apart."""
    if not isinstance(monitor, dict) or not isinstance(monitor.get("window"), Rows):
        return monitor
    return {**{key: value for key, value in monitor.items() if key != "window"}, "rows": monitor["window"].number}


def _log(values: Values) -> Values:
    if "redact" not in values:
        return values
    return {**values, "redact": tuple(name.removeprefix("features.") for name in values["redact"])}
