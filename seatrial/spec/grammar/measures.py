"""What happens to units afterwards, and what is measured of it."""

from seatrial.spec.grammar.words import DURATION, FIELD, NAME, SOME_TIME
from seatrial.spec.shapes import Boolean, Choice, Key, Named, Number, Record, Text

FIELD_KINDS = ("number", "integer", "string", "boolean")

SOURCE = Record(
    "the source of an outcome",
    {
        "sql": Key(
            Text(r"(?s:.{0,20000}):since\b(?s:.{0,20000})", "write a query in which `:since` stands for a time"),
            "What is asked: rows later than `:since`, whose columns are called after what an outcome carries.",
            required=True,
        ),
        "url_env": Key(
            Text("[A-Za-z_][A-Za-z0-9_]{0,99}", "name the environment variable that holds the database's URL"),
            "The environment variable that holds the database's URL, as SQLAlchemy writes it.",
            required=True,
        ),
        "every": Key(SOME_TIME, "How often it is asked.", default="1h"),
    },
)

OUTCOME = Record(
    "an outcome",
    {
        "label": Key(Boolean(), "Its value is the truth that the model predicts.", default="false"),
        "fields": Key(
            Named(FIELD, Choice(FIELD_KINDS), least=1), "Named values it carries; without it, one plain value."
        ),
        "source": Key(SOURCE, "A database that is asked for it; without it, it is sent."),
    },
    forms="write `{}` for an outcome with a plain value, `{label: true}`, or `{fields: {amount: number}}`",
)

METRIC_KINDS = ("mean", "proportion", "ratio", "accuracy")

LATER_KINDS = (
    "auc quantile median count calibration brier log_loss f1 precision recall mae rmse ndcg mrr average_precision"
)

METRIC = Record(
    "a metric",
    {
        "kind": Key(
            Choice(METRIC_KINDS, dict.fromkeys(LATER_KINDS.split(), "use mean, proportion, ratio or accuracy")),
            "`mean` of the totals by unit, `proportion` of units with the outcome, `ratio` of two sums, or `accuracy`.",
            required=True,
        ),
        "outcome": Key(NAME, "The declared outcome that it counts; every kind needs one."),
        "value": Key(FIELD, "The field to read, where the outcome has fields; without it, the plain value."),
        "numerator": Key(FIELD, "For `ratio`: the numeric field above the line."),
        "denominator": Key(FIELD, "For `ratio`: the numeric field below the line."),
        "within": Key(SOME_TIME, "The window after a unit's first exposure in which its outcomes count; needed."),
        "grace": Key(DURATION, "How much longer outcomes may take to arrive before a unit is matured.", default="1h"),
        "want": Key(Choice(("higher", "lower")), "Which direction is good.", default="higher"),
        "cap": Key(Number(above=0), "For `mean`: the largest total that one unit counts with."),
    },
    later={
        "covariate": "remove it; the estimate is unadjusted",
        "cluster": "remove it; units are the clusters",
        "trigger": "remove it; every exposed unit counts",
    },
)
