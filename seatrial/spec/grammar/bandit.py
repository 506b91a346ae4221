"""A bandit: a routing entry whose weights follow what is earned."""

from seatrial.spec.grammar.words import COUNT, DURATION, FIELD, NAME, SHARE, SOME_SHARE, SOME_TIME
from seatrial.spec.shapes import Boolean, Choice, Key, Listed, Named, Number, Record, Text

CHOSEN_BY = Text(
    r"[A-Za-z][A-Za-z0-9_-]{0,63}|features\.[^\n]{1,200}", "name a key of `context`, or a feature as `features.<name>`"
)

REWARD = Record(
    "the reward",
    {
        "outcome": Key(NAME, "The declared outcome that is earned.", required=True),
        "within": Key(SOME_TIME, "The window after a unit's first row of an epoch in which it counts.", required=True),
        "value": Key(
            FIELD,
            "The numeric field that is summed; without it, the outcome's own value, or for `binary` without a `range` "
            "whether it came (1 or 0).",
        ),
        "kind": Key(
            Choice(("binary", "normal", "hurdle")),
            "`binary`: between the ends of `range`; `normal`: any number, from 50 rewards an arm on; `hurdle`: "
            "revenue, zero or a positive amount.",
            default="binary",
        ),
        "range": Key(
            Listed(Number(minimum=-1e15), least=2),
            "Lowest and highest reward of a unit in an epoch; others are cut to it and counted. `binary` with a "
            "`value` needs it, and so do UCB and `change_reset`.",
        ),
        "grace": Key(DURATION, "How much longer outcomes may take to arrive before a reward is matured.", default="1h"),
    },
    forms="write `{outcome: click, within: 30m}`",
)

BANDIT = Record(
    "a bandit",
    {
        "arms": Key(Listed(NAME, least=2), "The variants that it chooses among, at most 50.", required=True),
        "policy": Key(
            Choice(("thompson", "top-two", "ucb1", "ucb-tuned", "epsilon-greedy", "squarecb", "linear-thompson")),
            "How weights follow from rewards; `squarecb` and `linear-thompson` choose by `context`.",
            default="thompson",
        ),
        "context": Key(
            Listed(CHOSEN_BY, least=1),
            "For `squarecb` and `linear-thompson`: the context keys, and the features (`features.age`), by which they "
            "choose, at most 30.",
        ),
        "reward": Key(REWARD, "What is earned.", required=True),
        "floor": Key(SHARE, "The least share of every arm.", default="1%"),
        "every": Key(
            SOME_TIME, "Length of an epoch: weights change, and units are drawn anew, only then.", default="1h"
        ),
        "half_life": Key(COUNT, "So many newer rewards halve a reward's weight; without it, nothing is forgotten."),
        "start": Key(Choice(("even",)), "Weights before there is enough to learn from.", default="even"),
        "minimum_units": Key(COUNT, "Matured rewards of every arm before weights are not even.", default="1"),
        "prior": Key(
            Choice(("none", "experiment")),
            "`experiment`: rewards under an earlier `split` of this entry count too.",
            default="none",
        ),
        "change_reset": Key(Boolean(), "Forget what came before an arm's reward has clearly changed.", default="false"),
        "penalty": Key(
            Named(NAME, Number(minimum=-1e15)), "What an arm's reward is lessened by: its cost.", default="{}"
        ),
        "remove_failing": Key(
            SOME_SHARE,
            "An arm that surely fails more of an average unit's requests than that is taken out until the entry's arms "
            "change.",
        ),
        "epsilon": Key(SOME_SHARE, "For `epsilon-greedy`: the share that explores.", default="10%"),
        "sticky": Key(Choice(("epoch", "for-ever")), "How long a unit keeps its arm.", default="epoch"),
        "force": Key(Boolean(), "Floors may take more than half of the traffic.", default="false"),
    },
    forms="write `{arms: [champion, challenger], reward: {outcome: click, within: 30m}}`",
)
