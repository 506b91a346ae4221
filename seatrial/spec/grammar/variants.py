"""Variants: which version answers, where, and how it is protected; and the transform before them."""

from seatrial.spec.grammar.remote import REMOTE
from seatrial.spec.grammar.words import COUNT, DURATION, FEATURE, FIELD, MEMORY, MODEL, NAME, SOME_SHARE, SOME_TIME
from seatrial.spec.shapes import Choice, Either, Key, Listed, Named, Number, Record, Text

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

POPULAR = Record(
    "a popular variant",
    {
        "outcome": Key(NAME, "The declared outcome that is counted, by item.", required=True),
        "within": Key(SOME_TIME, "Outcomes that happened no longer ago than that count.", required=True),
        "item": Key(FIELD, "The field of the outcome that names the item; without it, the outcome's own `item`."),
        "value": Key(FIELD, "The field of the outcome that is summed; without it, outcomes are counted."),
        "most": Key(
            Number(minimum=1, maximum=1000, whole=True),
            "So many items are answered at most, the best first.",
            default="20",
        ),
    },
    forms="write `{outcome: click, within: 30d}`",
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
        "model": Key(
            MODEL,
            "`models:/name@alias` or `models:/name/latest` (pinned when the file is applied), or `models:/name/7`.",
        ),
        "remote": Key(REMOTE, "A server of somebody else's that answers, instead of a registered `model`."),
        "popular": Key(POPULAR, "Of a `ranking`: the items of most outcomes lately, instead of a registered `model`."),
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
    one_of=("model", "remote", "popular", "ensemble"),
    forms='write `{model: "models:/name@alias"}`',
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
