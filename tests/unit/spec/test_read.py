# ruff: noqa: E501  (a table of mistakes reads best with one a line)
"""The reader: the smallest file, the full one, and one clear sentence with line, value and mend for each mistake."""

import re

import pytest

from seatrial.spec import deployment as model
from seatrial.spec.alerting import ClockTime
from seatrial.spec.problems import Problem, SpecError
from seatrial.spec.read import load_deployment

SMALLEST = 'deployment: churn\nvariants: {champion: {model: "models:/churn@champion"}}\n'


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        load_deployment(text)
    return caught.value.problems


def test_smallest_file_works_by_defaults() -> None:
    read = load_deployment(SMALLEST)
    assert read.deployment == "churn"
    assert read.variants == {"champion": model.VariantSpec(model="models:/churn@champion")}
    assert read.routing == (model.EntrySpec(name="everybody", split={"champion": 1.0}),)
    assert read.unit == model.UnitSpec(name="unit", source=None)
    assert read.monitors == model.Monitors(data=model.DataMonitor(), performance=None)
    assert (read.default, read.task, read.release, read.alerts) == ("champion", None, None, ())


def test_full_file(full_text: str) -> None:
    read = load_deployment(full_text)
    assert read.unit == model.UnitSpec(name="customer", source="context.customer_id")
    assert read.context["country"] == model.ContextField(kind="string", optional=True)
    assert read.variants["champion"].timeout == 0.05
    assert read.variants["night"].lookup == model.LookupSpec(scores="scores/", key="unit", stale_after=26 * 3600.0)
    assert read.fallback == {"prediction": 0, "score": 0.12}
    assert read.outcomes["purchase"].fields == {"amount": "number", "items": "integer"}
    assert read.outcomes["churned"].label
    assert read.metrics["revenue"].cap == 5000.0
    assert read.metrics["revenue"].covariates == ("context.prior_revenue",)
    assert read.metrics["right"] == model.MetricSpec(
        kind="accuracy", outcome="churned", within=30 * 86400.0, grace=86400.0
    )
    assert read.release == model.ReleaseSpec(
        of="challenger",
        into="everybody",
        stages=(
            model.ShadowStage(share=1.0, duration=7 * 86400.0, minimum_pairs=500),
            model.TestStage(share=0.5, at_least=14 * 86400.0, at_most=28 * 86400.0),
        ),
        primary=model.Primary(metric="conversion", minimum_effect=model.Margin(relative=0.02)),
        method=model.Method(plan_units=20000),
        guardrails={
            "p99": model.Margin(absolute=0.005),
            "revenue": model.Margin(relative=0.01),
            "errors": model.Margin(absolute=0.001),
        },
    )
    assert read.monitors.data == model.DataMonitor(
        minimum_rows=200,
        constraints={
            "tenure": model.Constraint(least=0, most=80, allow=0.001, missing=0.01),
            "plan": model.Constraint(values=("free", "paid")),
        },
        duplicated=0.05,
        arrival=model.ArrivalBounds(at_least=100, at_most=100_000),
    )
    assert read.monitors.performance == model.PerformanceMonitor(
        metric="right",
        minimum_labels=200,
        worse_by=model.Margin(absolute=0.02),
        estimate=True,
        calibration=True,
        segments=("context.country",),
    )
    assert read.monitors.concept == model.ConceptMonitor(outcome="churned", within=30 * 86400.0)
    assert read.monitors.fairness == model.FairnessMonitor(
        by=("context.country",), positive="0", outcome="churned", within=30 * 86400.0, minimum_rows=200
    )
    assert read.log == model.LogSpec(redact=("email",))
    assert read.alerts[0].events == ("rollback", "guardrail", "performance.major", "outcomes.stalled")


def test_fields_of_labels_and_booleans_can_be_measured() -> None:
    read = load_deployment(
        SMALLEST + "outcomes: {o: {label: true, fields: {truth: string, paid: boolean}}}\n"
        "metrics:\n"
        "  right: {kind: accuracy, outcome: o, value: truth, within: 1d}\n"
        "  paid: {kind: proportion, outcome: o, value: paid, within: 1d}\n"
        "  share: {kind: mean, outcome: o, value: paid, within: 1d}\n"
        "monitors: {performance: {metric: paid, worse_by: {absolute: 1%}}}\n"
    )
    assert {name: metric.value for name, metric in read.metrics.items()} == {
        "right": "truth",
        "paid": "paid",
        "share": "paid",
    }


def test_yaml_on_and_no_are_strings(full_text: str) -> None:
    read = load_deployment(full_text.replace("challenger", "NO").replace("popular", "off"))
    assert set(read.variants) == {"champion", "NO", "night"}


def test_default_routing_goes_to_the_default_variant() -> None:
    read = load_deployment("deployment: a\ndefault: b\nvariants: {b: {model: models:/m/1}}\n")
    assert read.routing[0].split == {"b": 1.0}


def test_data_monitor_can_be_switched_off() -> None:
    assert load_deployment(SMALLEST + "monitors: {data: off}\n").monitors.data is None


def test_the_value_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_deployment(SMALLEST).deployment = "other"


def test_a_canary_and_a_calendar_are_read(full_text: str) -> None:
    canary = "- canary: {steps: [1%, 5%, 25%], bake: 1h, minimum_units: 500}"
    text = full_text.replace("- shadow: {share: 100%, for: 7d, minimum_pairs: 500}", canary)
    text = text.replace(
        "then: ask",
        "then: ask\n  at_most: 40d\n"
        "  calendar: {windows: [mon-fri 09:00-16:00 Europe/Paris], freeze: [2026-12-20 to 2027-01-03]}",
    )
    release = load_deployment(text.replace("keep-champion", "roll-back")).release
    assert release is not None
    assert release.stages[0] == model.CanaryStage(steps=(0.01, 0.05, 0.25), bake=3600.0, minimum_units=500)
    assert (release.at_most, release.if_inconclusive) == (40 * 86400.0, "roll-back")
    (window,), (freeze,) = release.calendar
    assert (window.days, window.start, window.end, window.zone) == ((0, 1, 2, 3, 4), 540, 960, "Europe/Paris")
    assert (freeze.first, freeze.last) == ("2026-12-20", "2027-01-03")


EDITS = {
    # what stands in the full file -> what replaces it, the line's text, the offending value, words of the sentence
    "unknown key": ("default: champion", "defualt: champion", "defualt", "did you mean `default`"),
    "unknown key far from all": ("strict_features: false", "zzz: 1", "zzz", "it can be `actions`, `alerting`, `alerts`, "),
    "unknown key of a metric": ("want: higher", "wants: higher", "wants", "`wants` is not a key of a metric; did you mean `want`"),
    "shares below": ("champion: 100%}", "champion: 90%}", "90%", "add up to 90%; make them add up to 100%"),
    "shares above": ("champion: 100%}", "champion: 60%, extra: 60%}", "120%", "add up to 120%"),
    "undeclared variant in a split": ("champion: 100%}", "champoin: 100%}", "champoin", "not a declared variant; did you mean `champion`"),
    "undeclared variant in to": ("split: {champion: 100%}", "to: nobody", "nobody", "`nobody` is not a declared variant"),
    "undeclared default": ("default: champion", "default: nobody", "nobody", "`nobody` is not a declared variant"),
    "metric without outcome": ("outcome: purchase, within: 7d, want: higher", "within: 7d", "proportion", "needs `outcome`"),
    "metric without within": ("outcome: purchase, within: 7d, want: higher", "outcome: purchase", "proportion", "needs `within`"),
    "mean without value": ("value: amount, within", "within", "purchase", "needs `value`, because `purchase` has fields; it can be `amount` or `items`"),
    "ratio without denominator": ("denominator: items, ", "", "ratio", "needs `denominator`"),
    "undeclared outcome": ("kind: mean, outcome: purchase", "kind: mean, outcome: purchases", "purchases", "not a declared outcome; did you mean `purchase`"),
    "undeclared field": ("value: amount", "value: amuont", "amuont", "not a field of the outcome `purchase`; did you mean `amount`"),
    "text field in a mean": ("{amount: number", "{amount: string", "amount", "is a string, but `value` needs a number"),
    "a key of another kind": ("kind: proportion,", "kind: proportion, numerator: amount,", "numerator", "the proportion `conversion` has no use for `numerator`"),
    "accuracy of no label": ("{label: true}", "{label: false}", "churned", "declare `churned: {label: true}`"),
    "accuracy of a regression": ("task: classification", "task: regression", "accuracy", "needs `task: classification`"),
    "declared error_rate": ("conversion: {kind", "error_rate: {kind", "error_rate", "always there"),
    "declared built-in metric": ("conversion: {kind", "p99: {kind", "p99", "always there"),
    "bare share": ("shadow: {share: 100%", "shadow: {share: 1", "1", "`share`: `1` is not a share: .* like `5%`"),
    "bare whole": ("sample: 100%", "sample: 1.0", "1.0", "for all of it write `100%`, for 1 percent `1%`"),
    "bare fraction": ("sample: 100%", "sample: 0.5", "0.5", "for 0.5 write `50%`"),
    "bare margin": ("minimum_effect: {relative: 2%}", "minimum_effect: 0.02", "0.02", r"a margin is written `\{relative: 2%\}` or `\{absolute: x\}`"),
    "bare guardrail": ("revenue: {relative: 1%}", "revenue: 1%", "1%", r"a margin is written `\{relative: 2%\}`"),
    "bare relative": ("{relative: 2%}", "{relative: 2}", "2", "`relative`: `2` is not a percentage: .*`2%`"),
    "both margins": ("{relative: 2%}", "{relative: 2%, absolute: 1%}", "", "`relative` and `absolute`; keep one"),
    "no margin": ("{relative: 2%}", "{}", "", "exactly one of `relative` or `absolute`"),
    "duration as a share margin": ("errors: {absolute: 0.1%}", "errors: {absolute: 5ms}", "5ms", "must be a share like"),
    "number as a latency margin": ("p99: {absolute: 5ms}", "p99: {absolute: 5}", "5", "must be a duration like"),
    "share as a mean's margin": ("revenue: {relative: 1%}", "revenue: {absolute: 1%}", "1%", "must be a plain number"),
    "number as accuracy's margin": ("worse_by: {absolute: 2%}", "worse_by: {absolute: 2}", "2", "must be a share like"),
    "zero minimum effect": ("{relative: 2%}", "{relative: 0%}", "0", "`minimum_effect` is zero"),
    "bare duration": ("timeout: 50ms", "timeout: 50", "50", "`50` is not a duration: .*`50ms`"),
    "zero window": ("data:        {window: 1h", "data:        {window: 0h", "0h", "must be more than zero"),
    "release and a weight": ("champion: 100%}", "champion: 90%, challenger: 10%}", "challenger", "has a weight here, but its release moves its weight"),
    "release and a zero weight": ("champion: 100%}", "champion: 100%, challenger: 0%}", "challenger", "has a weight here"),
    "release of the default": ("of: challenger", "of: champion", "champion", "which is the default variant"),
    "release of nobody": ("of: challenger", "of: chalenger", "chalenger", "not a declared variant; did you mean `challenger`"),
    "release into nothing": ("into: everybody", "into: anybody", "anybody", "not a routing entry; did you mean `everybody`"),
    "release into a to": ("split: {champion: 100%}", "to: champion", "everybody", "no weights to move"),
    "release into another's entry": ("split: {champion: 100%}", "split: {popular: 100%}", "everybody", "goes to `popular`, is not built yet"),
    "stages turned round": ("- shadow: {share: 100%, for: 7d, minimum_pairs: 500}\n    - test:   {share: 50%, at_least: 14d, at_most: 28d}", "- test: {}\n    - shadow: {}", "shadow", "stands after `test`; put it before"),
    "a stage twice": ("- test:   {share: 50%, at_least: 14d, at_most: 28d}", "- shadow: {}", "shadow", "stands twice"),
    "no stages": ("  stages:\n    - shadow: {share: 100%, for: 7d, minimum_pairs: 500}\n    - test:   {share: 50%, at_least: 14d, at_most: 28d}\n", "  stages: []\n", r"\[\]", "empty list"),
    "a stage as a word": ("- shadow: {share: 100%, for: 7d, minimum_pairs: 500}", "- shadow", "shadow", r"`shadow` is not a stage: write `- shadow: \{\}`"),
    "canary steps that do not rise": ("- shadow: {share: 100%, for: 7d, minimum_pairs: 500}", "- canary: {steps: [5%, 5%]}", "5%", "do not rise"),
    "canary of everybody": ("- shadow: {share: 100%, for: 7d, minimum_pairs: 500}", "- canary: {steps: [5%, 96%]}", "96%", "at most 95%"),
    "canary without steps": ("- shadow: {share: 100%, for: 7d, minimum_pairs: 500}", "- canary: {bake: 1h}", "", "needs `steps`"),
    "canary of a bare step": ("- shadow: {share: 100%, for: 7d, minimum_pairs: 500}", "- canary: {steps: [5]}", "5", "for 5 percent write `5%`"),
    "canary of no units": ("- shadow: {share: 100%, for: 7d, minimum_pairs: 500}", "- canary: {steps: [5%], minimum_units: 0}", "0", "at least 1"),
    "canary after the test": ("- test:   {share: 50%, at_least: 14d, at_most: 28d}", "- test: {}\n    - canary: {steps: [1%]}", "canary", "stands after `test`; put it before"),
    "holdout as a share": ("then: ask", "holdout: 5%", "5%", r"is not a holdout: write `\{share: 2%"),
    "holdout of most": ("then: ask", "holdout: {share: 60%, for: 90d}", "60%", "at most 50%"),
    "off-policy of a ratio": ("primary: {metric: conversion", "require: off-policy\n  primary: {metric: basket", "off-policy", "is of kind `ratio`"),
    "challenge of a version": ("then: ask", "challenge: {every: 14d, budget: 20%}", "models:/churn/7", "names? a model and no version"),
    "challenge without budget": ("then: ask", "challenge: {every: 14d}", "", "needs `budget`"),
    "challenge of too little": ("then: ask", "challenge: {every: 14d, budget: 1%}", "1%", "holds no release"),
    "holdout for ever": ("then: ask", "holdout: {share: 2%}", "", "needs `for`"),
    "window of no day": ("then: ask", "calendar: {windows: [someday 09:00-16:00]}", "someday 09:00-16:00", "is not a window: write it like"),
    "window that ends first": ("then: ask", "calendar: {windows: [mon 16:00-09:00]}", "mon 16:00-09:00", "ends before it starts"),
    "window after midnight": ("then: ask", "calendar: {windows: [mon 16:00-25:00]}", "mon 16:00-25:00", "after 24:00"),
    "window nowhere": ("then: ask", "calendar: {windows: [mon 09:00-16:00 Nowhere/City]}", "mon 09:00-16:00 Nowhere/City", "names the time zone `Nowhere/City`"),
    "freeze of no day": ("then: ask", "calendar: {freeze: [2026-02-30]}", "2026-02-30", "not a day of the calendar"),
    "freeze turned round": ("then: ask", "calendar: {freeze: [2027-01-03 to 2026-12-20]}", "2027-01-03 to 2026-12-20", "ends before it starts"),
    "test of everybody": ("{share: 50%, at_least", "{share: 99%, at_least", "99%", "at most 95%"),
    "at_least over at_most": ("at_least: 14d", "at_least: 40d", "40d", r"`at_least` \(40d\) is longer than `at_most` \(28d\)"),
    "unknown guardrail": ("revenue: {relative: 1%}", "revenu: {relative: 1%}", "revenu", "not a declared metric; did you mean `revenue`"),
    "error_rate in another unit": ("errors: {absolute: 0.1%}", "error_rate: {absolute: 5ms}", "5ms", "must be a share like"),
    "primary as a guardrail": ("revenue: {relative: 1%}", "conversion: {relative: 1%}", "conversion", "`conversion` is the primary metric"),
    "throughput guardrail": ("revenue: {relative: 1%}", "throughput: {relative: 1%}", "throughput", "follows the split's weights"),
    "unknown primary": ("primary: {metric: conversion", "primary: {metric: konversion", "konversion", "did you mean `conversion`"),
    "built-in primary": ("primary: {metric: conversion", "primary: {metric: p99", "p99", "not built yet"),
    "no primary": ("  primary: {metric: conversion, minimum_effect: {relative: 2%}}\n", "", "", "needs `primary`"),
    "precision that wants lower": ("kind: accuracy, outcome: churned", "kind: precision, want: lower, outcome: churned", "lower", "the precision `right` cannot want `lower`"),
    "an error that wants higher": ("kind: accuracy, outcome: churned", "kind: brier, want: higher, outcome: churned", "higher", "the brier `right` cannot want `higher`"),
    "mae of a classification": ("kind: accuracy", "kind: mae", "mae", "mae needs `task: regression`"),
    "recall of no label": ("kind: accuracy, outcome: churned", "kind: recall, outcome: purchase", "purchase", "recall compares answers with labels, but `purchase` is none"),
    "positive of an accuracy": ("kind: accuracy,", "kind: accuracy, positive: 1,", "positive", "the accuracy `right` has no use for `positive`"),
    "positive that is a list": ("kind: accuracy,", "kind: f1, positive: [1],", "1", "is no label"),
    "fixed without an end": ("name: always-valid", "name: fixed", "fixed", "needs its planned end"),
    "fixed with two ends": ("name: always-valid", "name: fixed, after: 7d, units: 100", "fixed", "and not both"),
    "fixed that never ends": ("name: always-valid", "name: fixed, after: 28d", "28d", "the test ends at 28d"),
    "looks without units": ("name: always-valid", "name: group-sequential, looks: 3", "group-sequential", "write `units: 20000`"),
    "one look": ("name: always-valid", "name: group-sequential, units: 100, looks: 1", "1", "a whole number of at least 2"),
    "looks of another method": ("name: always-valid", "name: always-valid, looks: 3", "looks", "the method `always-valid` has no use for `looks`"),
    "bayesian": ("name: always-valid", "name: bayesian", "bayesian", "did you mean `bayes`"),
    "prior without a width": ("name: always-valid", "name: bayes, prior: {mean: 1}", "", "needs `sd`"),
    "a list of a classification": ("kind: accuracy, outcome: churned", "kind: ndcg, outcome: purchase", "ndcg", "ndcg needs `task: ranking`"),
    "places of an accuracy": ("kind: accuracy,", "kind: accuracy, k: 5,", "k", "the accuracy `right` has no use for `k`"),
    "value of no outcome": ("kind: proportion, outcome: purchase", "kind: value, of: purchse.amount", "purchse", "not a declared outcome; did you mean `purchase`"),
    "value of no field": ("kind: proportion, outcome: purchase", "kind: value, of: purchase.amout", "amout", "did you mean `amount`"),
    "value of a whole outcome with fields": ("kind: proportion, outcome: purchase", "kind: value, of: 2 * purchase", "purchase", "the sum needs one of them"),
    "value of a label": ("kind: proportion, outcome: purchase", "kind: value, of: churned", "churned", "is a label, which not every unit gets"),
    "value that is no sum": ("kind: proportion, outcome: purchase", "kind: value, of: purchase.amount ** 2", "", "write a sum like"),
    "value with an outcome": ("kind: proportion, outcome: purchase", "kind: value, of: purchase.amount, outcome: purchase", "outcome", "the value `conversion` has no use for `outcome`"),
    "cost of nobody": ("kind: proportion, outcome: purchase", "kind: value, of: purchase.amount, cost: {chalenger: 1}", "chalenger", "did you mean `challenger`"),
    "covariate of a key that is none": ("covariate: context.prior_revenue", "covariate: context.prior_revenu", "context.prior_revenu", "not a key of `context`; did you mean `prior_revenue`"),
    "covariate twice": ("covariate: context.prior_revenue", "covariate: [prediction, prediction]", "prediction", "`prediction` is there twice"),
    "one of two covariates is none": ("covariate: context.prior_revenue", "covariate: [prediction, context.prior_revenu]", "context.prior_revenu", "not a key of `context`; did you mean `prior_revenue`"),
    "no covariate in a list": ("covariate: context.prior_revenue", "covariate: []", r"\[\]", "is an empty list"),
    "covariate that is a string": ("covariate: context.prior_revenue", "covariate: context.country", "context.country", "a covariate is a number, an integer or a boolean"),
    "covariate of a feature": ("covariate: context.prior_revenue", "covariate: features.tenure", "features.tenure", "write `context.<key>`"),
    "covariate of an accuracy": ("within: 30d, grace: 1d", "within: 30d, grace: 1d, covariate: prediction", "covariate", "the accuracy `right` has no use for `covariate`"),
    "alpha as a share": ("alpha: 0.05", "alpha: 5%", "5%", "must be a number above 0 and at most 0.5"),
    "unit from nowhere": ("from: context.customer_id", "from: context.custmer", "context.custmer", "`context` declares no `custmer`"),
    "unit from a number": ("{customer_id: string", "{customer_id: number", "context.customer_id", "a unit is a string or an integer"),
    "unit without context": ("from: context.customer_id", "from: customer_id", "customer_id", "write `context.<name>`"),
    "unit as a word": ("unit: {name: customer, from: context.customer_id}", "unit: request", "request", "not built yet"),
    "context kind": ("country: optional string", "country: optional text", "optional text", "`country` cannot be `optional text`; did you mean"),
    "name with a space": ("deployment: churn", "deployment: my churn", "my churn", "a name starts with a letter"),
    "name with a slash": ("deployment: churn", "deployment: ../churn", "../churn", "a name starts with a letter"),
    "name too long": ("deployment: churn", f"deployment: {'a' * 65}", "a+", "at most 64"),
    "variant name": ("challenger: {model", "chall.enger: {model", "chall.enger", "not allowed as a name in `variants`"),
    "variant called previous": ("  challenger: {model", "  previous: {model: models:/a/1}\n  challenger: {model", "previous", "cannot be called `previous`"),
    "model without version": ("models:/churn/7", "models:/churn", "models:/churn", "write `models:/name@alias` or `models:/name/7`"),
    "model as a file": ("models:/churn/7", "./model.onnx", "./model.onnx", "write `models:/name@alias`"),
    "two entries of a name": ("- {name: everybody, split: {champion: 100%}}", "- {name: everybody, to: champion}\n  - {name: everybody, to: champion}", "everybody", "two routing entries|never be reached"),
    "to and split": ("{name: everybody, split", "{name: everybody, to: champion, split", "", "`to` and `split`; keep one"),
    "entry without a target": ("{name: everybody, split: {champion: 100%}}", "{name: everybody}", "", "exactly one of `to` or `split`"),
    "entry without a name": ("{name: everybody, split", "{split", "", "needs `name`"),
    "fallback without prediction": ("fallback: {prediction: 0, score: 0.12}", "fallback: 0", "0", "is not a fallback answer"),
    "fallback score": ("score: 0.12", "score: 12", "12", "a number from 0 to 1"),
    "fallback infinite": ("score: 0.12", "extra: .inf", "", "JSON cannot write"),
    "redact without features": ("[features.email]", "[email]", "email", "write `features.<name>`"),
    "rows gone before they matter": ("keep: 90d", "keep: 30d", "30d", "rows are kept for 30d, but the window of `conversion`, its grace and the stages of the release take 1009h; write `keep: 1009h` or more"),
    "unknown event": ("[rollback, guardrail", "[rolback, guardrail", "rolback", "did you mean `rollback`"),
    "unknown performance metric": ("performance: {metric: right", "performance: {metric: rihgt", "rihgt", "did you mean `right`"),
    "performance of a built-in": ("performance: {metric: right", "performance: {metric: p99", "p99", "not built yet"),
    "accuracy without value": ("{label: true}", "{label: true, fields: {truth: string}}", "churned", "the accuracy `right` needs `value`, because `churned` has fields; it can be `truth`"),
    "nothing after a key": ("  churned:  {label: true}", "  churned:", "", "nothing is not an outcome: write `{}`"),
    "boolean as a word": ("strict_features: false", "strict_features: off", "off", "must be `true` or `false`"),
    "list as a mapping": ("unit: {name: customer, from: context.customer_id}", "unit: [customer]", "customer", "a list is not the unit"),
    "mapping as a list": ("outcomes:\n  purchase: {fields: {amount: number, items: integer}}\n  churned:  {label: true}\n  offline:  {fields: {tenure: number}}                   # features as the feature store has them", "outcomes: [purchase]", "purchase", "must be a mapping of names"),
    "time of a summary": ("digest: 08:30 Europe/Paris", "digest: 8:30", "8:30", "write `08:30`"),
    "zone of a summary": ("digest: 08:30 Europe/Paris", "digest: 08:30 Mars/Base", "08:30 Mars/Base", "which this machine does not know"),
    "windows that cannot be": ("data: 2 of 3, pred", "data: 4 of 3, pred", "4 of 3", "can never be"),
    "windows in words": ("data: 2 of 3, pred", "data: two, pred", "two", "write `2 of 3`"),
    "quiet hours over midnight": ("[mon-sun 22:00-24:00 Europe/Paris,", "[mon-sun 22:00-07:00,", "mon-sun 22:00-07:00", "write two windows for a night"),
    "webhook as a web address": ("json://127.0.0.1:9000/hook", "http://127.0.0.1:9000/hook", "http://127.0.0.1:9000/hook", "json://host:port/path"),
    "two things to do": ("{on: [guardrail], stop: release}", "{on: [guardrail], stop: release, run: x}", "", "keep one of"),
    "nothing to do": ("{on: [guardrail], stop: release}", "{on: [guardrail]}", "", "needs exactly one of"),
    "fall back to no version": ('fall_back: "churn:5"', "fall_back: churn", "churn", "name:version"),
    "a command in the file": ("run: retrain", 'run: "rm -r x"', "rm -r x", "name of an executable"),
    "back on drift alone": ("{on: [guardrail], stop: release}", "{on: [data], stop: release}", "data", "would go back on drift alone"),
    "word as a list": ("  - {name: everybody, split: {champion: 100%}}        # the release moves these weights", "  everybody", "everybody", "must be a list"),
}  # fmt: skip


COMPUTED = ("90%", "120%", r"\[\]", "a+")
"""Offending values that stand in no line as such."""


@pytest.mark.parametrize("case", EDITS)
def test_one_sentence_each(case: str, full_text: str) -> None:
    old, new, value, words = EDITS[case]
    assert old in full_text
    text = full_text.replace(old, new, 1)
    found = [problem for problem in problems_of(text) if re.search(words, problem.message)]
    assert found, f"no sentence like {words!r} in {problems_of(text)}"
    problem = found[0]
    if value:
        assert re.search(value, problem.value), problem
        here = "\n".join(text.splitlines()[problem.line - 1 : problem.line + 1])
        assert re.search(value, here) or value in COMPUTED, problem
    assert "\n" not in problem.message
    assert len(problem.message) < 700


NOT_BUILT = {
    "cap": ("denominator: items,", "denominator: items, cap: 5,"),
    "median": ("kind: accuracy", "kind: median"),
}


@pytest.mark.parametrize("name", NOT_BUILT)
def test_what_is_not_built_is_refused_by_name_and_alone(name: str, full_text: str) -> None:
    old, new = NOT_BUILT[name]
    assert old in full_text
    problems = problems_of(full_text.replace(old, new, 1))
    assert any(name in problem.message and "not built yet" in problem.message for problem in problems), problems
    assert all("not built yet" in problem.message for problem in problems), problems


def test_all_problems_at_once_in_order_of_lines() -> None:
    text = """\
deployment: my deployment
task: guess
variants:
  champion: {modle: "models:/a/1"}
  other: {model: models:/a/2, timeout: 5}
routing:
  - {name: all, split: {champion: 90%, nobody: 20%}}
metrics:
  conversion: {kind: proportion}
alerts:
  - {to: "json://x/y", events: [everything]}
"""
    problems = problems_of(text)
    assert [problem.line for problem in problems] == [1, 2, 4, 5, 7, 7, 9, 9, 11]
    with pytest.raises(SpecError) as caught:
        load_deployment(text, "my.yaml")
    assert len(str(caught.value).splitlines()) == 9
    assert "my.yaml, line 4: `modle` is not a key of a variant; did you mean `model`?" in str(caught.value)


def test_a_mistake_is_not_told_twice(full_text: str) -> None:
    assert len(problems_of(full_text.replace("kind: proportion", "kind: proprotion"))) == 1
    assert len(problems_of(full_text.replace("- shadow:", "- shadwo:"))) == 1
    assert len(problems_of(full_text.replace("split: {champion", "spilt: {champion"))) == 1


def test_unreachable_entry_is_refused() -> None:
    text = SMALLEST + "routing:\n  - {name: a, to: champion}\n  - {name: b, to: champion}\n"
    (problem,) = problems_of(text)
    assert problem.line == 5
    assert "`b` can never be reached, because `a` above it" in problem.message


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("json://user:hunter2@h/x", "the password"),
        ("jsons://h/x?token=hunter2", "the parameter `token`"),
        ("json://h/x?a=1&api_key=hunter2", "the parameter `api_key`"),
    ],
)
def test_a_secret_in_plain_letters_is_refused_and_never_shown(target: str, what: str) -> None:
    with pytest.raises(SpecError, match=what) as caught:
        load_deployment(SMALLEST + f'alerts: [{{to: "{target}"}}]\n')
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.problems)


@pytest.mark.parametrize("target", ["slack://T/B/C", "tgram://123456:abc/chat"])
def test_an_address_that_carries_a_token_is_refused_and_never_shown(target: str) -> None:
    with pytest.raises(SpecError, match="carries a token") as caught:
        load_deployment(SMALLEST + f'alerts: [{{to: "{target}"}}]\n')
    assert target not in str(caught.value)
    assert target not in repr(caught.value.problems)
    scheme = target.partition(":")[0]
    assert load_deployment(SMALLEST + f'alerts: [{{to: "{scheme}://${{TOKEN}}"}}]\n').alerts[0].to


def test_who_is_woken_and_when_the_summary_comes() -> None:
    text = """\
alerts:
  - {to: "json://a"}
  - {to: "json://b", events: [rollback]}
  - {to: "json://c", digest: 08:30 Europe/Paris}
  - {to: "json://d", digest: off}
  - {to: "json://e", events: [data], digest: 07:05}
"""
    read = load_deployment(SMALLEST + text).alerts
    assert [one.wakes for one in read] == [True, False, False, True, False]
    eight, paris = ClockTime(480), ClockTime(510, "Europe/Paris")
    assert [one.digest_at for one in read] == [eight, None, paris, None, ClockTime(425)]


def test_a_secret_by_name_is_kept_by_name() -> None:
    read = load_deployment(SMALLEST + 'alerts: [{to: "jsons://me:${HOOK_PASSWORD}@h/x?token=${TOKEN}"}]\n')
    assert read.alerts[0].to == "jsons://me:${HOOK_PASSWORD}@h/x?token=${TOKEN}"


def test_shares_add_up_exactly_despite_floats() -> None:
    names = [f"v{i}" for i in range(10)]
    variants = ", ".join(f"{name}: {{model: models:/m/1}}" for name in names)
    split = ", ".join(f"{name}: 10%" for name in names)
    text = f"deployment: a\ndefault: v0\nvariants: {{{variants}}}\nrouting: [{{name: all, split: {{{split}}}}}]\n"
    assert sum((load_deployment(text).routing[0].split or {}).values()) == pytest.approx(1)


def test_a_default_that_is_looked_up_needs_a_fallback() -> None:
    text = "deployment: a\nvariants: {champion: {model: models:/m/1, lookup: {scores: s}}}\n"
    (problem,) = problems_of(text)
    assert problem.path == "variants.champion.lookup"
    assert "give a `fallback`" in problem.message
    read = load_deployment(text + "fallback: {prediction: 0}\n")
    assert read.variants["champion"].lookup == model.LookupSpec(scores="s", key="unit", stale_after=None)


def variant(more: str) -> str:
    return f"deployment: a\nvariants: {{champion: {{model: models:/m/1, {more}}}}}\nfallback: {{prediction: 0}}\n"


def test_batches_are_on_and_the_cache_is_off_unless_the_file_says_else() -> None:
    champion = load_deployment(variant("timeout: 1s")).variants["champion"]
    assert (champion.batch, champion.cache) == (model.BatchSpec(rows=64, delay=0.0), None)
    champion = load_deployment(variant("batch: off, cache: off")).variants["champion"]
    assert (champion.batch, champion.cache) == (None, None)
    champion = load_deployment(variant("batch: {rows: 8, delay: 2ms}, cache: {bytes: 1GiB, ttl: 30s}")).variants[
        "champion"
    ]
    assert champion.batch == model.BatchSpec(rows=8, delay=0.002)
    assert champion.cache == model.CacheSpec(bytes=1 << 30, ttl=30.0)
    assert load_deployment(variant("cache: {}")).variants["champion"].cache == model.CacheSpec(bytes=64 << 20, ttl=600)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("batch: on", "`batch` cannot be `on`; "),
        ("batch: {rows: 1}", "`rows` is `1` but must be a whole number of at least 2 and at most 4096"),
        ("batch: {delay: 2}", "`2` is not a duration"),
        ("batch: {delay: 600ms}", "may wait 600ms, over half of the 1s that a request waits"),
        ("batch: {delay: 30ms}, timeout: 50ms", "may wait 30ms, over half of the 50ms"),
        ("cache: {bytes: 64}", "`64` is not an amount of memory: it is a whole number and a unit, like `64MiB`"),
        ("cache: {bytes: 64MB}", "`64MB` is not an amount of memory"),
        ("cache: {ttl: 0s}", "`ttl` is `0s` but must be more than zero"),
        ("cache: {}, lookup: {scores: s}", "there is nothing to cache; remove `cache` or `lookup`"),
        ("batch: {rows: 8}, lookup: {scores: s}", "there is nothing to batch; remove `batch` or `lookup`"),
    ],
)
def test_what_a_batch_and_a_cache_cannot_be(more: str, said: str) -> None:
    (problem,) = problems_of(variant(more))
    assert said in problem.message


def test_an_empty_file_is_told_what_it_needs() -> None:
    with pytest.raises(SpecError, match="the file is empty; write at least `deployment:` and `variants:`"):
        load_deployment("# nothing\n")


def test_a_missing_name_is_said_as_a_mend() -> None:
    with pytest.raises(SpecError, match="a deployment file needs `deployment`; add it: the endpoint's name"):
        load_deployment("variants: {champion: {model: models:/m/1}}\n")


@pytest.mark.parametrize("kind", ["auc", "calibration_error"])
@pytest.mark.parametrize("part", ["primary", "guardrail"])
def test_what_holds_for_one_look_decides_nothing(kind: str, part: str, full_text: str) -> None:
    text = full_text.replace("kind: accuracy", f"kind: {kind}").replace(
        "performance: {metric: right", "performance: {metric: conversion"
    )
    if part == "primary":
        text = text.replace("primary: {metric: conversion", "primary: {metric: right")
    else:
        text = text.replace("revenue: {relative: 1%}", "right: {relative: 1%}")
    assert any("holds for one look only" in problem.message for problem in problems_of(text))


def test_errors_are_better_small_and_a_label_is_read_as_text() -> None:
    read = load_deployment(
        SMALLEST + "outcomes: {o: {label: true}}\nmetrics:\n"
        "  loss: {kind: log_loss, outcome: o, within: 1d, positive: true}\n"
        "  found: {kind: recall, outcome: o, within: 1d, positive: 2.0}\n"
        "  right: {kind: precision, outcome: o, within: 1d, positive: spam}\n"
    )
    assert [(m.want, m.positive) for m in read.metrics.values()] == [
        ("lower", "true"),
        ("higher", "2"),
        ("higher", "spam"),
    ]


def test_a_posterior_promotes_nothing_by_itself(full_text: str) -> None:
    text = full_text.replace("name: always-valid", "name: bayes, prior: {sd: 0.01}").replace(
        "then: ask", "then: promote"
    )
    (problem,) = problems_of(text)
    assert "stopping on a posterior does not hold `alpha`" in problem.message
    assert load_deployment(text.replace("then: promote", "then: ask")).release.method == model.Method(  # type: ignore[union-attr]
        name="bayes", plan_units=20000, prior=model.Prior(sd=0.01)
    )


def test_an_area_may_decide_once(full_text: str) -> None:
    text = full_text.replace("kind: accuracy", "kind: auc").replace(
        "performance: {metric: right", "performance: {metric: conversion"
    )
    text = text.replace("primary: {metric: conversion", "primary: {metric: right")
    text = re.sub(r", estimate: true,\s+calibration: true", "", text)
    text = re.sub(r",\s+segments: \[[^]]*\]", "", text)
    assert problems_of(text)
    assert load_deployment(text.replace("name: always-valid", "name: fixed, units: 5000")).release is not None


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("{kind: mean, outcome: purchase, value: amount, within: 7d, range: [5, 0]}", "not two ends in order"),
        ("{kind: mean, outcome: purchase, value: amount, within: 7d, range: [0, 1, 2]}", "not two ends in order"),
        ("{kind: mean, outcome: purchase, value: amount, within: 7d, range: [0, 5], cap: 3}", "stands in for `cap`"),
        ("{kind: quantile, outcome: purchase, value: amount, within: 7d}", "needs `quantile`"),
        ("{kind: quantile, outcome: purchase, within: 7d, quantile: 90%}", "needs `value`"),
        ("{kind: proportion, outcome: purchase, within: 7d, range: [0, 5]}", "no use for `range`"),
    ],
)
def test_ranges_and_quantiles_that_make_no_sense_are_refused(metric: str, says: str, full_text: str) -> None:
    old = "{kind: proportion, outcome: purchase, within: 7d, want: higher}"
    assert old in full_text
    assert any(says in problem.message for problem in problems_of(full_text.replace(old, metric, 1)))


def test_a_quantile_is_judged_at_every_look_or_once(full_text: str) -> None:
    old = "{kind: proportion, outcome: purchase, within: 7d, want: higher}"
    text = full_text.replace(old, "{kind: quantile, outcome: purchase, value: amount, within: 7d, quantile: 90%}", 1)
    text = text.replace("name: always-valid, alpha", "name: group-sequential, units: 20000, alpha", 1)
    assert any("at every look or once" in problem.message for problem in problems_of(text))


def test_segments_of_a_release_are_declared_context_keys(full_text: str) -> None:
    old = "  primary: {metric: conversion"
    text = full_text.replace(old, "  segments: [context.contry]\n" + old, 1)
    assert any("`contry` is not a declared key" in problem.message for problem in problems_of(text))
    fine = full_text.replace(old, "  segments: [context.country]\n" + old, 1)
    release = load_deployment(fine).release
    assert release is not None
    assert release.segments == ("context.country",)


EXPERIMENT = """\
deployment: churn
variants: {champion: {model: "models:/churn/1"}, a: {model: "models:/churn/2"}, b: {model: "models:/churn/3"}}
routing: [{name: rest, units: [x], to: champion}, {name: everybody, split: {champion: 50%, a: 25%, b: 25%}}]
outcomes: {purchase: {}}
metrics: {conversion: {kind: proportion, outcome: purchase, within: 7d}}
experiment: {in: everybody, primary: {metric: conversion, minimum_effect: {relative: 2%}}, alpha: 0.1, family: e-bh}
"""


def test_an_experiment_is_read() -> None:
    found = load_deployment(EXPERIMENT).experiment
    assert found is not None
    assert (found.entry, found.primary.metric, found.method.alpha, found.family) == (
        "everybody",
        "conversion",
        0.1,
        "e-bh",
    )


def test_an_experiment_with_an_end_is_judged_once() -> None:
    found = load_deployment(EXPERIMENT.replace("alpha: 0.1", "after: 14d", 1)).experiment
    assert found is not None
    assert (found.method.name, found.method.after) == ("fixed", 14 * 86400.0)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("in: everybody", "in: everbody", "`everbody` is not a routing entry"),
        ("in: everybody", "in: rest", "`rest` has no `split`"),
        ("champion: 50%, a: 25%, b: 25%", "a: 50%, b: 50%", "must split between it and others"),
        ("metric: conversion", "metric: convertion", "`convertion` is not a declared metric"),
        ("alpha: 0.1", "guardrails: {throughput: {absolute: 1}}", "follows the split's weights"),
    ],
)
def test_experiments_that_make_no_sense_are_refused(old: str, new: str, says: str) -> None:
    assert any(says in problem.message for problem in problems_of(EXPERIMENT.replace(old, new, 1)))
