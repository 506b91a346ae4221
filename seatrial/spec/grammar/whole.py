"""The deployment file as a whole."""

from seatrial.spec.grammar.experiment import EXPERIMENT
from seatrial.spec.grammar.fallback import FallbackAnswer
from seatrial.spec.grammar.measures import METRIC, OUTCOME
from seatrial.spec.grammar.monitors import MONITORS
from seatrial.spec.grammar.people import CONTEXT, UNIT
from seatrial.spec.grammar.release import RELEASE
from seatrial.spec.grammar.routing import ENTRY
from seatrial.spec.grammar.variants import TRANSFORM, VARIANT
from seatrial.spec.grammar.watching import ACTION, ALERT, ALERTING, LOG
from seatrial.spec.grammar.words import DURATION, NAME
from seatrial.spec.shapes import Boolean, Choice, Key, Listed, Named, Record, Shape

TASK: Shape = Choice(("classification", "regression", "ranking", "raw"))

DEPLOYMENT = Record(
    "a deployment file",
    {
        "deployment": Key(NAME, "The endpoint's name.", required=True),
        "task": Key(TASK, "The shape of answers; without it, what the champion's version says."),
        "unit": Key(UNIT, "Who is randomised.", default="{name: unit}"),
        "context": Key(CONTEXT, "Typed values beside the features; `optional string` may be missing.", default="{}"),
        "variants": Key(
            Named(NAME, VARIANT, least=1), "The model versions of this deployment, by name.", required=True
        ),
        "transform": Key(
            TRANSFORM, "Runs once a request, before the variants, and feeds all of them, shadows included."
        ),
        "default": Key(NAME, "The variant that answers when another fails.", default="champion"),
        "fallback": Key(FallbackAnswer(), "The answer when the default fails too; without it, 503."),
        "strict_features": Key(Boolean(), "Refuse features that the model does not know.", default="false"),
        "routing": Key(
            Listed(ENTRY, least=1),
            "Entries in order; the first match decides.",
            default="[{name: everybody, split: {champion: 100%}}]",
        ),
        "outcomes": Key(Named(NAME, OUTCOME), "What happens to units afterwards.", default="{}"),
        "metrics": Key(Named(NAME, METRIC), "What is measured from outcomes.", default="{}"),
        "release": Key(RELEASE, "A challenger's way to command."),
        "experiment": Key(EXPERIMENT, "A split between several variants that is judged and never moved."),
        "monitors": Key(MONITORS, "What is watched.", default="{data: {window: 1h}}"),
        "log": Key(LOG, "What of a row is written, and for how long.", default="{features: all}"),
        "alerts": Key(Listed(ALERT), "Who is told.", default="[]"),
        "alerting": Key(ALERTING, "When an alert is told, and when it waits.", default="{cool_down: 6h}"),
        "actions": Key(Listed(ACTION), "What is done when something happens.", default="[]"),
        "rollback_window": Key(DURATION, "How long a replaced champion stays loaded.", default="24h"),
        "alias_moved": Key(
            Choice(("propose", "follow")),
            "An alias moved by somebody else is shown (`propose`) or served (`follow`).",
            default="propose",
        ),
    },
    forms="write at least `deployment: name` and `variants: {champion: {model: ...}}`",
)
