"""What is watched and logged, and who is told."""

from seatrial.spec.events import EVENTS, GROUPS
from seatrial.spec.grammar.words import COUNT, FEATURE, MARGIN, NAME, SHARE, SOME_TIME
from seatrial.spec.shapes import Choice, Either, Key, Listed, Record, Text

TARGET = Text(
    r"jsons?://[^\s/]+(/[^\s]*)?",
    "only webhooks `json://host:port/path` and `jsons://host/path` are built; other targets are not built yet",
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
