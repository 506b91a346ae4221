"""The parts of a release that only releases have: canary steps, the calendar, what comes before and after."""

from seatrial.spec import calendar
from seatrial.spec.grammar.words import COUNT, DURATION, SOME_SHARE, SOME_TIME
from seatrial.spec.shapes import Choice, Key, Listed, Parsed, Record, anchored

CANARY = Record(
    "a canary stage",
    {
        "steps": Key(
            Listed(SOME_SHARE, least=1),
            "The challenger's share of the entry in each step, rising, at most 95%.",
            required=True,
        ),
        "bake": Key(SOME_TIME, "Each step lasts at least this long.", default="30m"),
        "minimum_units": Key(COUNT, "Fresh units of the challenger that each step needs.", default="1000"),
    },
    forms="write `{steps: [1%, 5%, 25%], bake: 30m, minimum_units: 1000}`",
)

CALENDAR = Record(
    "a calendar",
    {
        "windows": Key(
            Listed(
                Parsed(calendar.parse_window, {"type": "string", "pattern": anchored(calendar.WINDOW_PATTERN)}), least=1
            ),
            "When it may climb: `mon-fri 09:00-16:00 Europe/Paris`; without a zone, UTC. Without it, at any time.",
        ),
        "freeze": Key(
            Listed(
                Parsed(calendar.parse_freeze, {"type": "string", "pattern": anchored(calendar.FREEZE_PATTERN)}), least=1
            ),
            "Days on which it may not: `2026-12-20 to 2027-01-03`, in UTC, both included.",
        ),
    },
    forms="write `{windows: [mon-fri 09:00-16:00], freeze: [2026-12-20 to 2027-01-03]}`",
)

HOLDOUT = Record(
    "a holdout",
    {
        "share": Key(
            SOME_SHARE, "Share of the entry's units that stay on the version before, at most 50%.", required=True
        ),
        "to": Key(
            Choice(("previous",)), "Who answers them: the version that was in command before.", default="previous"
        ),
        "for": Key(SOME_TIME, "How long after the promotion; that version stays loaded so long.", required=True),
    },
    forms="write `{share: 2%, to: previous, for: 90d}`",
)

CHALLENGE = Record(
    "a challenge",
    {
        "every": Key(DURATION, "Command changes at most once in this time.", required=True),
        "budget": Key(
            SOME_SHARE,
            "The `alpha` of all releases that begin within `per` may sum to so much: the chance of a false promotion.",
            required=True,
        ),
        "per": Key(SOME_TIME, "The period of the budget.", default="90d"),
    },
    forms="write `{every: 14d, budget: 20%, per: 90d}`",
)
