"""A challenger's way to command."""

from typing import get_args

from seatrial.spec.deployment import FamilyWord, MethodName, SpendingForm
from seatrial.spec.grammar.climbing import CALENDAR, CANARY, CHALLENGE, HOLDOUT
from seatrial.spec.grammar.words import CONTEXT_KEY, COUNT, DURATION, MARGIN, NAME, SOME_SHARE, SOME_TIME
from seatrial.spec.shapes import Choice, Key, Listed, Named, Number, Record

SHADOW = Record(
    "a shadow stage",
    {
        "share": Key(
            SOME_SHARE, "Share of requests that are copied to the challenger after the answer.", default="100%"
        ),
        "for": Key(SOME_TIME, "At least this long; without it, until `minimum_pairs`."),
        "minimum_pairs": Key(COUNT, "Pairs of answers before the stage may end.", default="100"),
    },
)

TEST = Record(
    "a test stage",
    {
        "share": Key(SOME_SHARE, "The challenger's share of the entry, at most 95%.", default="50%"),
        "at_least": Key(DURATION, "No promotion earlier than this.", default="0s"),
        "at_most": Key(SOME_TIME, "After this the stage ends as inconclusive; without it, it waits."),
    },
)

STAGE = Record(
    "a stage",
    {
        "shadow": Key(SHADOW, "The challenger answers copies of requests; nobody sees its answers."),
        "canary": Key(CANARY, "A small and rising share of units gets the challenger's answers."),
        "test": Key(TEST, "A sticky share of units gets the challenger's answers."),
    },
    one_of=("shadow", "canary", "test"),
    forms="write `- shadow: {}`, `- canary: {steps: [1%, 5%]}` or `- test: {share: 50%}`",
)

PRIMARY = Record(
    "the primary metric",
    {
        "metric": Key(NAME, "The declared metric that decides.", required=True),
        "minimum_effect": Key(MARGIN, "The smallest difference that you care about.", required=True),
    },
    forms="write `{metric: conversion, minimum_effect: {relative: 2%}}`",
)

PRIOR = Record(
    "a prior",
    {
        "mean": Key(Number(minimum=-1e15), "Its mean, in the metric's unit.", default="0"),
        "sd": Key(Number(above=0), "Its standard deviation, in the metric's unit.", required=True),
    },
    forms="write `{sd: 0.02}`, or `{mean: 0.01, sd: 0.02}`",
)

METHOD = Record(
    "the method",
    {
        "name": Key(
            Choice(get_args(MethodName)),
            "When the primary metric may be judged: at any time, once (`fixed`), at a few planned looks, or by a "
            "posterior (`bayes`), which does not hold `alpha`.",
            default="always-valid",
        ),
        "alpha": Key(Number(above=0, maximum=0.5), "Chance of a false verdict, a plain number.", default="0.05"),
        "plan_units": Key(COUNT, "Number of units at which the sequence is tightest.", default="5000"),
        "family": Key(
            Choice(get_args(FamilyWord)),
            "How metrics that do not decide are one family: no false claim (`holm`), or few of the claims (`e-bh`).",
            default="holm",
        ),
        "after": Key(SOME_TIME, "Of `fixed`: units first exposed within so long of the first are counted."),
        "units": Key(COUNT, "Of `fixed` and `group-sequential`: matured units of both arms at the end."),
        "looks": Key(
            Number(minimum=2, maximum=20, whole=True),
            "Of `group-sequential`: how many, at equal parts of `units`. Without it 5.",
        ),
        "spending": Key(
            Choice(get_args(SpendingForm)),
            "Of `group-sequential`: nearly all of `alpha` at the end (`obrien-fleming`, without it), or evenly.",
        ),
        "prior": Key(PRIOR, "Of `bayes`: on the difference; without it, a flat one."),
    },
    forms="write `{name: always-valid, alpha: 0.05}`",
)

RELEASE = Record(
    "the release",
    {
        "of": Key(NAME, "The challenger: a declared variant without a weight of its own.", required=True),
        "into": Key(NAME, "The routing entry, a `split`, whose weights the release moves.", required=True),
        "stages": Key(Listed(STAGE, least=1), "Some of `shadow`, `canary` and `test`, in this order.", required=True),
        "primary": Key(PRIMARY, "What decides.", required=True),
        "method": Key(METHOD, "How it is judged.", default="{name: always-valid, alpha: 0.05, plan_units: 5000}"),
        "guardrails": Key(
            Named(NAME, MARGIN),
            "By how much `errors`, `error_rate`, `p50`, `p99` or a declared metric may be worse at most.",
            default="{}",
        ),
        "segments": Key(
            Listed(CONTEXT_KEY, least=1),
            "Every `judge` shows the primary and the guardrails by these too: `[context.country]`. They never decide.",
        ),
        "trigger": Key(
            Choice(("differs",)),
            "Compare only units to which both versions answer differently: in `canary` and `test` each answers the "
            "other's requests in shadow. Guardrails keep all units.",
        ),
        "then": Key(Choice(("ask", "promote", "nothing")), "What happens when the verdict is `ship`.", default="ask"),
        "at_most": Key(SOME_TIME, "The whole release ends as inconclusive after this; without it, only a test ends."),
        "if_inconclusive": Key(
            Choice(("keep-champion", "roll-back")),
            "At the end without `ship`; `roll-back` also takes the version out, refused until `--retry`.",
            default="keep-champion",
        ),
        "calendar": Key(CALENDAR, "When it may begin, advance and take command; going back needs no calendar."),
        "require": Key(
            Choice(("off-policy",)),
            "It begins only when what a bandit in this entry logged before shows that it is no worse; else at once.",
        ),
        "challenge": Key(CHALLENGE, "The newest registered version challenges by itself, again and again."),
        "holdout": Key(HOLDOUT, "Units that stay on the version before, when this one took command."),
    },
)
