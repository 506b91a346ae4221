"""Words that many parts of the deployment file are written in: names, shares, durations, amounts, margins."""

from seatrial.spec import units
from seatrial.spec.shapes import Key, Number, Parsed, Record, Text, Unit, anchored
from seatrial.spec.value_terms import terms_of

NAME = Text("[A-Za-z][A-Za-z0-9_-]{0,63}", "a name starts with a letter, then letters, digits, `-` and `_`, at most 64")
FIELD = Text("[A-Za-z_][A-Za-z0-9_]{0,63}", "it starts with a letter or `_`, then letters, digits and `_`, at most 64")
TERMS = Parsed(lambda value: (terms_of(value), value)[1], {"type": "string", "minLength": 1, "maxLength": 1000})
COVARIATE = Text(
    r"context\.[A-Za-z_][A-Za-z0-9_]{0,63}|prediction",
    "write `context.<key>` for a number that requests carry, or `prediction` for what the champion said before",
)
CONTEXT_KEY = Text(r"context\.[A-Za-z_][A-Za-z0-9_]{0,63}", "write `context.<key>` for a value that requests carry")
LABEL = Parsed(
    units.parse_label,
    {"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 200},
)
FEATURE = Text(r"[^\n]{1,200}", "the name of a feature, at most 200 characters")

MODEL = Text(
    r"models:/[A-Za-z0-9][A-Za-z0-9._-]{0,199}(@[A-Za-z][A-Za-z0-9_-]{0,63}|/[1-9][0-9]{0,8}|/latest)",
    "write `models:/name@alias` or `models:/name/7`",
)

SHARE = Unit(units.parse_share, units.SHARE_PATTERN)
SOME_SHARE = Unit(units.parse_share, units.SHARE_PATTERN, zero=False)
DURATION = Unit(units.parse_duration, units.DURATION_PATTERN)
SOME_TIME = Unit(units.parse_duration, units.DURATION_PATTERN, zero=False)
PERCENT = Unit(units.parse_percent, units.PERCENT_PATTERN)
WINDOW = Parsed(
    units.parse_window,
    {
        "type": "string",
        "pattern": anchored(rf"(?:{units.ROWS_PATTERN}|(?![0.]+[a-z]){units.DURATION_PATTERN})"),
    },
)
COUNT = Number(minimum=1, maximum=1e9, whole=True)
MEMORY = Parsed(units.parse_bytes, {"type": "string", "pattern": anchored(units.BYTES_PATTERN)})

AMOUNT = Parsed(
    units.parse_amount,
    {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1e15},
            {"type": "string", "pattern": rf"^(?:{units.PERCENT_PATTERN}|{units.DURATION_PATTERN})$(?!\n)"},
        ]
    },
)

MARGIN = Record(
    "a margin",
    {
        "relative": Key(PERCENT, "A share of the champion's mean, like `2%`."),
        "absolute": Key(AMOUNT, "An amount in the metric's unit: `0.1%`, `5ms` or `0.50`."),
    },
    one_of=("relative", "absolute"),
    forms=units.MARGIN_FORMS,
)
