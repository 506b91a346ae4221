"""The commented deployment file that ``seatrial init`` writes: valid as it is, and with every comment taken in."""

import re

from seatrial.spec.errors import BadInput
from seatrial.spec.grammar.words import NAME
from seatrial.spec.signature import Task
from seatrial.spec.units import show

_HEAD = """\
# A Seatrial deployment: one endpoint, its model versions, and how the next one takes command.
# Lines that start with `# ` explain; lines that start with `#` alone are settings to take in by removing the `#`.
# Check this file with `seatrial check {name}.yaml`, put it into force with `seatrial apply {name}.yaml`.

deployment: {name}
{task_line}

# Who is randomised. A request's own `unit` wins; outcomes are joined on the same unit.
unit: {{name: customer}}

variants:
  champion: {{model: "models:/{model}@champion", timeout: 1s}}
#  challenger: {{model: "models:/{model}/2"}}

# Entries in order; a unit stays with its variant while the weights stay.
routing:
  - {{name: everybody, split: {{champion: 100%}}}}

# The answer when every variant fails; without it, 503.
#fallback: {{prediction: {fallback}}}

# What happens to a unit afterwards: send it to POST /v1/outcomes.
outcomes:
  {label}: {{label: true}}
#  purchase: {{fields: {{amount: number, items: integer}}}}
"""

_METRICS = """\

# What is measured; `errors`, `p50`, `p99` and `throughput` are always there.
{metrics_key}
{accuracy}
#  conversion: {{kind: proportion, outcome: purchase, within: 7d}}
#  revenue: {{kind: mean, outcome: purchase, value: amount, within: 7d}}

# The challenger's way to command: first beside the champion, then with a share of the units.
#release:
#  of: challenger
#  into: everybody
#  stages:
#    - shadow: {{share: 100%, for: 1d}}
#    - test: {{share: 50%, at_least: 7d, at_most: 28d}}
#  primary: {{metric: {primary}, minimum_effect: {{{minimum}}}}}
#  guardrails: {{errors: {{absolute: 0.1%}}, p99: {{relative: 10%}}}}
# `ask` waits for `seatrial promote`; `promote` does it when the verdict is `ship`.
#  then: ask
"""

_TAIL = """\

# What is watched: drift of features and predictions{performance_words}.
monitors:
  data: {{window: 1h}}
{performance}
# What of a row is written; texts only as digests unless a feature is named.
log: {{features: all, sample: 100%, keep: 90d}}

# Who is told.
#alerts:
#  - {{to: "json://127.0.0.1:9000/hook", events: [rollback, guardrail, data.major]}}
"""


def render(name: str, task: Task | None = None, model: str | None = None) -> str:
    """A deployment file for a model's alias ``champion``.

    Args:
        name: The deployment's name.
        task: The model's task; None leaves it to the registered version.
        model: The registered model's name; None: the deployment's.

    Raises:
        BadInput: ``name`` is not allowed as a name.
    """
    if re.fullmatch(NAME.pattern, name) is None:
        raise BadInput(f"{show(name)} is not allowed as the name of a deployment: {NAME.forms}")
    classifies = task in (None, "classification")
    parts = {
        "name": name,
        "model": model or name,
        "task_line": f"task: {task}" if task else "#task: classification",
        "fallback": {"regression": "0.0", "ranking": "[]"}.get(str(task), "0"),
        "label": "label" if classifies else "truth",
        "metrics_key": "metrics:" if classifies else "#metrics:",
        "accuracy": "  accuracy: {kind: accuracy, outcome: label, within: 1d}" if classifies else "",
        "primary": "accuracy" if classifies else "conversion",
        "minimum": "absolute: 0.5%" if classifies else "relative: 2%",
        "performance_words": ", and accuracy on matured labels" if classifies else "",
        "performance": "  performance: {metric: accuracy, window: 1d}\n" if classifies else "",
    }
    text = (_HEAD + _METRICS + _TAIL).format(**parts)
    return re.sub(r"\n\n\n+", "\n\n", text.replace("#metrics:\n\n", "#metrics:\n"))
