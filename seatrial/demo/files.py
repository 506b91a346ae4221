"""The deployment files of the demo: what a user would write, with seconds where a real one says days."""

_HEAD = """\
# The mail room: who reads the digits on letters?
deployment: mailroom
task: classification
unit: {name: sender}                       # a sender stays with one reader while the weights stay
"""

_OUTCOMES = """\
outcomes:
  true_digit: {label: true}                # what the digit really was, known some seconds later
metrics:
  accuracy: {kind: accuracy, outcome: true_digit, within: 6s, grace: 1s, want: higher}
monitors:
  data: {window: 5s}
  performance: {metric: accuracy, window: 10s}
"""

CHAMPION_ALONE = (
    _HEAD
    + """\
variants:
  champion: {model: "models:/digits@champion"}
"""
    + _OUTCOMES
)

FAIR_CONTEST = (
    _HEAD
    + """\
variants:
  champion: {model: "models:/digits@champion"}
  challenger: {model: "models:/digits/2"}
"""
    + _OUTCOMES
    + """\
release:
  of: challenger
  into: everybody
  stages:
    - shadow: {share: 100%, for: 12s}      # beside the champion, unseen by anybody
    - test: {share: 50%, at_least: 12s, at_most: 10m}
  primary: {metric: accuracy, minimum_effect: {absolute: 1%}}
  guardrails: {errors: {absolute: 2%}}
  then: promote
"""
)

BAD_VERSION = (
    _HEAD
    + """\
variants:
  champion: {model: "models:/digits@champion"}
  challenger: {model: "models:/digits/3"}  # learned from mislabelled digits
"""
    + _OUTCOMES
    + """\
release:
  of: challenger
  into: everybody
  stages:
    - test: {share: 50%, at_least: 12s, at_most: 10m}
  primary: {metric: accuracy, minimum_effect: {absolute: 1%}}
  guardrails: {errors: {absolute: 2%}}
  then: promote
"""
)
