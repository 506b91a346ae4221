"""Routing entries: who goes where."""

from seatrial.spec.grammar.bandit import BANDIT
from seatrial.spec.grammar.words import NAME, SHARE
from seatrial.spec.shapes import Key, Named, Record, Text

ENTRY = Record(
    "a routing entry",
    {
        "name": Key(NAME, "Its name; rows of the ledger say which entry decided.", required=True),
        "when": Key(
            Text(r"[\s\S]{1,10000}", 'write a condition, at most 10000 characters: `context.country == "US"`'),
            'A rule that a request must meet: `context.country == "US" && features.tenure > 24`; else the next entry '
            "is tried. Without it, every request.",
        ),
        "to": Key(NAME, "Every request goes to this variant; such rows are no evidence."),
        "split": Key(Named(NAME, SHARE, least=1), "Shares of units per variant, adding up to 100%; a unit stays put."),
        "bandit": Key(BANDIT, "Variants whose shares follow what they earn; a unit stays put for an epoch."),
    },
    one_of=("to", "split", "bandit"),
    later={
        "cold_start": "use `split` or `to`",
    },
    forms="write `{name: everybody, split: {champion: 100%}}`",
)
