"""Playing a bandit on the past, where there is none."""

from pathlib import Path

import pytest

from seatrial.control.replaying import replayed
from seatrial.spec.errors import BadInput
from seatrial.spec.read import load_deployment
from tests.harbour import Harbour

FILE = """deployment: churn
variants: {champion: {model: "models:/churn/1"}, challenger: {model: "models:/churn/2"}}
context: {country: optional string, age: optional number}
outcomes: {click: {}}
routing:
  - name: everybody
    bandit:
      arms: [champion, challenger]
      policy: squarecb
      context: [country, age]
      reward: {outcome: click, within: 1m}
      floor: 5%
"""


def test_a_bandit_by_context_without_a_past_is_told_what_it_needs(tmp_path: Path) -> None:
    harbour, spec = Harbour(tmp_path), load_deployment(FILE)
    (entry,) = spec.routing
    assert entry.bandit is not None
    with pytest.raises(BadInput, match="'everybody' cannot be played again: "):
        replayed(harbour.site, spec, entry, entry.bandit)
    harbour.close()
