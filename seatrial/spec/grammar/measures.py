"""What happens to units afterwards, and what is measured of it."""

from typing import get_args

from seatrial.spec.deployment import MetricKind
from seatrial.spec.grammar.words import COUNT, COVARIATE, DURATION, FIELD, LABEL, NAME, SOME_SHARE, SOME_TIME, TERMS
from seatrial.spec.shapes import Boolean, Choice, Key, Listed, Named, Number, OneOrMore, Record, Text

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

METRIC_KINDS: tuple[str, ...] = get_args(MetricKind)

LATER_KINDS = {
    "median": "write `kind: quantile` with `quantile: 50%`",
    "count": "use `mean` of an outcome without a value",
    "average_precision": "use `auc`",
}

METRIC = Record(
    "a metric",
    {
        "kind": Key(
            Choice(METRIC_KINDS, LATER_KINDS),
            "`mean` of the totals by unit, `value` of them less costs, `proportion` of units with the outcome, `ratio` "
            "of two sums, `quantile` of one value a unit, or one of answers against labels or of lists: see below.",
            required=True,
        ),
        "outcome": Key(NAME, "The declared outcome that it counts; every kind but `value` and `coverage` needs one."),
        "value": Key(FIELD, "The field to read, where the outcome has fields; without it, the plain value."),
        "of": Key(TERMS, "For `value`: a sum of outcomes or their fields, `purchase.amount - 0.3 * returned.amount`."),
        "cost": Key(
            Named(NAME, Number(minimum=0), least=1),
            "For `value`: what one request costs, by variant; 0 for the others.",
        ),
        "numerator": Key(FIELD, "For `ratio`: the numeric field above the line."),
        "denominator": Key(FIELD, "For `ratio`: the numeric field below the line."),
        "within": Key(SOME_TIME, "The window after a unit's first exposure in which its outcomes count; needed."),
        "grace": Key(DURATION, "How much longer outcomes may take to arrive before a unit is matured.", default="1h"),
        "want": Key(
            Choice(("higher", "lower")), "Which direction is good; a metric of answers knows it.", default="higher"
        ),
        "cap": Key(Number(above=0), "For `mean`: the largest total that one unit counts with."),
        "cap_at": Key(
            SOME_SHARE,
            "For `mean`, instead of `cap`: the cap is this quantile of units' totals before the release, like `99.9%`, "
            "or of its own first 1 000 units where fewer came before; fixed before the first look.",
        ),
        "range": Key(
            Listed(Number(minimum=-1e15), least=2),
            "For `mean`: `[0, 5]`, the least and the largest total that one unit counts with. At every look it is then "
            "judged by betting, which is exact from the first unit on.",
        ),
        "quantile": Key(
            SOME_SHARE, "For `quantile`: which, like `90%`; of each unit's first outcome in the window, 0 without one."
        ),
        "compare": Key(
            Choice(("means", "ranks")),
            "For `mean`: `ranks` compares by Mann-Whitney and the Hodges-Lehmann shift, for one look (method `fixed`).",
            default="means",
        ),
        "positive": Key(
            LABEL,
            "For `precision`, `recall`, `f1` and metrics of scores: the label that they are about, the one that "
            "`score` is the chance of. Without it `1`, which is `true` as well.",
        ),
        "k": Key(COUNT, "For metrics of lists: the places that count. Without it 10."),
        "catalogue": Key(COUNT, "For `coverage`: how many items there are, shown or not."),
        "credit": Key(
            Choice(("request", "item")),
            "For those: an item counts for the list of the `request` that its outcome names (without it), or for the "
            "unit's last list that showed the `item`.",
        ),
        "covariate": Key(
            OneOrMore(COVARIATE),
            "For `mean`, `proportion` and `ratio`: what the difference is adjusted for, `context.<key>` of a unit's "
            "first exposing request, or `prediction`, the champion's last one before it; several as a list.",
        ),
    },
    later={
        "cluster": "it belongs to the unit: write `unit: {cluster: context.shop}`",
        "trigger": "it belongs to the release: write `release: {trigger: differs}`",
    },
)
