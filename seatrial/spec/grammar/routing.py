"""Routing entries: who goes where."""

from seatrial.spec.grammar.words import NAME, SHARE
from seatrial.spec.shapes import Key, Named, Record

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
