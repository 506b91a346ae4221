"""What is logged, and who is told."""

from seatrial.spec.events import EVENTS, GROUPS
from seatrial.spec.grammar.monitors import FEATURES_OR_ALL
from seatrial.spec.grammar.words import SHARE, SOME_TIME
from seatrial.spec.shapes import Choice, Either, Key, Listed, Record, Text

TARGET = Text(
    r"jsons?://[^\s/]+(/[^\s]*)?",
    "only webhooks `json://host:port/path` and `jsons://host/path` are built; other targets are not built yet",
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
