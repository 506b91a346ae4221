"""An experiment: a split between several variants that is judged, and that nothing moves."""

from seatrial.spec.grammar.release import PRIMARY
from seatrial.spec.grammar.words import COUNT, MARGIN, NAME, SOME_TIME
from seatrial.spec.shapes import Choice, Key, Named, Number, Record

EXPERIMENT = Record(
    "the experiment",
    {
        "in": Key(NAME, "The routing entry, a `split` of the default variant and others.", required=True),
        "primary": Key(PRIMARY, "What is asked of each of them.", required=True),
        "guardrails": Key(
            Named(NAME, MARGIN),
            "By how much `errors`, `error_rate`, `p50`, `p99` or a declared metric may be worse at most.",
            default="{}",
        ),
        "alpha": Key(Number(above=0, maximum=0.5), "Chance of a false verdict on any of them.", default="0.05"),
        "plan_units": Key(COUNT, "Number of units at which the sequences are tightest.", default="5000"),
        "after": Key(
            SOME_TIME,
            "Judged once, by the method `fixed`: of units first exposed within so long of the first, when they have "
            "matured. Without it, at any time.",
        ),
        "family": Key(
            Choice(("holm", "e-bh")),
            "How several challengers are one family: no false claim (`holm`), or few of the claims (`e-bh`).",
            default="holm",
        ),
    },
    forms="write `{in: everybody, primary: {metric: conversion, minimum_effect: {relative: 2%}}}`",
)
