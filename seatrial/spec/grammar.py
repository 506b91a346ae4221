"""The grammar of the deployment file: every key that is built, with its shape, default and meaning, and every key of
the design that is not built yet, with what to do instead. Reader, JSON Schema and reference tables come from it.
"""

import math
from typing import Any

from seatrial.spec import units
from seatrial.spec.events import EVENTS, GROUPS
from seatrial.spec.problems import Findings
from seatrial.spec.release_grammar import CALENDAR, CANARY
from seatrial.spec.shapes import (
    BAD,
    Boolean,
    Choice,
    Either,
    Key,
    Listed,
    Named,
    Number,
    Parsed,
    Record,
    Schema,
    Shape,
    Text,
    Unit,
    anchored,
    shown,
)
from seatrial.spec.tree import Node

NAME = Text("[A-Za-z][A-Za-z0-9_-]{0,63}", "a name starts with a letter, then letters, digits, `-` and `_`, at most 64")
FIELD = Text("[A-Za-z_][A-Za-z0-9_]{0,63}", "it starts with a letter or `_`, then letters, digits and `_`, at most 64")
FEATURE = Text(r"[^\n]{1,200}", "the name of a feature, at most 200 characters")
MODEL = Text(
    r"models:/[A-Za-z0-9][A-Za-z0-9._-]{0,199}(@[A-Za-z][A-Za-z0-9_-]{0,63}|/[1-9][0-9]{0,8})",
    "write `models:/name@alias` or `models:/name/7`",
)
TARGET = Text(
    r"jsons?://[^\s/]+(/[^\s]*)?",
    "only webhooks `json://host:port/path` and `jsons://host/path` are built; other targets are not built yet",
)

HEADER = Text(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", "the name of an HTTP header")
REMOTE_ANSWER = Text(r"[^\n]{1,200}", "write a path like `$.score`, or the name of an output")

SHARE = Unit(units.parse_share, units.SHARE_PATTERN)
SOME_SHARE = Unit(units.parse_share, units.SHARE_PATTERN, zero=False)
DURATION = Unit(units.parse_duration, units.DURATION_PATTERN)
SOME_TIME = Unit(units.parse_duration, units.DURATION_PATTERN, zero=False)
PERCENT = Unit(units.parse_percent, units.PERCENT_PATTERN)
COUNT = Number(minimum=1, maximum=1e9, whole=True)
MEMORY = Parsed(units.parse_bytes, {"type": "string", "pattern": anchored(units.BYTES_PATTERN)})
AMOUNT = Parsed(
    units.parse_amount,
    {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1e15},
            {"type": "string", "pattern": rf"^(?:{units.PERCENT_PATTERN}|{units.DURATION_PATTERN})$(?!\n)"},
        ]
    },
)

MARGIN = Record(
    "a margin",
    {
        "relative": Key(PERCENT, "A share of the champion's mean, like `2%`."),
        "absolute": Key(AMOUNT, "An amount in the metric's unit: `0.1%`, `5ms` or `0.50`."),
    },
    one_of=("relative", "absolute"),
    forms=units.MARGIN_FORMS,
)

UNIT = Record(
    "the unit",
    {
        "name": Key(NAME, "What is randomised; outcomes are joined on the same name.", default="unit"),
        "from": Key(
            Text(r"context\.[A-Za-z_][A-Za-z0-9_]{0,63}", "write `context.<name>` with a declared context key"),
            "The context key that carries the unit. A request's own `unit` wins; with neither, the unit is random "
            "and never evidence.",
        ),
    },
    forms="write `{name: customer}` (`unit: request`, each request its own unit, is not built yet)",
)

CONTEXT_KINDS = ("string", "number", "integer", "boolean")
CONTEXT = Named(FIELD, Choice((*CONTEXT_KINDS, *(f"optional {kind}" for kind in CONTEXT_KINDS))))

LOOKUP = Record(
    "a lookup",
    {
        "scores": Key(
            Text(r"[^\n]{1,1000}", "the directory that `seatrial batch … --out` wrote"),
            "The directory that `seatrial batch` wrote; a relative path starts at the directory that holds `home`.",
            required=True,
        ),
        "key": Key(
            Choice(("unit", "request")),
            "What is looked up: the `unit` of a request, or the `request`'s (an instance's) own `key`.",
            default="unit",
        ),
        "stale_after": Key(
            SOME_TIME, "Scores older than that are not served; they age from the start of the run. Without it, never."
        ),
    },
    forms="write `{scores: scores/, stale_after: 26h}`",
)

BREAKER = Record(
    "a breaker",
    {
        "window": Key(SOME_TIME, "Failures are counted for so long, from the first of them.", default="10s"),
        "minimum_calls": Key(COUNT, "Calls in it, answered or not, below which nothing is concluded.", default="20"),
        "failures": Key(SOME_SHARE, "The share of them that must have failed for it to open.", default="50%"),
        "open_for": Key(SOME_TIME, "How long the variant is then left alone before it is tried again.", default="5s"),
        "probes": Key(COUNT, "So many calls try it, and all must be answered for it to close.", default="3"),
    },
    forms="write `{failures: 50%, open_for: 5s}`, or `off`",
)

REMOTE = Record(
    "a remote variant",
    {
        "url": Key(
            Text(r"https?://[^\s/?#]+(/[^\s#]*)?", "write `http://host:port/path` or `https://host/path`"),
            "A server that takes JSON by POST and answers JSON; a secret in it as `${NAME}`.",
        ),
        "open_inference": Key(
            Text(r"(https?|grpcs?)://[^\s/?#]+(/[^\s?#]*)?", "write `http://host:port`, or `grpc://host:port`"),
            "A server of the Open Inference Protocol, by `http`, `https`, `grpc` or `grpcs`.",
        ),
        "body": Key(
            Text(r"[^\0]{1,10000}", "write the JSON to send, with `{{ features }}` in it"),
            "What is sent to `url`: JSON with `{{ features }}`, `{{ features.<name> }}`, or `{{ instances }}` for all "
            "rows of a request at once.",
            default='"{{ features }}"',
        ),
        "answer": Key(
            REMOTE_ANSWER,
            "Where the prediction stands: for `url` a path like `$.label` (`$.predictions[*].label` with "
            "`{{ instances }}`), else the name of an output.",
        ),
        "score": Key(REMOTE_ANSWER, "Likewise: of two classes, where the probability of the second stands."),
        "scores": Key(
            REMOTE_ANSWER,
            "Likewise: where the probabilities of all classes stand, in the order of the default variant's classes, "
            "or in JSON by class.",
        ),
        "headers": Key(
            Named(HEADER, Text(r"[\x20-\x7e]{1,4000}", "printable ASCII")),
            "Headers (by gRPC: metadata) of every request; a secret in one as `${NAME}`.",
            default="{}",
        ),
        "model": Key(
            Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", "the model's name at that server"),
            "For `open_inference`: the model's name at that server.",
        ),
        "version": Key(
            Text(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}", 'its version at that server, in quotes: `"3"`'),
            "For `open_inference`: its version there; without it, the one that the server chooses.",
        ),
        "features": Key(
            Listed(FEATURE, least=1),
            "For `open_inference`: the features in the columns of the server's one input, in order, where its metadata "
            "do not say it.",
        ),
    },
    one_of=("url", "open_inference"),
    forms='write `{url: "http://host:port/score", answer: $.prediction}` or '
    '`{open_inference: "http://host:port", model: name}`',
)

BATCH = Record(
    "a batch",
    {
        "rows": Key(
            Number(minimum=2, maximum=4096, whole=True),
            "The most rows of waiting requests that are computed in one call.",
            default="64",
        ),
        "delay": Key(
            DURATION,
            "How long a model that is idle waits for more requests; at 0s a request that finds it idle runs at once.",
            default="0s",
        ),
    },
    forms="write `{rows: 64, delay: 2ms}`, or `off`",
)

CACHE = Record(
    "a cache",
    {
        "bytes": Key(MEMORY, "The most memory that its answers take in each worker.", default="64MiB"),
        "ttl": Key(SOME_TIME, "How long an answer may be given again.", default="10m"),
    },
    forms="write `{bytes: 64MiB, ttl: 10m}`, or `off`",
)

VARIANT = Record(
    "a variant",
    {
        "model": Key(MODEL, "`models:/name@alias` (pinned when the file is applied) or `models:/name/7`."),
        "remote": Key(REMOTE, "A server of somebody else's that answers, instead of a registered `model`."),
        "ensemble": Key(
            Listed(NAME, least=2), "Instead of `model`: other variants that answer as one; pinned when it is applied."
        ),
        "combine": Key(
            Choice(("mean", "vote", "weights")),
            "Of an ensemble: the `mean` of scores or numbers (the default), one by `weights`, or a `vote` of labels.",
        ),
        "weights": Key(Named(NAME, SOME_SHARE), "With `combine: weights`: each member's share, adding up to 100%."),
        "timeout": Key(SOME_TIME, "How long a request waits for it before the default variant answers.", default="1s"),
        "trust": Key(
            Choice(("none", "pickle")),
            "`pickle` lets a version that was registered with `--trust pickle` be unpickled.",
            default="none",
        ),
        "runtime": Key(Choice(("onnx", "python")), "Which runtime serves it; without it, what the version says."),
        "device": Key(
            Choice(("cpu", "cuda", "tensorrt", "openvino")),
            "Where an ONNX model runs; one that is not there is refused, not replaced.",
            default="cpu",
        ),
        "lookup": Key(LOOKUP, "Serve the version's answers from a table scored beforehand, instead of computing them."),
        "breaker": Key(
            Either(Choice(("off",)), BREAKER),
            "When it is left alone for a while because it keeps failing; `off`: never.",
            default="{failures: 50%, open_for: 5s}",
        ),
        "batch": Key(
            Either(Choice(("off",)), BATCH),
            "How requests that wait for a busy model are computed together; `off`: each by itself.",
            default="{rows: 64, delay: 0s}",
        ),
        "cache": Key(
            Either(Choice(("off",)), CACHE),
            "Give an answer again to the same inputs, instead of computing it.",
            default="off",
        ),
    },
    one_of=("model", "remote", "ensemble"),
    forms='write `{model: "models:/name@alias"}`',
)

ENTRY = Record(
    "a routing entry",
    {
        "name": Key(NAME, "Its name; rows of the ledger say which entry decided.", required=True),
        "to": Key(NAME, "Every request goes to this variant; such rows are no evidence."),
        "split": Key(Named(NAME, SHARE, least=1), "Shares of units per variant, adding up to 100%; a unit stays put."),
    },
    one_of=("to", "split"),
    later={
        "when": "remove it; entries without a condition take every request",
        "bandit": "use `split`",
        "cold_start": "use `split` or `to`",
    },
    forms="write `{name: everybody, split: {champion: 100%}}`",
)

TRANSFORM_KINDS = ("string", "number", "integer", "boolean", "time", "list")
TRANSFORM = Record(
    "a transform",
    {
        "model": Key(MODEL, "A registered model whose outputs are features; pinned when the file is applied."),
        "python": Key(
            Text(
                r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*",
                "write `package.module:function`",
            ),
            "A function of yours, `package.module:function`, run in a process of its own.",
        ),
        "trust": Key(
            Choice(("none", "python", "pickle")),
            "`python` lets the function run; `pickle` is as in a variant, for a `model`.",
            default="none",
        ),
        "timeout": Key(SOME_TIME, "How long a request waits for it; then the fallback answers.", default="1s"),
        "features": Key(
            Named(FEATURE, Choice((*TRANSFORM_KINDS, *(f"optional {kind}" for kind in TRANSFORM_KINDS)))),
            "For `python`: the features of a request that it takes; `optional string` may be missing.",
        ),
        "gives": Key(Listed(FEATURE, least=1), "For `python`: the features that it gives, as the versions take them."),
    },
    one_of=("model", "python"),
    forms='write `{model: "models:/prep/3"}` or `{python: "shop.features:look_up", trust: python, gives: [age]}`',
)

FIELD_KINDS = ("number", "integer", "string", "boolean")
OUTCOME = Record(
    "an outcome",
    {
        "label": Key(Boolean(), "Its value is the truth that the model predicts.", default="false"),
        "fields": Key(
            Named(FIELD, Choice(FIELD_KINDS), least=1), "Named values it carries; without it, one plain value."
        ),
    },
    later={"source": "send outcomes to `POST /v1/outcomes` or with `seatrial outcome import`"},
    forms="write `{}` for an outcome with a plain value, `{label: true}`, or `{fields: {amount: number}}`",
)

METRIC_KINDS = ("mean", "proportion", "ratio", "accuracy")
LATER_KINDS = (
    "auc quantile median count calibration brier log_loss f1 precision recall mae rmse ndcg mrr average_precision"
)
METRIC = Record(
    "a metric",
    {
        "kind": Key(
            Choice(METRIC_KINDS, dict.fromkeys(LATER_KINDS.split(), "use mean, proportion, ratio or accuracy")),
            "`mean` of the totals by unit, `proportion` of units with the outcome, `ratio` of two sums, or `accuracy`.",
            required=True,
        ),
        "outcome": Key(NAME, "The declared outcome that it counts; every kind needs one."),
        "value": Key(FIELD, "The field to read, where the outcome has fields; without it, the plain value."),
        "numerator": Key(FIELD, "For `ratio`: the numeric field above the line."),
        "denominator": Key(FIELD, "For `ratio`: the numeric field below the line."),
        "within": Key(SOME_TIME, "The window after a unit's first exposure in which its outcomes count; needed."),
        "grace": Key(DURATION, "How much longer outcomes may take to arrive before a unit is matured.", default="1h"),
        "want": Key(Choice(("higher", "lower")), "Which direction is good.", default="higher"),
        "cap": Key(Number(above=0), "For `mean`: the largest total that one unit counts with."),
    },
    later={
        "covariate": "remove it; the estimate is unadjusted",
        "cluster": "remove it; units are the clusters",
        "trigger": "remove it; every exposed unit counts",
    },
)

SHADOW = Record(
    "a shadow stage",
    {
        "share": Key(
            SOME_SHARE, "Share of requests that are copied to the challenger after the answer.", default="100%"
        ),
        "for": Key(SOME_TIME, "At least this long; without it, until `minimum_pairs`."),
        "minimum_pairs": Key(COUNT, "Pairs of answers before the stage may end.", default="100"),
    },
)
TEST = Record(
    "a test stage",
    {
        "share": Key(SOME_SHARE, "The challenger's share of the entry, at most 95%.", default="50%"),
        "at_least": Key(DURATION, "No promotion earlier than this.", default="0s"),
        "at_most": Key(SOME_TIME, "After this the stage ends as inconclusive; without it, it waits."),
    },
)
STAGE = Record(
    "a stage",
    {
        "shadow": Key(SHADOW, "The challenger answers copies of requests; nobody sees its answers."),
        "canary": Key(CANARY, "A small and rising share of units gets the challenger's answers."),
        "test": Key(TEST, "A sticky share of units gets the challenger's answers."),
    },
    one_of=("shadow", "canary", "test"),
    forms="write `- shadow: {}`, `- canary: {steps: [1%, 5%]}` or `- test: {share: 50%}`",
)
PRIMARY = Record(
    "the primary metric",
    {
        "metric": Key(NAME, "The declared metric that decides.", required=True),
        "minimum_effect": Key(MARGIN, "The smallest difference that you care about.", required=True),
    },
    forms="write `{metric: conversion, minimum_effect: {relative: 2%}}`",
)
METHOD = Record(
    "the method",
    {
        "name": Key(
            Choice(
                ("always-valid",),
                dict.fromkeys(
                    ("fixed", "group-sequential", "bayesian"), "use `always-valid`, which may be looked at any time"
                ),
            ),
            "How the verdict is reached.",
            default="always-valid",
        ),
        "alpha": Key(Number(above=0, maximum=0.5), "Chance of a false verdict, a plain number.", default="0.05"),
        "plan_units": Key(COUNT, "Number of units at which the sequence is tightest.", default="5000"),
    },
    forms="write `{name: always-valid, alpha: 0.05}`",
)
RELEASE = Record(
    "the release",
    {
        "of": Key(NAME, "The challenger: a declared variant without a weight of its own.", required=True),
        "into": Key(NAME, "The routing entry, a `split`, whose weights the release moves.", required=True),
        "stages": Key(Listed(STAGE, least=1), "Some of `shadow`, `canary` and `test`, in this order.", required=True),
        "primary": Key(PRIMARY, "What decides.", required=True),
        "method": Key(METHOD, "How it is judged.", default="{name: always-valid, alpha: 0.05, plan_units: 5000}"),
        "guardrails": Key(
            Named(NAME, MARGIN),
            "By how much `errors`, `error_rate`, `p50`, `p99` or a declared metric may be worse at most.",
            default="{}",
        ),
        "then": Key(Choice(("ask", "promote", "nothing")), "What happens when the verdict is `ship`.", default="ask"),
        "at_most": Key(SOME_TIME, "The whole release ends as inconclusive after this; without it, only a test ends."),
        "if_inconclusive": Key(
            Choice(("keep-champion", "roll-back")),
            "At the end without `ship`; `roll-back` also takes the version out, refused until `--retry`.",
            default="keep-champion",
        ),
        "calendar": Key(CALENDAR, "When it may begin, advance and take command; going back needs no calendar."),
    },
    later={"holdout": "remove it; a promotion moves every unit"},
)

FEATURES_OR_ALL = Listed(FEATURE, least=1)
DATA = Record(
    "the data monitor",
    {
        "window": Key(SOME_TIME, "Length of a window.", default="1h"),
        "features": Key(Either(Choice(("all",)), FEATURES_OR_ALL), "`all`, or a list of names.", default="all"),
        "against": Key(Choice(("training",)), "What windows are compared with.", default="training"),
        "minimum_rows": Key(COUNT, "Rows below which a window is `no-data`.", default="100"),
    },
    forms="write `{window: 1h}`, or `off`",
)
PERFORMANCE = Record(
    "the performance monitor",
    {
        "metric": Key(NAME, "The declared metric that is watched.", required=True),
        "window": Key(SOME_TIME, "Length of a window.", default="1d"),
        "minimum_labels": Key(COUNT, "Matured labels below which a window is `no-data`.", default="100"),
        "worse_by": Key(MARGIN, "Alert when a window is worse by more; without it, 5 points for shares, else 10%."),
    },
    later={"estimate": "remove it; performance is measured on matured labels"},
    forms="write `{metric: accuracy, window: 1d}`",
)
MONITORS = Record(
    "the monitors",
    {
        "data": Key(Either(Choice(("off",)), DATA), "Drift of features and predictions; `off` switches it off."),
        "performance": Key(PERFORMANCE, "The model's quality on matured labels; without it, not watched."),
    },
    later={"concept": "use `performance`, which sees concept drift in matured labels"},
)

LOG = Record(
    "the log",
    {
        "features": Key(
            Either(Choice(("all", "none")), FEATURES_OR_ALL),
            "`all` (texts as digest and length), `none`, or a list of names (texts named here are written raw).",
            default="all",
        ),
        "redact": Key(
            Listed(Text(r"features\.[^\n]{1,200}", "write `features.<name>`")),
            "Features that are written as a keyed hash: `[features.email]`.",
            default="[]",
        ),
        "sample": Key(SHARE, "Share of rows whose features are written; the rest of a row always is.", default="100%"),
        "keep": Key(SOME_TIME, "How long rows are kept.", default="90d"),
    },
)
ALERT = Record(
    "an alert",
    {
        "to": Key(
            TARGET, "`json://host:port/path`, or `jsons://` for HTTPS; a secret in it as `${NAME}`.", required=True
        ),
        "events": Key(Listed(Choice((*EVENTS, *GROUPS)), least=1), "Which events; without it, every one."),
    },
    later={"digest": "remove it; alerts are sent at once"},
    forms='write `{to: "json://127.0.0.1:9000/hook", events: [rollback]}`',
)


class FallbackAnswer:
    """Any JSON mapping with a ``prediction``."""

    def read(self, node: Node, path: str, found: Findings) -> Any:
        plain = node.plain
        if node.kind != "mapping" or "prediction" not in plain:
            found.add(
                path, plain, f"{shown(node)} is not a fallback answer: write `{{prediction: 0}}`, as the model would"
            )
        elif not _finite(plain):
            found.add(
                path,
                plain,
                "`fallback` holds a number that JSON cannot write (infinite, or not a number); use a finite one",
            )
        else:
            return plain
        return BAD

    def schema(self) -> Schema:
        return {"type": "object", "required": ["prediction"]}


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    if isinstance(value, list):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


TASK: Shape = Choice(("classification", "regression", "ranking", "raw"))

DEPLOYMENT = Record(
    "a deployment file",
    {
        "deployment": Key(NAME, "The endpoint's name.", required=True),
        "task": Key(TASK, "The shape of answers; without it, what the champion's version says."),
        "unit": Key(UNIT, "Who is randomised.", default="{name: unit}"),
        "context": Key(CONTEXT, "Typed values beside the features; `optional string` may be missing.", default="{}"),
        "variants": Key(
            Named(NAME, VARIANT, least=1), "The model versions of this deployment, by name.", required=True
        ),
        "transform": Key(
            TRANSFORM, "Runs once a request, before the variants, and feeds all of them, shadows included."
        ),
        "default": Key(NAME, "The variant that answers when another fails.", default="champion"),
        "fallback": Key(FallbackAnswer(), "The answer when the default fails too; without it, 503."),
        "strict_features": Key(Boolean(), "Refuse features that the model does not know.", default="false"),
        "routing": Key(
            Listed(ENTRY, least=1),
            "Entries in order; the first match decides.",
            default="[{name: everybody, split: {champion: 100%}}]",
        ),
        "outcomes": Key(Named(NAME, OUTCOME), "What happens to units afterwards.", default="{}"),
        "metrics": Key(Named(NAME, METRIC), "What is measured from outcomes.", default="{}"),
        "release": Key(RELEASE, "A challenger's way to command."),
        "monitors": Key(MONITORS, "What is watched.", default="{data: {window: 1h}}"),
        "log": Key(LOG, "What of a row is written, and for how long.", default="{features: all}"),
        "alerts": Key(Listed(ALERT), "Who is told.", default="[]"),
        "rollback_window": Key(DURATION, "How long a replaced champion stays loaded.", default="24h"),
        "alias_moved": Key(
            Choice(("propose", "follow")),
            "An alias moved by somebody else is shown (`propose`) or served (`follow`).",
            default="propose",
        ),
    },
    forms="write at least `deployment: name` and `variants: {champion: {model: ...}}`",
)
