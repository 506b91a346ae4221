"""Who shares a release's budget of taking back a version that is no worse."""

import pytest

from seatrial.experiments.rollback import ALPHA_ROLLBACK, alpha_of_rollback
from seatrial.spec.read import load_deployment

HEAD = """
deployment: shop
variants: {champion: {model: models:/m/1}, challenger: {model: models:/m/2}}
outcomes: {truth: {label: true}, sale: {}}
metrics: {bought: {kind: proportion, outcome: sale, within: 1d}}
"""
RELEASE = """
routing: [{{name: everyone, split: {{champion: 100%}}}}]
release:
  of: challenger
  into: everyone
  primary: {{metric: bought, minimum_effect: {{relative: 1%}}}}
  guardrails: {guardrails}
  stages: [{stages}]
"""
TWO = "{errors: {absolute: 0.5%}, p99: {relative: 20%}}"
SHADOW, TEST = "{shadow: {for: 1h}}", "{test: {share: 50%}}"


@pytest.mark.parametrize(
    ("task", "guardrails", "stages", "sequences"),
    [
        ("classification", "{}", TEST, 1),
        ("classification", TWO, TEST, 3),
        ("classification", TWO, f"{SHADOW}, {TEST}", 4),
        ("classification", "{}", SHADOW, 2),
        ("regression", TWO, f"{SHADOW}, {TEST}", 3),  # a shadow of numbers has no sequence
    ],
)
def test_every_sequence_that_may_take_a_version_back_has_its_part(
    task: str, guardrails: str, stages: str, sequences: int
) -> None:
    text = HEAD + f"task: {task}\n" + RELEASE.format(guardrails=guardrails, stages=stages)
    assert alpha_of_rollback(load_deployment(text)) == pytest.approx(ALPHA_ROLLBACK / sequences)


def test_a_shadow_to_which_no_label_comes_takes_no_part() -> None:
    text = HEAD.replace("truth: {label: true}, ", "") + RELEASE.format(guardrails="{}", stages=f"{SHADOW}, {TEST}")
    assert alpha_of_rollback(load_deployment(text)) == ALPHA_ROLLBACK
