"""Routing entries: who goes where."""

from seatrial.spec.grammar.bandit import BANDIT
from seatrial.spec.grammar.words import COUNT, NAME, SHARE
from seatrial.spec.shapes import Key, Listed, Named, Record, Text

UNIT_ID = Text(r"[^\n]{1,256}", 'write a unit as a text, a number in quotes: `"17"`')

COLD_START = Record(
    "a cold start",
    {
        "outcome": Key(NAME, "The declared outcome that is counted.", required=True),
        "fewer_than": Key(COUNT, "Units with fewer of them, ever, are cold.", required=True),
        "to": Key(NAME, "The variant that they go to.", required=True),
    },
    forms="write `{outcome: purchase, fewer_than: 5, to: popular}`",
)

ENTRY = Record(
    "a routing entry",
    {
        "name": Key(NAME, "Its name; rows of the ledger say which entry decided.", required=True),
        "when": Key(
            Text(r"[\s\S]{1,10000}", 'write a condition, at most 10000 characters: `context.country == "US"`'),
            'A rule that a request must meet: `context.country == "US" && features.tenure > 24`; else the next entry '
            "is tried. Without it, every request.",
        ),
        "units": Key(
            Listed(UNIT_ID, least=1),
            'With `to`: these units alone, at most 1000: `["anna", "17"]`. More belong in a file: `units_from`.',
        ),
        "units_from": Key(
            Text(r"[^\n\0]{1,1000}", "write the name of a file with a unit a line"),
            "With `to`: the units of this file alone, one a line; read when the file is applied. A relative one starts "
            "where the home directory lies.",
        ),
        "to": Key(NAME, "Every request goes to this variant; such rows are no evidence."),
        "split": Key(Named(NAME, SHARE, least=1), "Shares of units per variant, adding up to 100%; a unit stays put."),
        "bandit": Key(BANDIT, "Variants whose shares follow what they earn; a unit stays put for an epoch."),
        "cold_start": Key(COLD_START, "Units of whom too little is known go to a variant; such rows are no evidence."),
    },
    one_of=("to", "split", "bandit", "cold_start"),
    forms="write `{name: everybody, split: {champion: 100%}}`",
)
