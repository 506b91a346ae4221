"""Checks of metrics against the outcomes they count: what each kind needs, and what it cannot have."""

from typing import Any

from seatrial.spec.check_models import (
    ERRORS,
    OF_ANSWERS,
    OF_LABELS,
    OF_LISTS,
    OF_POSITIVES,
    OF_SHOWN,
    check_answers,
    check_task,
)
from seatrial.spec.check_value import check_value
from seatrial.spec.declared import declared_outcome
from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.shapes import BAD
from seatrial.spec.units import show

BUILT_IN: dict[str, str] = {
    "errors": "share of units with a failed request",
    "error_rate": "share of requests that failed",
    "p50": "median latency",
    "p99": "99th percentile of latency",
    "throughput": "requests per second",
}
"""Metrics that are always there; their names are taken."""

NEEDS: dict[str, tuple[str, ...]] = {
    "mean": ("outcome", "within"),
    "value": ("of", "within"),
    "proportion": ("outcome", "within"),
    "ratio": ("outcome", "numerator", "denominator", "within"),
    "quantile": ("outcome", "quantile", "within"),
} | dict.fromkeys((*OF_ANSWERS, *OF_LISTS), ("outcome", "within"))
NEEDS |= dict.fromkeys(OF_SHOWN, ("catalogue", "within"))
TAKES: dict[str, tuple[str, ...]] = {
    "mean": ("value", "cap", "cap_at", "range", "covariate", "compare"),
    "value": ("cost", "covariate"),
    "proportion": ("value", "covariate"),
    "ratio": ("covariate",),
    "quantile": ("value",),
} | {kind: ("value", "positive") if kind in OF_POSITIVES else ("value",) for kind in OF_ANSWERS}
TAKES |= dict.fromkeys(OF_LISTS, ("k", "credit")) | dict.fromkeys(OF_SHOWN, ("k",))
_EVERY = (
    *("value", "numerator", "denominator", "cap", "cap_at", "range", "quantile", "covariate", "compare"),
    *("positive", "k", "catalogue", "credit", "of", "cost", "outcome", "grace"),
)
ALWAYS = ("kind", "within", "grace", "want")

Values = dict[str, Any]


def check_metrics(values: Values, found: Findings) -> None:
    """Notes metrics that lack what their kind needs, or name an outcome or field that is not declared."""
    metrics = values.get("metrics")
    for name, metric in metrics.items() if isinstance(metrics, dict) else ():
        path = f"metrics.{name}"
        if name in BUILT_IN:
            message = (
                f"the metric `{name}` is always there ({BUILT_IN[name]}) and cannot be declared; choose another name"
            )
            found.add(path, name, message)
        if isinstance(metric, dict) and isinstance(metric.get("kind"), str):
            _keys(metric, path, found)
            _outcome(metric, path, values, found)
            if metric["kind"] == "value":
                check_value(metric, path, values, found)
            if metric["kind"] in (*OF_LISTS, *OF_SHOWN):
                check_task(metric["kind"], path, "ranking", values, found)
            _covariates(metric, f"{path}.covariate", values, found)
            _range(metric, path, found)
            _ranks(metric, path, found)
            _caps(metric, path, found)


def _covariates(metric: Values, path: str, values: Values, found: Findings) -> None:
    names = metric.get("covariate")
    if not isinstance(names, list) or "covariate" not in TAKES[metric["kind"]]:
        return
    for position, name in enumerate(names):
        at = path if len(names) == 1 else f"{path}[{position}]"
        if name in names[:position]:
            found.add(at, name, f"`{name}` is there twice; remove one of them")
        elif name is not BAD:
            _covariate(name, at, values, found)


def _covariate(name: str, path: str, values: Values, found: Findings) -> None:
    """A covariate is a number: of a declared context key, or a prediction that is one."""
    if name == "prediction":
        task = values.get("task")
        if task in ("ranking", "raw"):
            message = f"a prediction of `task: {task}` is no number to adjust for; name a context key, or remove it"
            found.add(path, name, message)
        return
    key, context = name.removeprefix("context."), values.get("context", {})
    if not isinstance(context, dict):
        return
    if key not in context:
        mend = did_you_mean(key, context) if context else f"declare it: `context: {{{key}: number}}`"
        found.add(path, name, f"{show(key)} is not a key of `context`; {mend}")
    elif isinstance(context[key], str) and context[key].endswith("string"):
        message = f"`{name}` is a string, and a covariate is a number, an integer or a boolean; name another key"
        found.add(path, name, message)


def _range(metric: Values, path: str, found: Findings) -> None:
    """Two ends in order; the metric is then judged by betting, which adjusts for nothing and needs no other cap."""
    ends = metric.get("range")
    if not isinstance(ends, list) or BAD in ends:
        return
    if len(ends) != 2 or not ends[0] < ends[1]:
        said = ", ".join(f"{end:g}" for end in ends)
        found.add(f"{path}.range", said, f"the range `[{said}]` is not two ends in order; write it like `[0, 5]`")
    for key in ("cap", "cap_at", "covariate"):
        if key in metric:
            message = f"`{_name(path)}` has a `range`, which stands in for `{key}`; remove one of them"
            found.add(f"{path}.{key}", key, message)


def _caps(metric: Values, path: str, found: Findings) -> None:
    if metric.get("cap") is not None and "cap_at" in metric:
        message = f"`{_name(path)}` has both a `cap` and a `cap_at`; keep the number, or let the data fix it"
        found.add(f"{path}.cap_at", "cap_at", message)


def _ranks(metric: Values, path: str, found: Findings) -> None:
    """Ranks adjust for nothing, and a largest total cannot change who is above whom by much."""
    for key in ("cap", "cap_at", "covariate", "range"):
        if metric.get("compare") == "ranks" and key in metric:
            message = f"`{_name(path)}` is compared by ranks, which have no use for `{key}`; remove one of them"
            found.add(f"{path}.{key}", key, message)


def _keys(metric: Values, path: str, found: Findings) -> None:
    kind = metric["kind"]
    for key in NEEDS[kind]:
        if key not in metric:
            found.add(path, kind, f"the {kind} `{_name(path)}` needs `{key}`: {_EXAMPLES[key]}")
    allowed = (*ALWAYS, *NEEDS[kind], *TAKES[kind])
    if kind in OF_SHOWN:  # what was shown is known at once
        allowed = tuple(key for key in allowed if key != "grace")
    if kind == "ratio" and "cap" in metric:
        found.add(f"{path}.cap", "cap", f"`cap` of the ratio `{_name(path)}` is not built yet: remove it")
        allowed += ("cap",)
    for key, value in metric.items():
        if key not in allowed and (value is not BAD or key in _EVERY):
            found.add(f"{path}.{key}", key, f"the {kind} `{_name(path)}` has no use for `{key}`; remove it")
    wrong = "higher" if kind in ERRORS else "lower"
    if kind in (*OF_ANSWERS, *OF_LISTS) and metric.get("want") == wrong:
        found.add(f"{path}.want", wrong, f"the {kind} `{_name(path)}` cannot want `{wrong}`; remove `want`")


_EXAMPLES = {
    "of": "a sum of outcomes, like `of: purchase.amount - 0.3 * returned.amount`",
    "outcome": "the name of a declared outcome, like `outcome: purchase`",
    "within": "the window after the first exposure in which outcomes count, like `within: 7d`",
    "numerator": "a numeric field of the outcome, like `numerator: amount`",
    "denominator": "a numeric field of the outcome, like `denominator: items`",
    "quantile": "a share of units, like `quantile: 90%`",
    "catalogue": "how many items there are, like `catalogue: 5000`",
}


def _outcome(metric: Values, path: str, values: Values, found: Findings) -> None:
    name = metric.get("outcome")
    outcome = declared_outcome(name, values, f"{path}.outcome", found)
    if not isinstance(name, str) or not isinstance(outcome, dict) or outcome.get("fields") is BAD:
        return
    _fields(metric, path, name, outcome.get("fields", {}), found)
    if metric["kind"] in OF_ANSWERS:
        check_answers(metric["kind"], path, name, outcome, values, found)


def _fields(metric: Values, path: str, outcome: str, fields: Values, found: Findings) -> None:
    kind = metric["kind"]
    if (kind in ("mean", "quantile") or kind in OF_ANSWERS) and fields and "value" not in metric:
        fit = [name for name, written in fields.items() if kind in OF_LABELS or written != "string"]
        message = f"the {kind} `{_name(path)}` needs `value`, because `{outcome}` has fields"
        found.add(path, outcome, f"{message}; {did_you_mean('', fit)}")
    for key in ("value", "numerator", "denominator"):
        field = metric.get(key)
        if isinstance(field, str) and key in (*NEEDS[kind], *TAKES[kind]):
            _field(kind, f"{path}.{key}", field, outcome, fields, found)


def _field(kind: str, path: str, field: str, outcome: str, fields: Values, found: Findings) -> None:
    key = path[path.rfind(".") + 1 :]
    if field not in fields:
        mend = did_you_mean(field, fields) if fields else f"add `fields: {{{field}: number}}` to it"
        found.add(path, field, f"{show(field)} is not a field of the outcome `{outcome}`; {mend}")
    elif fields[field] == "string" and kind not in OF_LABELS:
        message = f"the field `{field}` of `{outcome}` is a string, but `{key}` needs a number, an integer or a boolean"
        found.add(path, field, message)


def _name(path: str) -> str:
    return path.removeprefix("metrics.")
