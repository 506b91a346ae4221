"""What ``judge --json`` prints, as JSON Schema (draft 2020-12), made from the values that are printed."""

import re
from inspect import cleandoc
from typing import Any

import msgspec

from seatrial.analysis.verdicts import Analysis
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.segments import MetricSegments
from seatrial.experiments.several import ChallengerSegments, Several
from seatrial.stats.same_arms import SameArms


class SegmentedJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """A release judged with ``--segment``.

    Attributes:
        judgement: Of all units.
        segments: Of each metric, by each key that was asked for.
    """

    judgement: Judgement
    segments: tuple[MetricSegments, ...]


class SegmentedExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment of several challengers judged with ``--segment``.

    Attributes:
        experiment: Of all units.
        segments: By challenger.
    """

    experiment: Several
    segments: tuple[ChallengerSegments, ...]


_ASKED: dict[str, Any] = {
    "release": Judgement,
    "release_by_segment": SegmentedJudgement,
    "experiment": Several,
    "experiment_by_segment": SegmentedExperiment,
    "files": Analysis,
    "same_arms": tuple[SameArms, ...],
}
"""A release, or an experiment; each with ``--segment``; ``--data``; ``--aa``."""


def judge_schema() -> dict[str, Any]:
    """The schema. A later version may add keys; none that is required goes away without a note in the changelog."""
    kinds, components = msgspec.json.schema_components(_ASKED.values(), ref_template="#/$defs/{name}")
    for component in components.values():
        _describe(component)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Seatrial judgement",
        "anyOf": list(kinds),
        "$defs": components,
    }


_ATTRIBUTE = re.compile(r"^ {4}([a-z_]+(?:, [a-z_]+)*): ", re.MULTILINE)


def _describe(component: dict[str, Any]) -> None:
    """What a docstring says of each attribute becomes the description of its key."""
    whole, _, attributes = cleandoc(component.get("description", "")).partition("\nAttributes:\n")
    component["description"] = " ".join(whole.split())
    _, *found = _ATTRIBUTE.split(attributes)
    for names, said in zip(found[::2], found[1::2], strict=True):
        for name in names.split(", "):
            component["properties"].get(name, {})["description"] = " ".join(said.split())
