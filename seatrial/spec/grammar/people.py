"""Who a request is for: the unit, and the context beside the features."""

from seatrial.spec.grammar.words import CONTEXT_KEY, FIELD, NAME
from seatrial.spec.shapes import Choice, Key, Named, Record, Text

UNIT = Record(
    "the unit",
    {
        "name": Key(NAME, "What is randomised; outcomes are joined on the same name.", default="unit"),
        "from": Key(
            Text(r"context\.[A-Za-z_][A-Za-z0-9_]{0,63}", "write `context.<name>` with a declared context key"),
            "The context key that carries the unit. A request's own `unit` wins; with neither, the unit is random "
            "and never evidence.",
        ),
        "cluster": Key(
            CONTEXT_KEY,
            "A context key above the unit, like `context.shop`: units are drawn, and metrics are compared with errors "
            "summed by its values.",
        ),
    },
    forms="write `{name: customer}` (`unit: request`, each request its own unit, is not built yet)",
)

CONTEXT_KINDS = ("string", "number", "integer", "boolean")
CONTEXT = Named(FIELD, Choice((*CONTEXT_KINDS, *(f"optional {kind}" for kind in CONTEXT_KINDS))))
