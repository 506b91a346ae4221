"""What is watched."""

from seatrial.spec.grammar.words import COUNT, DURATION, FEATURE, FIELD, MARGIN, NAME, SHARE, SOME_TIME, WINDOW
from seatrial.spec.shapes import Boolean, Choice, Either, Key, Listed, Named, Number, Record, Text

DETECTORS = ("adwin", "page-hinkley", "ddm", "hddm-a", "hddm-w")

AGAINST = ("training", "last 4 weeks", "same weekday", "same hours")

FEATURES_OR_ALL = Listed(FEATURE, least=1)

CONSTRAINT = Record(
    "a constraint",
    {
        "missing": Key(SHARE, "Share of rows that may have no value."),
        "least": Key(Number(), "No value is below."),
        "most": Key(Number(), "No value is above."),
        "values": Key(Listed(Text(r"[^\n]{1,200}", "a value, at most 200 characters"), least=1), "It is one of these."),
        "allow": Key(SHARE, "Share of values that may break `least`, `most` or `values`.", default="0%"),
    },
    forms="write `{least: 0, most: 120}`, `{values: [free, paid]}` or `{missing: 1%}`",
)

ARRIVAL = Record(
    "the rate of arrival",
    {
        "at_least": Key(COUNT, "Rows that a window of the deployment has at least."),
        "at_most": Key(COUNT, "Rows that it has at most."),
    },
    forms="write `{at_least: 1000}`, or `usual`",
)

BY = Listed(Text(r"(context|features)\.[^\n]{1,200}", "write `context.<name>` or `features.<name>`"), least=1)

EVERY = Key(
    SOME_TIME,
    "Where windows slide: one ends every so often, a part of `window`; what they share is read once.",
)

DATA = Record(
    "the data monitor",
    {
        "window": Key(WINDOW, "Length of a window: `1h`, or `5000 rows` of a variant.", default="1h"),
        "every": EVERY,
        "features": Key(Either(Choice(("all",)), FEATURES_OR_ALL), "`all`, or a list of names.", default="all"),
        "against": Key(
            Choice(AGAINST),
            "What windows are compared with: the training data, or the variant's own past: all of `last 4 weeks`, the "
            "`same weekday` of these, or the `same hours` of their days.",
            default="training",
        ),
        "minimum_rows": Key(COUNT, "Rows below which a window is `no-data`.", default="100"),
        "constraints": Key(Named(FEATURE, CONSTRAINT, least=1), "Rules that features must keep, by name."),
        "duplicated": Key(SHARE, "Share of rows that may repeat another row of the window, in every feature."),
        "arrival": Key(
            Either(Choice(("usual",)), ARRIVAL),
            "Rows a window: `usual` compares with the same windows of the four weeks before, or write bounds.",
        ),
    },
    forms="write `{window: 1h}`, or `off`",
)

PERFORMANCE = Record(
    "the performance monitor",
    {
        "metric": Key(NAME, "The declared metric that is watched.", required=True),
        "window": Key(WINDOW, "Length of a window: `1d`, or `5000 rows` that a variant answered.", default="1d"),
        "every": EVERY,
        "minimum_labels": Key(COUNT, "Matured labels below which a window is `no-data`.", default="100"),
        "worse_by": Key(MARGIN, "Alert when a window is worse by more; without it, 5 points for shares, else 10%."),
        "estimate": Key(
            Boolean(),
            "Say before there are labels what they will say: the accuracy, or a regression's mean absolute error.",
            default="false",
        ),
        "calibration": Key(
            Boolean(), "Watch whether scores are still worth what they were on the holdout.", default="false"
        ),
        "segments": Key(BY, "Show the metric (and calibration) by these too: `[context.region]`."),
    },
    forms="write `{metric: accuracy, window: 1d}`",
)

CONCEPT = Record(
    "the concept monitor",
    {
        "outcome": Key(NAME, "The declared outcome that is the label.", required=True),
        "value": Key(FIELD, "The field that is the label, where the outcome has fields."),
        "detector": Key(Choice(DETECTORS), "What reads the stream of errors.", default="adwin"),
        "window": Key(SOME_TIME, "The stream is read once in so long.", default="1h"),
        "within": Key(SOME_TIME, "How long a label may take; without it, the longest `within` of its metrics."),
        "grace": Key(DURATION, "How much longer it may take to arrive.", default="1h"),
    },
    forms="write `{outcome: churned}`",
)

FAIRNESS = Record(
    "the fairness monitor",
    {
        "by": Key(BY, "What groups are told by: `[context.region]`.", required=True),
        "positive": Key(Text(r"[^\n]{1,200}", "a label"), "The favourable answer; with two classes the second."),
        "outcome": Key(NAME, "The declared outcome that is the label; without it only the answers are compared."),
        "value": Key(FIELD, "The field that is the label, where the outcome has fields."),
        "window": Key(WINDOW, "Length of a window: `1d`, or `5000 rows` that a variant answered.", default="1d"),
        "every": EVERY,
        "within": Key(SOME_TIME, "How long a label may take; without it, the longest `within` of its metrics."),
        "grace": Key(DURATION, "How much longer it may take to arrive.", default="1h"),
        "at_most": Key(SHARE, "How far apart the rates of two groups may be.", default="10%"),
        "minimum_rows": Key(COUNT, "Rows that a group needs.", default="100"),
    },
    forms="write `{by: [context.region]}`",
)

SHADOW_GAP = Record(
    "the monitor of the gap between shadow and live",
    {
        "window": Key(WINDOW, "Length of a window: `1d`, or `5000 rows` that a variant answered.", default="1d"),
        "every": EVERY,
        "for": Key(SOME_TIME, "How long after its first live answer a version is compared.", default="7d"),
        "minimum_rows": Key(COUNT, "Answers that shadow and window need.", default="100"),
    },
    forms="write `{window: 1d}`",
)

SKEW = Record(
    "the monitor of training-serving skew",
    {
        "outcome": Key(
            NAME, "The declared outcome whose fields are the features as another source has them.", required=True
        ),
        "features": Key(Either(Choice(("all",)), FEATURES_OR_ALL), "`all` that are fields, or a list.", default="all"),
        "at_most": Key(SHARE, "Share of values that may differ.", default="1%"),
        "tolerance": Key(SHARE, "How far numbers may lie apart, as a share of the larger one.", default="0.1%"),
        "time_tolerance": Key(DURATION, "How far times may lie apart.", default="1s"),
        "window": Key(WINDOW, "Length of a window: `1d`, or `5000 rows` that a variant answered.", default="1d"),
        "every": EVERY,
        "within": Key(SOME_TIME, "How long after the answer the other source may say so.", default="1d"),
        "grace": Key(DURATION, "How much longer it may take to arrive.", default="1h"),
        "minimum_rows": Key(COUNT, "Rows with both values that a feature needs.", default="100"),
    },
    forms="write `{outcome: offline}`",
)

MULTIVARIATE = Record(
    "the monitor of all columns together",
    {
        "window": Key(WINDOW, "Length of a window: `1d`, or `5000 rows` of a variant.", default="1d"),
        "every": EVERY,
        "features": Key(Either(Choice(("all",)), FEATURES_OR_ALL), "`all`, or a list of names.", default="all"),
        "sample": Key(
            Number(minimum=100, maximum=10_000, whole=True), "Rows of either side, one a unit.", default="2000"
        ),
        "model": Key(
            Choice(("linear", "trees")),
            "What tells them apart: `linear` in columns, squares and products, or boosted `trees` (scikit-learn).",
            default="linear",
        ),
        "minimum_rows": Key(COUNT, "Units that either side needs.", default="200"),
    },
    forms="write `{window: 1d}`",
)

MONITORS = Record(
    "the monitors",
    {
        "data": Key(Either(Choice(("off",)), DATA), "Drift of features and predictions; `off` switches it off."),
        "performance": Key(PERFORMANCE, "The model's quality on matured labels; without it, not watched."),
        "concept": Key(CONCEPT, "Where the model's errors changed, as its labels mature; without it, not watched."),
        "fairness": Key(FAIRNESS, "Rates by declared groups; without it, not watched."),
        "multivariate": Key(
            MULTIVARIATE, "All columns of a window together, beside earlier days; without it, not watched."
        ),
        "shadow_gap": Key(
            SHADOW_GAP, "What a version answers live, beside its answers as a shadow; without it, not watched."
        ),
        "skew": Key(SKEW, "Logged features beside another source's, row by row; without it, not watched."),
    },
)
