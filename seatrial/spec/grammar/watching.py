"""What is logged, and who is told."""

from seatrial.spec.alerting import CLOCK_PATTERN, SUSTAINED_PATTERN, parse_clock, parse_sustained
from seatrial.spec.calendar import WINDOW_PATTERN, parse_window
from seatrial.spec.events import EVENTS, GROUPS
from seatrial.spec.grammar.monitors import FEATURES_OR_ALL
from seatrial.spec.grammar.words import DURATION, FEATURE, SHARE, SOME_TIME
from seatrial.spec.shapes import Choice, Either, Key, Listed, Parsed, Record, Text, anchored

TARGET = Text(
    r"(?!https?:)[a-zA-Z][a-zA-Z0-9+.-]*://[^\s]+",
    "write a webhook as `json://host:port/path` or `jsons://host/path`, or a service's address as Apprise spells it "
    "(`mailto://...`, `slack://...`)",
)

SUSTAINED = Parsed(parse_sustained, {"type": "string", "pattern": anchored(SUSTAINED_PATTERN)})

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

DIGEST = Parsed(
    lambda value: "off" if value == "off" else parse_clock(value),
    {"type": "string", "pattern": anchored(f"off|{CLOCK_PATTERN}")},
)

ALERT = Record(
    "an alert",
    {
        "to": Key(
            TARGET,
            "`json://host:port/path`, `jsons://` for HTTPS, or an address of Apprise; a secret in it as `${NAME}`.",
            required=True,
        ),
        "events": Key(
            Listed(Choice((*EVENTS, *GROUPS)), least=1),
            "Told at once of these; without it (and without a time in `digest`) of what wakes people.",
        ),
        "digest": Key(
            DIGEST,
            "When the daily summary comes: `08:30`, `08:30 Europe/Paris` or `off`; without it, at 08:00 UTC where "
            "there are no `events`, else never.",
        ),
    },
    forms='write `{to: "json://127.0.0.1:9000/hook", events: [rollback]}`',
)

AFTER = Record(
    "what must be sustained",
    {
        "data": Key(SUSTAINED, "Drift of features.", default="2 of 3"),
        "prediction": Key(SUSTAINED, "Drift of predictions.", default="2 of 3"),
        "performance": Key(SUSTAINED, "A fall in performance.", default="1 of 1"),
        "quality": Key(SUSTAINED, "A broken column.", default="1 of 1"),
        "outcomes": Key(SUSTAINED, "Outcomes that stopped coming.", default="1 of 1"),
    },
    forms="write `{data: 2 of 3}`: so many windows of the last so many",
)

ALERTING = Record(
    "the alerting",
    {
        "after": Key(AFTER, "How many of the last windows must alarm.", default="{data: 2 of 3, prediction: 2 of 3}"),
        "cool_down": Key(
            DURATION, "What was told and is over is not told at once again within this time.", default="6h"
        ),
        "quiet": Key(
            Listed(Parsed(parse_window, {"type": "string", "pattern": anchored(WINDOW_PATTERN)}), least=1),
            "Hours in which only what is critical goes out: `mon-sun 22:00-24:00 Europe/Paris`; the rest waits.",
        ),
        "important": Key(
            Listed(FEATURE, least=1),
            "Features that matter: two of them drifting strongly wake people; without it, all that the model uses.",
        ),
        "wakes": Key(
            Listed(Choice((*EVENTS, *GROUPS)), least=1),
            "Events that wake people beside those that do by default: `[concept.major, fairness]`.",
        ),
    },
    forms="write `{cool_down: 6h, quiet: [mon-sun 22:00-24:00]}`",
)

ACTION = Record(
    "an action",
    {
        "on": Key(Listed(Choice((*EVENTS, *GROUPS)), least=1), "The events that it answers.", required=True),
        "stop": Key(Choice(("release",)), "Take the challenger of the release under way out."),
        "fall_back": Key(
            Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}:[1-9][0-9]{0,8}", "write `name:version`, like `churn:5`"),
            "The version that takes command: `churn:5`.",
        ),
        "run": Key(
            Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "the name of an executable under `actions` in the home directory"),
            "Start the executable `actions/NAME` of the home directory (retraining, say).",
        ),
        "every": Key(SOME_TIME, "It is done at most once in this time.", default="1d"),
        "timeout": Key(SOME_TIME, "How long `run` may take.", default="1h"),
    },
    one_of=("stop", "fall_back", "run"),
    forms="write `{on: [performance.major], run: retrain}`",
)
