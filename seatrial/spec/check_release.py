"""Checks of a release: its challenger, its entry, its stages, and margins in the unit of their metric."""

from itertools import pairwise
from typing import Any, get_args

from seatrial.spec.check_method import check_method, method_of
from seatrial.spec.check_metrics import BUILT_IN
from seatrial.spec.check_models import NOT_PLANNED, ONE_LOOK
from seatrial.spec.check_monitors import check_by
from seatrial.spec.deployment import MetricKind
from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.shapes import BAD
from seatrial.spec.units import MARGIN_FORMS, Amount, show, show_duration, show_share

LARGEST_SHARE = 0.95
"""Of a split, for a challenger: there is always somebody to compare with at the same time."""

SHARES = ("proportion", "accuracy", "precision", "recall", "hit_rate", "click_through", "coverage")
UNIT_OF_KIND: dict[str, str] = {kind: "share" if kind in SHARES else "number" for kind in get_args(MetricKind)}
UNIT_OF_BUILT_IN: dict[str, str] = {"errors": "share", "error_rate": "share", "p50": "duration", "p99": "duration"}
FORM_OF_UNIT = {
    "share": "a share like `{absolute: 0.1%}`",
    "duration": "a duration like `{absolute: 5ms}`",
    "number": "a plain number in the metric's unit like `{absolute: 0.50}`",
}

LARGEST_HOLDOUT = 0.5
ALPHA = 0.05
"""Of a method that does not say."""

Values = dict[str, Any]


def check_release(values: Values, found: Findings) -> None:
    """Notes what in a release contradicts the rest of the file."""
    _worse_by(values, found)
    release = values.get("release")
    if not isinstance(release, dict):
        return
    _challenger(release, values, found)
    _entry(release, values, found)
    _stages(release, found)
    check_primary(release, values, found)
    check_guardrails(release, values, found)
    check_method(release, found)
    check_by("release.segments", release.get("segments"), values, found)
    _challenge(release, values, found)
    _required(release, values, found)
    holdout = release.get("holdout")
    share = holdout.get("share") if isinstance(holdout, dict) else None
    if isinstance(share, float) and share > LARGEST_HOLDOUT:
        message = (
            f"the holdout's `share` is {show_share(share)}; a version in command has most units: write at most 50%"
        )
        found.add("release.holdout.share", show_share(share), message)


def _required(release: Values, values: Values, found: Findings) -> None:
    primary, metrics = release.get("primary"), values.get("metrics")
    name = primary.get("metric") if isinstance(primary, dict) else None
    metric = metrics.get(name) if isinstance(metrics, dict) and isinstance(name, str) else None
    kind = metric.get("kind") if isinstance(metric, dict) else None
    if release.get("require") == "off-policy" and isinstance(kind, str) and kind not in ("mean", "proportion"):
        message = (
            f"what a bandit logged is weighed by a mean or a proportion, and the primary metric `{name}` is of kind "
            f"`{kind}`; let another metric decide, or remove `require`"
        )
        found.add("release.require", "off-policy", message)
    outcomes, outcome = values.get("outcomes"), metric.get("outcome") if isinstance(metric, dict) else None
    declared = outcomes.get(outcome) if isinstance(outcomes, dict) and isinstance(outcome, str) else None
    if release.get("require") == "off-policy" and isinstance(declared, dict) and declared.get("label") is True:
        message = (
            f"the primary metric `{name}` is of the label `{outcome}`, which not every unit gets, so a bandit's rows "
            "say nothing of it; let another metric decide, or remove `require`"
        )
        found.add("release.require", "off-policy", message)
    if release.get("require") == "off-policy" and "challenge" in release:
        message = (
            "a version that challenges by itself was never an arm of a bandit, so its release would wait for ever; "
            "remove `require`, or `challenge`"
        )
        found.add("release.require", "off-policy", message)


def _challenge(release: Values, values: Values, found: Findings) -> None:
    challenge, name, variants = release.get("challenge"), release.get("of"), values.get("variants")
    if not isinstance(challenge, dict):
        return
    said = variants.get(name) if isinstance(variants, dict) and isinstance(name, str) else None
    model = said.get("model") if isinstance(said, dict) else None
    if isinstance(said, dict) and not (isinstance(model, str) and model.endswith("/latest")):
        message = (
            f"the newest version challenges by itself, so `{name}` must name a model and no version of it; write "
            "`model: models:/NAME/latest`"
        )
        found.add(f"variants.{name}.model", show(model), message)
    method = release.get("method")
    alpha = method.get("alpha", ALPHA) if isinstance(method, dict) else ALPHA
    budget = challenge.get("budget")
    if isinstance(budget, float) and isinstance(alpha, float) and budget < alpha:
        message = (
            f"the `budget` of {show_share(budget)} holds no release, because each may promote falsely with a chance of "
            f"{show_share(alpha)}; write a larger one, or a smaller `alpha`"
        )
        found.add("release.challenge.budget", show_share(budget), message)


def _challenger(release: Values, values: Values, found: Findings) -> None:
    challenger, variants = release.get("of"), values.get("variants")
    if not isinstance(challenger, str):
        return
    if isinstance(variants, dict) and challenger not in variants:
        found.add(
            "release.of",
            challenger,
            f"{show(challenger)} is not a declared variant; {did_you_mean(challenger, variants)}",
        )
    if challenger == values.get("default", "champion"):
        message = (
            f"the release is of `{challenger}`, which is the default variant; release another one, or change `default`"
        )
        found.add("release.of", challenger, message)
    for position, entry in enumerate(_list(values, "routing")):
        split = entry.get("split") if isinstance(entry, dict) else None
        if isinstance(split, dict) and challenger in split:
            message = (
                f"`{challenger}` has a weight here, but its release moves its weight; remove the weight or the release"
            )
            found.add(f"routing[{position}].split.{challenger}", challenger, message)
        if isinstance(entry, dict) and entry.get("to") == challenger:
            message = (
                f"`{challenger}` is routed to here, but has a release; route to another variant or remove the release"
            )
            found.add(f"routing[{position}].to", challenger, message)


def _entry(release: Values, values: Values, found: Findings) -> None:
    into = release.get("into")
    if not isinstance(into, str) or values.get("routing") is BAD:
        return
    default = values.get("default", "champion")
    entries = _list(values, "routing") or [{"name": "everybody", "split": {default: 1.0}}]
    if any(not isinstance(entry, dict) or entry.get("name") is BAD for entry in entries):
        return
    named = {entry.get("name"): entry for entry in entries if entry.get("name")}
    if into not in named:
        found.add("release.into", into, f"{show(into)} is not a routing entry; {did_you_mean(into, named)}")
        return
    split = named[into].get("split")
    if "bandit" in named[into]:
        message = f"the release goes into `{into}`, whose `bandit` moves the weights itself; give it a `split`"
        found.add("release.into", into, message)
        return
    if "to" in named[into]:
        message = f"the release goes into `{into}`, which has `to` and no weights to move; give it a `split`"
        found.add("release.into", into, message)
    elif isinstance(split, dict):
        others = [name for name in split if name != release.get("of")]
        if len(others) > 1:
            message = (
                f"a release into `{into}`, which splits between several variants, is not built yet: "
                "leave one at 100% there"
            )
            found.add("release.into", into, message)
        elif others and isinstance(default, str) and others[0] != default:
            message = (
                f"a release into `{into}`, which goes to `{others[0]}`, is not built yet: the challenger is compared "
                f"with the default variant `{default}`; split to that one, or write `default: {others[0]}`"
            )
            found.add("release.into", into, message)


def _stages(release: Values, found: Findings) -> None:
    kinds: list[str] = []
    for position, stage in enumerate(_list(release, "stages")):
        if not isinstance(stage, dict) or len(stage) != 1:
            continue
        kind = next(iter(stage))
        if kind not in _ORDER:
            continue
        path = f"release.stages[{position}]"
        late = [other for other in kinds if kind in _ORDER[: _ORDER.index(other)]]
        if kind in kinds:
            found.add(path, kind, f"the stage `{kind}` stands twice; keep one")
        elif late:
            found.add(path, kind, f"the stage `{kind}` stands after `{late[0]}`; put it before")
        kinds.append(kind)
        if kind == "canary" and isinstance(stage["canary"], dict):
            _canary(stage["canary"], f"{path}.canary", found)
        if kind == "test" and isinstance(stage["test"], dict):
            _test(stage["test"], f"{path}.test", found)


_ORDER = ("shadow", "canary", "test")


def _canary(stage: Values, path: str, found: Findings) -> None:
    steps = _list(stage, "steps")
    if any(not isinstance(step, float) for step in steps):
        return
    if any(later <= earlier for earlier, later in pairwise(steps)):
        shares = ", ".join(show_share(step) for step in steps)
        found.add(f"{path}.steps", shares, f"the steps {shares} do not rise; write each larger than the one before")
    for position, step in enumerate(steps):
        if step > LARGEST_SHARE:
            message = f"the step {show_share(step)} leaves too few units to compare with; write at most 95%"
            found.add(f"{path}.steps[{position}]", show_share(step), message)


def _test(stage: Values, path: str, found: Findings) -> None:
    share, least, most = stage.get("share"), stage.get("at_least"), stage.get("at_most")
    if isinstance(share, float) and share > LARGEST_SHARE:
        message = (
            f"the test's `share` is {show_share(share)}; write at most 95%, so that the champion can be compared with"
        )
        found.add(f"{path}.share", show_share(share), message)
    if isinstance(least, float) and isinstance(most, float) and least > most:
        message = (
            f"`at_least` ({show_duration(least)}) is longer than `at_most` ({show_duration(most)}); turn them round"
        )
        found.add(f"{path}.at_least", show_duration(least), message)


def check_primary(release: Values, values: Values, found: Findings, at: str = "release") -> None:
    """Notes a primary metric that nobody declares or that cannot decide; of a release, or an experiment (``at``)."""
    primary = release.get("primary")
    if not isinstance(primary, dict):
        return
    name, margin, path = primary.get("metric"), primary.get("minimum_effect"), f"{at}.primary"
    if isinstance(name, str) and name in BUILT_IN:
        message = (
            f"`{name}` as the primary metric is not built yet: make it a guardrail, and let a declared metric decide"
        )
        found.add(f"{path}.metric", name, message)
    elif isinstance(name, str):
        _known(name, f"{path}.metric", values, found, ())
        once = _kind_of(name, values) == "auc" or _by_ranks(name, values)
        if not (method_of(release) == "fixed" and once):
            _holds_at_every_look(name, f"{path}.metric", values, found)
        method = method_of(release)
        if _kind_of(name, values) in NOT_PLANNED and method not in ("always-valid", "fixed"):
            message = f"a quantile is judged at every look or once, not by the method `{method}`; write one of the two"
            found.add(f"{path}.metric", name, message)
    if isinstance(margin, dict):
        _unit_of(name, margin, f"{path}.minimum_effect", values, found)
        for key, value in margin.items():
            if value == 0 or (isinstance(value, Amount) and value.value == 0):
                message = "`minimum_effect` is zero; write the smallest difference that you care about"
                found.add(f"{path}.minimum_effect.{key}", "0", message)


def check_guardrails(release: Values, values: Values, found: Findings, at: str = "release") -> None:
    """Notes guardrails that nobody declares, that cannot guard, or whose margin is of another unit."""
    guardrails = release.get("guardrails")
    for name, margin in guardrails.items() if isinstance(guardrails, dict) else ():
        path = f"{at}.guardrails.{name}"
        if name == "throughput":
            message = "`throughput` follows the split's weights, not the variant; guard `p99` or `errors` instead"
            found.add(path, name, message)
            continue
        _known(name, path, values, found, tuple(BUILT_IN))
        primary = release.get("primary")
        if isinstance(primary, dict) and primary.get("metric") == name:
            message = f"`{name}` is the primary metric, and being worse in it stops the release already; remove it here"
            found.add(path, name, message)
        _holds_at_every_look(name, path, values, found)
        if isinstance(margin, dict):
            _unit_of(name, margin, path, values, found)


def _holds_at_every_look(name: str, path: str, values: Values, found: Findings) -> None:
    kind = _kind_of(name, values)
    if kind in ONE_LOOK:
        message = f"`{name}` is of kind `{kind}`, which holds for one look only; let another metric decide"
        found.add(path, name, message)
    if _by_ranks(name, values):
        message = f"`{name}` is compared by ranks, which hold for one look; let it decide by the method `fixed` alone"
        found.add(path, name, message)


def _by_ranks(name: str, values: Values) -> bool:
    metrics = values.get("metrics")
    metric = metrics.get(name) if isinstance(metrics, dict) else None
    return isinstance(metric, dict) and metric.get("compare") == "ranks"


def _kind_of(name: str, values: Values) -> str | None:
    metrics = values.get("metrics")
    metric = metrics.get(name) if isinstance(metrics, dict) else None
    kind = metric.get("kind") if isinstance(metric, dict) else None
    return kind if isinstance(kind, str) else None


def _worse_by(values: Values, found: Findings) -> None:
    monitors = values.get("monitors")
    performance = monitors.get("performance") if isinstance(monitors, dict) else None
    margin = performance.get("worse_by") if isinstance(performance, dict) else None
    if isinstance(performance, dict) and isinstance(margin, dict):
        _unit_of(performance.get("metric"), margin, "monitors.performance.worse_by", values, found)


def _known(name: str, path: str, values: Values, found: Findings, also: tuple[str, ...]) -> None:
    metrics = values.get("metrics", {})
    if isinstance(metrics, dict) and name not in metrics and name not in also:
        names = (*metrics, *(word for word in also if word != "throughput"))
        mend = did_you_mean(name, names) if names else "declare it under `metrics`"
        found.add(path, name, f"{show(name)} is not a declared metric; {mend}")


def _unit_of(name: Any, margin: Values, path: str, values: Values, found: Findings) -> None:
    amount = margin.get("absolute")
    metric = values["metrics"].get(name) if isinstance(values.get("metrics"), dict) and isinstance(name, str) else None
    kind = metric.get("kind") if isinstance(metric, dict) else None
    unit = UNIT_OF_KIND.get(kind) if isinstance(kind, str) else UNIT_OF_BUILT_IN.get(str(name))
    if unit and isinstance(amount, Amount) and amount.form != unit:
        message = f"the absolute margin of `{name}` is `{amount.text}` but must be {FORM_OF_UNIT[unit]}; {MARGIN_FORMS}"
        found.add(f"{path}.absolute", amount.text, message)


def _list(values: Values, key: str) -> list[Any]:
    value = values.get(key)
    return value if isinstance(value, list) else []
